"""Bytes on local disk for as long as it takes to send them on.

Remote stores want length and hash before the first byte, and a second try needs the bytes again.
"""

import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from polycast.storage.files import acquire, create, discard, disk_errors, in_thread, remove, write_all
from polycast.storage.parts import receive


@dataclass(frozen=True, slots=True)
class Spooled:
    """A received body; `md5` in hex."""

    path: Path
    size: int
    md5: str


@contextlib.asynccontextmanager
async def scratch(folder: Path) -> AsyncIterator[tuple[Path, int]]:
    """A new file in `folder`, which is made if absent, and its descriptor; gone at the end.

    Raises:
        StorageFull: no room in `folder`.
    """
    with disk_errors():
        path, fd = await acquire(lambda: _created(folder), discard)
    try:
        try:
            yield path, fd
        finally:
            os.close(fd)
    finally:
        remove(path)


def _created(folder: Path) -> tuple[Path, int]:
    folder.mkdir(parents=True, exist_ok=True)
    return create(folder)


@contextlib.asynccontextmanager
async def spooled(
    folder: Path, stream: AsyncIterator[bytes], *, max_bytes: int, size: int | None
) -> AsyncIterator[Spooled]:
    """Receive a body into `folder` and remove it at the end.

    Raises:
        TooLarge, Invalid: see `parts.receive`.
        StorageFull: no room in `folder`.
    """
    async with scratch(folder) as (path, fd):

        async def write(block: bytes) -> None:
            with disk_errors():
                await in_thread(write_all, fd, block)

        received = await receive(stream, write, max_bytes=max_bytes, size=size)
        yield Spooled(path, received.size, received.md5)
