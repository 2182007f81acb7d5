"""Section Files: what is said of a file, its tracks, its preview, its end."""

import re
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from tests.contract.videokit.conftest import Shared
from tests.contract.videokit.kit import Kit, ids, objects
from tests.support.media import Media
from tests.support.waiting import until

USAGE = "SELECT coalesce(sum(quantity), 0) FROM usage WHERE kind = 'stored_bytes' AND subject_uid = %s"

EGRESS = """
SELECT coalesce(sum(u.quantity), 0) FROM usage u JOIN tenants t ON t.num = u.tenant_num
WHERE u.kind = 'egress_bytes' AND t.uid = :tenant
"""


@pytest.mark.operation("videokit.get_file")
async def test_a_file_tells_the_assets_made_of_it(viewer: Kit, shared: Shared, media: Media) -> None:
    found = await viewer.call("GET", f"/vod/v1/files/{shared.file}")
    assert found["vodAssets"] == [shared.asset]
    assert found["fileSize"] == media.clip("h264").stat().st_size
    assert found["location"] == found["fileKey"]
    assert found["s3Uri"] == f"s3://{found['bucket']}/{found['fileKey']}"
    assert found["orginalFileName"] == "coastal run.mp4"
    assert [t["type"] for t in found["tracks"]] == ["Video", "Audio"]


@pytest.mark.operation("videokit.list_files")
async def test_listed_files_are_those_whose_bytes_are_there(kit: Kit, neighbour: Kit, media: Media) -> None:
    clips = [media.clip("h264"), media.clip("mp3")]
    files = [await kit.upload(clip) for clip in clips]
    await neighbour.upload(clips[0])
    page = await kit.call("GET", "/vod/v1/files?sort=createDate&status=Completed")
    assert ids(page) == files
    for item, clip in zip(page["items"], clips, strict=True):
        link = (await kit.call("GET", f"/vod/v1/files/{item['id']}/preview"))["link"]
        assert (await kit.web.get(link)).content == clip.read_bytes()
        assert item["fileSize"] == clip.stat().st_size


async def test_bytes_of_a_downloaded_original_are_counted_for_its_owner(
    kit: Kit, neighbour: Kit, media: Media
) -> None:
    clip = media.clip("h264")
    file = await kit.upload(clip)
    link = (await kit.call("GET", f"/vod/v1/files/{file}/preview"))["link"]
    await kit.web.get(link)
    await kit.web.get(link, headers={"Range": "bytes=100-199"})
    await kit.web.head(link)
    expected = clip.stat().st_size + 100
    async with kit.server.platform() as platform:

        async def counted(of: Kit) -> int:
            async with platform.services.db.connect() as tx:
                return int((await tx.execute(text(EGRESS), {"tenant": UUID(of.tenant.uid)})).scalar_one())

        async def all_counted() -> bool:
            return await counted(kit) >= expected

        await until(all_counted, timeout_s=30, what="the ledger of egress")
        assert await counted(kit) == expected
        assert await counted(neighbour) == 0


@pytest.mark.operation("videokit.update_file")
async def test_a_renamed_file_is_found_and_downloaded_by_its_new_name(kit: Kit, media: Media) -> None:
    file = await kit.upload(media.clip("h264"), "clip.mp4", metadata={"Genre": "Sport", "keep": "1"})
    changed = await kit.call(
        "PATCH",
        f"/vod/v1/files/{file}",
        {
            "name": "final cut.mp4",
            "FriendlyName": "Final cut",
            "metadata": {"Genre": "Film"},
            "tags": ["master", "run"],
            "attributes": ["[region]=coast", "year=2026"],
        },
    )
    assert changed["metadata"] == {"Genre": "Film", "keep": "1"}
    assert changed["attributes"] == ["region=coast", "year=2026"]
    assert changed["orginalFileName"] == "clip.mp4"
    for query in ("query=final+CUT", "tags=master", "tags=run,master", "attributes=region%3Dcoast"):
        assert ids(await kit.call("GET", f"/vod/v1/files?{query}")) == [file], query
    for query in ("query=clip-nowhere", "tags=master,none", "attributes=region%3Dinland"):
        assert ids(await kit.call("GET", f"/vod/v1/files?{query}")) == [], query
    link = (await kit.call("GET", f"/vod/v1/files/{file}/preview"))["link"]
    assert "final cut.mp4" in (await kit.web.get(link)).headers["content-disposition"]
    assert "friendlyName" in await kit.refused(400, "PATCH", f"/vod/v1/files/{file}", {"friendlyName": " "})
    for wrong in (
        {"name": ""},
        {"attributes": ["coast"]},
        {"tags": [""]},
        {"tags": ["x"] * 3 + ["y" * 300]},
        {"metadata": "x"},
    ):
        await kit.refused(400, "PATCH", f"/vod/v1/files/{file}", wrong)


@pytest.mark.operation("videokit.detect_file_tracks")
async def test_detection_reads_the_stored_bytes(kit: Kit, media: Media) -> None:
    file = await kit.upload(media.clip("languages"))
    # forget what completion found, so that the answer can only come from the bytes
    async with kit.server.platform() as platform, platform.services.db.transaction() as tx:
        await tx.execute(
            text("UPDATE files SET probe = NULL, kinds = '{}' WHERE uid = :u"), {"u": UUID(file)}
        )
    assert (await kit.call("GET", f"/vod/v1/files/{file}"))["tracks"] == []
    tracks = (await kit.call("POST", f"/vod/v1/files/{file}/detect"))["tracks"]
    assert [(t["trackSelector"]["trackId"], t["type"]) for t in tracks] == [
        ("video_1", "Video"),
        ("audio_1", "Audio"),
        ("audio_2", "Audio"),
    ]
    assert tracks[2]["name"] == "Kommentar"
    assert tracks[2]["language"] in ("de", "deu")
    found = await kit.call("GET", f"/vod/v1/files/{file}")
    assert (found["tracks"], found["fileTypes"]) == (tracks, "Video")


async def test_detection_says_what_is_wrong_with_a_file(kit: Kit, media: Media) -> None:
    broken = await kit.upload(media.clip("text.mp4"))
    message = await kit.refused(400, "POST", f"/vod/v1/files/{broken}/detect")
    assert re.search("read|format|media|understood|video", message, re.IGNORECASE), message
    body = {"name": "a.mp4", "friendlyName": "a", "fileSize": 5}
    open_ = (await kit.call("POST", "/vod/v1/files/start", body))["fileId"]
    refused = await kit.refused(409, "POST", f"/vod/v1/files/{open_}/detect")
    assert refused == "the upload of the file is not completed yet"
    await kit.refused(404, "POST", f"/vod/v1/files/{uuid4()}/detect")


@pytest.mark.operation("videokit.get_file_preview")
async def test_a_preview_link_serves_the_bytes_until_it_expires(kit: Kit, media: Media) -> None:
    clip = media.clip("h264")
    file = await kit.upload(clip)
    answer = await kit.call("GET", f"/vod/v1/files/{file}/preview")
    bytes_ = await kit.web.get(answer["link"])
    assert bytes_.content == clip.read_bytes()
    assert bytes_.headers["content-type"] == "video/mp4", "a browser that may not guess plays it"
    part = await kit.web.get(answer["link"], headers={"Range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, b"ftyp")
    end = datetime.fromisoformat(answer["expirationDate"])
    assert timedelta(minutes=10) < end - datetime.now(UTC) <= timedelta(hours=24)
    # an hour passes: the same link as it would have been made two hours ago
    async with kit.server.platform() as platform:
        have = platform.services
        caller = await have.keys.authenticate(kit.tenant.key)
        past = datetime.now(UTC) - timedelta(hours=2)
        old = await have.sources.preview(caller, UUID(file), kit.server.url, now=past)
    assert (await kit.web.get(old.url)).status_code == 403
    assert (await kit.web.get(answer["link"].replace(file, str(uuid4())))).status_code == 403
    await kit.call("DELETE", f"/vod/v1/files/{file}")
    assert (await kit.web.get(answer["link"])).status_code == 404


@pytest.mark.operation("videokit.delete_file")
async def test_a_deleted_file_is_gone_from_the_store(kit: Kit, media: Media) -> None:
    file = await kit.upload(media.clip("h264"))
    key = (await kit.call("GET", f"/vod/v1/files/{file}"))["fileKey"]
    assert objects(kit.server, file)
    assert await kit.call("DELETE", f"/vod/v1/files/{file}") == {"deletedFileKey": key}
    await kit.refused(404, "GET", f"/vod/v1/files/{file}")
    await kit.refused(404, "DELETE", f"/vod/v1/files/{file}")
    await kit.clear_away()
    assert objects(kit.server, file) == []


@pytest.mark.operation("videokit.delete_many_files")
async def test_deleting_many_files_frees_storage(kit: Kit, neighbour: Kit, media: Media) -> None:
    clip = media.clip("h264")
    mine = [await kit.upload(clip) for _ in range(3)]
    other = await neighbour.upload(clip)
    async with kit.server.platform() as platform:
        have = platform.services
        num = (await have.keys.authenticate(kit.tenant.key)).tenant.num
        before = (await have.tenants.usage(num)).source_bytes
        assert before == 3 * clip.stat().st_size
    absent = str(uuid4())
    verdicts = await kit.call(
        "POST", "/vod/v1/files/deletemany", [*mine[:2], other, absent, "rubbish", mine[0]]
    )
    assert set(verdicts) == {*mine[:2], other, absent, "rubbish"}
    for id_, verdict in verdicts.items():
        assert verdict["success"] is (id_ in mine)
        assert verdict["status"]["code"] == ("success" if id_ in mine else "error")
    await kit.clear_away()
    assert not any(objects(kit.server, file) for file in mine[:2])
    assert objects(kit.server, mine[2])
    assert objects(kit.server, other)
    async with kit.server.platform() as platform:
        assert (await platform.services.tenants.usage(num)).source_bytes == clip.stat().st_size
    for wrong in (
        {"ids": mine},
        "x",
        [1, 2],
        [None],
        [str(uuid4())] * 1 + [str(uuid4()) for _ in range(10_000)],
    ):
        await kit.refused(400, "POST", "/vod/v1/files/deletemany", wrong)


@pytest.mark.operation("videokit.get_file_types")
async def test_every_file_type_named_is_taken(kit: Kit, media: Media) -> None:
    kinds = (await kit.call("GET", "/vod/v1/filetypes"))["fileTypes"]
    assert set(kinds) == {"Audio", "Caption", "Video"}
    clips = {"h264": "Video", "h264_ts": "Video", "vp9": "Video", "mp3": "Audio", "audio_only": "Audio"}
    for name, kind in clips.items():
        clip = media.clip(name)
        assert clip.suffix in kinds[kind], name
        file = await kit.upload(clip)
        assert (await kit.call("GET", f"/vod/v1/files/{file}"))["fileTypes"] == kind, name
        assert file in ids(await kit.call("GET", f"/vod/v1/files?fileType={kind.lower()}"))
    words = media.made("words.srt", lambda p: p.write_text("1\n00:00:00,500 --> 00:00:02,000\nAhoy\n"))
    assert ".srt" in kinds["Caption"]
    file = await kit.upload(words)
    assert (await kit.call("GET", f"/vod/v1/files/{file}"))["fileTypes"] == "Caption"
    assert ids(await kit.call("GET", "/vod/v1/files?fileType=Caption")) == [file]


@pytest.mark.operation("videokit.get_languages")
async def test_a_language_of_the_catalogue_names_the_audio_of_the_stream(kit: Kit, media: Media) -> None:
    codes = (await kit.call("GET", "/vod/v1/languages"))["languages"]
    assert {"en", "pl", "de", "es"} <= set(codes)
    assert all(re.fullmatch("[a-z]{2}", code) for code in codes)
    file = await kit.upload(media.clip("h264"))
    tracks = [
        {"trackSelector": {"trackId": "video_1"}, "type": "Video"},
        # as other tools write it, and as it comes out
        {"trackSelector": {"trackId": "audio_1"}, "type": "Audio", "language": "POL", "name": "Komentarz"},
    ]
    body = {"transcodedSources": [{"fileId": file, "transcodingTracks": tracks}], "preset": "hls"}
    asset = (await kit.call("POST", "/vod/v1/assets", body))["id"]
    found = await kit.playable(asset)
    playlist = (await kit.web.get(found["endpoints"][0]["url"])).text
    assert 'LANGUAGE="pl"' in playlist
    assert 'NAME="Komentarz"' in playlist
    (source,) = found["sources"]
    assert source["transcodingTracks"][1]["language"] == "pl"
    assert 'NAME="Komentarz"' in playlist
