"""tus: one writer at a time, and an upload that stands at its end is done."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from sqlalchemy import text

from polycast.db.engine import Database
from polycast.domain.errors import Conflict
from polycast.domain.files import File
from polycast.domain.states import FileStatus
from polycast.services.uploads import Uploads
from tests.support.media import Media
from tests.support.studio import Studio
from tests.support.waiting import STRETCH, until


async def _bytes(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def test_two_requests_at_the_same_byte(studio: Studio) -> None:
    """The second is refused while the first is at it; nothing it sends gets into the file."""
    tus = studio.services.tus
    upload = await tus.create(studio.caller, name="a.bin", length=20, intent={})
    uid, go, begun = upload.file.uid, asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"1234567890"
        begun.set()
        await go.wait()
        yield b"abcdefghij"

    first = asyncio.create_task(tus.append(studio.caller, uid, 0, slow()))
    await begun.wait()
    with pytest.raises(Conflict):
        await tus.append(studio.caller, uid, 0, _bytes(b"XXXXXXXXXXXXXXXXXXXX"))
    go.set()
    assert (await first).done
    row = (await studio.rows("SELECT key, intent FROM files"))[0]
    assert await studio.services.store.get(row.key) == b"1234567890abcdefghij"
    assert "writer" not in row.intent


async def test_a_dead_writer_is_followed(studio: Studio) -> None:
    tus = studio.services.tus
    upload = await tus.create(studio.caller, name="a.bin", length=4, intent={})
    await studio.execute(
        "UPDATE files SET intent = jsonb_build_object('writer', jsonb_build_object("
        "'holder', 'gone', 'until', extract(epoch from now()) - 1))"
    )
    assert (await tus.append(studio.caller, upload.file.uid, 0, _bytes(b"1234"))).done


async def test_the_last_byte_came_and_nobody_said_so(studio: Studio, media: Media) -> None:
    """The process died between the last part and the end: the next look at the upload ends it."""
    tus, uploads = studio.services.tus, studio.services.uploads
    data = media.clip("h264_no_b").read_bytes()
    upload = await tus.create(studio.caller, name="a.mp4", length=len(data), intent={})
    file = upload.file
    assert file.upload_id is not None
    await studio.services.store.put_part(file.key, file.upload_id, 1, _bytes(data), len(data))
    assert (await tus.state(studio.caller, file.uid)).done
    stored = await studio.services.files.get(studio.caller, file.uid)
    assert stored.status is FileStatus.COMPLETED
    assert (await uploads.complete(studio.caller, file.uid, await _parts(studio))).size == len(data)


async def _parts(studio: Studio) -> list[tuple[int, str]]:
    import hashlib

    row = (await studio.rows("SELECT key FROM files"))[0]
    return [(1, hashlib.md5(await studio.services.store.get(row.key), usedforsecurity=False).hexdigest())]


HOLD_S = 1.2 * STRETCH


@asynccontextmanager
async def _hasty(studio: Studio) -> AsyncIterator[tuple[Uploads, File]]:
    """Uploads of another process, whose writers are soon taken for dead and never wait long for a lock."""
    have = studio.services.uploads
    db = Database(studio.services.db.url, lock_timeout_s=0.05)
    parts = (have._store, have._ring, have._tenants, have._quotas, have._assets, have._probing)
    upload = await studio.services.tus.create(studio.caller, name="a.bin", length=4, intent={})
    try:
        yield Uploads(db, *parts, expiry=timedelta(days=2), hold_s=HOLD_S), upload.file
    finally:
        await db.dispose()


async def _until_s(studio: Studio) -> float:
    """Until when the writer's turn lasts, in seconds of the database's clock."""
    rows = await studio.rows("SELECT intent->'writer'->>'until' AS until FROM files")
    return float(rows[0].until)


async def test_a_writer_outlives_a_database_that_is_busy_for_a_moment(
    studio: Studio, caplog: pytest.LogCaptureFixture
) -> None:
    async with _hasty(studio) as (uploads, file), uploads.alone(file):
        begun = await _until_s(studio)
        async with studio.services.db.transaction() as tx:
            await tx.execute(text("SELECT num FROM files FOR UPDATE"))
            await until(lambda: "is not renewed yet" in caplog.text, what="its turn is renewed in vain")

        async def renewed() -> bool:
            return await _until_s(studio) > begun

        await until(renewed, what="it asks once more")


async def test_a_writer_that_lost_its_turn_stops(studio: Studio) -> None:
    """Another one may write from now on: what this one still writes would get among it."""
    async with _hasty(studio) as (uploads, file):
        with pytest.raises(Conflict):
            async with uploads.alone(file):
                await studio.execute(
                    """UPDATE files SET intent = jsonb_set(intent, '{writer,holder}', '"another"')"""
                )
                await asyncio.Event().wait()
        row = (await studio.rows("SELECT intent FROM files"))[0]
        assert row.intent["writer"]["holder"] == "another"


async def test_a_writer_stops_before_its_turn_ends_without_a_word(studio: Studio) -> None:
    async with _hasty(studio) as (uploads, file), studio.services.db.transaction() as tx:
        with pytest.raises(Conflict):
            async with uploads.alone(file):
                await tx.execute(text("SELECT num FROM files FOR UPDATE"))
                await asyncio.Event().wait()
        left = text(
            "SELECT (intent->'writer'->>'until')::float8 > extract(epoch FROM clock_timestamp()) FROM files"
        )
        assert (await tx.execute(left)).scalar_one() is True
