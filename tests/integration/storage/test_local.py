"""What only the local store promises."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from polycast.domain.errors import Conflict, NotFound, PolycastError
from polycast.storage.factory import open_store
from polycast.storage.local import LocalStore

PART = 100_000


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path)


async def body(data: bytes) -> AsyncIterator[bytes]:
    yield data


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


async def test_parts_of_the_announced_size_are_never_copied(store: LocalStore, tmp_path: Path) -> None:
    upload = await store.begin_multipart("a", part_size=PART)
    data = os.urandom(2 * PART + 5)
    named = []
    for number in (3, 1, 2):
        block = data[(number - 1) * PART : number * PART]
        named.append((number, (await store.put_part("a", upload, number, body(block), PART)).etag))
    inode = (tmp_path / "uploads" / upload / "whole").stat().st_ino
    await store.complete_multipart("a", upload, sorted(named))
    path = store.local_path("a")
    assert path is not None
    assert path.stat().st_ino == inode
    assert path.read_bytes() == data


async def test_a_moved_file_is_never_copied(store: LocalStore, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x")
    inode = file.stat().st_ino
    await store.put_file("a", file, move=True)
    path = store.local_path("a")
    assert path is not None
    assert path.stat().st_ino == inode


async def test_a_refused_move_leaves_the_file(store: LocalStore, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x")
    await store.put("a/b", b"x")
    for key in ("a", "a/b/c"):
        with pytest.raises(Conflict):
            await store.put_file(key, file, move=True)
        with pytest.raises(Conflict):
            await store.put(key, b"y")
    assert file.read_bytes() == b"x"
    assert list((tmp_path / "tmp").iterdir()) == []


async def test_only_old_temporary_files_are_swept(store: LocalStore, tmp_path: Path) -> None:
    old, new = tmp_path / "tmp" / "old", tmp_path / "tmp" / "new"
    for path in (old, new):
        path.mkdir()
        (path / "file").write_bytes(b"x")
    os.utime(old, (0, time.time() - 48 * 3600))
    LocalStore(tmp_path)
    assert (old.exists(), new.exists()) == (False, True)


async def test_empty_folders_vanish(store: LocalStore, tmp_path: Path) -> None:
    for key in ("a/b/c", "a/b/d", "a/e/f"):
        await store.put(key, b"")
    await store.delete(["a/b/c", "a/b/d"])
    assert not (tmp_path / "objects/a/b").exists()
    await store.delete_prefix("a/e")
    assert list((tmp_path / "objects").iterdir()) == []


async def test_writers_and_deleters_of_one_folder_do_not_trip_over_each_other(store: LocalStore) -> None:
    async def work(n: int) -> None:
        for _ in range(30):
            await store.put(f"a/b/{n}", b"x", durable=n % 2 == 0)
            await store.delete([f"a/b/{n}"])

    await asyncio.gather(*(work(n) for n in range(6)))
    assert [info.key async for info in store.list()] == []


async def test_cancelling_anything_leaks_nothing(store: LocalStore, tmp_path: Path) -> None:
    await store.put("a", b"x" * 3_000_000)
    file = tmp_path / "file"
    file.write_bytes(b"y" * 3_000_000)

    async def read() -> None:
        async for _ in store.stream("a"):
            pass

    async def part() -> None:
        upload = await store.begin_multipart("u", part_size=PART)
        try:
            await store.put_part("u", upload, 1, body(b"z" * 3_000_000), 3_000_000)
        finally:
            await store.abort_multipart("u", upload)

    before = descriptors()
    works = (read, part, lambda: store.put("b", b"z" * 3_000_000), lambda: store.put_file("c", file))
    for work in works:
        for steps in range(0, 40, 3):
            task = asyncio.create_task(work())
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    assert descriptors() == before
    assert list((tmp_path / "tmp").iterdir()) == []
    assert [info async for info in store.list_uploads()] == []


async def test_two_stores_share_an_upload(store: LocalStore, tmp_path: Path) -> None:
    other = LocalStore(tmp_path)
    upload = await store.begin_multipart("a")
    one = await store.put_part("a", upload, 1, body(b"1"), 10)
    two = await other.put_part("a", upload, 2, body(b"2"), 10)
    named = [(1, one.etag), (2, two.etag)]
    answers = await asyncio.gather(
        store.complete_multipart("a", upload, named), other.complete_multipart("a", upload, named)
    )
    assert answers[0] == answers[1]
    assert await other.get("a") == b"12"


@pytest.mark.parametrize("url", ["ftp://x/y", "s3://", "s3:///x", "file://host/x", "gs://", "http://x/"])
def test_urls_of_no_store(url: str) -> None:
    with pytest.raises(PolycastError):
        open_store(url)


KEYS = st.sampled_from(["a", "a/b", "a/b/c", "b/c", "b-c", "b/d/e"])
STEPS = st.lists(
    st.tuples(st.sampled_from(["put", "file", "delete", "folder", "upload"]), KEYS, st.binary(max_size=50)),
    max_size=15,
)


@given(steps=STEPS)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_it_behaves_like_a_dictionary(
    steps: list[tuple[str, str, bytes]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("store")
    store = LocalStore(folder)
    model: dict[str, bytes] = {}
    for action, key, data in steps:
        # the one difference: a name is an object or a folder, not both
        clash = any(other.startswith(key + "/") or key.startswith(other + "/") for other in model)
        try:
            match action:
                case "put":
                    await store.put(key, data, durable=False)
                case "file":
                    file = folder / "file"
                    file.write_bytes(data)
                    await store.put_file(key, file, durable=False)
                case "upload":
                    upload = await store.begin_multipart(key, part_size=10)
                    halves = {2: data[10:], 1: data[:10]}
                    named = [
                        (number, (await store.put_part(key, upload, number, body(half), 100)).etag)
                        for number, half in halves.items()
                    ]
                    await store.complete_multipart(key, upload, sorted(named))
                case "delete":
                    await store.delete([key])
                    model.pop(key, None)
                case "folder":
                    await store.delete_prefix(key)
                    model = {other: data for other, data in model.items() if not other.startswith(key + "/")}
            if action in {"put", "file", "upload"}:
                assert not clash
                model[key] = data
        except Conflict:
            assert clash
        assert [info.key async for info in store.list()] == sorted(model)
        for name, expected in model.items():
            assert await store.get(name) == expected
        if key not in model:
            with pytest.raises(NotFound):
                await store.get(key)
