"""Uploads of unannounced size: the limits of size and quota hold while parts come, not only at the end."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from polycast.domain.errors import QuotaExceeded, TooLarge
from polycast.domain.files import File
from polycast.storage.interface import PartInfo
from tests.support.studio import Studio

PART = 100_000
LIMIT = 10 * PART


@pytest_asyncio.fixture
async def studio(database_url: str, tmp_path: Path) -> AsyncIterator[Studio]:
    async with Studio.open(database_url, tmp_path, upload_max_bytes=LIMIT, sandbox="off") as opened:
        yield opened


async def _blocks(size: int, *, breaks: bool = False) -> AsyncIterator[bytes]:
    for at in range(0, size, 10_000):
        yield b"x" * min(10_000, size - at)
    if breaks:
        raise ConnectionError("the client went away")


async def _open(studio: Studio) -> File:
    return (await studio.services.uploads.start(studio.caller, name="a.bin", protocol="s3")).file


async def _put(
    studio: Studio, file: File, number: int, size: int = PART, *, said: bool = True, breaks: bool = False
) -> PartInfo:
    uploads = studio.services.uploads
    url = await uploads.part_url(studio.caller, file, number, "http://test")
    body = _blocks(size, breaks=breaks)
    return await uploads.put_part(url.rpartition("/upload/")[2], body, size if said else None)


async def _held(studio: Studio) -> int:
    """Bytes of all parts that are there."""
    files = [
        await studio.services.files.get(studio.caller, r.uid)
        for r in await studio.rows("SELECT uid FROM files")
    ]
    parts = [await studio.services.uploads.list_parts(file) for file in files]
    return sum(part.size for each in parts for part in each)


async def _quota(studio: Studio, size: int) -> None:
    await studio.execute(f"UPDATE tenants SET quota_bytes = {size} WHERE num = {studio.tenant.ref.num}")


@pytest.mark.parametrize("said", [True, False], ids=["lengths", "no lengths"])
async def test_a_file_is_never_larger_than_any_may_be(studio: Studio, said: bool) -> None:
    file = await _open(studio)
    parts = [await _put(studio, file, number, said=said) for number in range(1, 11)]
    with pytest.raises(TooLarge):
        await _put(studio, file, 11, 1, said=said)
    assert await _held(studio) == LIMIT
    # a part may be sent again, though all room is taken
    again = await _put(studio, file, 10, said=said)
    whole = await studio.services.uploads.complete(
        studio.caller, file.uid, [(part.number, part.etag) for part in [*parts[:9], again]]
    )
    assert whole.size == LIMIT


@pytest.mark.parametrize("said", [True, False], ids=["lengths", "no lengths"])
async def test_many_parts_at_once_find_no_more_room(studio: Studio, said: bool) -> None:
    file = await _open(studio)
    done = await asyncio.gather(
        *(_put(studio, file, number, said=said) for number in range(1, 31)), return_exceptions=True
    )
    assert {type(each) for each in done} == {PartInfo, TooLarge}
    held = await _held(studio)
    assert held <= LIMIT
    # what was refused took no room
    for number in range(31, 31 + (LIMIT - held) // PART):
        await _put(studio, file, number, said=said)
    assert await _held(studio) == LIMIT


async def test_the_quota_is_that_of_all_uploads_together(studio: Studio) -> None:
    await _quota(studio, 5 * PART)
    opened = [await _open(studio) for _ in range(4)]
    done = await asyncio.gather(
        *(_put(studio, file, number) for file in opened for number in (1, 2, 3)), return_exceptions=True
    )
    assert {type(each) for each in done} == {PartInfo, QuotaExceeded}
    assert 0 < await _held(studio) <= 5 * PART
    with pytest.raises(QuotaExceeded):
        await studio.services.uploads.start(studio.caller, name="b.bin", size=5 * PART)
    for file in opened:
        await studio.services.uploads.cancel(studio.caller, file.uid, remove=True)
    whole = await _open(studio)
    parts = [await _put(studio, whole, number) for number in range(1, 6)]
    # what it holds is not counted twice at its end
    done_file = await studio.services.uploads.complete(
        studio.caller, whole.uid, [(part.number, part.etag) for part in parts]
    )
    assert done_file.size == 5 * PART


async def test_what_did_not_come_takes_no_room(studio: Studio) -> None:
    file = await _open(studio)
    for _ in range(20):
        with pytest.raises(ConnectionError):
            await _put(studio, file, 1, said=False, breaks=True)
    row = (await studio.rows("SELECT intent FROM files"))[0]
    assert row.intent["received"] == 0
    # a process that was killed gave nothing back
    await studio.execute(f"""UPDATE files SET intent = intent || '{{"received": {LIMIT}}}'""")
    for number in range(1, 11):
        await _put(studio, file, number)


async def test_parts_that_came_another_way_are_judged_at_the_end(studio: Studio) -> None:
    """Straight to the store, where it hands out addresses of its own."""
    file = await _open(studio)
    assert file.upload_id is not None
    parts = [
        await studio.services.store.put_part(file.key, file.upload_id, number, _blocks(PART), PART)
        for number in range(1, 12)
    ]
    named = [(part.number, part.etag) for part in parts]
    with pytest.raises(TooLarge):
        await studio.services.uploads.complete(studio.caller, file.uid, named)
    await _quota(studio, 9 * PART)
    with pytest.raises(QuotaExceeded):
        await studio.services.uploads.complete(studio.caller, file.uid, named[:10])
    assert (await studio.services.uploads.complete(studio.caller, file.uid, named[:9])).size == 9 * PART


async def test_a_completion_goes_on_after_a_crash_in_its_middle(studio: Studio) -> None:
    """The parts were joined, and the process died before it could say so."""
    file = await _open(studio)
    assert file.upload_id is not None
    named = [(part.number, part.etag) for part in [await _put(studio, file, 1)]]
    await studio.services.store.complete_multipart(file.key, file.upload_id, named)
    assert (await studio.services.uploads.complete(studio.caller, file.uid, named)).size == PART
