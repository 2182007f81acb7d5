"""Where the local store keeps what, and the facts of one file."""

import os
import shutil
import stat
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from polycast.domain.errors import Conflict, NotFound
from polycast.storage.files import MODE, create, publish, remove, write_all
from polycast.storage.interface import ObjectInfo
from polycast.storage.keys import check_key

_STALE_TEMPORARY_S = 24 * 3600


class Layout:
    """The folders below the root, all on one file system so that renames work.

    `objects/` holds objects under their keys and nothing else; `tmp/` files being written, under random
    names, so that no listing ever meets them; `uploads/` one folder per multipart upload.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.objects = self.root / "objects"
        self.tmp = self.root / "tmp"
        self.uploads = self.root / "uploads"
        for folder in (self.objects, self.tmp, self.uploads):
            folder.mkdir(parents=True, exist_ok=True)
        self._sweep()

    def target(self, key: str) -> Path:
        return self.objects / check_key(key)

    def info(self, key: str) -> ObjectInfo:
        """Facts of the object; `NotFound` if there is none (a folder is none)."""
        try:
            status = self.target(key).lstat()
        except (FileNotFoundError, NotADirectoryError):
            raise NotFound("object", key) from None
        if not stat.S_ISREG(status.st_mode):
            raise NotFound("object", key)
        return facts(key, status)

    def write(self, key: str, data: bytes, durable: bool) -> ObjectInfo:
        target = self.target(key)
        temporary, fd = create(self.tmp)
        try:
            try:
                write_all(fd, data)
                return self.finish(key, temporary, fd, target, durable)
            finally:
                os.close(fd)
        except BaseException:
            remove(temporary)
            raise

    def finish(self, key: str, temporary: Path, fd: int, target: Path, durable: bool) -> ObjectInfo:
        """Publish a written file that is still open, and answer its facts (not those of a later writer)."""
        os.fchmod(fd, MODE)
        if durable:
            os.fsync(fd)
        if target.is_dir():
            raise Conflict("a folder stands where the object should be")
        publish(temporary, target, root=self.objects, durable=durable)
        return facts(key, os.fstat(fd))

    def walk(self, folder: str) -> Iterator[ObjectInfo]:
        """Objects below a folder ('a/b/' or ''), ascending by key. A file named like the folder is none."""
        try:
            with os.scandir(self.objects / folder) as entries:
                # as a key, a folder sorts with its '/': 'a-b' comes before 'a/b'
                found = sorted(
                    entry.name + "/" if entry.is_dir(follow_symlinks=False) else entry.name
                    for entry in entries
                )
        except (FileNotFoundError, NotADirectoryError):
            return
        for name in found:
            if name.endswith("/"):
                yield from self.walk(folder + name)
                continue
            try:
                status = (self.objects / folder / name).lstat()
            except FileNotFoundError:
                continue
            yield facts(folder + name, status)

    def _sweep(self) -> None:
        """Remove what killed writers left; a writer that lives does not stand still for a day."""
        border = time.time() - _STALE_TEMPORARY_S
        for path in self.tmp.iterdir():
            try:
                if path.stat(follow_symlinks=False).st_mtime < border:
                    delete_tree(path)
            except FileNotFoundError:
                continue


def facts(key: str, status: os.stat_result) -> ObjectInfo:
    """Facts of a stored file.

    The etag is strong without reading a byte: objects are never changed in place, so inode, time and size
    together name one write. (Time alone has the kernel's tick of some milliseconds.)
    """
    return ObjectInfo(
        key=key,
        size=status.st_size,
        etag=f"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}",
        modified=datetime.fromtimestamp(status.st_mtime_ns / 1e9, UTC),
    )


def delete_tree(path: Path) -> None:
    """Remove a file or folder with all below it; what others remove meanwhile is fine."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        remove(path)
