"""tus 1.0: resumable uploads of any size in one stream of bytes.

What arrives is cut into parts of the same multipart upload that all other ways in use, each durable on its
own: a broken connection costs at most the part that was being received, however long the request was.
"""

import base64
import binascii
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from polycast.domain.access import PERMISSIONS, Caller, Permission
from polycast.domain.errors import Conflict, Invalid, NotFound, TooLarge
from polycast.domain.files import File
from polycast.domain.states import FileStatus
from polycast.services.files import Files
from polycast.services.pieces import Pieces
from polycast.services.uploads import Uploads
from polycast.storage.interface import ObjectStore

PART = 16 * 1024 * 1024
"""bytes of a part; 10 000 of them are 160 GB, so larger files get larger parts"""


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
    """Use cases of the tus protocol (tus.io, protocol 1.0.0: core, creation, termination)."""

    def __init__(self, store: ObjectStore, uploads: Uploads, files: Files) -> None:
        self._store = store
        self._uploads = uploads
        self._files = files

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
        if file.protocol != "tus" or file.declared_size is None:
            raise NotFound("upload", uid)
        if file.status is FileStatus.COMPLETED:
            return TusUpload(file, file.declared_size, file.declared_size)
        if file.status is not FileStatus.UPLOADING:
            raise NotFound("upload", uid)
        parts = await self._uploads.list_parts(file)
        offset = sum(p.size for p in parts)
        if offset == file.declared_size and Permission.WRITE in PERMISSIONS[caller.role]:
            # all bytes are safe, but who received the last one died before it could say so: for the client
            # an upload that stands at its end is done, so it must be
            file = await self._uploads.complete(caller, uid, [(p.number, p.etag) for p in parts])
        return TusUpload(file, offset, file.declared_size or offset)

    async def append(self, caller: Caller, uid: UUID, offset: int, body: AsyncIterator[bytes]) -> TusUpload:
        """Take bytes from `offset` on; the last byte completes the file.

        Raises:
            Conflict: the offset is not where the upload stands.
            TooLarge: more bytes than were announced. What was announced is kept.
        """
        caller.require(Permission.WRITE)
        upload = await self.state(caller, uid)
        if offset != upload.offset:
            raise Conflict(f"the upload stands at {upload.offset}")
        file = upload.file
        if file.upload_id is None or upload.done:
            return upload
        # two requests that continue at the same byte would write each other's parts
        async with self._uploads.alone(file):
            if (await self.state(caller, uid)).offset != offset:
                raise Conflict("another request has continued this upload")
            size = file.part_size or PART
            parts = {p.number: p for p in await self._uploads.list_parts(file)}
            number = max(parts, default=0) + 1
            reader = Pieces(body)
            at = offset
            while at < upload.length:
                most = min(size, upload.length - at)
                if not await reader.more():
                    break
                part = await self._store.put_part(file.key, file.upload_id, number, reader.take(most), most)
                parts[number] = part
                at += part.size
                number += 1
            if at == upload.length and await reader.more():
                raise TooLarge("more bytes arrived than Upload-Length announced")
            if at == upload.length:
                file = await self._uploads.complete(
                    caller, uid, [(p.number, p.etag) for p in sorted(parts.values(), key=lambda p: p.number)]
                )
        return TusUpload(file, at, upload.length)

    async def terminate(self, caller: Caller, uid: UUID) -> None:
        """Drop an unfinished upload and its bytes. Raises NotFound, or Conflict when it is complete."""
        await self.state(caller, uid)
        await self._uploads.cancel(caller, uid, remove=True)


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
