"""Connections that rest or stall too long are ended; those at work are left alone."""

import asyncio
import resource
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from polycast.connections import Connections
from tests.support.waiting import STRETCH, until

LONG_S = 3600.0
BRIEF_S = 0.2


async def _app(scope: Any, receive: Any, send: Any) -> None:
    """Begins its answer at once, or never; ends at once, or never."""
    if "slow" not in scope["path"]:
        await send({"type": "http.response.start"})
    if scope["path"] != "/":
        await asyncio.Event().wait()


async def _sent(message: Any) -> None:
    """Where the server takes an answer."""


class Clock:
    """Stands still until it is moved; the watch reads it once a look."""

    def __init__(self) -> None:
        self.now = 0.0
        self.looks = 0

    def __call__(self) -> float:
        self.looks += 1
        return self.now

    async def looked(self) -> None:
        """Wait until a look that began after now is over: looks come one after the other."""
        least = self.looks + 2
        await until(lambda: self.looks >= least)


class Watched:
    """A listening socket whose connections are watched."""

    def __init__(self, watch: Connections, listener: socket.socket) -> None:
        self.watch = watch
        self._listener = listener
        self._requests: list[asyncio.Task[None]] = []

    def connect(self) -> tuple[socket.socket, socket.socket]:
        """Both ends of a new connection, the server's first."""
        client = socket.create_connection(self._listener.getsockname()[:2])
        server, _ = self._listener.accept()
        client.setblocking(False)
        server.setblocking(False)
        return server, client

    async def ask(self, client: socket.socket, path: str = "/") -> asyncio.Task[None]:
        """A request of a client, as the server hands it on; the application is at it when this returns."""
        scope = {"type": "http", "client": client.getsockname()[:2], "path": path}
        request = asyncio.create_task(self.watch(scope, _sent, _sent))  # type: ignore[arg-type]
        self._requests.append(request)
        await asyncio.sleep(0)
        return request


@asynccontextmanager
async def watched(
    silence_s: float, stall_s: float, host: str = "127.0.0.1", clock: Callable[[], float] = time.monotonic
) -> AsyncIterator[Watched]:
    """Connections to `host` that may rest and stall so long."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as listener:
        watch = Connections(_app, listener.getsockname()[1], silence_s, stall_s, clock)
        task = asyncio.create_task(watch.watch())
        try:
            yield Watched(watch, listener)
        finally:
            task.cancel()


async def ended(server: socket.socket) -> None:
    """Wait until the server's end says that the connection is over."""
    async with asyncio.timeout(10 * STRETCH):
        assert await asyncio.get_running_loop().sock_recv(server, 1) == b""


def open_still(server: socket.socket) -> bool:
    """Whether the server may still read from a client that sent nothing."""
    try:
        server.recv(1)
    except BlockingIOError:
        return True
    return False


def fill(server: socket.socket) -> None:
    """Write until the client would have to take some."""
    with pytest.raises(BlockingIOError):
        while True:
            server.send(b"x" * 65_536)


async def test_one_at_rest_is_ended() -> None:
    async with watched(BRIEF_S, LONG_S) as them:
        server, client = them.connect()
        with server, client:
            await ended(server)
            assert await asyncio.get_running_loop().sock_recv(client, 1) == b""


@pytest.mark.parametrize("path", ["/", "/endless"], ids=["answered", "being answered"])
async def test_one_that_asked_and_takes_nothing_is_ended(path: str) -> None:
    async with watched(LONG_S, BRIEF_S) as them:
        server, client = them.connect()
        with server, client:
            request = await them.ask(client, path)
            fill(server)
            await ended(server)
            request.cancel()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_one_that_waits_for_its_answer_is_left_alone(host: str) -> None:
    """Longer than one that came later and takes nothing of its own."""
    async with watched(BRIEF_S, BRIEF_S, host) as them:
        server, client = them.connect()
        request = await them.ask(client, "/slow")
        server.send(b"x")
        later, taking_nothing = them.connect()
        await them.ask(taking_nothing)
        later.send(b"x")
        with server, client, later, taking_nothing:
            await ended(later)
            assert open_still(server)
            request.cancel()
            await ended(server)


async def test_one_that_asked_may_pause() -> None:
    """Nothing waits in the kernel, as when the flow control of HTTP/2 holds it back: longer than silence lasts."""
    async with watched(BRIEF_S, LONG_S) as them:
        server, client = them.connect()
        await them.ask(client)
        server.send(b"x")
        later, silent = them.connect()
        with server, client, later, silent:
            await ended(later)
            assert open_still(server)


async def _drained(client: socket.socket, size: int) -> None:
    """Take so many bytes."""
    while size > 0:
        size -= len(await asyncio.get_running_loop().sock_recv(client, size))


async def test_one_that_takes_slowly_is_left_alone() -> None:
    """For three times as long as one may take nothing."""
    clock = Clock()
    async with watched(BRIEF_S, BRIEF_S, clock=clock) as them:
        server, client = them.connect()
        with server, client:
            await them.ask(client)
            await clock.looked()
            for _ in range(6):
                server.send(b"x" * 20_000)
                await _drained(client, 20_000)
                clock.now += BRIEF_S / 2
                await clock.looked()
            assert open_still(server)
            clock.now += 2 * BRIEF_S
            await ended(server)


async def test_pings_are_no_answers() -> None:
    clock = Clock()
    async with watched(BRIEF_S, BRIEF_S, clock=clock) as them:
        server, client = them.connect()
        with server, client:
            await them.ask(client)
            await clock.looked()
            for _ in range(3):
                server.send(b"x" * 39)
                await _drained(client, 39)
                clock.now += BRIEF_S / 2
                await clock.looked()
            await ended(server)


async def test_where_nothing_is_counted_nothing_is_judged() -> None:
    """As a system tells of one that took bytes, if it does not count them: longer than one that is counted."""
    async with watched(BRIEF_S, BRIEF_S) as them:
        server, client = them.connect()
        await them.ask(client)
        later, taking_nothing = them.connect()
        await them.ask(taking_nothing)
        later.send(b"x")
        with server, client, later, taking_nothing:
            await ended(later)
            assert open_still(server)


async def test_a_look_that_failed_forgets_nobody() -> None:
    """Who asked before it, and not again, is no silent one."""
    clock = Clock()
    async with watched(BRIEF_S, LONG_S, clock=clock) as them:
        server, client = them.connect()
        with server, client:
            await them.ask(client)
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
            try:
                await clock.looked()
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            await clock.looked()
            clock.now += 2 * BRIEF_S
            await clock.looked()
            assert open_still(server)


async def test_other_ports_are_not_looked_at() -> None:
    async with watched(LONG_S, LONG_S) as others, watched(BRIEF_S, LONG_S) as them:
        server, client = others.connect()
        later, resting = them.connect()
        with server, client, later, resting:
            await ended(later)
            assert open_still(server)
