"""Presigned URLs against a server that verifies them."""

import hashlib
import re
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import httpx
import pytest

from polycast.storage.factory import StoreOptions, open_store
from polycast.storage.interface import ObjectStore
from tests.integration.storage.verifying_s3 import ACCESS, REGION, SECRET, VerifyingS3, verifying_s3

KEYS = ["t/1/f/2/source", "f/vidéo 1 (2)+&=%20'!*~.mp4"]
UPLOAD = "2~Ab/C+d=="


@pytest.fixture
def server() -> Iterator[VerifyingS3]:
    with verifying_s3() as state:
        yield state


@pytest.fixture
async def store(server: VerifyingS3) -> AsyncIterator[ObjectStore]:
    store = open_store(
        "s3://bucket/media",
        StoreOptions(endpoint=server.endpoint, region=REGION, access_key=ACCESS, secret_key=SECRET),
    )
    yield store
    await store.aclose()


async def part_url(store: ObjectStore, key: str, expires_s: int = 60) -> str:
    url = await store.presign_part(key, UPLOAD, 7, expires_s)
    assert url is not None
    return url


async def put(url: str, body: bytes = b"bytes", **headers: str) -> httpx.Response:
    async with httpx.AsyncClient() as client:
        return await client.put(url, content=body, headers=headers)


@pytest.mark.parametrize("key", KEYS)
async def test_a_right_url_is_accepted(store: ObjectStore, server: VerifyingS3, key: str) -> None:
    # browsers add headers of their own, which are not signed
    response = await put(await part_url(store, key), Origin="https://example.com")
    assert response.status_code == 200
    assert response.headers["ETag"] == f'"{hashlib.md5(b"bytes").hexdigest()}"'
    assert list(server.objects.values()) == [b"bytes"]


@pytest.mark.parametrize(
    ("pattern", "replacement"),
    [
        ("partNumber=7", "partNumber=8"),
        ("uploadId=2", "uploadId=3"),
        ("/t/1/", "/t/2/"),
        ("/media/", "/other/"),
        ("X-Amz-Expires=60", "X-Amz-Expires=600"),
        ("X-Amz-Signature=.", "X-Amz-Signature=x"),
        ("&X-Amz-Signature=.*", ""),
        ("AKIDEXAMPLE", "AKIDOTHER"),
        ("$", "&x-id=PutObject"),
    ],
)
async def test_a_tampered_url_is_refused(
    store: ObjectStore, server: VerifyingS3, pattern: str, replacement: str
) -> None:
    url = await part_url(store, KEYS[0])
    tampered = re.sub(pattern, replacement, url, count=1)
    assert tampered != url
    assert (await put(tampered)).status_code == 403
    assert server.objects == {}


async def test_a_url_of_a_part_of_known_size_takes_no_other(store: ObjectStore, server: VerifyingS3) -> None:
    url = await store.presign_part(KEYS[0], UPLOAD, 7, 60, size=5)
    assert url is not None
    for wrong in (b"", b"byte", b"bytes.", b"x" * 1_000_000):
        assert (await put(url, wrong)).status_code == 403
    assert server.objects == {}
    assert (await put(url, b"bytes", Origin="https://example.com")).status_code == 200
    longer = url.replace("content-length%3Bhost", "host")
    assert longer != url
    assert (await put(longer, b"bytes.")).status_code == 403


async def test_a_url_for_writing_does_not_read(store: ObjectStore, server: VerifyingS3) -> None:
    url = await part_url(store, KEYS[0])
    async with httpx.AsyncClient() as client:
        assert (await client.get(url)).status_code == 403


async def test_a_url_expires(store: ObjectStore, server: VerifyingS3) -> None:
    url = await part_url(store, KEYS[0], expires_s=60)
    server.ahead = timedelta(seconds=55)
    assert (await put(url)).status_code == 200
    server.ahead = timedelta(seconds=62)
    server.objects.clear()
    assert (await put(url)).status_code == 403
    assert server.objects == {}


async def test_the_wrong_secret_is_refused(server: VerifyingS3) -> None:
    store = open_store(
        "s3://bucket/media",
        StoreOptions(endpoint=server.endpoint, region=REGION, access_key=ACCESS, secret_key="other"),
    )
    response = await put(await part_url(store, KEYS[0]))
    assert response.status_code == 403
    assert b"SignatureDoesNotMatch" in response.content
    await store.aclose()


@pytest.mark.parametrize("key", KEYS)
async def test_presigned_reads(store: ObjectStore, server: VerifyingS3, key: str) -> None:
    await put(await part_url(store, key))
    url = await store.presign_get(key, 60, filename='a "b" ü.mp4')
    assert url is not None
    async with httpx.AsyncClient() as client:
        response = await client.get(url)
        assert (response.status_code, response.content) == (200, b"bytes")
        assert (await client.get(url.replace("attachment", "inline"))).status_code == 403
        server.ahead = timedelta(seconds=62)
        assert (await client.get(url)).status_code == 403
