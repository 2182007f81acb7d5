"""A child that writes to a local store until it is killed: `writer.py FOLDER MODE`."""

import asyncio
import os
import resource
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from polycast.domain.errors import StorageFull
from polycast.storage.local import LocalStore

SIZE = 3 << 20
PART = 1 << 20
LIMIT = 2_000_000


def content(version: int) -> bytes:
    return version.to_bytes(4, "big") * (SIZE // 4)


async def body(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def put(store: LocalStore) -> None:
    version = 0
    while True:
        version += 1
        await store.put("a/b/object", content(version), durable=version % 2 == 0)
        print(version, flush=True)


async def move(store: LocalStore, root: Path) -> None:
    version = 0
    while True:
        version += 1
        file = root / "source"
        file.write_bytes(content(version))
        print(f"file {version}", flush=True)
        await store.put_file("a/b/object", file, move=True, durable=False)
        print(version, flush=True)


async def multipart(store: LocalStore, part_size: int | None) -> None:
    """One upload after the other; tells id and parts before completing."""
    version = 0
    while True:
        version += 1
        data = content(version)
        upload = await store.begin_multipart(f"m/{version}", part_size=part_size)
        parts = []
        for number in (2, 1, 3):
            block = data[(number - 1) * PART : number * PART]
            part = await store.put_part(f"m/{version}", upload, number, body(block), PART)
            parts.append(f"{part.number}:{part.etag}")
            print("part", version, upload, ",".join(sorted(parts)), flush=True)
        named = [(int(part.split(":")[0]), part.split(":")[1]) for part in sorted(parts)]
        await store.complete_multipart(f"m/{version}", upload, named)
        print("done", version, upload, ",".join(sorted(parts)), flush=True)


async def fill(store: LocalStore, root: Path, begin: Callable[[], None] = lambda: None) -> None:
    """Write until the disk is full in every way there is; say what happened and what is left."""
    await store.put("first", b"x" * 1000)
    await store.put("big", b"before")
    upload = await store.begin_multipart("upload")
    await store.put_part("upload", upload, 1, body(b"before"), 10)
    placed = await store.begin_multipart("placed", part_size=5_000_000)
    source = root / "source"
    source.touch()
    os.truncate(source, 8_000_000)  # sparse: takes room only when copied
    begin()

    async def attempt(name: str, work: Awaitable[object]) -> None:
        try:
            await work
        except StorageFull:
            print(name, "full", flush=True)
        else:
            print(name, "written", flush=True)

    await attempt("put", store.put("big", b"x" * 5_000_000))
    await attempt("put_file", store.put_file("big", source))
    await attempt("part", store.put_part("upload", upload, 1, body(b"x" * 5_000_000), 6_000_000))
    await attempt("placed part", store.put_part("placed", placed, 1, body(b"x" * 5_000_000), 6_000_000))
    assert await store.get("big") == b"before"
    (part,) = await store.list_parts("upload", upload)
    assert part.size == 6
    assert await store.list_parts("placed", placed) == ()
    assert list((root / "tmp").iterdir()) == []
    await store.abort_multipart("placed", placed)
    await store.complete_multipart("upload", upload, [(1, part.etag)])
    assert [info.key async for info in store.list()] == ["big", "first", "upload"]
    await attempt("put again", store.put("after", b"x" * 500_000))


def main() -> None:
    root, mode = Path(sys.argv[1]), sys.argv[2]
    store = LocalStore(root)
    match mode:
        case "put":
            asyncio.run(put(store))
        case "move":
            asyncio.run(move(store, root))
        case "multipart":
            asyncio.run(multipart(store, None))
        case "multipart-in-place":
            asyncio.run(multipart(store, PART))
        case "fill":
            asyncio.run(fill(store, root))
        case "file-limit":
            asyncio.run(fill(store, root, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, LIMIT))))


if __name__ == "__main__":
    main()
