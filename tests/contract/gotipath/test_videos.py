"""Manage Videos: what is answered, and what can be watched afterwards."""

import asyncio
import re
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from tests.contract.gotipath.client import Gotipath
from tests.contract.gotipath.test_players import config_of
from tests.support.media import FFMPEG, Media
from tests.support.waiting import until

DATE_A = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00"
DATE_B = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
DATE_C = r"\d\d-[A-Z][a-z]{2}-\d{4}"
ZERO = "0001-01-01T00:00:00Z"


async def test_create_answers_the_raw_record(gotipath: Gotipath) -> None:
    answer = await gotipath.call("POST", "videos", json={"name": "Harbour at dawn", "collection_id": ""})
    assert answer.status_code == 200
    body = answer.json()
    assert body["message"] == "Videos create."
    video = body["result"]
    for name, pattern in {"created_at": DATE_A, "updated_at": DATE_A}.items():
        assert re.fullmatch(pattern, video.pop(name))
    assert len(video.pop("id")) == 36
    assert video == {
        "customer_id": "",
        "library_id": gotipath.library,
        "collection_id": "",
        "name": "Harbour at dawn",
        "raw_path": "",
        "raw_file_name": "",
        "views": 0,
        "length": 0,
        "status": "pending",
        "framerate": 0,
        "width": 0,
        "height": 0,
        "thumbnail_path": "",
        "thumbnail_count": "",
        "thumbnail_paths": None,
        "captions": None,
        "chapters": None,
        "tags": None,
        "meta_data": None,
        "moments": None,
        "uploaded_at": ZERO,
        "UploadType": "",
        "UploadThrow": "",
        "transcoding_progress": 0,
        "TotalWatchTime": 0,
    }


@pytest.mark.operation("gotipath.create_video")
@pytest.mark.operation("gotipath.get_video")
@pytest.mark.operation("gotipath.multipart_create")
@pytest.mark.operation("gotipath.multipart_presign")
@pytest.mark.operation("gotipath.multipart_sign_part_upload")
@pytest.mark.operation("gotipath.multipart_complete")
async def test_an_uploaded_video_plays(gotipath: Gotipath, media: Media) -> None:
    clip = media.clip("h264")
    video = await gotipath.published(clip, "Harbour", whole=True)
    detail = await gotipath.ok("GET", f"videos/{video}")
    assert (detail["status"], detail["transcoding_progress"]) == ("playable", 100)
    assert (detail["width"], detail["height"], detail["framerate"]) == (320, 180, 30)
    assert (detail["length"], detail["formatted_duration"]) == (6, "00:06")
    assert detail["raw_size"] == clip.stat().st_size
    assert re.fullmatch(r"[\d.]+ kB", detail["size"])
    assert detail["upload_type"] == "api"
    assert re.fullmatch(DATE_B, detail["uploaded_at"])
    assert b"moof" in await gotipath.first_segment(detail["manifest_url"])
    page = await gotipath.text(detail["direct_play_url"])
    assert "<title>Harbour</title>" in page


async def test_details_name_every_rendition(gotipath: Gotipath, media: Media) -> None:
    video = await gotipath.published(media.clip("h264"), whole=True)
    detail = await gotipath.ok("GET", f"videos/{video}")
    (hls,) = detail["outputs"]
    assert (hls["protocol"], hls["manifest"]) == ("hls", detail["manifest_url"])
    assert hls["playlist"]
    for entry in hls["playlist"]:
        assert re.fullmatch(r"\d+p", entry["preset"])
        assert (await gotipath.text(entry["uri"])).startswith("#EXTM3U")

    async def pictures() -> bool:
        urls = (detail["thumbnail_url"], detail["preview_animation_thumbnail_url"])
        answers = [await gotipath.http.get(url) for url in urls]
        return all(a.status_code == 200 and a.headers["content-type"].startswith("image/") for a in answers)

    await until(pictures, timeout_s=30, what="thumbnail and preview")


async def test_a_file_that_is_no_video_fails_in_words(gotipath: Gotipath, media: Media) -> None:
    video = await gotipath.create()
    assert (await gotipath.ok("GET", f"videos/{video}"))["error_message"] == ""
    assert (await gotipath.upload(video, media.clip("text.mp4"))).status_code == 200

    async def failed() -> bool:
        return bool((await gotipath.ok("GET", f"videos/{video}"))["status"] == "failed")

    await until(failed, timeout_s=30)
    detail = await gotipath.ok("GET", f"videos/{video}")
    assert detail["error_message"] == "the file is no video or audio format that can be read here"


@pytest.mark.operation("gotipath.list_videos")
async def test_lists_show_what_another_api_made(gotipath: Gotipath, stranger: Gotipath, media: Media) -> None:
    await stranger.create("not mine")
    first = await gotipath.create("first")
    assert (await gotipath.upload(first, media.clip("h264"))).status_code == 200
    vod, key = f"{gotipath.server.url}/videokit/vod/v1", {"x-api-key": gotipath.key}
    (file,) = (await gotipath.http.get(f"{vod}/files", headers=key)).json()["items"]
    body = {"preset": "hls", "title": "second", "transcodedSources": [{"fileId": file["id"]}]}
    second = await gotipath.http.post(f"{vod}/assets", headers=key, json=body)
    assert second.status_code == 200, second.text
    third = await gotipath.create("third")
    found = await gotipath.ok("GET", "videos")
    assert [item["id"] for item in found] == [third, second.json()["id"], first]
    assert [item["name"] for item in found] == ["third", "second", "first"]
    item = found[0]
    assert (item["formatted_duration"], item["status"]) == ("0s", "pending")
    assert re.fullmatch(DATE_C, item["created_at"])
    assert (item["captions"], item["chapters"], item["moments"], item["thumbnail_paths"]) == (
        [],
        [],
        {},
        None,
    )
    assert item["uploaded_at"] == "01-Jan-0001"
    assert found[2]["uploaded_at"] == item["created_at"]


@pytest.mark.operation("gotipath.get_video")
async def test_a_video_that_is_one_file_plays_and_names_no_manifest(gotipath: Gotipath, media: Media) -> None:
    first = await gotipath.create("first")
    assert (await gotipath.upload(first, media.clip("h264"))).status_code == 200
    vod, key = f"{gotipath.server.url}/videokit/vod/v1", {"x-api-key": gotipath.key}
    (file,) = (await gotipath.http.get(f"{vod}/files", headers=key)).json()["items"]
    body = {"preset": "mp4_720p", "title": "a file", "transcodedSources": [{"fileId": file["id"]}]}
    video = (await gotipath.http.post(f"{vod}/assets", headers=key, json=body)).json()["id"]
    assert (await gotipath.ok("GET", f"videos/{video}"))["manifest_url"] == ""
    detail = await gotipath.until_playable(video)
    assert detail["manifest_url"] == ""
    (output,) = detail["outputs"]
    (entry,) = output["playlist"]
    assert (output["protocol"], entry["preset"]) == ("mp4", "mp4_720p")
    assert "manifest" not in output
    config = await config_of(gotipath, detail["direct_play_url"])
    assert config["sources"] == {"hls": None, "dash": None, "mp4": entry["uri"]}
    head = await gotipath.http.get(entry["uri"], headers={"range": "bytes=4-7"})
    assert (head.status_code, head.content) == (206, b"ftyp")
    listed = next(item for item in await gotipath.ok("GET", "videos") if item["id"] == video)
    assert (listed["manifest_url"], listed["direct_play_url"]) == ("", detail["direct_play_url"])


async def test_refusals_name_fields_as_the_caller_does(gotipath: Gotipath) -> None:
    video = await gotipath.create()
    for body, field in (
        ({"meta_data": {"k": "v" * 70_000}}, "meta_data"),
        ({"name": "a\0b"}, "name"),
        ({"tags": ["x" * 300]}, "tags"),
    ):
        refused = await gotipath.refused(400, "PUT", f"videos/{video}", json=body)
        assert [e["field"] for e in refused["errors"]] == [field]
        assert refused["message"].startswith(field)


async def test_views_chapters_and_captions_are_shown_wherever_they_came_from(
    gotipath: Gotipath, media: Media, tmp_path: Path
) -> None:
    """Views are what players report; chapters come from another API, captions out of the file."""
    words, film = tmp_path / "words.srt", tmp_path / "film.mp4"
    words.write_text("1\n00:00:00,000 --> 00:00:01,000\nAhoy\n")
    # -map: picture, sound and words of their own file; mov_text is what MP4 calls subtitles
    options = ["-map", "0", "-map", "1", "-c", "copy", "-c:s", "mov_text", "-metadata:s:s:0", "language=nld"]
    inputs = ["-i", str(media.clip("h264")), "-i", str(words)]
    command = [FFMPEG, "-v", "error", *inputs, *options, str(film)]
    await asyncio.to_thread(subprocess.run, command, check=True, timeout=30)
    video = await gotipath.published(film)
    page = (await gotipath.ok("GET", f"videos/{video}"))["direct_play_url"]
    beacons = (await config_of(gotipath, page))["beacon_url"]
    for viewer in ("one", "two", "one"):
        body = {"impression": viewer, "samples": [{"played_ms": 2500}]}
        assert (await gotipath.http.post(beacons, json=body)).status_code == 204
    async with gotipath.server.platform() as platform:  # what upkeep does each minute
        await platform.services.views.fold()
    chapters = f"{gotipath.server.url}/videokit/streaming/v1/assets/{video}/chapters"
    made = await gotipath.http.post(
        chapters,
        headers={"x-api-key": gotipath.key},
        json={"chapters": [{"title": "Pier", "startSecond": 1}]},
    )
    assert made.is_success, made.text

    async def captioned() -> dict[str, Any] | None:
        found: dict[str, Any] = await gotipath.ok("GET", f"videos/{video}")
        return found if found["captions"] else None

    detail = await until(captioned, timeout_s=30, what="captions")
    assert detail["views"] == 2
    assert [chapter["title"] for chapter in detail["chapters"]] == ["Pier"]
    (caption,) = detail["captions"]
    assert caption["language"] == "nl"
    assert "Ahoy" in await gotipath.text(caption["url"])
    (listed,) = await gotipath.ok("GET", "videos")
    for name in ("views", "chapters", "captions"):
        assert listed[name] == detail[name]


async def test_lists_are_cut_only_where_asked(gotipath: Gotipath) -> None:
    made = [await gotipath.create(f"video {n}") for n in range(5)]
    made.reverse()
    pages = [await gotipath.ok("GET", f"videos?per_page=2&page={n}") for n in (1, 2, 3, 4)]
    assert [item["id"] for page in pages for item in page] == made
    for query in ("per_page=0", "per_page=20001", "per_page=x", "page=0", "page=-1"):
        body = await gotipath.refused(400, "GET", f"videos?{query}")
        assert body["errors"][0]["field"] in ("per_page", "page")


async def test_a_list_of_thousands_is_the_same_list(gotipath: Gotipath) -> None:
    assert await gotipath.ok("GET", "videos?per_page=20000") == []
    async with gotipath.server.platform() as platform:
        have = platform.services
        caller = await have.keys.authenticate(gotipath.key)
        for n in range(260):
            await have.assets.create(caller, title=f"Häfen {n}")
    small, large = [await gotipath.call("GET", f"videos?per_page={n}") for n in (1000, 20_000)]
    assert len(large.json()["result"]) == 260
    assert large.json() == small.json()
    assert large.headers["content-type"] == small.headers["content-type"]
    # begun before its end is known
    assert "content-length" in small.headers and "content-length" not in large.headers
    missing = await gotipath.call("GET", f"videos?per_page=20000&collection_id={uuid4()}")
    assert missing.status_code == 404


@pytest.mark.operation("gotipath.update_video")
@pytest.mark.operation("gotipath.update_videos_stub")
async def test_updates_change_the_player_page(gotipath: Gotipath, media: Media) -> None:
    video = await gotipath.published(media.clip("h264"), "Before")
    page = (await gotipath.ok("GET", f"videos/{video}"))["direct_play_url"]
    changes: dict[str, Any] = {
        "name": "After <b>",
        "description": "At the sea",
        "tags": ["harbour"],
        "meta_data": {"x": 1},
    }
    detail = await gotipath.ok("PUT", f"videos/{video}", json=changes)
    assert {name: detail[name] for name in changes} == changes
    text = await gotipath.text(page)
    assert "<title>After &lt;b&gt;</title>" in text
    assert "harbour" in text
    await gotipath.ok("PUT", "videos", json={"id": video, "name": "Dusk"})
    assert "<title>Dusk</title>" in await gotipath.text(page)
    kept = await gotipath.ok("GET", f"videos/{video}")
    assert (kept["description"], kept["tags"], kept["meta_data"]) == ("At the sea", ["harbour"], {"x": 1})
    # what is given is all there is from then on
    assert (await gotipath.ok("PUT", f"videos/{video}", json={"meta_data": {"y": 2}}))["meta_data"] == {
        "y": 2
    }
    assert (await gotipath.ok("PUT", f"videos/{video}", json={"meta_data": {}}))["meta_data"] == {}


async def test_a_title_is_one_whichever_api_wrote_it(gotipath: Gotipath, media: Media) -> None:
    kit, key = f"{gotipath.server.url}/videokit", {"x-api-key": gotipath.key}
    video = await gotipath.create("Old")
    assert (await gotipath.upload(video, media.clip("no_audio"))).status_code == 200

    async def seen() -> tuple[set[str], int, int]:
        """Titles of both sections, in both places; how many a search for the old and the new word finds."""
        found = set()
        for section in ("vod", "streaming"):
            asset = (await gotipath.http.get(f"{kit}/{section}/v1/assets/{video}", headers=key)).json()
            found |= {asset["title"], asset["metadata"]["Title"]}
        lists = [
            (await gotipath.http.get(f"{kit}/vod/v1/assets?query={word}", headers=key)).json()["totalCount"]
            for word in ("old", "new")
        ]
        return found, lists[0], lists[1]

    async def shown() -> dict[str, Any]:
        meta: dict[str, Any] = (await gotipath.ok("GET", f"videos/{video}"))["meta_data"]
        return meta

    assert await seen() == ({"Old"}, 1, 0)
    assert await shown() == {}  # nobody wrote one there
    await gotipath.ok("PUT", f"videos/{video}", json={"name": "New", "meta_data": {"x": 1}})
    assert await seen() == ({"New"}, 0, 1)
    assert await shown() == {"x": 1}
    for section, name in (("vod", "Old"), ("streaming", "New")):
        path = f"{kit}/{section}/v1/assets/{video}"
        assert (await gotipath.http.patch(path, headers=key, json={"title": name})).is_success
        assert (await gotipath.ok("GET", f"videos/{video}"))["name"] == name
        assert await shown() == {"x": 1}
    # one that is written among the metadata stays there, and follows
    detail = await gotipath.ok("PUT", f"videos/{video}", json={"meta_data": {"title": "Old"}})
    assert (detail["name"], detail["meta_data"]) == ("Old", {"Title": "Old"})
    assert await seen() == ({"Old"}, 1, 0)
    await gotipath.ok("PUT", f"videos/{video}", json={"name": "New"})
    assert await seen() == ({"New"}, 0, 1)
    assert await shown() == {"Title": "New"}


@pytest.mark.operation("gotipath.delete_video")
async def test_a_deleted_video_stops_playing_and_frees_its_bytes(gotipath: Gotipath, media: Media) -> None:
    video = await gotipath.published(media.clip("h264"), whole=True)
    detail = await gotipath.ok("GET", f"videos/{video}")
    before = await gotipath.ok("GET", "")
    assert before["raw_storage"] == detail["raw_size"]
    answer = await gotipath.call("DELETE", f"videos/{video}")
    assert answer.json() == {"message": "Video has been deleted.", "result": "", "success": True}
    assert (await gotipath.http.get(detail["manifest_url"])).status_code == 404
    assert (await gotipath.http.get(detail["direct_play_url"])).status_code == 404
    after = await gotipath.ok("GET", "")
    assert (after["raw_storage"], after["total_storage"], after["total_video"]) == (0, 0, 0)
    await gotipath.refused(404, "GET", f"videos/{video}")
    await gotipath.refused(404, "DELETE", f"videos/{video}")


@pytest.mark.operation("gotipath.get_video_by_custom_field")
async def test_videos_are_found_by_the_callers_own_reference(gotipath: Gotipath, stranger: Gotipath) -> None:
    video = await gotipath.create("mine", reference_id="a/b c")
    other = await gotipath.create("other", custom_id1="lesson-1")
    found = await gotipath.ok("GET", "videos/custom/custom_id1/lesson-1")
    assert (found["id"], found["custom_id1"]) == (other, "lesson-1")
    await gotipath.ok("PUT", f"videos/{video}", json={"reference_id": "ref/7"})
    assert (await gotipath.ok("GET", "videos/custom/reference_id/ref%2F7"))["id"] == video
    address = "https://cms.example//42/"
    third = await gotipath.create("third", custom_id1=address)
    # `call` takes slashes off the end of an address, as careless clients put them there
    for sent in (quote(address, safe=""), quote(address[:-1]) + "%2F"):
        assert (await gotipath.ok("GET", f"videos/custom/custom_id1/{sent}"))["id"] == third
    assert (await gotipath.ok("GET", f"videos//custom/custom_id1/{quote(address, safe='')}"))["id"] == third
    await gotipath.refused(404, "GET", f"videos/custom/custom_id1/{quote(address[:-1], safe='')}")
    await gotipath.refused(404, "GET", "videos/custom/custom_id1/lesson")
    await gotipath.refused(404, "GET", "videos/custom/custom_id1/%25")
    await stranger.refused(404, "GET", "videos/custom/custom_id1/lesson-1")
    await gotipath.refused(400, "GET", "videos/custom/title/mine")
    await gotipath.refused(400, "GET", "videos/custom/custom_id1/a%00b")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": ""},
        {"name": "  "},
        {"name": None},
        {"name": 7},
        {"name": ["x"]},
        {"name": "x" * 1025},
        {"name": "a\0b"},
        {"name": "x", "description": "\0"},
        {"name": "x", "reference_id": "r" * 257},
        {"name": "x", "reference_id": "a\0b"},
        [],
        "text",
    ],
)
async def test_wild_bodies_are_refused_in_the_envelope(gotipath: Gotipath, body: Any) -> None:
    error = await gotipath.refused(400, "POST", "videos", json=body)
    assert all(set(found) == {"field", "code", "message"} for found in error["errors"])


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"name": "\\ud800"}',
        b'{"name": "x", "description": "\\udfff"}',
        b"[" * 40_000,
        b"null",
    ],
)
async def test_bodies_that_are_no_json_are_refused(gotipath: Gotipath, raw: bytes) -> None:
    headers = {"content-type": "application/json"}
    await gotipath.refused(400, "POST", "videos", content=raw, headers=headers)


@pytest.mark.parametrize(
    "raw", [b'{"meta_data": {"a": "\\ud800"}}', b'{"meta_data": {"a": NaN}}', b'{"meta_data": {"\\u0000": 1}}',
            b'{"meta_data": {"a": 1e999}}', b'{"tags": ["\\u0000"]}', b'{"tags": [""]}', b'{"tags": "x"}',
            b'{"tags": ["\\ud800"]}', b'{"name": "\\udfff"}', b'{"reference_id": "\\ud800"}']
)  # fmt: skip
async def test_wild_members_of_an_update_are_refused(gotipath: Gotipath, raw: bytes) -> None:
    video = await gotipath.create()
    headers = {"content-type": "application/json"}
    await gotipath.refused(400, "PUT", f"videos/{video}", content=raw, headers=headers)


async def test_other_ids_are_not_found(gotipath: Gotipath, stranger: Gotipath) -> None:
    theirs = await stranger.create("theirs")
    collection = (await stranger.ok("POST", "collections", json={"name": "theirs"}))["id"]
    for video in (theirs, "00000000-0000-4000-8000-000000000000", "x", "%00"):
        await gotipath.refused(404, "GET", f"videos/{video}")
        await gotipath.refused(404, "PUT", f"videos/{video}", json={"name": "x"})
        await gotipath.refused(404, "DELETE", f"videos/{video}")
    await gotipath.refused(404, "PUT", "videos", json={"id": theirs, "name": "x"})
    await gotipath.refused(400, "PUT", "videos", json={"name": "x"})
    for bad in (collection, "nonsense"):
        await gotipath.refused(404, "POST", "videos", json={"name": "x", "collection_id": bad})
        await gotipath.refused(404, "GET", f"videos?collection_id={bad}")
    assert (await stranger.ok("GET", f"videos/{theirs}"))["name"] == "theirs"
