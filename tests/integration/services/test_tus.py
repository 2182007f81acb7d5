"""tus: one writer at a time, and an upload that stands at its end is done."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from polycast.domain.errors import Conflict
from polycast.domain.states import FileStatus
from tests.support.media import Media
from tests.support.studio import Studio


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
