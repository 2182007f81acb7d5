"""tus 1.0: resumable uploads of any size in one stream of bytes.

What arrives is cut into parts of the same multipart upload that all other ways in use, and between requests
the rest is kept beside them: a broken connection costs nothing that had arrived, however small the chunks.
"""

import base64
import binascii
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from polycast.domain.access import PERMISSIONS, Caller, Permission
from polycast.domain.errors import Conflict, Invalid, NotFound, TooLarge
from polycast.domain.files import File
from polycast.domain.states import FileStatus
from polycast.services.files import Files
from polycast.services.pieces import Pieces
from polycast.services.tus_pieces import (
    Checksum,
    Tail,
    fill,
    keep_what_came,
    put_piece,
    verified,
)
from polycast.services.uploads import Uploads
from polycast.storage.interface import ObjectStore, PartInfo
from polycast.storage.spool import scratch

PART = 16 * 1024 * 1024
"""bytes of a part; 10 000 of them are 160 GB, so larger files get larger parts"""
_TOO_MUCH = "more bytes arrived than Upload-Length announced"


@dataclass(frozen=True, slots=True)
class TusUpload:
    """An upload as its client sees it; `offset` bytes of `length` are safe."""

    file: File
    offset: int
    length: int

    @property
    def done(self) -> bool:
        return self.offset == self.length


class Tus:
    """Use cases of the tus protocol (tus.io, protocol 1.0.0: core, creation, checksum, termination).

    Args:
        spool: local folder for what is being received.
    """

    def __init__(self, store: ObjectStore, uploads: Uploads, files: Files, spool: Path) -> None:
        self._store = store
        self._uploads = uploads
        self._files = files
        self._spool = spool

    async def create(
        self,
        caller: Caller,
        *,
        name: str,
        length: int,
        intent: dict[str, Any],
        content_type: str | None = None,
    ) -> TusUpload:
        """Open an upload of `length` bytes. Errors as `Uploads.start`."""
        upload = await self._uploads.start(
            caller,
            name=name,
            size=length,
            intent=intent,
            protocol="tus",
            content_type=content_type,
            part_size=PART,
        )
        return TusUpload(upload.file, 0, length)

    async def state(self, caller: Caller, uid: UUID) -> TusUpload:
        """How far an upload is. Raises NotFound when it is unknown, expired or not a tus upload."""
        file = await self._files.get(caller, uid)
        length = file.declared_size
        if file.protocol != "tus" or length is None:
            raise NotFound("upload", uid)
        if file.status is FileStatus.COMPLETED:
            return TusUpload(file, length, length)
        if file.status is not FileStatus.UPLOADING:
            raise NotFound("upload", uid)
        parts = await self._uploads.list_parts(file)
        offset = sum(p.size for p in parts)
        if offset != length:
            offset += await self._tail(file, parts).size()
        elif Permission.WRITE in PERMISSIONS[caller.role]:
            # all bytes are safe, but who received the last one died before it could say so: for the client
            # an upload that stands at its end is done, so it must be
            file = await self._uploads.complete(caller, uid, [(p.number, p.etag) for p in parts])
        return TusUpload(file, offset, length)

    async def append(
        self,
        caller: Caller,
        uid: UUID,
        offset: int,
        body: AsyncIterator[bytes],
        *,
        size: int | None = None,
        checksum: Checksum | None = None,
    ) -> TusUpload:
        """Take bytes from `offset` on; the last byte completes the file. What came before an error is kept.

        Args:
            size: of the body, if the client says so.
            checksum: of the body; then all of it counts or nothing.

        Raises:
            Conflict: the offset is not where the upload stands, or somebody else is at it.
            TooLarge: more bytes than were announced. ChecksumMismatch: the body was damaged on its way.
        """
        caller.require(Permission.WRITE)
        upload = await self.state(caller, uid)
        if offset != upload.offset:
            raise Conflict(f"the upload stands at {upload.offset}")
        left = upload.length - offset
        if size is not None and size > left:
            raise TooLarge(_TOO_MUCH)
        if upload.file.upload_id is None or upload.done:
            return upload
        # two requests that continue at the same byte would write each other's parts
        async with self._uploads.alone(upload.file):
            if (await self.state(caller, uid)).offset != offset:
                raise Conflict("another request has continued this upload")
            if checksum is None:
                return await self._take(caller, upload, Pieces(body))
            async with verified(self._spool, body, checksum, max_bytes=left) as whole:
                return await self._take(caller, upload, Pieces(whole))

    async def _take(self, caller: Caller, upload: TusUpload, reader: Pieces) -> TusUpload:
        file, length, upload_id = upload.file, upload.length, upload.file.upload_id
        assert upload_id is not None
        parts = await self._uploads.list_parts(file)
        at = sum(p.size for p in parts)
        had = upload.offset - at
        while at < length:
            tail = self._tail(file, parts)
            most = min(file.part_size or PART, length - at)
            async with scratch(self._spool) as (path, _):
                if had:
                    await tail.fetch(path)
                try:
                    await fill(path, reader.take(most - had))
                except BaseException:
                    await keep_what_came(tail, path, had)
                    raise
                have = path.stat().st_size
                if have < most:
                    if have > had:
                        await tail.keep(path)
                    return TusUpload(file, at + have, length)
                if at + most == length and await reader.more():
                    raise TooLarge(_TOO_MUCH)
                part = await put_piece(self._store, file, upload_id, _next(parts), path, most)
            if had:
                await tail.drop()
            parts, at, had = [*parts, part], at + most, 0
        file = await self._uploads.complete(caller, file.uid, [(p.number, p.etag) for p in parts])
        return TusUpload(file, length, length)

    def _tail(self, file: File, parts: Sequence[PartInfo]) -> Tail:
        return Tail(self._store, file, _next(parts))

    async def terminate(self, caller: Caller, uid: UUID) -> None:
        """Drop an unfinished upload and its bytes. Raises NotFound, or Conflict when it is complete."""
        await self.state(caller, uid)
        await self._uploads.cancel(caller, uid, remove=True)


def _next(parts: Sequence[PartInfo]) -> int:
    return max((p.number for p in parts), default=0) + 1


def parse_metadata(header: str) -> dict[str, str]:
    """The Upload-Metadata header: comma-separated `key base64` pairs (tus 1.0.0, creation).

    Raises:
        Invalid: malformed.
    """
    values: dict[str, str] = {}
    for pair in filter(None, (p.strip() for p in header.split(","))):
        key, _, encoded = pair.partition(" ")
        try:
            values[key] = base64.b64decode(encoded, validate=True).decode("utf-8", "replace")
        except binascii.Error as error:
            raise Invalid("Upload-Metadata is not valid", field="Upload-Metadata") from error
    return values
