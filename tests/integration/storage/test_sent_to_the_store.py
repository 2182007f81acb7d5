"""Viewers who are sent to the store itself: what they are granted is counted."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from polycast.delivery.objects import Body, Objects
from polycast.delivery.presigned import Presigned
from polycast.domain.errors import NotFound
from polycast.storage.factory import StoreOptions, open_store
from polycast.storage.interface import ObjectStore
from tests.support.s3 import s3_server

KEY = "media/a/g/b/video/1.m4s"
DATA = bytes(range(250)) * 4


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with s3_server() as address:
        yield address


@pytest_asyncio.fixture
async def store(endpoint: str) -> AsyncIterator[ObjectStore]:
    async with httpx.AsyncClient() as client:
        (await client.put(f"{endpoint}/bucket")).raise_for_status()
    options = StoreOptions(endpoint=endpoint, access_key="test", secret_key="test")
    opened = open_store("s3://bucket", options)
    await opened.put(KEY, DATA)
    yield opened
    await opened.aclose()


async def asked(objects: Objects, method: str, headers: dict[str, str], key: str = KEY) -> tuple[int, str]:
    """Bytes that are counted for a request, and where it is sent."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "headers": raw}
    counted = await objects.serve(scope, None, send, Body(key, immutable=True), [])  # type: ignore[arg-type]
    assert sent[0]["status"] == 307
    return counted, dict(sent[0]["headers"])[b"location"].decode()


@pytest.mark.parametrize(
    "headers", [{}, {"range": "bytes=10-19"}, {"range": "bytes=-7"}, {"range": "bytes=5000-"}]
)
async def test_what_the_store_is_told_to_send_is_counted(store: ObjectStore, headers: dict[str, str]) -> None:
    counted, location = await asked(Objects(store, presigned=Presigned(store)), "GET", headers)
    async with httpx.AsyncClient() as client:
        answer = await client.get(location, headers=headers)
    assert counted == (len(answer.content) if answer.is_success else 0)
    assert answer.status_code == 416 or answer.content


async def test_what_is_not_sent_is_not_counted(store: ObjectStore) -> None:
    objects = Objects(store, presigned=Presigned(store))
    etag = (await store.head(KEY)).etag
    assert (await asked(objects, "HEAD", {}))[0] == 0
    assert (await asked(objects, "GET", {"if-none-match": f'"{etag}"'}))[0] == 0


async def test_nobody_is_sent_to_what_is_not_there(store: ObjectStore) -> None:
    with pytest.raises(NotFound):
        await asked(Objects(store, presigned=Presigned(store)), "GET", {}, "media/a/g/b/video/2.m4s")
