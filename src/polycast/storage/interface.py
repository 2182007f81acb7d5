"""The one interface of the media store.

Everything that is kept as bytes (sources, segments, track logs, images, captions) is an object with a
'/'-separated key that services mint. An object appears whole or not at all: no reader and no crash ever
shows half of one. Stores differ in place, never in what these methods promise; one contract suite
(tests/contract/storage) runs over all of them.

A *folder* below means a key prefix that ends at a '/': 't/1/a' covers 't/1/a/x' and never 't/1/ab'.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol, runtime_checkable

MAX_PARTS = 10_000
"""highest part number (that of S3)"""


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What is known of an object without reading it.

    Attributes:
        key: as it was put.
        size: bytes.
        etag: strong validator without quotes (RFC 9110 8.8.3); changes with every write of the key.
            Opaque: only some stores make it a hash of the content.
        modified: time of the write, UTC.
    """

    key: str
    size: int
    etag: str
    modified: datetime


@dataclass(frozen=True, slots=True)
class PartInfo:
    """A part that was received whole.

    Attributes:
        number: 1 to `MAX_PARTS`.
        size: bytes.
        etag: MD5 of the part in hex, without quotes, what S3 clients expect.
    """

    number: int
    size: int
    etag: str


@dataclass(frozen=True, slots=True)
class UploadInfo:
    """A multipart upload that the store holds something of.

    Attributes:
        started: when it was begun, UTC.
        active: when a part was last received, UTC; equals `started` where the store cannot tell.
        completed: the object exists already; aborting frees the record that makes completion repeatable.
    """

    key: str
    upload_id: str
    started: datetime
    active: datetime
    completed: bool = False


@runtime_checkable
class ObjectStore(Protocol):
    """Where objects live.

    Errors of all methods: `Invalid` for a malformed key, folder, range or part number; `StorageFull` when
    the disk or quota of the store is exhausted; `Unavailable` when the store does not answer.
    A cancelled or failed write leaves the key as it was.
    """

    async def put(
        self, key: str, data: bytes, *, content_type: str | None = None, durable: bool = True
    ) -> ObjectInfo:
        """Write an object, replacing what was there in one step.

        Args:
            content_type: kept by remote stores for presigned reads; the local store ignores it, since
                delivery knows types by extension.
            durable: survive a power cut once this returned. False is for what can be made again
                (segments); a killed process never loses either. See `flush`.
        """
        ...

    async def put_file(
        self,
        key: str,
        path: Path,
        *,
        move: bool = False,
        content_type: str | None = None,
        durable: bool = True,
    ) -> ObjectInfo:
        """Write an object from a regular file (a symbolic link is `Invalid`: children write these files).

        Args:
            move: give the file away; it is gone afterwards, also where it had to be copied.

        Raises:
            NotFound: no such file.
        """
        ...

    async def get(self, key: str) -> bytes:
        """The whole object. Raises `NotFound`."""
        ...

    def stream(self, key: str, start: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """The bytes [start, start + length), cut at the end; `length=None` means up to the end.

        The object that was there when reading began is read to its end, even if it is replaced meanwhile
        (remote stores: `Conflict` if they cannot). Close the iterator (`aclosing`) when leaving early.

        Raises:
            NotFound: no such object.
            Invalid: `start` lies beyond the end; `start == size` yields nothing.
        """
        ...

    async def head(self, key: str) -> ObjectInfo:
        """Facts of an object. Raises `NotFound`."""
        ...

    def list(self, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        """All objects in a folder and below, ascending by key; '' is everything.

        What is written or deleted meanwhile may or may not appear.
        """
        ...

    async def delete(self, keys: Iterable[str]) -> None:
        """Remove objects; absent ones are fine."""
        ...

    async def delete_prefix(self, prefix: str) -> None:
        """Remove a folder with all below it; absent is fine, '' is `Invalid`. Repeat it if it failed."""
        ...

    def local_path(self, key: str) -> Path | None:
        """A real file with the object's bytes that children may read and the server may send.

        None where the store is remote. The file may be absent if the object is; never write to it.
        """
        ...

    async def fetch(self, key: str, dest: Path) -> None:
        """Copy an object to a local file, which appears whole; its folder must exist. Raises `NotFound`."""
        ...

    async def presign_get(self, key: str, expires_s: int, *, filename: str | None = None) -> str | None:
        """A URL by which anybody reads the object for `expires_s` seconds, None if the store has no such.

        Args:
            filename: ask the browser to download under this name.
        """
        ...

    async def flush(self) -> None:
        """Make everything written so far with `durable=False` survive a power cut (one call for many)."""
        ...

    async def begin_multipart(
        self, key: str, *, content_type: str | None = None, part_size: int | None = None
    ) -> str:
        """Start an upload in parts; answers its id (URL-safe, at most 1024 characters).

        Args:
            part_size: size in bytes of every part but the last, if known. Lets the local store write
                each part where it will stay, so that completion copies nothing. Only a hint: parts of
                other sizes still work.
        """
        ...

    async def put_part(
        self,
        key: str,
        upload_id: str,
        number: int,
        stream: AsyncIterator[bytes],
        max_bytes: int,
        *,
        size: int | None = None,
    ) -> PartInfo:
        """Receive one part; parts may come in any order, in parallel and again (the last whole one counts).

        Args:
            size: declared length of the body; another length is `Invalid`.

        Raises:
            TooLarge: the body exceeds `max_bytes`; nothing of it is kept.
            NotFound: no such upload for this key (or it was aborted).
            Conflict: the upload was completed.

        Errors of `stream` pass through and leave an earlier copy of the part as it was.
        """
        ...

    async def list_parts(self, key: str, upload_id: str) -> tuple[PartInfo, ...]:
        """Parts received so far, ascending. Raises `NotFound` for an unknown or finished upload."""
        ...

    async def complete_multipart(
        self,
        key: str,
        upload_id: str,
        parts: Sequence[tuple[int, str]],
        *,
        expected_size: int | None = None,
    ) -> ObjectInfo:
        """Make the object of exactly these parts, in ascending order of number.

        Repeating the call with the same parts answers the same, also after a crash in the middle.

        Args:
            parts: (number, etag); quotes and letter case of the etag do not matter.
            expected_size: declared size of the whole in bytes.

        Raises:
            Invalid: field 'parts' and a message naming the part: none given, order or number wrong,
                missing, other etag, too small for the store; field 'size' if the whole has another size.
            NotFound: no such upload.
            Conflict: it was completed with other parts.
        """
        ...

    async def abort_multipart(self, key: str, upload_id: str) -> None:
        """Drop an upload and free its parts; unknown ones are fine. An object already made stays."""
        ...

    def list_uploads(self) -> AsyncIterator[UploadInfo]:
        """All uploads the store still holds something of, for expiry: abort the ones that are too old."""
        ...

    async def presign_part(
        self, key: str, upload_id: str, number: int, expires_s: int, *, size: int | None = None
    ) -> str | None:
        """A URL that takes the part by PUT, straight to the store; None if parts must come through us.

        Args:
            size: bytes of the part, where they are known: the URL then takes no other number.
        """
        ...

    async def aclose(self) -> None:
        """Release connections; the store is not used afterwards."""
        ...


@runtime_checkable
class FileStore(ObjectStore, Protocol):
    """A store whose objects can be had as files of this machine: what delivery sends from."""

    async def ensure_local(self, key: str, *, max_age_s: float | None = None) -> Path | None:
        """A file with the object's bytes that exists for at least some seconds more; never write to it.

        Args:
            max_age_s: how old a copy may be, in seconds since it was last compared with the store; None
                trusts any copy (for keys that are never written twice).

        Returns:
            None if there is no room for such a file: stream the object instead.

        Raises:
            NotFound: no such object.
        """
        ...
