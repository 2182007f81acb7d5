"""What a tus upload is cut into: whole parts in the store, and between requests the beginning of the next one.

Stores take small parts only at the end of an upload (S3: 5 MiB) and at most 10 000 in all, while clients of
tus break off and go on wherever they like. What does not fill a part is therefore kept as an object of its
own, and put before what comes next.
"""

import asyncio
import contextlib
import hashlib
import os
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polycast.domain.errors import ChecksumMismatch, NotFound, PolycastError
from polycast.domain.files import File
from polycast.services.files import tail_folder
from polycast.storage.files import BLOCK, disk_errors, in_thread, write_all
from polycast.storage.interface import ObjectStore, PartInfo
from polycast.storage.spool import spooled


class _Crc32:
    """`zlib.crc32` in the manner of hashlib."""

    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes) -> None:
        self._value = zlib.crc32(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4, "big")


# tus 1.0.0 demands sha1; the others are what clients offer besides. They find damage, not attackers
_HASHES: dict[str, Any] = {
    "sha1": lambda: hashlib.sha1(usedforsecurity=False),
    "sha256": hashlib.sha256,
    "md5": lambda: hashlib.md5(usedforsecurity=False),
    "crc32": _Crc32,
}
CHECKSUMS = tuple(_HASHES)


@dataclass(frozen=True, slots=True)
class Checksum:
    """What a client says of a request's body; `algorithm` is one of `CHECKSUMS`."""

    algorithm: str
    digest: bytes


class Tail:
    """The bytes of one upload that do not fill a part yet.

    Its object is named by the part that it begins, so that it ends to count in the moment that part is there.
    """

    def __init__(self, store: ObjectStore, file: File, number: int) -> None:
        self._store = store
        self._key = f"{tail_folder(file.key)}{number:05}"

    async def size(self) -> int:
        """Bytes that are safe."""
        try:
            return (await self._store.head(self._key)).size
        except NotFound:
            return 0

    async def fetch(self, path: Path) -> None:
        """Copy it to a local file."""
        await self._store.fetch(self._key, path)

    async def keep(self, path: Path) -> None:
        """Replace it by a local file, which is given away."""
        await self._store.put_file(self._key, path, move=True)

    async def drop(self) -> None:
        """Free it; absent is fine."""
        await self._store.delete([self._key])


async def fill(path: Path, blocks: AsyncIterator[bytes]) -> None:
    """Append to a local file. What arrived before an error of `blocks` is in it."""
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
    try:
        async for block in blocks:
            with disk_errors():
                await in_thread(write_all, fd, block)
    finally:
        os.close(fd)


async def read(path: Path) -> AsyncIterator[bytes]:
    """The bytes of a local file, in blocks."""
    with path.open("rb") as source:
        while block := await in_thread(source.read, BLOCK):
            yield block


async def put_piece(
    store: ObjectStore, file: File, upload_id: str, number: int, path: Path, size: int
) -> PartInfo:
    """Make a local file of `size` bytes a part of the upload."""
    return await store.put_part(file.key, upload_id, number, read(path), size, size=size)


async def keep_what_came(tail: Tail, path: Path, had: int) -> None:
    """After a broken request: what arrived beyond the `had` bytes of before is not lost (tus 1.0.0, PATCH).

    The error that broke it is the one to tell; that this failed, too, is none.
    """
    if path.stat().st_size > had:  # noqa: ASYNC240 - one stat
        with contextlib.suppress(PolycastError):
            await asyncio.shield(asyncio.ensure_future(tail.keep(path)))


@contextlib.asynccontextmanager
async def verified(
    folder: Path, body: AsyncIterator[bytes], checksum: Checksum, *, max_bytes: int
) -> AsyncIterator[AsyncIterator[bytes]]:
    """A body that is handed on only when all of it is there and its checksum is right.

    Raises:
        ChecksumMismatch: it is another one. TooLarge: more than `max_bytes`.
    """
    hashed = _HASHES[checksum.algorithm]()

    async def counted() -> AsyncIterator[bytes]:
        async for block in body:
            hashed.update(block)
            yield block

    async with spooled(folder, counted(), max_bytes=max_bytes, size=None) as whole:
        if hashed.digest() != checksum.digest:
            raise ChecksumMismatch("the bytes that arrived have another checksum", field="Upload-Checksum")
        yield read(whole.path)
