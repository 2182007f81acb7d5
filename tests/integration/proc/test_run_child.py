"""run_child in this process: streams, callbacks, cancelling, and that nothing leaks."""

import asyncio
import fcntl
import os
import sys
from pathlib import Path

import psutil
import pytest

from polycast.domain.errors import ChildFailed
from polycast.proc import detect
from polycast.proc.child import ChildSpec, Limits, SandboxLevel, SandboxPolicy, SandboxUnavailable, run_child
from tests.support.waiting import until

HOSTILE = Path(__file__).parent / "hostile.py"


def python(code: str, **options: object) -> ChildSpec:
    return ChildSpec(argv=[sys.executable, "-I", "-S", "-c", code], **options)  # type: ignore[arg-type]


async def test_stdin_environment_and_folder(tmp_path: Path) -> None:
    code = "import os,sys; print(sys.stdin.read(), os.getcwd(), os.environ['A'], os.environ.get('HOME'))"
    result = await run_child(python(code, stdin=b"in" * 100_000, env={"A": "b"}, cwd=tmp_path))
    assert result.stdout.decode().split() == ["in" * 100_000, str(tmp_path), "b", "None"]


async def test_lines_and_progress() -> None:
    lines: list[str] = []
    result = await run_child(python("print('a\\n\\nb\\rc', end='')"), on_line=lines.append)
    assert lines == ["a", "b", "c"]
    assert result.stdout == b""


async def test_a_slow_consumer_holds_the_child_back_and_is_no_stall() -> None:
    taken = 0
    gate = asyncio.Event()

    async def take(piece: bytes) -> None:
        nonlocal taken
        if not taken:
            asyncio.get_running_loop().call_later(0.6, gate.set)
            await gate.wait()
        taken += len(piece)

    size = 8 << 20
    code = f"import sys; sys.stdout.write('x' * {size})"
    await run_child(python(code, limits=Limits(stall_s=0.3)), on_stdout=take)
    assert taken == size


async def test_what_a_callback_raises_ends_the_child() -> None:
    def refuse(line: str) -> None:
        raise KeyError(line)

    with pytest.raises(KeyError, match="one"):
        await run_child(python("import signal; print('one', flush=True); signal.pause()"), on_line=refuse)
    assert _children() == []


async def test_a_missing_program() -> None:
    with pytest.raises(ChildFailed) as caught:
        await run_child(ChildSpec(argv=["/nowhere/ffmpeg"]))
    assert caught.value.reason == "start"


async def test_a_folder_that_cannot_be_written_is_a_sandbox_failure(tmp_path: Path) -> None:
    spec = ChildSpec(argv=["/bin/true"], cwd=tmp_path / "absent", sandbox=SandboxPolicy())
    with pytest.raises(ChildFailed) as caught:
        await run_child(spec)
    assert caught.value.reason == "start"
    assert "absent" in caught.value.stderr_tail


@pytest.mark.parametrize("sandbox", [None, SandboxPolicy()])
async def test_cancelling_reaps_the_whole_group(tmp_path: Path, sandbox: SandboxPolicy | None) -> None:
    held = tmp_path / "held"
    if sandbox is not None:
        sandbox = SandboxPolicy(read_paths=[HOSTILE], write_paths=[tmp_path])
    started = asyncio.Event()
    argv = [sys.executable, "-I", str(HOSTILE), "ignore-term", str(held)]
    spec = ChildSpec(argv=argv, sandbox=sandbox, grace_s=0.2)
    task = asyncio.create_task(run_child(spec, on_line=lambda _: started.set()))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with held.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert _children() == []


async def test_cancelling_twice_skips_the_grace(tmp_path: Path) -> None:
    started = asyncio.Event()
    argv = [sys.executable, "-I", str(HOSTILE), "ignore-term", str(tmp_path / "held")]
    task = asyncio.create_task(run_child(ChildSpec(argv=argv, grace_s=600), on_line=lambda _: started.set()))
    await started.wait()
    task.cancel()
    await asyncio.sleep(0)  # let the first cancellation arrive
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 10)
    await until(lambda: _children() == [], what="reaped")


async def test_nothing_leaks() -> None:
    await run_child(python("pass", sandbox=SandboxPolicy()))
    before = sorted(os.listdir("/proc/self/fd"))
    for _ in range(5):
        await run_child(python("pass", sandbox=SandboxPolicy()))
        with pytest.raises(ChildFailed):
            await run_child(python("raise SystemExit(3)"))
        with pytest.raises(ChildFailed):
            await run_child(python("import signal; signal.pause()", limits=Limits(wall_s=0.05)))
    assert sorted(os.listdir("/proc/self/fd")) == before
    assert _children() == []


async def test_named_descriptors_are_inherited_and_no_others() -> None:
    read, write = os.pipe()
    other = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(other, True)
    try:
        code = f"import os; os.write({write}, b'hello'); print(len(os.listdir('/proc/self/fd')))"
        result = await run_child(python(code, pass_fds=[write]))
        assert os.read(read, 10) == b"hello"
        assert int(result.stdout) == 5  # three streams, the pipe, and the listing itself
    finally:
        for fd in (read, write, other):
            os.close(fd)


async def test_without_a_sandbox_foreign_bytes_are_refused(tmp_path: Path) -> None:
    kept = detect._found[:]
    detect._found[:] = [(SandboxLevel.NONE, None)]
    try:
        with pytest.raises(SandboxUnavailable):
            await run_child(python("pass", sandbox=SandboxPolicy()))
        await run_child(python("pass", sandbox=SandboxPolicy(allow_unsandboxed=True)))
    finally:
        detect._found[:] = kept


def test_it_works_under_uvloop() -> None:
    uvloop = pytest.importorskip("uvloop")

    async def both() -> bytes:
        result = await run_child(python("print('x' * 3_000_000)", sandbox=SandboxPolicy()))
        with pytest.raises(ChildFailed, match="stalled"):
            await run_child(python("import signal; signal.pause()", limits=Limits(stall_s=0.2)))
        return result.stdout

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert len(runner.run(both())) == 3_000_001
    assert _children() == []


def _children() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)
