"""Multipart Upload: the protocol of browser uploaders, step by step, and what it refuses."""

import asyncio
import hashlib
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.contract.gotipath.client import PART, Gotipath
from tests.support.media import Media
from tests.support.waiting import until

BROWSER = {"origin": "https://site.example", "accept": "application/json"}


async def opened(gotipath: Gotipath, video: str, **more: Any) -> dict[str, str]:
    body = {
        "filename": "harbour.mp4",
        "type": "video/mp4",
        "metadata": {"video_id": video, "library_id": gotipath.library, "relativePath": None, "x": [1]},
    }
    answer = await gotipath.call("POST", "/uploads/s3/multipart", json=body | more)
    assert answer.status_code == 200, answer.text
    found: dict[str, str] = answer.json()
    return found


@pytest.mark.operation("gotipath.multipart_list_parts")
async def test_a_browser_uploads_parts_in_any_order_and_resumes(gotipath: Gotipath, media: Media) -> None:
    """As Uppy does: token header alone, encoded key, parts side by side, one again, then complete."""
    data = media.clip("h264").read_bytes()
    pieces = [data + bytes(PART - len(data)), b"\0" * PART, b"\0" * 1000]  # zeros after an MP4 do no harm
    video = await gotipath.create()
    headers = gotipath.token | BROWSER
    http = gotipath.http
    base = f"{gotipath.base}/uploads/s3/multipart"
    metadata = {"video_id": video, "library_id": gotipath.library, "name": "a.mp4", "type": "video/mp4"}
    body = {"filename": "a.mp4", "type": "video/mp4", "metadata": metadata}
    start = await http.post(base, headers=headers, json=body)
    assert start.status_code == 200
    assert set(start.json()) == {"uploadId", "key"}
    upload, key = start.json()["uploadId"], start.json()["key"]
    where = f"{base}/{upload}"
    encoded = quote(key, safe="")
    assert key.startswith("media/")
    assert key.endswith(".mp4")

    async def put(number: int) -> httpx.Response:
        signed = await http.get(f"{where}/{number}?key={encoded}", headers=headers)
        assert signed.status_code == 200, signed.text
        assert signed.json()["method"] == "PUT"
        assert 0 < signed.json()["expires"] * 1000 < 2**31  # used as a timer by browsers
        answer = await http.put(
            signed.json()["url"], content=pieces[number - 1], headers={"origin": "https://site.example"}
        )
        assert answer.status_code == 200
        assert answer.content == b""
        assert "etag" in answer.headers["access-control-expose-headers"]
        return answer

    await asyncio.gather(put(3), put(1))
    listed = (await http.get(f"{where}?key={encoded}", headers=headers)).json()
    assert listed == [
        {"PartNumber": n, "Size": len(pieces[n - 1]), "ETag": f'"{hashlib.md5(pieces[n - 1]).hexdigest()}"'}
        for n in (1, 3)
    ]
    early = await http.post(f"{where}/complete?key={encoded}", headers=headers, json={"parts": listed})
    assert early.status_code == 400
    await put(2)
    await put(3)
    listed = (await http.get(f"{where}?key={key}", headers=headers)).json()
    assert [part["PartNumber"] for part in listed] == [1, 2, 3]
    done = await http.post(f"{where}/complete?key={encoded}", headers=headers, json={"parts": listed})
    assert done.status_code == 200, done.text
    assert (done.json()["key"], done.json()["video_id"]) == (key, video)
    stored = await http.get(done.json()["location"])
    assert hashlib.sha256(stored.content).digest() == hashlib.sha256(b"".join(pieces)).digest()
    again = await http.post(f"{where}/complete?key={encoded}", headers=headers, json={"parts": listed})
    assert again.status_code == 200
    detail = await gotipath.until_playable(video)
    assert (detail["upload_type"], detail["raw_size"]) == ("portal", sum(map(len, pieces)))


async def test_what_is_over_the_quota_is_refused(gotipath: Gotipath, media: Media) -> None:
    """A browser does not announce its bytes: they are counted as they come, and again when all are there."""
    data = media.clip("h264").read_bytes()
    await gotipath.server.limit(gotipath.library, quota_bytes=len(data) - 1)
    upload = await opened(gotipath, await gotipath.create())
    where = f"/uploads/s3/multipart/{upload['uploadId']}"
    signed = (await gotipath.call("GET", f"{where}/1?key={quote(upload['key'], safe='')}")).json()
    over = await gotipath.http.put(signed["url"], content=data)
    assert (over.status_code, over.headers["access-control-allow-origin"]) == (403, "*")
    assert "<Code>QuotaExceeded</Code>" in over.text
    await gotipath.server.limit(gotipath.library, quota_bytes=len(data))
    sent = await gotipath.http.put(signed["url"], content=data)
    parts = {"parts": [{"PartNumber": 1, "ETag": sent.headers["etag"]}]}
    complete = f"{where}/complete?key={quote(upload['key'], safe='')}"
    await gotipath.server.limit(gotipath.library, quota_bytes=len(data) - 1)
    refused = await gotipath.call("POST", complete, json=parts)
    assert refused.status_code == 403
    assert "quota" in refused.text
    await gotipath.server.limit(gotipath.library, quota_bytes=len(data))
    done = await gotipath.call("POST", complete, json=parts)
    assert done.status_code == 200, done.text


@pytest.mark.operation("gotipath.multipart_abort")
async def test_an_aborted_upload_frees_its_parts_and_leaves_the_video(gotipath: Gotipath) -> None:
    video = await gotipath.create()
    upload = await opened(gotipath, video)
    path = f"/uploads/s3/multipart/{upload['uploadId']}"
    url = (await gotipath.call("GET", f"{path}/1?key={upload['key']}")).json()["url"]
    assert (await gotipath.http.put(url, content=b"x" * 1000)).status_code == 200
    answer = await gotipath.call("DELETE", path)  # the mobile client sends no key
    assert (answer.status_code, answer.json()) == (200, {})
    assert (await gotipath.http.put(url, content=b"x")).status_code == 404
    await gotipath.refused(404, "GET", f"{path}?key={upload['key']}")
    await gotipath.refused(404, "GET", f"{path}/1?key={upload['key']}")
    await gotipath.refused(404, "DELETE", path)
    assert (await gotipath.ok("GET", f"videos/{video}"))["status"] == "pending"


async def test_a_second_upload_replaces_the_file(gotipath: Gotipath, media: Media) -> None:
    video = await gotipath.published(media.clip("h264"), whole=True)
    assert (await gotipath.upload(video, media.clip("portrait"))).status_code == 200

    async def replaced() -> bool:
        detail = await gotipath.ok("GET", f"videos/{video}")
        return bool((detail["width"], detail["height"], detail["status"]) == (180, 320, "playable"))

    await until(replaced, timeout_s=30)


async def test_a_file_that_cannot_take_the_place_of_another_says_so(gotipath: Gotipath, media: Media) -> None:
    video = await gotipath.published(media.clip("h264"), whole=True)
    assert (await gotipath.upload(video, media.clip("text.mp4"))).status_code == 200

    async def refused() -> bool:
        return bool((await gotipath.ok("GET", f"videos/{video}"))["error_message"])

    await until(refused, timeout_s=30)
    detail = await gotipath.ok("GET", f"videos/{video}")
    assert detail["error_message"] == "the file is no video or audio format that can be read here"
    # the earlier one plays on, and nothing more is being made
    assert (detail["status"], detail["transcoding_progress"]) == ("playable", 100)
    assert "#EXTM3U" in await gotipath.text(detail["manifest_url"])


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"filename": ""}, 400),
        ({"filename": "a\nb"}, 400),
        ({"filename": None}, 400),
        ({"type": None}, 400),
        ({"metadata": {}}, 400),
        ({"metadata": "x"}, 400),
        ({"metadata": {"video_id": "VIDEO"}}, 400),
        ({"metadata": {"video_id": "x", "library_id": "LIBRARY"}}, 404),
        ({"metadata": {"video_id": "THEIRS", "library_id": "LIBRARY"}}, 404),
        ({"metadata": {"video_id": "VIDEO", "library_id": "THEIR_LIBRARY"}}, 403),
        ({"metadata": {"video_id": "THEIRS", "library_id": "THEIR_LIBRARY"}}, 403),
        ({"metadata": {"video_id": "VIDEO", "library_id": "x"}}, 404),
    ],
)
async def test_uploads_are_opened_for_own_videos_only(
    gotipath: Gotipath, stranger: Gotipath, change: dict[str, Any], status: int
) -> None:
    names = {
        "VIDEO": await gotipath.create(),
        "THEIRS": await stranger.create(),
        "LIBRARY": gotipath.library,
        "THEIR_LIBRARY": stranger.library,
    }
    if isinstance(change.get("metadata"), dict):
        change = {"metadata": {k: names.get(v, v) for k, v in change["metadata"].items()}}
    body = {
        "filename": "a.mp4",
        "type": "video/mp4",
        "metadata": {"video_id": names["VIDEO"], "library_id": gotipath.library},
    }
    await gotipath.refused(status, "POST", "/uploads/s3/multipart", json=body | change)


async def test_an_upload_may_put_its_video_into_a_collection(gotipath: Gotipath, stranger: Gotipath) -> None:
    video = await gotipath.create()
    shelf = (await gotipath.ok("POST", "collections", json={"name": "Shelf"}))["id"]
    theirs = (await stranger.ok("POST", "collections", json={"name": "Shelf"}))["id"]
    meta = {"video_id": video, "library_id": gotipath.library}

    async def open_in(collection: str, filename: str = "a.mp4") -> httpx.Response:
        body = {"filename": filename, "type": "video/mp4", "metadata": meta | {"collection_id": collection}}
        return await gotipath.call("POST", "/uploads/s3/multipart", json=body)

    for other in (theirs, "x"):
        assert (await open_in(other)).status_code == 404
    for collection in (shelf, ""):
        assert (await open_in(collection)).status_code == 200
        assert [v["id"] for v in await gotipath.ok("GET", f"videos?collection_id={shelf}")] == [video]
    wild = await open_in("", "a\0.mp4")
    assert (wild.status_code, wild.json()["errors"][0]["field"]) == (400, "filename")


async def test_an_upload_that_is_refused_moves_nothing(gotipath: Gotipath, media: Media) -> None:
    """And a collection that is refused leaves no upload."""
    first, second = [
        (await gotipath.ok("POST", "collections", json={"name": name}))["id"] for name in ("First", "Second")
    ]
    video = await gotipath.create(collection_id=first)
    meta = {"video_id": video, "library_id": gotipath.library, "collection_id": second}

    async def refused(status: int, filename: str, **more: str) -> None:
        body = {"filename": filename, "type": "video/mp4", "metadata": meta | more}
        await gotipath.refused(status, "POST", "/uploads/s3/multipart", json=body)
        assert (await gotipath.ok("GET", f"videos/{video}"))["collection_id"] == first

    await refused(400, "a\n.mp4")
    await refused(404, "a.mp4", collection_id=gotipath.library)
    assert (await gotipath.upload(await gotipath.create(), media.clip("text.mp4"))).status_code == 200
    await gotipath.server.limit(gotipath.library, quota_bytes=1)
    await refused(403, "a.mp4")
    files = f"{gotipath.server.url}/videokit/vod/v1/files?status=Uploading"
    found = await gotipath.http.get(files, headers={"x-api-key": gotipath.key})
    assert found.json()["totalCount"] == 0


async def test_wild_types_of_files_do_no_harm(gotipath: Gotipath) -> None:
    video = await gotipath.create()
    for kind in ("", "video/mp4; x=y", "\r\nx: y", "ä" * 300):
        await opened(gotipath, video, type=kind)
    await opened(gotipath, video, filename="../../etc/passwd")
    await opened(gotipath, video, filename="x" * 1000 + ".mp4")


async def test_parts_and_keys_are_checked(gotipath: Gotipath, stranger: Gotipath) -> None:
    upload = await opened(gotipath, await gotipath.create())
    path = f"/uploads/s3/multipart/{upload['uploadId']}"
    key = quote(upload["key"])
    for number in ("0", "10001", "x", "1.5", "-1"):
        await gotipath.refused(400, "GET", f"{path}/{number}?key={key}")
    await gotipath.refused(404, "GET", f"{path}/1?key=media/other.mp4")
    await gotipath.refused(400, "GET", f"{path}/1")
    await stranger.refused(404, "GET", f"{path}/1?key={key}")
    await stranger.refused(404, "GET", f"{path}?key={key}")
    await stranger.refused(404, "DELETE", path)
    await stranger.refused(404, "POST", f"{path}/complete?key={key}", json={"parts": []})
    bodies: list[Any] = [
        {}, {"parts": []}, {"parts": [{}]}, {"parts": [{"PartNumber": 1, "ETag": "x"}]},
        {"parts": [{"PartNumber": 0, "ETag": "x"}]}, {"parts": [{"PartNumber": 1, "ETag": None}]}, {"parts": "x"},
    ]  # fmt: skip
    for body in bodies:
        await gotipath.refused(400, "POST", f"{path}/complete?key={key}", json=body)
    url = (await gotipath.call("GET", f"{path}/1?key={key}")).json()["url"]
    assert (await gotipath.http.put(url, content=b"abc")).status_code == 200
    wrong = {"parts": [{"PartNumber": 1, "ETag": '"00000000000000000000000000000000"'}]}
    await gotipath.refused(400, "POST", f"{path}/complete?key={key}", json=wrong)


async def test_older_uploaders_ask_for_many_addresses_at_once(gotipath: Gotipath) -> None:
    upload = await opened(gotipath, await gotipath.create())
    path = f"/uploads/s3/multipart/{upload['uploadId']}/batch?key={quote(upload['key'], safe='')}"
    answer = await gotipath.call("GET", f"{path}&partNumbers=1,2,3")
    urls = answer.json()["presignedUrls"]
    assert list(urls) == ["1", "2", "3"]
    assert (await gotipath.http.put(urls["2"], content=b"x")).status_code == 200
    parts = f"/uploads/s3/multipart/{upload['uploadId']}?key={upload['key']}"
    assert [p["PartNumber"] for p in (await gotipath.call("GET", parts)).json()] == [2]
    for numbers in ("", "x", "1,", "0", "10001", "1;2"):
        await gotipath.refused(400, "GET", f"{path}&partNumbers={numbers}")


async def test_a_forged_part_address_is_refused_as_a_store_does(gotipath: Gotipath) -> None:
    upload = await opened(gotipath, await gotipath.create())
    signed = await gotipath.call("GET", f"/uploads/s3/multipart/{upload['uploadId']}/1?key={upload['key']}")
    url = signed.json()["url"]
    answer = await gotipath.http.put(url[:-4] + "AAAA", content=b"x")
    assert answer.status_code == 403
    assert answer.headers["content-type"].startswith("application/xml")
    assert answer.headers["access-control-allow-origin"] == "*"


async def test_an_expired_part_address_says_so(gotipath: Gotipath) -> None:
    from datetime import UTC, datetime, timedelta
    from uuid import UUID

    from polycast.services.uploads import URL_LIFE

    upload = await opened(gotipath, await gotipath.create())
    async with gotipath.server.platform() as platform:
        caller = await platform.services.keys.authenticate(gotipath.key)
        file = await platform.services.files.get(caller, UUID(upload["uploadId"]))
        past = datetime.now(UTC) - URL_LIFE - timedelta(seconds=1)
        url = await platform.services.uploads.part_url(caller, file, 1, gotipath.server.url, now=past)
    answer = await gotipath.http.put(url, content=b"x")
    assert answer.status_code == 403
    assert "<Message>Request has expired</Message>" in answer.text
