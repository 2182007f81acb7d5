"""Connections that say nothing and take nothing come to an end, whatever they speak.

The HTTP server itself ends an HTTP/1 connection at rest. It has no clock for a TLS client that is silent after its
handshake, for HTTP/2 clients that only answer pings, and for whoever asks for a large file and does not take it.
"""

import asyncio
import contextlib
import ipaddress
import logging
import os
import socket
import stat
import struct
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Set
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger(__name__)

STALL_S: Final = 300.0
"""seconds in which a viewer takes nothing of its answers: a paused one comes back with a Range"""
_LOOKS: Final = 4
"""looks at all connections within the time that one may rest"""
_PINGS: Final = 16 * 1024
"""bytes that may be taken without an answer: a ping in TLS has 39, and there are 180 in the longest silence, an hour"""
_BYTES_ACKED: Final = struct.Struct("=Q")
_ACKED_AT: Final = 120
"""tcpi_bytes_acked in struct tcp_info (linux/tcp.h)"""

Client = tuple[str, int | str]
"""address, port: of a scope; Granian gives the port as text"""
Peer = tuple[bytes, int]
"""packed address, port"""


@dataclass(slots=True)
class _Known:
    """What was seen of a connection: since when it rests, what its client had taken by then."""

    rests: float
    asked: bool = False
    acked: int = 0


class Connections:
    """Knows which clients wait for an answer, and ends the connections of those that rest too long.

    Whether an answer was taken to its end nobody knows: the server has a file of its own to send, and the flow
    control of HTTP/2 holds back what the kernel then never sees. So whoever has asked is given `stall_s`.

    Args:
        port: that the server listens on; connections of it alone are looked at.
        silence_s: a connection may be without its first request.
        stall_s: one that has asked may take nothing, once its answers have begun, and ask for nothing more. Not
            judged where the system does not count what is taken.
    """

    def __init__(
        self,
        app: ASGIApp,
        port: int,
        silence_s: float,
        stall_s: float = STALL_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._port = port
        self._silence_s = silence_s
        self._stall_s = stall_s
        self._clock = clock
        self._waiting: dict[Client, int] = {}
        self._answered: dict[Client, float] = {}
        self._known: dict[int, _Known] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = scope.get("client")
        if scope["type"] != "http" or client is None:
            await self._app(scope, receive, send)
            return
        self._waiting[client] = self._waiting.get(client, 0) + 1
        waits = True

        def sent(message: Message) -> Awaitable[None]:
            nonlocal waits
            if waits:
                waits = False
                self._begun(client)
            return send(message)

        try:
            await self._app(scope, receive, sent)
        finally:
            if waits:
                self._begun(client)

    def _begun(self, client: Client) -> None:
        left = self._waiting.pop(client) - 1
        if left:
            self._waiting[client] = left
        self._answered[client] = self._clock()

    async def watch(self) -> None:
        """Look at all connections again and again, until it is cancelled."""
        while True:
            await asyncio.sleep(min(self._silence_s, self._stall_s) / _LOOKS)
            now, waiting = self._clock(), set(self._waiting)
            answered, self._answered = self._answered, {}
            try:
                # a table of thousands of sockets takes a tenth of a second
                await asyncio.to_thread(self._look, now, waiting, answered)
            except OSError as error:  # no descriptor is left to look with; the next look may have one
                log.warning("connections cannot be looked at: %s", error)
                self._answered = answered | self._answered

    def _look(self, now: float, waiting: Set[Client], answered: Mapping[Client, float]) -> None:
        asked = {_packed(client): at for client, at in answered.items()}
        asked |= {_packed(client): now for client in waiting}
        seen: dict[int, _Known] = {}
        for inode, peer, connection in _open_connections(self._port):
            known = seen[inode] = self._known.get(inode) or _Known(now)
            if peer in asked:
                known.asked, known.rests = True, max(known.rests, asked[peer])
            acked = _acked(connection) if known.asked else 0
            if acked - known.acked > _PINGS:
                known.acked, known.rests = acked, now
            judged = acked > 0 or not known.asked
            if judged and now - known.rests > (self._stall_s if known.asked else self._silence_s):
                with contextlib.suppress(OSError):  # it is ending by itself
                    connection.shutdown(socket.SHUT_RDWR)
        self._known = seen


def _open_connections(port: int) -> Iterator[tuple[int, Peer, socket.socket]]:
    """Inode, peer and a descriptor of its own of each TCP connection that this process took on a port."""
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - names are all that is wanted
        with contextlib.suppress(OSError):  # closed meanwhile; no connection
            status = os.fstat(int(name))
            if not stat.S_ISSOCK(status.st_mode):
                continue
            with socket.socket(fileno=os.dup(int(name))) as connection:
                internet = connection.family in (socket.AF_INET, socket.AF_INET6)
                if not internet or connection.getsockname()[1] != port:
                    continue
                host, peer_port = connection.getpeername()[:2]
                # the number may have come to stand for another one between the two calls
                inode = os.fstat(connection.fileno()).st_ino
                yield inode, _packed((host, peer_port)), connection


@lru_cache(4096)
def _packed(client: Client) -> Peer:
    return ipaddress.ip_address(client[0].partition("%")[0]).packed, int(client[1])


def _acked(connection: socket.socket) -> int:
    """How many bytes the client has taken in all; 0 where the system does not count them."""
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _ACKED_AT + _BYTES_ACKED.size)
    return 0 if len(info) < _ACKED_AT + _BYTES_ACKED.size else _BYTES_ACKED.unpack_from(info, _ACKED_AT)[0]
