"""The read-through disk cache."""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from obstore.store import MemoryStore

from polycast.domain.errors import NotFound, Unavailable
from polycast.storage.cache import CachedStore
from polycast.storage.composed import ComposedStore
from polycast.storage.interface import FileStore, ObjectInfo
from polycast.storage.local import LocalStore

MAX = 100_000


class CountingStore(ComposedStore):
    """A remote store that counts reads, and waits or fails when told."""

    def __init__(self) -> None:
        super().__init__(MemoryStore())
        self.fetched: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()
        self.gate = asyncio.Event()
        self.gate.set()
        self.entered = asyncio.Event()
        self.fails = False

    async def head(self, key: str) -> ObjectInfo:
        self.asked[key] += 1
        return await super().head(key)

    async def fetch(self, key: str, dest: Path) -> None:
        self.fetched[key] += 1
        await super().fetch(key, dest)
        self.entered.set()
        await self.gate.wait()
        if self.fails:
            raise Unavailable("the store is away")


@pytest.fixture
def remote() -> CountingStore:
    return CountingStore()


@pytest.fixture
async def cache(remote: CountingStore, tmp_path: Path) -> AsyncIterator[CachedStore]:
    cache = CachedStore(remote, tmp_path / "cache", MAX)
    yield cache
    await cache.aclose()
    assert list((tmp_path / "cache" / "tmp").iterdir()) == []


def cached_bytes(tmp_path: Path) -> int:
    return sum(path.stat().st_size for path in (tmp_path / "cache" / "objects").rglob("*") if path.is_file())


def age(path: Path | None, seconds: float) -> None:
    assert path is not None
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns - int(seconds * 1e9), status.st_mtime_ns))


async def ensure(cache: CachedStore, key: str, **more: Any) -> bytes:
    path = await cache.ensure_local(key, **more)
    assert path is not None
    assert path == cache.local_path(key)
    return path.read_bytes()


def test_both_kinds_are_file_stores(cache: CachedStore, tmp_path: Path) -> None:
    assert isinstance(cache, FileStore)
    assert isinstance(LocalStore(tmp_path / "local"), FileStore)


async def test_the_local_store_has_its_files_already(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "local")
    await store.put("a", b"x")
    assert await store.ensure_local("a") == store.local_path("a")
    with pytest.raises(NotFound):
        await store.ensure_local("b")


async def test_the_store_is_read_once(cache: CachedStore, remote: CountingStore) -> None:
    await cache.put("a/b", b"bytes")
    assert cache.local_path("a/b") is None
    remote.gate.clear()
    viewers = [asyncio.create_task(ensure(cache, "a/b")) for _ in range(50)]
    await asyncio.wait_for(remote.entered.wait(), 5)
    assert cache.local_path("a/b") is None
    viewers[0].cancel()  # who started it goes away
    remote.gate.set()
    results = await asyncio.gather(*viewers, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert results[1:] == [b"bytes"] * 49
    assert await ensure(cache, "a/b") == b"bytes"
    assert remote.fetched == {"a/b": 1}
    assert remote.asked == {"a/b": 1}


async def test_absent_objects_and_failures_are_not_cached(cache: CachedStore, remote: CountingStore) -> None:
    with pytest.raises(NotFound):
        await cache.ensure_local("a")
    await cache.put("a", b"x")
    remote.fails = True
    results = await asyncio.gather(*(cache.ensure_local("a") for _ in range(5)), return_exceptions=True)
    assert [type(result) for result in results] == [Unavailable] * 5
    remote.fails = False
    assert await ensure(cache, "a") == b"x"


async def test_another_process_finds_what_is_there(
    cache: CachedStore, remote: CountingStore, tmp_path: Path
) -> None:
    await cache.put("a", b"x")
    await ensure(cache, "a")
    other = CachedStore(remote, tmp_path / "cache", MAX)
    assert await ensure(other, "a") == b"x"
    assert remote.fetched == {"a": 1}
    # but it cannot tell which version that is
    assert await ensure(other, "a", max_age_s=60) == b"x"
    assert remote.fetched == {"a": 2}


async def test_writes_and_deletions_take_effect(cache: CachedStore, tmp_path: Path) -> None:
    for key in ("a", "f/a", "f/b/c", "fa"):
        await cache.put(key, b"old")
        assert await ensure(cache, key) == b"old"
    await cache.put("a", b"new")
    assert await ensure(cache, "a") == b"new"
    file = tmp_path / "file"
    file.write_bytes(b"newer")
    await cache.put_file("a", file, move=True)
    assert await ensure(cache, "a") == b"newer"
    await cache.delete_prefix("f")
    await cache.delete(["a"])
    for key in ("a", "f/a", "f/b/c"):
        assert cache.local_path(key) is None
        with pytest.raises(NotFound):
            await cache.ensure_local(key)
    assert await ensure(cache, "fa") == b"old"


async def test_a_completed_upload_replaces(cache: CachedStore) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"new"

    await cache.put("a", b"old")
    await ensure(cache, "a")
    upload = await cache.begin_multipart("a")
    part = await cache.put_part("a", upload, 1, body(), 10)
    await cache.complete_multipart("a", upload, [(1, part.etag)])
    assert await ensure(cache, "a") == b"new"


async def test_a_write_during_a_read_wins(cache: CachedStore, remote: CountingStore) -> None:
    await cache.put("a", b"old")
    remote.gate.clear()
    reading = asyncio.create_task(ensure(cache, "a"))
    await asyncio.wait_for(remote.entered.wait(), 5)
    await cache.put("a", b"new")
    remote.gate.set()
    assert await reading == b"new"


async def test_revalidation(cache: CachedStore, remote: CountingStore) -> None:
    await remote.put("log", b"one")
    assert await ensure(cache, "log", max_age_s=0) == b"one"
    assert await ensure(cache, "log", max_age_s=0) == b"one"
    assert remote.fetched["log"] == 1
    await remote.put("log", b"two")  # another machine
    assert await ensure(cache, "log") == b"one"
    assert await ensure(cache, "log", max_age_s=3600) == b"one"
    assert await ensure(cache, "log", max_age_s=0) == b"two"
    assert remote.fetched["log"] == 2


async def test_what_was_not_asked_for_longest_goes_first(
    cache: CachedStore, remote: CountingStore, tmp_path: Path
) -> None:
    for n in range(10):
        await cache.put(f"k/{n}", bytes([n]) * 9_500)
        await ensure(cache, f"k/{n}")
    for n in range(10):
        age(cache.local_path(f"k/{n}"), 1000 - n)
    await ensure(cache, "k/0")  # used again: now the youngest
    await cache.put("new", b"x" * 20_000)
    await ensure(cache, "new")
    assert cached_bytes(tmp_path) <= MAX
    gone = [n for n in range(10) if cache.local_path(f"k/{n}") is None]
    assert gone == [1, 2, 3]
    assert await ensure(cache, "k/1") == bytes([1]) * 9_500


async def test_what_is_in_use_stays(cache: CachedStore) -> None:
    for n in range(20):
        await cache.put(f"k/{n}", b"x" * 10_000)
    paths = await asyncio.gather(*(cache.ensure_local(f"k/{n}") for n in range(20)))
    assert all(path is not None and path.exists() for path in paths)


async def test_large_objects_are_left_to_streaming(cache: CachedStore, remote: CountingStore) -> None:
    await cache.put("large", b"x" * (MAX // 4 + 1))
    assert await cache.ensure_local("large") is None
    assert remote.fetched == {}


async def test_the_bound_holds_over_many_objects(cache: CachedStore, tmp_path: Path) -> None:
    for n in range(100):
        await cache.put(f"k/{n}", b"x" * 5_000)
        await ensure(cache, f"k/{n}")
        age(cache.local_path(f"k/{n}"), 1000)
        assert cached_bytes(tmp_path) <= MAX
    assert cached_bytes(tmp_path) >= MAX * 0.8
