"""What every store promises about uploads in parts."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from polycast.domain.errors import Conflict, Invalid, NotFound, TooLarge
from polycast.storage.interface import ObjectStore, PartInfo

PART = 5 << 20
"""S3's smallest"""
KEY = "t/1/f/2/vidéo (1).mp4"
BODIES = {number: os.urandom(PART) for number in (1, 2)} | {3: os.urandom(12_345)}
WHOLE = b"".join(BODIES.values())


@pytest.fixture
def part_size(request: pytest.FixtureRequest) -> int | None:
    """The hint to give: none, the true one, or one that parts do not keep to."""
    store = request.node.callspec.params["store"]
    return {"local-right-size": PART, "local-wrong-size": 1000}.get(store)


async def body(data: bytes, block: int = 100_000) -> AsyncIterator[bytes]:
    for first in range(0, len(data), block):
        yield data[first : first + block]


async def broken(data: bytes) -> AsyncIterator[bytes]:
    async for block in body(data):
        yield block
    raise ConnectionResetError("the client went away")


async def send(store: ObjectStore, upload: str, number: int, data: bytes | None = None) -> PartInfo:
    data = BODIES[number] if data is None else data
    part = await store.put_part(KEY, upload, number, body(data), PART, size=len(data))
    assert part == PartInfo(number, len(data), hashlib.md5(data).hexdigest())
    return part


async def send_all(store: ObjectStore, upload: str) -> list[tuple[int, str]]:
    parts = [await send(store, upload, number) for number in BODIES]
    return [(part.number, part.etag) for part in parts]


async def uploads(store: ObjectStore) -> dict[str, bool]:
    return {info.upload_id: info.completed async for info in store.list_uploads()}


async def all_keys(store: ObjectStore) -> list[str]:
    return [info.key async for info in store.list()]


async def test_parts_in_any_order_and_at_once(store: ObjectStore, part_size: int | None) -> None:
    upload = await store.begin_multipart(KEY, content_type="video/mp4", part_size=part_size)
    assert await store.list_parts(KEY, upload) == ()
    last = await send(store, upload, 3)
    rest = await asyncio.gather(send(store, upload, 2), send(store, upload, 1))
    assert await store.list_parts(KEY, upload) == (rest[1], rest[0], last)
    assert await all_keys(store) == []
    named = [(part.number, f'"{part.etag.upper()}"') for part in (rest[1], rest[0], last)]
    info = await store.complete_multipart(KEY, upload, named, expected_size=len(WHOLE))
    assert info.size == len(WHOLE)
    assert info == await store.head(KEY)
    assert await store.get(KEY) == WHOLE
    assert await all_keys(store) == [KEY]


async def test_completion_is_repeatable(store: ObjectStore, part_size: int | None) -> None:
    upload = await store.begin_multipart(KEY, part_size=part_size)
    named = await send_all(store, upload)
    first = await store.complete_multipart(KEY, upload, named)
    assert await store.complete_multipart(KEY, upload, named) == first
    for other in (named[:2], [(1, named[0][1]), (2, "0" * 32), named[2]]):
        with pytest.raises(Conflict):
            await store.complete_multipart(KEY, upload, other)
    with pytest.raises((Conflict, NotFound)):
        await send(store, upload, 3)
    with pytest.raises(NotFound):
        await store.list_parts(KEY, upload)
    await store.abort_multipart(KEY, upload)
    assert await store.get(KEY) == WHOLE
    assert upload not in await uploads(store)


async def test_completions_at_once(store: ObjectStore, part_size: int | None) -> None:
    upload = await store.begin_multipart(KEY, part_size=part_size)
    named = await send_all(store, upload)
    answers = await asyncio.gather(*(store.complete_multipart(KEY, upload, named) for _ in range(4)))
    assert {(info.key, info.size) for info in answers} == {(KEY, len(WHOLE))}
    assert await store.get(KEY) == WHOLE


async def test_a_repeated_part_replaces_the_earlier_one(store: ObjectStore, part_size: int | None) -> None:
    upload = await store.begin_multipart(KEY, part_size=part_size)
    stale = await send(store, upload, 3, b"stale")
    await send(store, upload, 1, os.urandom(PART))
    named = await send_all(store, upload)
    with pytest.raises(Invalid, match="part 3"):
        await store.complete_multipart(KEY, upload, [*named[:2], (3, stale.etag)])
    await store.complete_multipart(KEY, upload, named)
    assert await store.get(KEY) == WHOLE


async def test_the_same_part_many_times_at_once(store: ObjectStore, part_size: int | None) -> None:
    upload = await store.begin_multipart(KEY, part_size=part_size)
    bodies = [bytes([n]) * 1000 for n in range(6)]
    await asyncio.gather(*(send(store, upload, 1, data) for data in bodies))
    (part,) = await store.list_parts(KEY, upload)
    await store.complete_multipart(KEY, upload, [(1, part.etag)])
    data = await store.get(KEY)
    assert data in bodies
    assert hashlib.md5(data).hexdigest() == part.etag


async def test_only_the_named_parts_count(store: ObjectStore, part_size: int | None) -> None:
    upload = await store.begin_multipart(KEY, part_size=part_size)
    named = await send_all(store, upload)
    await send(store, upload, 7, b"not wanted")
    await store.complete_multipart(KEY, upload, [named[0], named[2]])
    assert await store.get(KEY) == BODIES[1] + BODIES[3]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda named: [], "no parts"),
        (lambda named: [*named, (4, "0" * 32)], "part 4 was not uploaded"),
        (lambda named: [named[0], (2, "0" * 32), named[2]], "part 2 has another ETag"),
        (lambda named: [named[1], named[0]], "part 1 is not in ascending order"),
        (lambda named: [named[0], named[0]], "part 1 is not in ascending order"),
    ],
)
async def test_wrong_completions_name_the_part(store: ObjectStore, spoil: object, message: str) -> None:
    upload = await store.begin_multipart(KEY)
    named = await send_all(store, upload)
    with pytest.raises(Invalid, match=message) as caught:
        await store.complete_multipart(KEY, upload, spoil(named))  # type: ignore[operator]
    assert caught.value.field == "parts"
    assert await all_keys(store) == []
    await store.complete_multipart(KEY, upload, named)
    assert await store.get(KEY) == WHOLE


async def test_wrong_total(store: ObjectStore, part_size: int | None) -> None:
    upload = await store.begin_multipart(KEY, part_size=part_size)
    named = await send_all(store, upload)
    with pytest.raises(Invalid) as caught:
        await store.complete_multipart(KEY, upload, named, expected_size=len(WHOLE) + 1)
    assert caught.value.field == "parts"
    await store.complete_multipart(KEY, upload, named, expected_size=len(WHOLE))


async def test_s3_names_the_part_that_is_too_small(store: ObjectStore, is_s3: bool) -> None:
    upload = await store.begin_multipart(KEY)
    parts = [await send(store, upload, 1, b"small"), await send(store, upload, 2, b"last")]
    named = [(part.number, part.etag) for part in parts]
    if is_s3:
        with pytest.raises(Invalid, match="part 1 is smaller"):
            await store.complete_multipart(KEY, upload, named)
    else:
        await store.complete_multipart(KEY, upload, named)
        assert await store.get(KEY) == b"smalllast"


async def test_a_failed_part_leaves_the_earlier_copy(store: ObjectStore, part_size: int | None) -> None:
    upload = await store.begin_multipart(KEY, part_size=part_size)
    with pytest.raises(ConnectionResetError):
        await store.put_part(KEY, upload, 1, broken(os.urandom(3 << 20)), PART)
    assert await store.list_parts(KEY, upload) == ()
    named = await send_all(store, upload)
    before = await store.list_parts(KEY, upload)
    with pytest.raises(ConnectionResetError):
        await store.put_part(KEY, upload, 2, broken(os.urandom(3 << 20)), PART)
    with pytest.raises(TooLarge):
        await store.put_part(KEY, upload, 2, body(os.urandom(3 << 20)), (3 << 20) - 1)
    with pytest.raises(TooLarge):
        await store.put_part(KEY, upload, 2, body(b"x"), 10, size=11)
    for size in (99, 101):
        with pytest.raises(Invalid) as caught:
            await store.put_part(KEY, upload, 2, body(b"x" * 100), PART, size=size)
        assert caught.value.field == "size"
    assert await store.list_parts(KEY, upload) == before
    await store.complete_multipart(KEY, upload, named)
    assert await store.get(KEY) == WHOLE


async def test_a_cancelled_part(store: ObjectStore, part_size: int | None) -> None:
    upload = await store.begin_multipart(KEY, part_size=part_size)
    reached = asyncio.Event()

    async def stalled() -> AsyncIterator[bytes]:
        yield os.urandom(2 << 20)
        reached.set()
        await asyncio.Event().wait()

    sending = asyncio.create_task(store.put_part(KEY, upload, 1, stalled(), PART))
    await asyncio.wait_for(reached.wait(), 10)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    assert await store.list_parts(KEY, upload) == ()
    named = await send_all(store, upload)
    await store.complete_multipart(KEY, upload, named)
    assert await store.get(KEY) == WHOLE


@pytest.mark.parametrize("number", [0, -1, 10_001])
async def test_part_numbers(store: ObjectStore, number: int) -> None:
    upload = await store.begin_multipart(KEY)
    for attempt in (
        store.put_part(KEY, upload, number, body(b""), 10),
        store.presign_part(KEY, upload, number, 60),
    ):
        with pytest.raises(Invalid) as caught:
            await attempt
        assert caught.value.field == "part_number"


async def test_aborting(store: ObjectStore, part_size: int | None) -> None:
    upload = await store.begin_multipart(KEY, part_size=part_size)
    named = await send_all(store, upload)
    await store.abort_multipart(KEY, upload)
    await store.abort_multipart(KEY, upload)
    with pytest.raises(NotFound):
        await store.complete_multipart(KEY, upload, named)
    with pytest.raises(NotFound):
        await send(store, upload, 1)
    with pytest.raises(NotFound):
        await store.list_parts(KEY, upload)
    assert await uploads(store) == {}
    assert await all_keys(store) == []


@pytest.mark.parametrize("upload", ["", "0" * 32, "../../objects", "x\x00", "a/b"])
async def test_unknown_uploads(store: ObjectStore, upload: str) -> None:
    await store.put(KEY, b"stays")
    with pytest.raises(NotFound):
        await send(store, upload, 1)
    with pytest.raises(NotFound):
        await store.list_parts(KEY, upload)
    with pytest.raises((NotFound, Conflict)):
        await store.complete_multipart(KEY, upload, [(1, "0" * 32)])
    await store.abort_multipart(KEY, upload)
    assert await store.get(KEY) == b"stays"


async def test_an_upload_belongs_to_its_key(store: ObjectStore) -> None:
    upload = await store.begin_multipart(KEY)
    named = await send_all(store, upload)
    with pytest.raises(NotFound):
        await store.complete_multipart("t/2/other", upload, named)
    await store.abort_multipart("t/2/other", upload)
    await store.complete_multipart(KEY, upload, named)


async def test_uploads_are_listed_for_expiry(store: ObjectStore, is_s3: bool) -> None:
    upload = await store.begin_multipart(KEY)
    other = await store.begin_multipart("t/other")
    named = await send_all(store, upload)
    found = {info.upload_id: info async for info in store.list_uploads()}
    assert found.keys() == {upload, other}
    assert (found[upload].key, found[other].key) == (KEY, "t/other")
    for info in found.values():
        if not is_s3:  # moto says 2010
            assert abs(info.started - datetime.now(UTC)) < timedelta(minutes=5)
        assert info.started - timedelta(seconds=1) <= info.active <= datetime.now(UTC) + timedelta(seconds=1)
        assert not info.completed
    await store.complete_multipart(KEY, upload, named)
    await store.abort_multipart("t/other", other)
    assert await uploads(store) == ({} if is_s3 else {upload: True})


async def test_parts_straight_to_the_store(store: ObjectStore, is_s3: bool) -> None:
    upload = await store.begin_multipart(KEY)
    named: list[tuple[int, str]] = []
    async with httpx.AsyncClient() as client:
        for number, data in BODIES.items():
            url = await store.presign_part(KEY, upload, number, 60)
            if not is_s3:
                assert url is None
                return
            assert url is not None
            response = await client.put(url, content=data)
            response.raise_for_status()
            named.append((number, response.headers["ETag"]))
    await store.complete_multipart(KEY, upload, named)
    assert await store.get(KEY) == WHOLE
