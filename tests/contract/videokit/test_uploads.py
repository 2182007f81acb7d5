"""Section Files: getting bytes in."""

import asyncio
import hashlib
from pathlib import Path
from uuid import uuid4

import pytest

from tests.contract.videokit.kit import Kit, objects
from tests.support.media import Media


@pytest.fixture
def video(media: Media) -> Path:
    return media.clip("h264")


@pytest.fixture
def data(video: Path) -> bytes:
    return video.read_bytes()


@pytest.mark.operation("videokit.start_file_upload")
@pytest.mark.operation("videokit.complete_file_upload")
async def test_parts_become_the_file_that_was_sent(kit: Kit, data: bytes) -> None:
    body = {"name": "clip.mp4", "friendlyName": "A clip", "fileSize": len(data), "metadata": {"a": "b"}}
    started = await kit.call("POST", "/vod/v1/files/start", body)
    assert started["partsCount"] == 1
    assert started["partSize"] == 50_000_000
    assert started["lastPartSize"] == len(data)
    parts = await kit.send_parts(started, data)
    done = await kit.call("POST", "/vod/v1/files/complete", {"fileId": started["fileId"], "parts": parts})
    assert done == {"fileId": started["fileId"], "fileKey": started["fileKey"]}
    (stored,) = objects(kit.server, started["fileId"])
    assert hashlib.sha256(stored.read_bytes()).digest() == hashlib.sha256(data).digest()
    found = await kit.call("GET", f"/vod/v1/files/{started['fileId']}")
    assert (found["status"], found["fileSize"], found["fileTypes"]) == ("Completed", len(data), "Video")
    # completing is idempotent
    again = await kit.call("POST", "/vod/v1/files/complete", {"fileId": started["fileId"], "parts": parts})
    assert again == done


async def test_what_is_over_the_quota_is_refused_at_the_start(kit: Kit, data: bytes) -> None:
    await kit.server.limit(kit.tenant.uid, quota_bytes=2 * len(data))
    body = {"name": "c.mp4", "friendlyName": "c", "fileSize": len(data) + 1}
    await kit.call("POST", "/vod/v1/files/start", body)
    assert "quota" in await kit.refused(403, "POST", "/vod/v1/files/start", body)
    # what was announced counts, and what is freed does not
    await kit.server.limit(kit.tenant.uid, quota_bytes=4 * len(data))
    await kit.call("POST", "/vod/v1/files/start", body)


@pytest.mark.operation("videokit.get_file_part_url")
async def test_a_part_address_takes_the_part_and_nothing_else(kit: Kit, data: bytes) -> None:
    started = await kit.call(
        "POST", "/vod/v1/files/start", {"name": "c.mp4", "friendlyName": "c", "fileSize": len(data)}
    )
    url = (await kit.call("GET", f"/vod/v1/files/{started['fileId']}/part/1"))["url"]
    assert (await kit.web.put(url, content=data + b"x")).status_code == 413
    assert (await kit.web.put(url[:-2] + "zz", content=data)).status_code == 403
    sent = await kit.web.put(url, content=data)
    assert sent.headers["etag"] == f'"{hashlib.md5(data).hexdigest()}"'
    bare = sent.headers["etag"].strip('"')  # with or without quotes
    parts = [{"partNumber": 1, "eTag": bare}]
    await kit.call("POST", "/vod/v1/files/complete", {"fileId": started["fileId"], "parts": parts})
    refused = await kit.refused(409, "GET", f"/vod/v1/files/{started['fileId']}/part/1")
    assert refused == "the upload is completed already"


@pytest.mark.operation("videokit.cancel_file_upload")
async def test_a_cancelled_upload_frees_its_parts_and_stays_as_error(
    kit: Kit, data: bytes, video: Path
) -> None:
    body = {"name": "c.mp4", "friendlyName": "c", "fileSize": len(data)}
    kept = await kit.call("POST", "/vod/v1/files/start", body)
    gone = await kit.call("POST", "/vod/v1/files/start", body)
    parts = await kit.send_parts(kept, data)
    await kit.send_parts(gone, data)
    uploads = kit.server.data / "store" / "uploads"

    def held() -> int:
        return sum(1 for p in uploads.rglob("*") if p.is_file() and p.stat().st_size == len(data))

    before = held()
    assert await kit.call("POST", f"/vod/v1/files/{kept['fileId']}/cancel") is None
    assert await kit.call("POST", f"/vod/v1/files/{gone['fileId']}/cancel", {"Delete": True}) is None
    assert (await kit.call("GET", f"/vod/v1/files/{kept['fileId']}"))["status"] == "Error"
    await kit.refused(404, "GET", f"/vod/v1/files/{gone['fileId']}")
    assert (await kit.web.put(kept["multipartUrls"][0], content=data)).status_code == 409
    refused = await kit.refused(
        409, "POST", "/vod/v1/files/complete", {"fileId": kept["fileId"], "parts": parts}
    )
    assert refused == "the upload was cancelled"
    refused = await kit.refused(409, "POST", f"/vod/v1/files/{kept['fileId']}/detect")
    assert refused == "the upload of the file was cancelled"
    await kit.clear_away()
    assert held() == before - 2
    whole = await kit.upload(video)
    await kit.refused(409, "POST", f"/vod/v1/files/{whole}/cancel", {"delete": True})


async def test_what_completion_refuses(kit: Kit, data: bytes) -> None:
    started = await kit.call(
        "POST", "/vod/v1/files/start", {"name": "c.mp4", "friendlyName": "c", "fileSize": len(data)}
    )
    (part,) = await kit.send_parts(started, data)
    file, path = started["fileId"], "/vod/v1/files/complete"
    for wrong in (
        [],
        [{"partNumber": 1, "eTag": None}],
        [{"partNumber": 1}],
        [{"partNumber": 2, "eTag": part["eTag"]}],
        [part, part],
        [part, {"partNumber": 2, "eTag": "abc"}],
        [{"partNumber": 1, "eTag": "d41d8cd98f00b204e9800998ecf8427e"}],
        [{"partNumber": 10**30, "eTag": "x"}],
        [part] * 10_000,
        "parts",
        None,
    ):
        await kit.refused(400, "POST", path, {"fileId": file, "parts": wrong})
    await kit.refused(404, "POST", path, {"fileId": str(uuid4()), "parts": [part]})
    await kit.refused(404, "POST", path, {"fileId": "../../etc/passwd", "parts": [part]})
    for number in ("0", "-1", "2", "10001", "99999999999999999999"):
        await kit.refused(400, "GET", f"/vod/v1/files/{file}/part/{number}")
    await kit.refused(400, "GET", f"/vod/v1/files/{file}/part/one")
    # and after all that it still completes
    await kit.call("POST", path, {"fileId": file, "parts": [part]})


async def test_what_start_refuses(kit: Kit) -> None:
    good = {"name": "a.mp4", "friendlyName": "a", "fileSize": 10}
    for wrong in (
        {"fileSize": 0},
        {"fileSize": -1},
        {"fileSize": 10**40},
        {"fileSize": "ten"},
        {"fileSize": None},
        {"name": ""},
        {"name": None},
        {"name": 5},
        {"name": "a" * 1025},
        {"name": "a\0b"},
        {"name": "\ud800"},
        {"friendlyName": "   "},
        {"metadata": [1]},
        {"metadata": {"a": "x" * 70_000}},
        {"metadata": {"a\0": 1}},
    ):
        await kit.refused(400, "POST", "/vod/v1/files/start", {**good, **wrong})
    del good["friendlyName"]
    await kit.refused(400, "POST", "/vod/v1/files/start", good)


async def test_a_thousand_parts_are_handed_out_piece_by_piece(kit: Kit) -> None:
    """An upload of 50 GB: sizes add up, the first addresses come at once, the rest one by one."""
    size = 50 * 10**9 + 1
    started = await kit.call(
        "POST", "/vod/v1/files/start", {"name": "big.mp4", "friendlyName": "b", "fileSize": size}
    )
    assert started["partsCount"] == 1001
    assert started["lastPartSize"] == 1
    assert (started["partsCount"] - 1) * started["partSize"] + started["lastPartSize"] == size
    assert 0 < len(started["multipartUrls"]) < 1001
    last = (await kit.call("GET", f"/vod/v1/files/{started['fileId']}/part/1001"))["url"]
    assert (await kit.web.put(last, content=b"zz")).status_code == 413
    assert (await kit.web.put(last, content=b"z")).status_code == 200


async def test_two_parts_sent_in_any_order_and_twice(kit: Kit, tmp_path: Path) -> None:
    data = bytes(range(256)) * 4 * 50_000  # 51.2 MB: two parts
    started = await kit.call(
        "POST", "/vod/v1/files/start", {"name": "two.ts", "friendlyName": "t", "fileSize": len(data)}
    )
    assert started["partsCount"] == 2
    size = started["partSize"]
    one, two = started["multipartUrls"]
    first, second, again = await asyncio.gather(
        kit.web.put(two, content=data[size:]),
        kit.web.put(one, content=data[:size]),
        kit.web.put(two, content=data[size:]),
    )
    assert first.headers["etag"] == again.headers["etag"]
    parts = [
        {"partNumber": 2, "eTag": first.headers["etag"]},
        {"PartNumber": 1, "ETag": second.headers["etag"]},
    ]
    await kit.call("POST", "/vod/v1/files/complete", {"FileId": started["fileId"], "Parts": parts})
    (stored,) = objects(kit.server, started["fileId"])
    assert stored.read_bytes() == data


@pytest.mark.parametrize("authorized", ["key", "token"])
async def test_as_the_vendors_upload_page_does(kit: Kit, data: bytes, authorized: str) -> None:
    """Paths without a version and with a slash at the end, uploadId sent back, and the browser's preflight."""
    web = kit.api
    if authorized == "token":
        role = {"name": "page", "roleId": "role-editor"}
        key = await kit.call("POST", "/core/v1/api-key", role)
        form = {
            "client_id": key["id"],
            "client_secret": key["apiKey"],
            "grant_type": "client_credentials",
        }
        token = (await kit.call("POST", "/oauth/token", data=form))["access_token"]
        del web.headers["X-Api-Key"]
        web.headers["Authorization"] = f"Bearer {token}"
    kinds = (await kit.call("GET", "/vod/filetypes"))["fileTypes"]
    assert ".mp4" in kinds["Video"]
    body = {"friendlyName": "c.mp4", "fileSize": len(data), "name": "c.mp4", "metadata": {}}
    started = await kit.call("POST", "/vod/files/start/", body)
    url = (await kit.call("GET", f"/vod/files/{started['fileId']}/part/1"))["url"]
    asked = {
        "Origin": "https://upload.example.org",
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "access-control-allow-origin,content-type",
    }
    allowed = await kit.web.options(url, headers=asked)
    assert allowed.status_code in (200, 204)
    names = {h.strip() for h in allowed.headers["access-control-allow-headers"].lower().split(",")}
    assert {"content-type", "access-control-allow-origin"} <= names
    sent = await kit.web.put(url, content=data, headers={"Origin": "https://upload.example.org"})
    assert sent.headers["access-control-allow-origin"] == "*"
    assert "etag" in sent.headers["access-control-expose-headers"].lower()
    parts = [{"partNumber": 1, "eTag": sent.headers["etag"]}]
    ended = {"fileId": started["fileId"], "parts": parts, "uploadId": started["uploadId"]}
    await kit.call("POST", "/vod/files/complete/", ended)
    assert (await kit.call("GET", f"/vod/files/{started['fileId']}/"))["status"] == "Completed"
