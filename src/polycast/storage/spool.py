"""A part's body on local disk for as long as it takes to send it on.

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
async def spooled(
    folder: Path, stream: AsyncIterator[bytes], *, max_bytes: int, size: int | None
) -> AsyncIterator[Spooled]:
    """Receive a body into `folder` and remove it at the end.

    Raises:
        TooLarge, Invalid: see `parts.receive`.
        StorageFull: no room in `folder`.
    """
    with disk_errors():
        path, fd = await acquire(lambda: create(folder), discard)
    try:
        try:

            async def write(block: bytes) -> None:
                with disk_errors():
                    await in_thread(write_all, fd, block)

            received = await receive(stream, write, max_bytes=max_bytes, size=size)
        finally:
            os.close(fd)
        yield Spooled(path, received.size, received.md5)
    finally:
        remove(path)
