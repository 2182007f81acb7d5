"""Start a process through the launcher, and own it: pipes, end, rusage, stopping."""

import asyncio
import importlib.util
import marshal
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cache
from types import CodeType
from typing import IO, Any, cast

from polycast.domain.errors import ChildFailed
from polycast.proc.spec import ChildSpec, environment, plan

_LAUNCHER = "polycast.proc.launcher"
# the launcher's code and the plan come through one memory file; nothing shows in the process list
_BOOT = (
    "import marshal,os;c,p=marshal.load(open({fd},'rb'));g={{'__name__':'launcher'}};exec(c,g);g['run'](p)"
)
_STREAM_BYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class End:
    """How a process ended. `failed_step`: the launcher could not get to the program."""

    waitstatus: int
    cpu_s: float
    max_rss_bytes: int
    ended_at: float
    failed_step: str | None = None
    failure: str = ""


class Launched:
    """A running process group, its output streams, and its end.

    `exited` is done once the process is reaped; everything of its group is then dead.
    """

    stdout: asyncio.StreamReader
    stderr: asyncio.StreamReader

    def __init__(self, process: "subprocess.Popen[bytes]", status_fd: int, *, shim: bool) -> None:
        self._shim = shim
        self.pid = process.pid
        self.started_at = time.monotonic()
        self.exited: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.end = End(0, 0.0, 0, self.started_at)
        self._process = process
        self._transports: list[asyncio.ReadTransport] = []
        self._status_fd = status_fd
        self._loop = asyncio.get_running_loop()
        self._pidfd = os.pidfd_open(process.pid)
        self._loop.add_reader(self._pidfd, self._on_exit)

    async def connect(self, stdout_fd: int, stderr_fd: int) -> None:
        """Take over the reading ends."""
        with ExitStack() as unclaimed:
            files = [
                unclaimed.enter_context(os.fdopen(fd, "rb", buffering=0)) for fd in (stdout_fd, stderr_fd)
            ]
            self.stdout, self.stderr = [await self._reader(file) for file in files]
            unclaimed.pop_all()

    async def _reader(self, file: IO[bytes]) -> asyncio.StreamReader:
        reader = asyncio.StreamReader(limit=_STREAM_BYTES)
        transport, _ = await self._loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), file)
        self._transports.append(transport)
        return reader

    @property
    def returncode(self) -> int:
        """As of `Popen.returncode`, once `exited`."""
        return os.waitstatus_to_exitcode(self.end.waitstatus)

    def signal(self, number: int) -> None:
        """Send to the whole group; nothing happens once it is reaped."""
        if not self.exited.done():
            with suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    async def stop(self, grace_s: float) -> None:
        """SIGTERM, up to `grace_s`, SIGKILL, reaped. Idempotent; cancelling skips the grace, not the kill."""
        try:
            if not self.exited.done():
                self.signal(signal.SIGTERM)
                await asyncio.wait({self.exited}, timeout=grace_s)
        finally:
            self.signal(signal.SIGKILL)
            if not self.exited.done():
                await asyncio.wait({self.exited})

    def close(self) -> None:
        """Give the descriptors back. Idempotent."""
        for transport in self._transports:
            transport.close()
        if self._status_fd >= 0:
            os.close(self._status_fd)
            self._status_fd = -1

    def _on_exit(self) -> None:
        """The direct child is a zombie: kill what is left of its group while the id is still ours, then reap."""
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        try:
            _, status, usage = os.wait4(self.pid, 0)
            cpu_s, rss = usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024
        except ChildProcessError:  # somebody's waitpid(-1) took it
            status, cpu_s, rss = 255 << 8, 0.0, 0
        self._process.returncode = os.waitstatus_to_exitcode(status)  # else Popen waits for it again
        self.end = self._read_end(status, cpu_s, rss)
        if not self.exited.done():
            self.exited.set_result(None)

    def _read_end(self, status: int, cpu_s: float, rss: int) -> End:
        now = time.monotonic()
        report = b""
        with suppress(BlockingIOError):
            report = os.read(self._status_fd, 16384)
        for line in report.decode(errors="replace").splitlines():
            kind, *words = line.split(" ", 3 if line[:1] == "E" else 4)
            if kind == "E" and len(words) == 3:
                return End(status, cpu_s, rss, now, failed_step=words[0], failure=words[2])
            if kind == "X" and len(words) == 4:
                # the target's own numbers: the kernel starts the shim's peak memory at ours
                return End(int(words[0]), float(words[1]) + float(words[2]), int(words[3]) * 1024, now)
        if self._shim and status == 0:  # it reports before it leaves, unless something ended init
            return End(status, cpu_s, rss, now, failed_step="launch", failure="no report")
        return End(status, cpu_s, rss, now)


@cache
def _launcher_code() -> CodeType:
    found = importlib.util.find_spec(_LAUNCHER)
    assert found is not None
    assert found.loader is not None
    return cast(CodeType, found.loader.get_code(_LAUNCHER))  # type: ignore[attr-defined]


def _memory_file(stack: ExitStack, name: str, content: bytes) -> int:
    fd = os.memfd_create(name, os.MFD_CLOEXEC)
    stack.callback(os.close, fd)
    with open(fd, "wb", closefd=False) as file:
        file.write(content)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def resolve(spec: ChildSpec) -> list[str]:
    """The command line with the program as an absolute path.

    Raises:
        ChildFailed: reason `start`: no such program.
    """
    found = shutil.which(spec.argv[0], path=environment(spec)["PATH"])
    if found is None:
        raise ChildFailed(spec.program, "start", returncode=None, stderr_tail="no such program")
    return [os.path.abspath(found), *spec.argv[1:]]  # noqa: PTH100 (links must stay: a venv is found by its link)


async def launch(
    spec: ChildSpec, argv: list[str], sandbox: dict[str, Any] | None, *, fork: bool = True
) -> Launched:
    """Start a process; must be called in the thread that is to keep it alive.

    Args:
        argv: of `resolve`.
        sandbox: of `sandbox.confinement`.
        fork: keep a shim above the program (exact rusage; needed for sandboxes). Without, the program
            is our direct child.

    Raises:
        ChildFailed: reason `start`.
    """
    with ExitStack() as ours, ExitStack() as theirs:
        pipes = [_pipe(ours, theirs) for _ in range(3)]
        (stdout_r, stdout_w), (stderr_r, stderr_w), (status_r, status_w) = pipes
        os.set_blocking(status_r, False)
        content = plan(spec, argv=argv, sandbox=sandbox, status_fd=status_w, fork=fork)
        plan_fd = _memory_file(theirs, "plan", marshal.dumps((_launcher_code(), content)))
        stdin = _memory_file(theirs, "stdin", spec.stdin) if spec.stdin is not None else subprocess.DEVNULL
        try:
            process = subprocess.Popen(  # noqa: ASYNC220 (in this very thread: PR_SET_PDEATHSIG is tied to it)
                # -I -S: no site packages, no environment; the launcher needs ten milliseconds because of it
                [sys.executable, "-I", "-S", "-B", "-c", _BOOT.format(fd=plan_fd)],
                stdin=stdin,
                stdout=stdout_w,
                stderr=stderr_w,
                env={},
                cwd="/",
                pass_fds=(plan_fd, status_w, *spec.pass_fds),
                start_new_session=True,
            )
        except OSError as error:
            raise ChildFailed(spec.program, "start", returncode=None, stderr_tail=str(error)) from error
        ours.pop_all()
    launched = Launched(process, status_r, shim=fork)
    try:
        await launched.connect(stdout_r, stderr_r)
    except BaseException:
        await launched.stop(0)
        launched.close()
        raise
    return launched


def _pipe(ours: ExitStack, theirs: ExitStack) -> tuple[int, int]:
    read_fd, write_fd = os.pipe()
    ours.callback(os.close, read_fd)
    theirs.callback(os.close, write_fd)
    return read_fd, write_fd
