"""A read-through disk cache in front of a remote store.

Delivery sends files (`pathsend`, X-Accel-Redirect), so objects of a remote store are brought to this
machine's disk once, however many viewers ask. The folder is shared by all processes of the machine; what
it holds is always whole. Lost or emptied, it fills again.
"""

import asyncio
import builtins
import contextlib
import errno
import fcntl
import os
import stat
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from polycast.domain.errors import Conflict, PolycastError, StorageFull
from polycast.storage.files import disk_errors, in_thread, prune, publish, remove
from polycast.storage.interface import ObjectInfo, ObjectStore, PartInfo, UploadInfo
from polycast.storage.keys import check_folder, check_key
from polycast.storage.local_layout import Layout, delete_tree

_GRACE_S = 15.0
"""a file is not evicted for so long after it was asked for: the server opens it a moment later"""
_TOUCH_S = 5.0
"""the time of use is written at most this often"""
_RESCAN = 50
"""look at what other processes added after each 1/50 of the size"""
_LOW_WATER = 0.9
"""evict down to this share, so that not every new object evicts one"""


@dataclass(slots=True)
class _Known:
    etag: str
    verified: float


class CachedStore:
    """An `ObjectStore` with `ensure_local`.

    Writes and deletions through it take effect in the cache at once, on this machine. Other machines keep
    what they have until it is evicted or revalidated: keys of generations are never written twice, and
    whoever serves an object has looked into the database before.

    Args:
        inner: a remote store.
        folder: made if absent; nothing else may be in it.
        max_bytes: on disk, exceeded by at most a few percent and by objects in use.
        max_object_bytes: larger ones are not cached; a quarter of `max_bytes` if None.
    """

    def __init__(
        self, inner: ObjectStore, folder: Path, max_bytes: int, *, max_object_bytes: int | None = None
    ) -> None:
        self._inner = inner
        with disk_errors():
            self._layout = Layout(folder)
        self._max_bytes = max_bytes
        self._max_object = max_bytes // 4 if max_object_bytes is None else max_object_bytes
        self._flights: dict[str, asyncio.Task[Path | None]] = {}
        self._known: dict[str, _Known] = {}
        self._estimate: int | None = None
        self._added = 0

    async def ensure_local(self, key: str, *, max_age_s: float | None = None) -> Path | None:
        """Bring an object to this disk; a file that exists for at least some seconds more.

        Many callers for one key cause one read of the store; a caller that gives up does not stop it.

        Args:
            max_age_s: ask the store whether the object is still the same if that was done longer ago.
                None trusts the copy: for keys that are never written twice.

        Returns:
            None if the object is too large for the cache or the disk is full: stream it instead.

        Raises:
            NotFound: no such object.
        """
        path = self._layout.target(key)
        while True:
            flight = self._flights.get(key)
            if flight is None:
                # one stat on the event loop is cheaper than a thread, and leaves no gap for a second flight
                if _use(path) and self._is_young(key, max_age_s):
                    return path
                flight = self._start(key, path, revalidate=max_age_s is not None)
            await asyncio.wait([flight])
            if not flight.cancelled():
                return flight.result()
            # a write or deletion made the flight worthless: look again

    def _start(self, key: str, path: Path, *, revalidate: bool) -> "asyncio.Task[Path | None]":
        flight = asyncio.create_task(self._bring(key, path, revalidate))
        self._flights[key] = flight

        def landed(done: "asyncio.Task[Path | None]") -> None:
            if self._flights.get(key) is done:
                del self._flights[key]
            if not done.cancelled():
                done.exception()  # fetched, in case every caller has gone

        flight.add_done_callback(landed)
        return flight

    def _is_young(self, key: str, max_age_s: float | None) -> bool:
        if max_age_s is None:
            return True
        known = self._known.get(key)
        # what another process brought is of a version that we cannot tell
        return known is not None and time.monotonic() - known.verified <= max_age_s

    async def _bring(self, key: str, path: Path, revalidate: bool) -> Path | None:
        asked = time.monotonic()
        info = await self._inner.head(key)
        known = self._known.get(key)
        if revalidate and known is not None and known.etag == info.etag and _use(path):
            known.verified = asked
            return path
        if info.size > self._max_object:
            return None
        temporary = self._layout.tmp / os.urandom(16).hex()
        try:
            await in_thread(self._make_room, info.size)
            await self._inner.fetch(key, temporary)
            with disk_errors():
                await in_thread(publish, temporary, path, root=self._layout.objects, durable=False)
        except (StorageFull, Conflict):
            # no room, or replaced while it was read: the caller streams, the next one tries again
            return None
        finally:
            await in_thread(remove, temporary)
        self._added += info.size
        self._known[key] = _Known(info.etag, asked)
        return path

    def _make_room(self, size: int) -> None:
        """Evict what was not asked for longest; one process at a time."""
        if (
            self._estimate is not None
            and self._added < self._max_bytes // _RESCAN
            and self._estimate + self._added + size <= self._max_bytes
        ):
            return
        fd = os.open(self._layout.root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            found: builtins.list[tuple[float, int, str]] = []
            for info in self._layout.walk(""):
                with contextlib.suppress(FileNotFoundError):
                    status = self._layout.target(info.key).lstat()
                    found.append((status.st_atime, status.st_size, info.key))
            total = sum(size for _, size, _ in found)
            if total + size > self._max_bytes:
                border = time.time() - _GRACE_S
                for used, freed, key in sorted(found):
                    if total + size <= self._max_bytes * _LOW_WATER or used > border:
                        break
                    self._forget(key)
                    total -= freed
            self._estimate, self._added = total, 0
        finally:
            os.close(fd)

    def _forget(self, key: str) -> None:
        self._known.pop(key, None)
        path = self._layout.target(key)
        try:
            remove(path)
        except OSError as error:
            if error.errno not in {errno.ENOTDIR, errno.EISDIR, errno.EPERM}:
                raise
        prune(path.parent, self._layout.objects)

    async def _drop(self, keys: Iterable[str]) -> None:
        for key in keys:
            flight = self._flights.pop(key, None)
            if flight is not None:
                flight.cancel()
                await asyncio.wait([flight])
            await in_thread(self._forget, key)

    def local_path(self, key: str) -> Path | None:
        """The cached file if there is one; see `ensure_local`."""
        path = self._layout.target(key)
        return path if path.is_file() else None

    # writes: first the store, then the cache, so that the old copy cannot come back

    async def put(
        self, key: str, data: bytes, *, content_type: str | None = None, durable: bool = True
    ) -> ObjectInfo:
        try:
            return await self._inner.put(key, data, content_type=content_type, durable=durable)
        finally:
            await self._dropped(key)

    async def put_file(
        self,
        key: str,
        path: Path,
        *,
        move: bool = False,
        content_type: str | None = None,
        durable: bool = True,
    ) -> ObjectInfo:
        try:
            return await self._inner.put_file(
                key, path, move=move, content_type=content_type, durable=durable
            )
        finally:
            await self._dropped(key)

    async def complete_multipart(
        self,
        key: str,
        upload_id: str,
        parts: Sequence[tuple[int, str]],
        *,
        expected_size: int | None = None,
    ) -> ObjectInfo:
        try:
            return await self._inner.complete_multipart(key, upload_id, parts, expected_size=expected_size)
        finally:
            await self._dropped(key)

    async def _dropped(self, key: str) -> None:
        with contextlib.suppress(PolycastError):  # a malformed key: the store has said so
            check_key(key)
            await self._drop([key])

    async def delete(self, keys: Iterable[str]) -> None:
        checked = [check_key(key) for key in keys]
        try:
            await self._inner.delete(checked)
        finally:
            await self._drop(checked)

    async def delete_prefix(self, prefix: str) -> None:
        folder = check_folder(prefix, allow_root=False)
        try:
            await self._inner.delete_prefix(prefix)
        finally:
            await self._drop([key for key in self._flights if key.startswith(folder)])
            for key in [key for key in self._known if key.startswith(folder)]:
                del self._known[key]
            await in_thread(delete_tree, self._layout.objects / folder)

    # everything else is the store's

    async def get(self, key: str) -> bytes:
        return await self._inner.get(key)

    def stream(self, key: str, start: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        return self._inner.stream(key, start, length)

    async def head(self, key: str) -> ObjectInfo:
        return await self._inner.head(key)

    def list(self, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        return self._inner.list(prefix)

    async def fetch(self, key: str, dest: Path) -> None:
        await self._inner.fetch(key, dest)

    async def presign_get(self, key: str, expires_s: int, *, filename: str | None = None) -> str | None:
        return await self._inner.presign_get(key, expires_s, filename=filename)

    async def flush(self) -> None:
        await self._inner.flush()

    async def begin_multipart(
        self, key: str, *, content_type: str | None = None, part_size: int | None = None
    ) -> str:
        return await self._inner.begin_multipart(key, content_type=content_type, part_size=part_size)

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
        return await self._inner.put_part(key, upload_id, number, stream, max_bytes, size=size)

    async def list_parts(self, key: str, upload_id: str) -> tuple[PartInfo, ...]:
        return await self._inner.list_parts(key, upload_id)

    async def abort_multipart(self, key: str, upload_id: str) -> None:
        await self._inner.abort_multipart(key, upload_id)

    def list_uploads(self) -> AsyncIterator[UploadInfo]:
        return self._inner.list_uploads()

    async def presign_part(
        self, key: str, upload_id: str, number: int, expires_s: int, *, size: int | None = None
    ) -> str | None:
        return await self._inner.presign_part(key, upload_id, number, expires_s, size=size)

    async def aclose(self) -> None:
        for flight in tuple(self._flights.values()):
            flight.cancel()
        await asyncio.gather(*self._flights.values(), return_exceptions=True)
        await self._inner.aclose()


def _use(path: Path) -> bool:
    """Whether the file is there; notes the time of use (as atime: mtime is left to the server's headers)."""
    try:
        status = path.lstat()
        now = time.time()
        if now - status.st_atime > _TOUCH_S:
            os.utime(path, ns=(int(now * 1e9), status.st_mtime_ns), follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return stat.S_ISREG(status.st_mode)
