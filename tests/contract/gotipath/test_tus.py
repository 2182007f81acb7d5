"""tus 1.0: uploads that break off and go on, and clients that mix up two videos."""

import asyncio
import base64
import hashlib
import socket
import zlib
from urllib.parse import urlsplit

import httpx
import pytest

from tests.contract.gotipath.client import Gotipath
from tests.support.media import Media
from tests.support.waiting import until

CHUNK = "application/offset+octet-stream"


def tus(video: str = "", **more: str) -> dict[str, str]:
    """Headers of a tus request."""
    named = {name.replace("_", "-"): value for name, value in more.items()}
    return {"tus-resumable": "1.0.0"} | ({"videoid": video} if video else {}) | named


SAID = ",".join(
    [
        f"filename {base64.b64encode(b'harbour.mp4').decode()}",
        f"filetype {base64.b64encode(b'video/mp4').decode()}",
        "empty",
    ]
)


async def begun(gotipath: Gotipath, video: str, length: int, path: str = "/tusupload/") -> str:
    """The address of a new upload."""
    answer = await gotipath.http.post(
        f"{gotipath.base}{path}",
        headers=gotipath.credentials | tus(video, upload_length=str(length), upload_metadata=SAID),
    )
    assert answer.status_code == 201, answer.text
    assert answer.headers["tus-resumable"] == "1.0.0"
    assert "location" in answer.headers["access-control-expose-headers"]
    return str(answer.headers["location"])


async def send(
    gotipath: Gotipath, url: str, data: bytes, offset: int, video: str = "", **more: str
) -> httpx.Response:
    headers = gotipath.credentials | tus(
        video, **({"upload_offset": str(offset), "content_type": CHUNK} | more)
    )
    return await gotipath.http.patch(url, content=data, headers=headers)


async def offset(gotipath: Gotipath, url: str, video: str = "") -> int:
    answer = await gotipath.http.head(url, headers=gotipath.credentials | tus(video))
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["upload-metadata"] == SAID
    return int(answer.headers["upload-offset"])


@pytest.mark.operation("gotipath.tus_create")
@pytest.mark.operation("gotipath.tus_head")
@pytest.mark.operation("gotipath.tus_patch")
async def test_an_interrupted_upload_goes_on_and_plays(gotipath: Gotipath, media: Media) -> None:
    data = media.clip("h264").read_bytes()
    video = await gotipath.create()
    url = await begun(gotipath, video, len(data))
    assert await offset(gotipath, url, video) == 0
    half = len(data) // 2
    answer = await send(gotipath, url, data[:half], 0, video)
    assert (answer.status_code, answer.headers["upload-offset"]) == (204, str(half))
    await asyncio.to_thread(_broken, gotipath, url, data[half:], half)

    async def kept() -> bool:  # what came before the connection broke is not to be sent again
        return await offset(gotipath, url, video) > half

    await until(kept)
    stands = await offset(gotipath, url, video)
    assert stands < len(data)
    behind = await send(gotipath, url, data[:half], 0, video)
    assert behind.status_code == 409
    answer = await send(gotipath, url, data[stands:], stands, video)
    assert (answer.status_code, answer.headers["upload-offset"]) == (204, str(len(data)))
    assert await offset(gotipath, url, video) == len(data)
    late = await gotipath.http.delete(url, headers=gotipath.credentials | tus(video))
    assert late.status_code == 410
    detail = await gotipath.until_playable(video)
    assert (detail["raw_size"], detail["upload_type"]) == (len(data), "tus")


def _broken(gotipath: Gotipath, url: str, data: bytes, at: int) -> None:
    """A PATCH whose connection dies before its body is whole."""
    parts = urlsplit(url)
    headers = gotipath.credentials | tus(upload_offset=str(at), content_type=CHUNK)
    lines = [f"PATCH {parts.path} HTTP/1.1", f"Host: {parts.netloc}", f"Content-Length: {len(data)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    with socket.create_connection((parts.hostname or "", parts.port or 80)) as connection:
        connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + data[: len(data) // 2])


async def test_the_wrong_video_is_told_that_there_is_no_such_upload(gotipath: Gotipath) -> None:
    """Browser clients remember uploads by file: the second video must get an upload of its own."""
    first, second = await gotipath.create(), await gotipath.create()
    url = await begun(gotipath, first, 10)
    head = await gotipath.http.head(url, headers=gotipath.credentials | tus(second))
    assert head.status_code == 404
    assert (await send(gotipath, url, b"0123456789", 0, second)).status_code == 404
    gone = await gotipath.http.delete(url, headers=gotipath.credentials | tus(second))
    assert gone.status_code == 404
    assert await offset(gotipath, url, first) == 0
    assert await offset(gotipath, url, first.upper()) == 0


async def test_bytes_that_were_damaged_on_their_way_are_not_taken(gotipath: Gotipath) -> None:
    url = await begun(gotipath, await gotipath.create(), 10)

    def sums(data: bytes) -> dict[str, bytes]:
        return {
            "sha1": hashlib.sha1(data, usedforsecurity=False).digest(),
            "sha256": hashlib.sha256(data).digest(),
            "md5": hashlib.md5(data, usedforsecurity=False).digest(),
            "crc32": zlib.crc32(data).to_bytes(4, "big"),
        }

    at = 0
    for (name, right), wrong in zip(sums(b"01").items(), sums(b"10").values(), strict=True):
        for digest, status in ((wrong, 460), (right, 204)):
            said = f"{name} {base64.b64encode(digest).decode()}"
            answer = await send(gotipath, url, b"01", at, upload_checksum=said)
            assert answer.status_code == status, answer.text
            at += 2 * (status == 204)
            assert await offset(gotipath, url) == at
    for said in ("sha1", "sha1 !", "md4 AAAA"):
        refused = await send(gotipath, url, b"01", at, upload_checksum=said)
        assert refused.status_code in (400, 460), said
    assert await offset(gotipath, url) == at


@pytest.mark.operation("gotipath.tus_delete")
async def test_termination_frees_the_bytes(gotipath: Gotipath) -> None:
    video = await gotipath.create()
    url = await begun(gotipath, video, 10)
    assert (await send(gotipath, url, b"01234", 0)).status_code == 204
    answer = await gotipath.http.delete(url, headers=gotipath.credentials | tus(video))
    assert (answer.status_code, answer.content) == (204, b"")
    for method in ("HEAD", "DELETE"):
        gone = await gotipath.http.request(method, url, headers=gotipath.credentials | tus(video))
        assert gone.status_code == 404
    assert (await send(gotipath, url, b"56789", 5)).status_code == 404


async def test_requests_outside_the_protocol_are_refused(gotipath: Gotipath, stranger: Gotipath) -> None:
    video = await gotipath.create()
    where = f"{gotipath.base}/tusupload"
    own, http = gotipath.credentials, gotipath.http

    async def create(status: int, **headers: str) -> None:
        answer = await http.post(where, headers=own | {k.replace("_", "-"): v for k, v in headers.items()})
        assert answer.status_code == status, answer.text

    await create(412, tus_resumable="0.2.2", videoid=video, upload_length="10")
    await create(412, videoid=video, upload_length="10")
    await create(400, tus_resumable="1.0.0", upload_length="10")
    for length in ("", "x", "-1", "0", "9" * 30, "٣"):
        headers = [*(own | tus(video)).items(), ("upload-length", length)]
        raw = [(name.encode(), value.encode()) for name, value in headers]
        answer = await http.post(where, headers=raw)
        assert answer.status_code == 400, length
    await create(413, tus_resumable="1.0.0", videoid=video, upload_length=str(6 * 1024**4))
    await create(404, tus_resumable="1.0.0", videoid=await stranger.create(), upload_length="10")
    await create(404, tus_resumable="1.0.0", videoid="x", upload_length="10")
    await create(400, tus_resumable="1.0.0", videoid=video, upload_length="1", upload_metadata="a !")
    bare = await http.post(where, headers=tus(video, upload_length="10"))
    assert bare.status_code == 401
    url = await begun(gotipath, video, 10)
    assert (await send(gotipath, url, b"0", 0, content_type="video/mp4")).status_code == 415
    assert (await send(gotipath, url, b"0", 3)).status_code == 409
    assert (await send(gotipath, url, b"0", 0, tus_resumable="2")).status_code == 412
    assert (await send(gotipath, url, b"0", 0, upload_offset="x")).status_code == 400
    assert (await send(gotipath, url, b"0" * 11, 0)).status_code == 413
    assert await offset(gotipath, url) == 0
    for theirs in ("HEAD", "DELETE"):
        answer = await http.request(theirs, url, headers=stranger.credentials | tus(video))
        assert answer.status_code == 404
    assert (await send(stranger, url, b"0", 0)).status_code == 404


async def test_clients_learn_what_the_server_can(gotipath: Gotipath) -> None:
    answer = await gotipath.http.options(f"{gotipath.base}/tusupload/")
    assert answer.status_code == 204
    assert answer.headers["tus-version"] == "1.0.0"
    assert set(answer.headers["tus-extension"].split(",")) == {"creation", "checksum", "termination"}
    assert "sha1" in answer.headers["tus-checksum-algorithm"].split(",")
    video = await gotipath.create()
    most = int(answer.headers["tus-max-size"])
    for length, status in ((most, 201), (most + 1, 413)):
        headers = gotipath.credentials | tus(video, upload_length=str(length))
        made = await gotipath.http.post(f"{gotipath.base}/tusupload/", headers=headers)
        assert (made.status_code, made.headers["tus-resumable"]) == (status, "1.0.0")
    allowed = answer.headers["access-control-allow-headers"]
    for name in ("videoid", "tus-resumable", "upload-length", "upload-metadata", "upload-offset"):
        assert name in allowed


async def test_methods_may_be_overridden_behind_narrow_proxies(gotipath: Gotipath) -> None:
    url = await begun(gotipath, await gotipath.create(), 10)
    headers = gotipath.credentials | tus(upload_offset="0", content_type=CHUNK)
    answer = await gotipath.http.post(
        url, content=b"01234", headers=headers | {"x-http-method-override": "PATCH"}
    )
    assert (answer.status_code, answer.headers["upload-offset"]) == (204, "5")
