"""Where the pipeline meets the disk: scratch folders, sources on local disk, results into the store."""

import asyncio
import errno
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from polycast.domain.errors import ChildFailed, IntegrityError, MediaError, NotFound, StorageFull
from polycast.domain.tracks import TrackLog
from polycast.protocols import tracklog
from polycast.storage.interface import ObjectStore

LOG_OBJECT = "log.jsonl"
GROWING_LOG = "growing.jsonl"
"""the log of a track that has no end yet: a name of its own, so that no writer who comes late, a worker that was
thought dead, ever replaces a complete log by one that is cut off"""
_PARALLEL = 16
_FULL = {errno.ENOSPC, errno.EDQUOT}
_LEAST_FREE = 4 * 1024 * 1024
"""with less than this left on the disk, a failure is taken for want of space"""


Local = Callable[[str], Awaitable[Path]]
"""Key of an object to a local file with its bytes. Raises NotFound."""


class Workspace:
    """Local files for jobs.

    Args:
        root: of scratch folders, on the same filesystem as a local store, so that results are moved.

    Attributes:
        remote: objects have to be brought here to be read, cached ones apart.
    """

    def __init__(self, store: ObjectStore, root: Path) -> None:
        self.store = store
        self.root = root
        self.remote = store.local_path("probe") is None

    @asynccontextmanager
    async def scratch(self, name: str) -> AsyncIterator[Path]:
        """An empty folder, gone at the end whatever happens.

        Raises:
            StorageFull: what failed in the block failed for want of space.
        """
        try:
            folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix=f"{name}-", dir=self.root))
        except OSError as error:
            if error.errno in _FULL:
                raise StorageFull("the disk of the worker is full") from error
            raise
        try:
            yield folder
        except (OSError, ChildFailed, MediaError) as error:
            # a child says it in its own words, or ends with a file cut short that nobody can read
            if getattr(error, "errno", None) in _FULL:
                raise StorageFull("the disk of the worker is full") from error
            await self.blame_space(error)
            raise
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    @asynccontextmanager
    async def source(self, key: str) -> AsyncIterator[Path]:
        """An object as a local file: its own where the store is local, else a copy for the time of the block.

        Raises:
            NotFound: the object is gone.
        """
        own = self.store.local_path(key)
        if own is not None and not self.remote:
            if not own.exists():
                raise NotFound("stored file")
            yield own
            return
        async with self.scratch("source") as folder:
            path = folder / ("source" + Path(key).suffix)
            # a cached copy may be evicted at any time: a name of our own keeps its bytes
            if own is None or not await asyncio.to_thread(_linked, own, path):
                await self.store.fetch(key, path)
            yield path

    @asynccontextmanager
    async def sources(self) -> AsyncIterator[Local]:
        """`source` for the steps of a job: each object is brought here once, and stays until the block ends."""
        async with AsyncExitStack() as stack:
            known: dict[str, Path] = {}

            async def local(key: str) -> Path:
                if key not in known:
                    known[key] = await stack.enter_async_context(self.source(key))
                return known[key]

            yield local

    async def keep(self, files: Iterable[tuple[Path, str, int]]) -> int:
        """Move files into the store as (file, key, expected bytes); returns their bytes in all.

        Each object appears whole; `flush` is called once at the end.

        Raises:
            IntegrityError: a file has not the length its maker stated: it is not published.
        """
        gate = asyncio.Semaphore(_PARALLEL)

        async def one(path: Path, key: str, size: int) -> int:
            async with gate:
                found = (await asyncio.to_thread(path.stat)).st_size
                if found != size:
                    raise IntegrityError(f"object {key} has {found} bytes, its maker stated {size}")
                return (await self.store.put_file(key, path, move=True, durable=False)).size

        # all have ended when this returns: none is still moving a file while its folder is removed
        sizes = await asyncio.gather(*(one(*file) for file in files), return_exceptions=True)
        for size in sizes:
            if isinstance(size, BaseException):
                raise size
        await self.store.flush()
        return sum(size for size in sizes if isinstance(size, int))

    async def keep_track(self, folder: Path, prefix: str, log: TrackLog) -> int:
        """Move a packaged track into the store: init segment and segments first, the log last."""
        wanted: dict[str, int] = {}
        if log.header.init is not None:
            wanted[log.header.init.object] = log.header.init.offset + log.header.init.size
        for segment in log.segments:
            wanted[segment.object] = max(wanted.get(segment.object, 0), segment.offset + segment.size)
        size = await self.keep((folder / name, prefix + name, length) for name, length in wanted.items())
        await self.put_log(prefix, log)
        return size

    async def put_log(self, prefix: str, log: TrackLog, *, durable: bool = True) -> None:
        """Write a track's log, under a name of its own (and again and again) while it grows."""
        name = LOG_OBJECT if log.complete else GROWING_LOG
        await self.store.put(prefix + name, tracklog.dumps(log), durable=durable)

    async def get_log(self, prefix: str) -> TrackLog:
        """The log of a complete track. Raises NotFound."""
        return tracklog.loads(await self.store.get(prefix + LOG_OBJECT))

    async def blame_space(self, error: Exception) -> None:
        """Raises StorageFull in place of `error` when the disk has no room left."""
        if (await asyncio.to_thread(shutil.disk_usage, self.root)).free < _LEAST_FREE:
            raise StorageFull("the disk of the worker is full") from error

    async def clear(self) -> None:
        """Remove scratch folders that an earlier life of this process left."""
        await asyncio.to_thread(self._clear)

    def _clear(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        for entry in self.root.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)


def _linked(own: Path, path: Path) -> bool:
    try:
        path.hardlink_to(own)
    except OSError:
        return False
    return True
