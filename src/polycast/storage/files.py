"""Durable, atomic work on local files: what a write must do so that nobody ever sees half of it.

The blocking functions here run in threads by way of `in_thread`, never on the event loop.
"""

import asyncio
import contextlib
import errno
import os
import stat
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ParamSpec, TypeVar

from polycast.domain.errors import Conflict, Invalid, NotFound, StorageFull, Unavailable

P = ParamSpec("P")
T = TypeVar("T")

BLOCK = 1 << 20
"""bytes handed to a thread at once: large enough to hide the hand-over, small enough for memory"""
MODE = 0o644
"""objects may be read by a front server (X-Accel-Redirect); who may enter is decided by the root folder"""

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


async def in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run blocking work in a thread and, unlike `asyncio.to_thread`, never leave it behind.

    A thread cannot be cancelled; if this task is, it waits for the thread to end and only then goes on,
    so that callers may close descriptors and remove files that the work was using.
    """
    task = asyncio.ensure_future(asyncio.to_thread(work, *args, **kwargs))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # fetched, so that asyncio does not report it as lost
        raise


async def acquire(work: Callable[[], T], undo: Callable[[T], None]) -> T:
    """Like `in_thread` for work that opens something: undone if the caller was cancelled meanwhile."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([task])
        if not task.cancelled() and task.exception() is None:
            undo(task.result())
        raise


@contextlib.contextmanager
def disk_errors() -> Iterator[None]:
    """Turn what the operating system says into our errors; `FileNotFoundError` is left to the caller.

    Raises:
        StorageFull: no room, no quota. Conflict: an object stands where a folder is needed. Unavailable: all else.
    """
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull("the media store is full") from error
        if error.errno in {errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY}:
            raise Conflict("an object stands where a folder is needed, or the other way round") from error
        raise Unavailable("the media store cannot be used now") from error


def create(folder: Path) -> tuple[Path, int]:
    """A new empty file under a name nobody knows, open for writing."""
    path = folder / uuid.uuid4().hex
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    return path, os.open(path, flags, MODE)


def discard(created: tuple[Path, int]) -> None:
    """Close and remove what `create` made."""
    os.close(created[1])
    remove(created[0])


def write_all(fd: int, data: bytes | bytearray | memoryview, offset: int | None = None) -> None:
    """Write everything (a single write may be cut short), at `offset` if given."""
    view = memoryview(data)
    while view:
        written = os.write(fd, view) if offset is None else os.pwrite(fd, view, offset)
        view = view[written:]
        if offset is not None:
            offset += written


def copy_range(source: int, offset: int, size: int, target: int) -> None:
    """Append bytes of one open file to another, inside the kernel if it can (reflinks where they exist).

    Raises:
        Unavailable: the source ends before `size` bytes.
    """
    in_kernel = True
    while size > 0:
        if in_kernel:
            try:
                # at most 1 GiB at once, so that a thread can be waited for
                done = os.copy_file_range(source, target, min(size, 1 << 30), offset)
            except OSError as error:
                # across file systems, or a file system that knows no such call
                if error.errno not in {errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}:
                    raise
                in_kernel = False
                continue
        else:
            block = os.pread(source, min(size, BLOCK), offset)
            write_all(target, block)
            done = len(block)
        if done == 0:
            raise Unavailable("a stored file is shorter than it was")
        offset += done
        size -= done


def open_regular(path: Path) -> int:
    """Open for reading what must be a plain file.

    Children write the files we take in: a symbolic link they left would let them read anything.

    Raises:
        NotFound: nothing there. Invalid: a link, folder, pipe or device; names `path`.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        raise NotFound("file", path.name) from None
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.ENXIO, errno.ENOTDIR}:
            raise Invalid(f"{path.name} is not a regular file", field="path") from None
        raise
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise Invalid(f"{path.name} is not a regular file", field="path")
    return fd


def sync_folder(folder: Path) -> None:
    """A renamed file survives a power cut only once its folder was synced too."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def publish(temporary: Path, target: Path, *, root: Path, durable: bool) -> None:
    """Give a finished file its name, replacing what was there in one step.

    Args:
        root: existing ancestor of `target`; folders between are made.
        durable: also sync all folders up to `root`; an earlier write that was not durable may have made them.
    """
    for _ in range(100):
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary.rename(target)
            break
        except (FileNotFoundError, FileExistsError):
            if not temporary.exists() or target.parent.is_file():
                raise
            # a deletion beside us has just pruned the empty folder: make it again
    else:
        raise Unavailable("a folder of the media store vanishes again and again")
    if durable:
        for folder in target.parents:
            with contextlib.suppress(FileNotFoundError):  # deleted again meanwhile
                sync_folder(folder)
            if folder == root:
                break


def remove(path: Path) -> None:
    """Unlink, absent is fine."""
    with contextlib.suppress(FileNotFoundError):
        path.unlink()


def prune(folder: Path, root: Path) -> None:
    """Remove empty folders upwards to `root`, which stays."""
    while folder != root:
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent
