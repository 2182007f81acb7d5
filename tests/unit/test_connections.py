"""Connections that rest or stall too long are ended; those at work are left alone."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from polycast.connections import Connections
from tests.support.waiting import STRETCH

LONG_S = 3600.0
BRIEF_S = 0.2


async def _for_ever(scope: Any, receive: Any, send: Any) -> None:
    await asyncio.Event().wait()


class Watched:
    """A listening socket whose connections are watched."""

    def __init__(self, watch: Connections, listener: socket.socket) -> None:
        self.watch = watch
        self._listener = listener

    def connect(self) -> tuple[socket.socket, socket.socket]:
        """Both ends of a new connection, the server's first."""
        client = socket.create_connection(self._listener.getsockname()[:2])
        server, _ = self._listener.accept()
        client.setblocking(False)
        server.setblocking(False)
        return server, client


@asynccontextmanager
async def watched(silence_s: float, stall_s: float, host: str = "127.0.0.1") -> AsyncIterator[Watched]:
    """Connections to `host` that may rest and stall so long."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as listener:
        watch = Connections(_for_ever, listener.getsockname()[1], silence_s, stall_s)
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


async def test_one_whose_client_takes_nothing_is_ended() -> None:
    async with watched(LONG_S, BRIEF_S) as them:
        server, client = them.connect()
        with server, client:
            fill(server)
            await ended(server)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_one_that_is_being_answered_is_left_alone(host: str) -> None:
    """Longer than one that came later and asks for nothing."""
    async with watched(BRIEF_S, LONG_S, host) as them:
        server, client = them.connect()
        scope = {"type": "http", "client": client.getsockname()[:2]}
        request = asyncio.create_task(them.watch(scope, None, None))  # type: ignore[arg-type]
        later, resting = them.connect()
        with server, client, later, resting:
            await ended(later)
            assert open_still(server)
            request.cancel()
            await ended(server)


async def test_one_that_still_takes_its_answer_is_left_alone() -> None:
    """The application is done, bytes wait for the client: longer than one that came later."""
    async with watched(BRIEF_S, LONG_S) as them:
        server, client = them.connect()
        fill(server)
        later, resting = them.connect()
        with server, client, later, resting:
            await ended(later)
            assert open_still(server)


async def test_other_ports_are_not_looked_at() -> None:
    async with watched(LONG_S, LONG_S) as others, watched(BRIEF_S, LONG_S) as them:
        server, client = others.connect()
        later, resting = them.connect()
        with server, client, later, resting:
            await ended(later)
            assert open_still(server)
