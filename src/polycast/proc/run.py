"""Watch one started child to its end: output, limits on time, stopping, and the verdict."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable

from polycast.domain.errors import ChildFailed
from polycast.proc.launch import Launched
from polycast.proc.output import Lines, Tail
from polycast.proc.spec import ChildResult, ChildSpec

OnLine = Callable[[str], bool | None]
OnStdout = Callable[[bytes], Awaitable[None] | None]

_READ_BYTES = 1 << 16
_DRAIN_S = 5.0  # after the end: a stranger holding our pipe open must not hold us
_MEMORY_WORDS = ("MemoryError", "Cannot allocate memory", "std::bad_alloc", "Out of memory")


class _Cut(Exception):
    """We end the child, for this reason."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Run:
    """One child, from started to judged."""

    def __init__(
        self, spec: ChildSpec, launched: Launched, on_line: OnLine | None, on_stdout: OnStdout | None
    ) -> None:
        self.spec = spec
        self.child = launched
        self.on_line = on_line
        self.on_stdout = on_stdout
        self.captured = bytearray()
        self.stderr = Tail()
        self.progress_at = time.monotonic()
        self.consumer_busy = False

    async def to_end(self) -> ChildResult:
        """See `child.run_child`."""
        tasks = [
            asyncio.ensure_future(job) for job in (self._read_stdout(), self._read_stderr(), self._watch())
        ]
        stdout, stderr, watch = tasks
        reason: str | None = None
        try:
            # the end of the process decides, not the end of its output: it may close stdout and hang
            working: set[asyncio.Future[None]] = {self.child.exited, *tasks}
            while not self.child.exited.done():
                done, _ = await asyncio.wait(working, return_when=asyncio.FIRST_COMPLETED)
                for task in done - {self.child.exited}:
                    task.result()  # a limit was passed, or a callback raised
                working -= done
            await asyncio.wait({stdout, stderr}, timeout=_DRAIN_S)
            for task in (stdout, stderr):
                if task.done():
                    task.result()
        except _Cut as cut:
            reason = cut.reason
        finally:
            watch.cancel()
            try:
                await self.child.stop(self.spec.grace_s if reason is None else min(1.0, self.spec.grace_s))
                if not stderr.done():
                    await asyncio.wait({stderr}, timeout=1.0)  # its last words
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                self.child.close()
        return self._judge(reason)

    async def _read_stdout(self) -> None:
        lines = Lines(self.spec.stdout_bytes)
        while piece := await self.child.stdout.read(_READ_BYTES):
            if self.on_line is not None:
                for line in lines.feed(piece):
                    if line is None:
                        raise _Cut("output")
                    self._take_line(line)
            elif self.on_stdout is not None:
                self.consumer_busy = True
                try:
                    pending = self.on_stdout(piece)
                    if pending is not None:
                        await pending
                finally:
                    self.consumer_busy = False
                self.progress_at = time.monotonic()
            else:
                self.captured += piece
                if len(self.captured) > self.spec.stdout_bytes:
                    raise _Cut("output")
                self.progress_at = time.monotonic()
        if self.on_line is not None and (last := lines.rest()) is not None:
            self._take_line(last)

    def _take_line(self, line: str) -> None:
        assert self.on_line is not None
        if self.on_line(line) is not False:
            self.progress_at = time.monotonic()

    async def _read_stderr(self) -> None:
        while piece := await self.child.stderr.read(_READ_BYTES):
            self.stderr.feed(piece)

    async def _watch(self) -> None:
        """Raise _Cut when the wall or stall limit has passed."""
        wall_s, stall_s = self.spec.limits.wall_s, self.spec.limits.stall_s
        while True:
            now = time.monotonic()
            waits = [3600.0]
            if wall_s is not None:
                waits.append(self.child.started_at + wall_s - now)
                if waits[-1] <= 0:
                    raise _Cut("timeout")
            if stall_s is not None:
                if self.consumer_busy:
                    self.progress_at = now
                waits.append(self.progress_at + stall_s - now)
                if waits[-1] <= 0:
                    raise _Cut("stalled")
            await asyncio.sleep(min(waits))

    def _judge(self, reason: str | None) -> ChildResult:
        end = self.child.end
        tail = self.stderr.text()
        if end.failed_step is not None:
            step = "start" if end.failed_step == "exec" else "sandbox"
            raise ChildFailed(
                self.spec.program, step, returncode=None, stderr_tail=f"{end.failed_step}: {end.failure}"
            )
        code = self.child.returncode
        if reason is None and code != 0:
            reason = self._reason_of(code, tail)
        if reason is not None:
            raise ChildFailed(self.spec.program, reason, returncode=code, stderr_tail=tail)
        return ChildResult(
            returncode=code,
            stdout=bytes(self.captured),
            stderr_tail=tail,
            wall_s=end.ended_at - self.child.started_at,
            cpu_s=end.cpu_s,
            max_rss_bytes=end.max_rss_bytes,
        )

    def _reason_of(self, code: int, tail: str) -> str:
        limits = self.spec.limits
        if code == -signal.SIGXCPU or (
            # the hard limit, after SIGXCPU was ignored
            code == -signal.SIGKILL and limits.cpu_s is not None and self.child.end.cpu_s >= limits.cpu_s
        ):
            return "cpu"
        if code == -signal.SIGXFSZ:
            return "output"
        if limits.memory_bytes is not None and any(word in tail for word in _MEMORY_WORDS):
            return "memory"
        return "signal" if code < 0 else "exit"
