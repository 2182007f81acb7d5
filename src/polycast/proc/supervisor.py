"""Keep a set of named services up: `polycast up` runs its roles under one of these."""

import asyncio
import signal
from collections.abc import Sequence
from dataclasses import dataclass

from polycast.proc.service import (
    MOVES,
    Backoff,
    IllegalMove,
    OnOutput,
    OnState,
    Service,
    ServiceSpec,
    State,
    Wanted,
)

__all__ = [
    "MOVES",
    "Backoff",
    "IllegalMove",
    "OnOutput",
    "OnState",
    "Service",
    "ServiceSpec",
    "ServiceStatus",
    "State",
    "Supervisor",
    "Wanted",
    "stop_signals",
]


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """A snapshot. `pid` is None while there is no process; `restarts` counts since the start."""

    name: str
    wanted: Wanted
    state: State
    pid: int | None
    restarts: int


def stop_signals() -> tuple[signal.Signals, ...]:
    """What asks a process to stop: SIGTERM, SIGINT, and SIGHUP of a closed terminal unless `nohup` said not to."""
    hangup = () if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (signal.SIGHUP,)
    return (signal.SIGTERM, signal.SIGINT, *hangup)


class Supervisor:
    """Starts services in order, each after the one before was ready once; stops them in reverse.

        supervisor = Supervisor([api, worker], on_output=lambda name, line: print(f"{name:<8}| {line}"))
        await supervisor.run(handle_signals=True)

    Children die with the thread that runs the event loop, even by SIGKILL. They have sessions of their
    own, so Ctrl-C in a terminal reaches this process alone, which then stops them in order.
    """

    def __init__(
        self,
        services: Sequence[ServiceSpec],
        *,
        on_output: OnOutput,
        on_state: OnState | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        names = [spec.name for spec in services]
        if len(set(names)) != len(names):
            raise ValueError("two services of one name")
        self._services = [Service(spec, backoff or Backoff(), on_output, on_state) for spec in services]
        self._stop = asyncio.Event()
        self._hurried = False

    def status(self) -> list[ServiceStatus]:
        """One line per service, in order of start."""
        return [
            ServiceStatus(each.spec.name, each.wanted, each.state, each.pid, each.restarts)
            for each in self._services
        ]

    def stop(self) -> None:
        """Ask to stop everything; asked twice, the children are killed at once. `run` returns when all are gone."""
        if self._stop.is_set():
            self._hurried = True
            for service in self._services:
                if service.state is State.STOPPING:
                    service.hurry()
        self._stop.set()

    async def stopping(self) -> None:
        """Returns once it was told to stop."""
        await self._stop.wait()

    async def run(self, *, handle_signals: bool = False) -> None:
        """Keep everything up until `stop`, or, with `handle_signals` (main thread only), one of `stop_signals`.

        Cancelling stops everything in order, then CancelledError comes out.

        Raises:
            ChildFailed: a service ended in a way that a restart cannot mend; the others were stopped.
        """
        loop = asyncio.get_running_loop()
        numbers = stop_signals() if handle_signals else ()
        for number in numbers:
            loop.add_signal_handler(number, self.stop)
        keepers: list[asyncio.Task[None]] = []
        try:
            await self._start_in_order(keepers)
        finally:
            try:
                await self._stop_in_order(keepers)
            finally:
                for number in numbers:
                    loop.remove_signal_handler(number)
        for keeper in keepers:
            keeper.result()

    async def _start_in_order(self, keepers: list[asyncio.Task[None]]) -> None:
        stop = asyncio.create_task(self._stop.wait())
        try:
            for service in self._services:
                keepers.append(asyncio.create_task(service.keep(), name=f"keep {service.spec.name}"))
                ready = asyncio.create_task(service.was_ready.wait())
                await asyncio.wait({stop, ready, *keepers}, return_when=asyncio.FIRST_COMPLETED)
                ready.cancel()
                if stop.done() or any(keeper.done() for keeper in keepers):
                    return
            # a keeper ends by itself only when its service failed for good
            await asyncio.wait({stop, *keepers}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop.cancel()

    async def _stop_in_order(self, keepers: list[asyncio.Task[None]]) -> None:
        for service, keeper in reversed(list(zip(self._services, keepers, strict=False))):
            service.hurry() if self._hurried else service.stop()
            try:
                await asyncio.wait({keeper})
            except asyncio.CancelledError:
                # the second order to leave: no more patience, but still none left behind
                self._hurried = True
                service.hurry()
                await asyncio.wait({keeper})
                for rest in self._services:
                    rest.hurry()
                await asyncio.gather(*keepers, return_exceptions=True)
                raise
