"""One long-running child that is kept up: its states, its restarts.

    stopped ──> starting ──> ready ──> stopping ──> stopped
                   │  ^        │
                   v  │        v
                  backoff <────┘          failed: ended with a code that a restart cannot mend

What is wanted (`up` or `down`) and what is (`state`) are two fields; only the loop in `Service.keep`
moves the second towards the first.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum

from polycast.domain.errors import ChildFailed, Conflict
from polycast.proc.launch import Launched, launch, resolve
from polycast.proc.output import Lines
from polycast.proc.spec import ChildSpec

_LINE_BYTES = 64 << 10
_READY_POLL_S = 0.1


class State(StrEnum):
    """What a service is doing."""

    STOPPED = "stopped"
    STARTING = "starting"
    READY = "ready"
    BACKOFF = "backoff"
    STOPPING = "stopping"
    FAILED = "failed"


class Wanted(StrEnum):
    """What its operator asked for."""

    UP = "up"
    DOWN = "down"


MOVES: dict[State, frozenset[State]] = {
    State.STOPPED: frozenset({State.STARTING}),
    State.STARTING: frozenset({State.READY, State.BACKOFF, State.STOPPING, State.FAILED}),
    State.READY: frozenset({State.BACKOFF, State.STOPPING, State.FAILED}),
    State.BACKOFF: frozenset({State.STARTING, State.STOPPED}),
    State.STOPPING: frozenset({State.STOPPED}),
    State.FAILED: frozenset({State.STARTING}),
}


class IllegalMove(Conflict):
    """A state that cannot follow the present one: an error in this module."""

    code = "illegal_move"


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waiting time before a restart: doubles from `first_s` to `most_s`, varied by ±`jitter` (a fraction).

    A life of at least `healthy_s` seconds starts the count anew.
    """

    first_s: float = 0.5
    most_s: float = 30.0
    jitter: float = 0.2
    healthy_s: float = 60.0

    def delay_s(self, failures: int, chance: float) -> float:
        """Seconds to wait after the n-th failure in a row (from 1); `chance` in 0..1 picks the variation."""
        plain = min(self.most_s, self.first_s * 2.0 ** min(failures - 1, 32))
        return plain * (1 + self.jitter * (2 * chance - 1))


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """A child to keep up.

    Attributes:
        name: short; the prefix of its output.
        child: its program. Its environment is all it gets; `limits` on time do not apply.
        ready: asked every tenth of a second after the start until it says True; None: ready at once.
            What it raises counts as "not yet".
        ready_within_s: not ready by then: ended and restarted.
        stop_within_s: time between SIGTERM and SIGKILL.
        final_codes: exit codes that a restart cannot mend (78: EX_CONFIG, a taken port or bad setting), but
            for a service whose `ready` has said True: what that one met passes, as whoever takes the port
            of a killed server for a moment, and must not end all the rest.
    """

    name: str
    child: ChildSpec
    ready: Callable[[], Awaitable[bool]] | None = None
    ready_within_s: float = 60.0
    stop_within_s: float = 20.0
    final_codes: frozenset[int] = field(default_factory=lambda: frozenset({78}))


OnOutput = Callable[[str, str], None]
"""(service name, line) for each line of stdout and stderr."""

OnState = Callable[[str, State], None]


class Service:
    """Keeps one child up until told otherwise."""

    def __init__(
        self, spec: ServiceSpec, backoff: Backoff, on_output: OnOutput, on_state: OnState | None = None
    ) -> None:
        self.spec = spec
        self.wanted = Wanted.DOWN
        self.state = State.STOPPED
        self.pid: int | None = None
        self.restarts = 0
        self.was_ready = asyncio.Event()
        self._backoff = backoff
        self._on_output = on_output
        self._on_state = on_state
        self._down = asyncio.Event()
        self._hurry = asyncio.Event()

    def stop(self) -> None:
        """Ask to end it; `keep` returns once it is gone. Idempotent."""
        self.wanted = Wanted.DOWN
        self._down.set()

    def hurry(self) -> None:
        """Skip what is left of the time to stop."""
        self.stop()
        self._hurry.set()

    async def keep(self) -> None:
        """Start it, and again whenever it ends, until `stop`. Cancelling ends it like `stop` does.

        Raises:
            ChildFailed: reason `exit`: it ended with one of `final_codes`.
        """
        self.wanted = Wanted.UP
        failures = 0
        while not self._down.is_set():
            self._move(State.STARTING)
            born = time.monotonic()
            try:
                code = await self._live()
            finally:
                if self._is(State.STOPPING):
                    self._move(State.STOPPED)
            if self._is(State.STOPPED):
                return
            proven = self.spec.ready is not None and self.was_ready.is_set()
            if code in self.spec.final_codes and not proven:
                self._move(State.FAILED)
                raise ChildFailed(self.spec.name, "exit", returncode=code)
            failures = 1 if time.monotonic() - born >= self._backoff.healthy_s else failures + 1
            self._move(State.BACKOFF)
            if self._down.is_set():
                break
            delay_s = self._backoff.delay_s(failures, random.random())  # noqa: S311 (spreads load, keeps no secret)
            self._on_output(self.spec.name, f"ended with code {code}; starts again in {delay_s:.1f} s")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._down.wait(), delay_s)
            self.restarts += 1
        if self._is(State.BACKOFF):
            self._move(State.STOPPED)

    async def _live(self) -> int | None:
        """One life from start to reaped; the exit code, None when it could not start."""
        try:
            child = await launch(self.spec.child, resolve(self.spec.child), None, fork=False)
        except ChildFailed as failed:
            self._on_output(self.spec.name, f"{failed}: {failed.stderr_tail}")
            return None
        self.pid = child.pid
        outputs = [asyncio.create_task(self._forward(stream)) for stream in (child.stdout, child.stderr)]
        try:
            if await self._becomes_ready(child):
                self._move(State.READY)
                self.was_ready.set()
                await self._first(child)
        except asyncio.CancelledError:
            self.stop()
            raise
        finally:
            if not child.exited.done() and self._down.is_set():
                self._move(State.STOPPING)
            await self._end(child)
            await asyncio.wait(outputs, timeout=1.0)  # a grandchild may hold the pipes; its words are lost
            for task in outputs:
                task.cancel()
            await asyncio.gather(*outputs, return_exceptions=True)
            child.close()
            self.pid = None
        if child.end.failed_step is not None:
            self._on_output(self.spec.name, f"could not start: {child.end.failure}")
            return None
        return child.returncode

    async def _becomes_ready(self, child: Launched) -> bool:
        deadline = time.monotonic() + self.spec.ready_within_s
        while not child.exited.done() and not self._down.is_set():
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                self._on_output(self.spec.name, f"was not ready within {self.spec.ready_within_s:g} s")
                return False
            if await self._says_ready(left_s):
                return not child.exited.done()
            await self._first(child, timeout_s=_READY_POLL_S)
        return False

    async def _says_ready(self, within_s: float) -> bool:
        if self.spec.ready is None:
            return True
        try:
            return await asyncio.wait_for(self.spec.ready(), within_s)
        except Exception:
            return False  # refused connections are the normal "not yet"

    async def _first(self, child: Launched, timeout_s: float | None = None) -> None:
        """Wait for the child's end or the wish to stop."""
        down = asyncio.ensure_future(self._down.wait())
        try:
            await asyncio.wait({child.exited, down}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)  # type: ignore[type-var]
        finally:
            down.cancel()

    async def _end(self, child: Launched) -> None:
        ending = asyncio.ensure_future(child.stop(self.spec.stop_within_s))
        hurry = asyncio.ensure_future(self._hurry.wait())
        try:
            await asyncio.wait({ending, hurry}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            hurry.cancel()
            if not ending.done():
                ending.cancel()  # skips the grace, not the kill
            with suppress(asyncio.CancelledError):
                await ending

    async def _forward(self, stream: asyncio.StreamReader) -> None:
        lines = Lines(_LINE_BYTES)
        while piece := await stream.read(1 << 16):
            for line in lines.feed(piece):
                self._on_output(self.spec.name, line if line is not None else "(a line too long to show)")
        if (rest := lines.rest()) is not None:
            self._on_output(self.spec.name, rest)

    def _is(self, state: State) -> bool:
        return self.state is state

    def _move(self, to: State) -> None:
        if to not in MOVES[self.state]:
            raise IllegalMove(f"service {self.spec.name}: {self.state} -> {to}")
        self.state = to
        if self._on_state is not None:
            self._on_state(self.spec.name, to)
