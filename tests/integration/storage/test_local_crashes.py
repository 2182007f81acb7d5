"""`kill -9` in the middle of writes, and a full disk."""

import contextlib
import random
import shutil
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from polycast.domain.errors import NotFound
from polycast.storage.local import LocalStore
from tests.integration.storage import writer

SEEDS = range(4)
ALL_REFUSED = {
    "put": "full",
    "put_file": "full",
    "part": "full",
    "placed part": "full",
    "put again": "written",
}


def run_and_kill(root: Path, mode: str, seconds: float) -> list[str]:
    """Lines the child said before it was killed, after its first and `seconds` more."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.storage.writer", str(root), mode],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    assert process.stdout is not None
    with process.stdout:
        lines = [process.stdout.readline().strip()]
        assert lines[0], "the writer did not start"
        # a timer, since the pipe must be emptied meanwhile; the moment is what the seed varies
        timer = threading.Timer(seconds, process.kill)
        timer.start()
        lines += [line.strip() for line in process.stdout if line.endswith("\n")]
        timer.join()
    assert process.wait(10) == -9
    return lines


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_killed_put_leaves_a_whole_object(tmp_path: Path, seed: int) -> None:
    acknowledged = int(run_and_kill(tmp_path, "put", random.Random(seed).uniform(0.01, 0.3))[-1])
    data = await LocalStore(tmp_path).get("a/b/object")
    version = int.from_bytes(data[:4], "big")
    assert data == writer.content(version)
    assert acknowledged <= version <= acknowledged + 1


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_killed_move_loses_no_file(tmp_path: Path, seed: int) -> None:
    """The bytes are under one of the two names, whole, at every moment."""
    lines = run_and_kill(tmp_path, "move", random.Random(seed).uniform(0.01, 0.3))
    offered = max(int(line.split()[-1]) for line in lines)
    try:
        data = await LocalStore(tmp_path).get("a/b/object")
    except NotFound:
        data = b""
    source = tmp_path / "source"
    left = source.read_bytes() if source.exists() else b""
    assert writer.content(offered) in (data, left) or data == writer.content(offered + 1)
    if data:
        assert data == writer.content(int.from_bytes(data[:4], "big"))


async def one(data: bytes) -> AsyncIterator[bytes]:
    yield data


@pytest.mark.parametrize("mode", ["multipart", "multipart-in-place"])
@pytest.mark.parametrize("seed", SEEDS)
async def test_an_upload_goes_on_after_a_kill(tmp_path: Path, seed: int, mode: str) -> None:
    lines = run_and_kill(tmp_path, mode, random.Random(seed).uniform(0.01, 0.4))
    store = LocalStore(tmp_path)
    told: dict[int, tuple[str, dict[int, str]]] = {}
    done = set()
    for line in lines:
        kind, number_of, upload_id, named = line.split()
        etags = {int(part.split(":")[0]): part.split(":")[1] for part in named.split(",")}
        told[int(number_of)] = (upload_id, etags)
        if kind == "done":
            done.add(int(number_of))
    for version, (upload, parts) in told.items():
        key = f"m/{version}"
        data = writer.content(version)
        if version in done:
            assert await store.get(key) == data
        if len(parts) < 3:
            # every acknowledged part is there; the others are sent again
            assert set(parts.items()) <= {(p.number, p.etag) for p in await store.list_parts(key, upload)}
            for number in {1, 2, 3} - parts.keys():
                block = data[(number - 1) * writer.PART : number * writer.PART]
                part = await store.put_part(key, upload, number, one(block), writer.PART)
                parts[number] = part.etag
        info = await store.complete_multipart(key, upload, sorted(parts.items()))
        assert info.size == writer.SIZE
        assert await store.get(key) == data
        folder = tmp_path / "uploads" / upload
        assert {path.name for path in folder.iterdir()} == {"meta.json", "done.json", "lock"}
    async for info in store.list("m"):
        assert await store.get(info.key) == writer.content(int(info.key.split("/")[1]))


def full_disk() -> list[str]:
    """Command that runs another one with a small file system of its own, [] where that is not allowed."""
    if shutil.which("unshare") is None:
        return []
    shell = 'mount -t tmpfs -o size=4m none "$1" && shift && exec "$@"'
    prefix = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", shell, "sh"]
    with contextlib.suppress(OSError):
        if subprocess.run([*prefix, "/mnt", "true"], capture_output=True, check=False).returncode == 0:
            return prefix
    return []


def test_a_full_disk(tmp_path: Path) -> None:
    prefix = full_disk()
    if not prefix:
        pytest.skip("no file systems of one's own here")
    assert run_to_end([*prefix, str(tmp_path)], tmp_path, "fill") == ALL_REFUSED


def test_a_limit_on_the_size_of_files(tmp_path: Path) -> None:
    assert run_to_end([], tmp_path, "file-limit") == ALL_REFUSED


def run_to_end(prefix: list[str], root: Path, mode: str) -> dict[str, str]:
    command = [*prefix, sys.executable, "-m", "tests.integration.storage.writer", str(root), mode]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=Path(__file__).parents[3], check=False, timeout=50
    )
    assert done.returncode == 0, done.stderr
    return {line.rsplit(" ", 1)[0]: line.rsplit(" ", 1)[1] for line in done.stdout.splitlines()}
