"""Objects as files in one folder: the default store.

obstore's own local store is not used: it has no fsync, cannot take over a file that is already on this
file system, lists its temporary files, and has no parts that outlive the process.
"""

import asyncio
import contextlib
import ctypes
import errno
import os
import uuid
from collections.abc import AsyncIterator, Iterable
from itertools import islice
from pathlib import Path

from polycast.domain.errors import Invalid, NotFound
from polycast.storage.files import (
    BLOCK,
    acquire,
    copy_range,
    create,
    disk_errors,
    in_thread,
    open_regular,
    prune,
    remove,
)
from polycast.storage.interface import ObjectInfo
from polycast.storage.keys import check_folder, check_key, check_range
from polycast.storage.local_layout import Layout, delete_tree
from polycast.storage.local_uploads import LocalUploads

_LISTED_AT_ONCE = 500


class LocalStore(LocalUploads):
    """A store in a folder of this machine; any number of processes may use it at the same time.

    Args:
        root: made if absent. Everything below it belongs to the store.
    """

    def __init__(self, root: Path) -> None:
        with disk_errors():
            super().__init__(Layout(root))

    async def put(
        self, key: str, data: bytes, *, content_type: str | None = None, durable: bool = True
    ) -> ObjectInfo:
        check_key(key)
        with disk_errors():
            return await in_thread(self._layout.write, key, data, durable)

    async def put_file(
        self,
        key: str,
        path: Path,
        *,
        move: bool = False,
        content_type: str | None = None,
        durable: bool = True,
    ) -> ObjectInfo:
        check_key(key)
        with disk_errors():
            return await in_thread(self._take_file, key, path, move, durable)

    def _take_file(self, key: str, path: Path, move: bool, durable: bool) -> ObjectInfo:
        target = self._layout.target(key)
        source = open_regular(path)
        try:
            status = os.fstat(source)
            # a second name (hard link) could change the object later: such a file is copied
            if move and status.st_nlink == 1:
                try:
                    return self._layout.finish(key, path, source, target, durable)
                except OSError as error:
                    if error.errno != errno.EXDEV:  # another file system, or another mount of the same
                        raise
            info = self._copy_in(key, source, status.st_size, target, durable)
        finally:
            os.close(source)
        if move:
            remove(path)
        return info

    def _copy_in(self, key: str, source: int, size: int, target: Path, durable: bool) -> ObjectInfo:
        temporary, fd = create(self._layout.tmp)
        try:
            copy_range(source, 0, size, fd)
            return self._layout.finish(key, temporary, fd, target, durable)
        except BaseException:
            remove(temporary)
            raise
        finally:
            os.close(fd)

    async def get(self, key: str) -> bytes:
        path = self._layout.target(key)
        with disk_errors():
            try:
                return await in_thread(path.read_bytes)
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                raise NotFound("object", key) from None

    async def stream(self, key: str, start: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        check_range(start, length)
        path = self._layout.target(key)
        with disk_errors():
            try:
                fd = await acquire(lambda: open_regular(path), os.close)
            except (NotFound, Invalid):
                raise NotFound("object", key) from None
            try:
                size = os.fstat(fd).st_size
                if start > size:
                    raise Invalid(f"the range starts at {start}, the object has {size} bytes", field="range")
                end = size if length is None else min(size, start + length)
                while start < end:
                    block = await in_thread(os.pread, fd, min(BLOCK, end - start), start)
                    if not block:
                        return
                    start += len(block)
                    yield block
            finally:
                os.close(fd)

    async def head(self, key: str) -> ObjectInfo:
        check_key(key)
        with disk_errors():
            return await asyncio.to_thread(self._layout.info, key)

    async def list(self, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        walk = self._layout.walk(check_folder(prefix, allow_root=True))
        with disk_errors():
            while batch := await in_thread(lambda: tuple(islice(walk, _LISTED_AT_ONCE))):
                for info in batch:
                    yield info

    async def delete(self, keys: Iterable[str]) -> None:
        targets = [self._layout.target(key) for key in keys]
        with disk_errors():
            await in_thread(self._delete_files, targets)

    def _delete_files(self, targets: Iterable[Path]) -> None:
        for target in targets:
            if target.is_dir():
                continue  # no object
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                target.unlink()
            prune(target.parent, self._layout.objects)

    async def delete_prefix(self, prefix: str) -> None:
        folder = self._layout.objects / check_folder(prefix, allow_root=False)
        with disk_errors():
            await in_thread(self._delete_folder, folder)

    def _delete_folder(self, folder: Path) -> None:
        trash = self._layout.tmp / uuid.uuid4().hex
        try:
            if folder.is_dir():
                # gone in one step for readers, however many files it takes
                folder.rename(trash)
        except FileNotFoundError:
            return
        delete_tree(trash)
        prune(folder.parent, self._layout.objects)

    def local_path(self, key: str) -> Path | None:
        return self._layout.target(key)

    async def ensure_local(self, key: str, *, max_age_s: float | None = None) -> Path | None:
        await self.head(key)
        return self._layout.target(key)

    async def fetch(self, key: str, dest: Path) -> None:
        path = self._layout.target(key)
        with disk_errors():
            await in_thread(self._copy_out, key, path, dest)

    def _copy_out(self, key: str, path: Path, dest: Path) -> None:
        try:
            source = open_regular(path)
        except (NotFound, Invalid):
            raise NotFound("object", key) from None
        try:
            try:
                temporary, fd = create(dest.parent)
            except FileNotFoundError:
                raise Invalid("the folder to fetch into does not exist", field="dest") from None
            try:
                copy_range(source, 0, os.fstat(source).st_size, fd)
                temporary.rename(dest)
            except BaseException:
                remove(temporary)
                raise
            finally:
                os.close(fd)
        finally:
            os.close(source)

    async def presign_get(self, key: str, expires_s: int, *, filename: str | None = None) -> str | None:
        check_key(key)
        return None

    async def flush(self) -> None:
        with disk_errors():
            await in_thread(self._sync_disk)

    def _sync_disk(self) -> None:
        fd = os.open(self._layout.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            # syncfs(2): one call for the whole file system instead of one per file; Python has no wrapper
            if ctypes.CDLL(None, use_errno=True).syncfs(fd) != 0:
                code = ctypes.get_errno()
                raise OSError(code, os.strerror(code))
        finally:
            os.close(fd)

    async def aclose(self) -> None:
        return None
