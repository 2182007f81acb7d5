"""The supervisor with real children: order, readiness, restarts, stopping, signals."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from polycast.domain.errors import ChildFailed
from polycast.proc.child import ChildSpec
from polycast.proc.supervisor import Backoff, ServiceSpec, State, Supervisor, Wanted
from tests.support.waiting import until

QUICK = Backoff(first_s=0.02, most_s=0.1, healthy_s=3600)
STAY = "import signal\nprint('up', flush=True)\nsignal.pause()"
STUBBORN = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('up', flush=True)\nwhile 1: signal.pause()"


class Record:
    """What the supervisor told."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []
        self.moves: list[tuple[str, State]] = []

    def line(self, name: str, line: str) -> None:
        self.lines.append((name, line))

    def move(self, name: str, state: State) -> None:
        self.moves.append((name, state))

    def said(self, name: str, line: str) -> bool:
        return (name, line) in self.lines


def service(name: str, code: str, **options: object) -> ServiceSpec:
    return ServiceSpec(name, ChildSpec(argv=[sys.executable, "-I", "-S", "-c", code]), **options)  # type: ignore[arg-type]


def supervisor(record: Record, *services: ServiceSpec) -> Supervisor:
    return Supervisor(services, on_output=record.line, on_state=record.move, backoff=QUICK)


async def test_starts_in_order_and_stops_in_reverse() -> None:
    record = Record()

    async def ready() -> bool:
        return record.said("first", "up")

    made = supervisor(record, service("first", STAY, ready=ready), service("second", STAY))
    task = asyncio.create_task(made.run())
    await until(lambda: record.said("second", "up"))
    assert [(each.wanted, each.state, each.restarts) for each in made.status()] == [
        (Wanted.UP, State.READY, 0)
    ] * 2
    made.stop()
    await task
    assert record.moves == [
        ("first", State.STARTING), ("first", State.READY), ("second", State.STARTING), ("second", State.READY),
        ("second", State.STOPPING), ("second", State.STOPPED), ("first", State.STOPPING), ("first", State.STOPPED),
    ]  # fmt: skip
    assert psutil.Process().children() == []


async def test_a_killed_child_is_started_again() -> None:
    record = Record()
    made = supervisor(record, service("api", STAY))
    task = asyncio.create_task(made.run())
    first = await until(lambda: made.status()[0].state is State.READY and made.status()[0].pid)
    assert first
    os.kill(int(first), signal.SIGKILL)
    await until(lambda: made.status()[0].restarts == 1 and made.status()[0].state is State.READY)
    assert made.status()[0].pid != first
    made.stop()
    await task


async def test_a_program_that_is_missing_is_tried_again() -> None:
    record = Record()
    made = supervisor(record, ServiceSpec("api", ChildSpec(argv=["/nowhere"])))
    task = asyncio.create_task(made.run())
    await until(lambda: made.status()[0].restarts >= 2)
    made.stop()
    await task
    assert made.status()[0].state is State.STOPPED


async def test_an_exit_that_no_restart_mends_stops_all() -> None:
    record = Record()
    failing = service("worker", "import sys; print('port 8080 is taken'); sys.exit(78)")
    made = supervisor(record, service("api", STAY), failing)
    with pytest.raises(ChildFailed) as caught:
        await made.run()
    assert (caught.value.program, caught.value.returncode) == ("worker", 78)
    assert record.said("worker", "port 8080 is taken")
    assert [each.state for each in made.status()] == [State.STOPPED, State.FAILED]


async def test_the_same_exit_of_one_that_was_ready_is_mended_by_a_restart() -> None:
    """Its port was taken by somebody who connected from it while it was away."""
    record = Record()
    code = "import os, signal\nsignal.signal(signal.SIGUSR1, lambda *_: os._exit(78))\n" + STAY

    async def ready() -> bool:
        return record.said("api", "up")

    made = supervisor(record, service("api", code, ready=ready))
    task = asyncio.create_task(made.run())
    await until(lambda: made.status()[0].state is State.READY)
    os.kill(made.status()[0].pid or 0, signal.SIGUSR1)
    await until(lambda: made.status()[0].restarts == 1 and made.status()[0].state is State.READY)
    made.stop()
    await task


async def test_never_ready_is_ended_and_tried_again() -> None:
    record = Record()

    async def never() -> bool:
        raise ConnectionRefusedError

    made = supervisor(record, service("api", STAY, ready=never, ready_within_s=0.2))
    task = asyncio.create_task(made.run())
    await until(lambda: made.status()[0].restarts >= 1)
    assert ("api", State.READY) not in record.moves
    made.stop()
    await task


async def test_stopping_has_a_deadline() -> None:
    record = Record()
    made = supervisor(record, service("api", STUBBORN, stop_within_s=0.2))
    task = asyncio.create_task(made.run())
    await until(lambda: record.said("api", "up"))
    made.stop()
    await asyncio.wait_for(task, 10)


async def test_asking_twice_kills_at_once() -> None:
    record = Record()
    made = supervisor(record, service("api", STUBBORN, stop_within_s=600))
    task = asyncio.create_task(made.run())
    await until(lambda: record.said("api", "up"))
    made.stop()
    await until(lambda: made.status()[0].state is State.STOPPING)
    made.stop()
    await asyncio.wait_for(task, 10)
    assert psutil.Process().children() == []


async def test_cancelling_leaves_nothing_behind() -> None:
    record = Record()
    made = supervisor(record, service("api", STAY), service("worker", STAY))
    task = asyncio.create_task(made.run())
    await until(lambda: record.said("worker", "up"))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert psutil.Process().children() == []


async def test_sigterm_stops_in_order() -> None:
    record = Record()
    made = supervisor(record, service("api", STAY))
    task = asyncio.create_task(made.run(handle_signals=True))
    await until(lambda: record.said("api", "up"))
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(task, 10)
    assert made.status()[0].state is State.STOPPED


async def test_children_die_with_a_killed_supervisor(tmp_path: Path) -> None:
    code = f"""
import asyncio, sys
from polycast.proc.child import ChildSpec
from polycast.proc.supervisor import ServiceSpec, Supervisor
child = ChildSpec(argv=[sys.executable, "-I", "-S", "-c", {STUBBORN!r}])
made = Supervisor([ServiceSpec("api", child)], on_output=lambda *_: print(made.status()[0].pid, flush=True))
asyncio.run(made.run())
"""
    outer = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    assert outer.stdout is not None
    child = int(await outer.stdout.readline())
    assert psutil.pid_exists(child)
    outer.kill()
    await outer.wait()

    def gone() -> bool:
        try:
            return psutil.Process(child).status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    await until(gone)
