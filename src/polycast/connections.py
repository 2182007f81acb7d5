"""Connections that say nothing and take nothing come to an end, whatever they speak.

The HTTP server itself ends an HTTP/1 connection at rest. It has no clock for a TLS client that is silent after its
handshake, for HTTP/2 clients that only answer pings, and for whoever asks for a large file and does not take it.
"""

import asyncio
import contextlib
import fcntl
import ipaddress
import logging
import os
import socket
import stat
import struct
import termios
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

log = logging.getLogger(__name__)

STALL_S: Final = 300.0
"""seconds in which a viewer takes no byte of what waits for it: a paused one comes back with a Range"""
_LOOKS: Final = 4
"""looks at all connections within the time that one may rest"""
_BYTES_ACKED: Final = struct.Struct("=Q")
_ACKED_AT: Final = 120
"""tcpi_bytes_acked in struct tcp_info (linux/tcp.h)"""

Peer = tuple[bytes, int]
"""packed address, port"""


@dataclass(slots=True)
class _Known:
    """What was seen of a connection: when it last was at work, when its client last took something."""

    worked: float
    took: float
    acked: int = 0


class Connections:
    """Knows which clients are being answered, and ends the connections of those that rest or stall too long.

    Args:
        port: that the server listens on; connections of it alone are looked at.
        silence_s: a connection may be without any request, and without bytes that wait to be taken.
        stall_s: bytes may wait for a client that takes none.
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
        self._asking: Counter[tuple[str, int]] = Counter()
        self._asked: dict[tuple[str, int], float] = {}
        self._known: dict[int, _Known] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = scope.get("client")
        if scope["type"] != "http" or client is None:
            await self._app(scope, receive, send)
            return
        # Granian gives the port as text
        peer = (client[0], int(client[1]))
        self._asking[peer] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._asking[peer] -= 1
            if not self._asking[peer]:
                del self._asking[peer]
            self._asked[peer] = self._clock()

    async def watch(self) -> None:
        """Look at all connections again and again, until it is cancelled."""
        while True:
            await asyncio.sleep(min(self._silence_s, self._stall_s) / _LOOKS)
            now = self._clock()
            asking = {_packed(peer) for peer in self._asking}
            asked, self._asked = self._asked, {}
            try:
                # a table of thousands of sockets takes a tenth of a second
                await asyncio.to_thread(self._look, now, asking, {_packed(p): at for p, at in asked.items()})
            except OSError as error:  # no descriptor is left to look with; the next look may have one
                log.warning("connections cannot be looked at: %s", error)

    def _look(self, now: float, asking: set[Peer], asked: dict[Peer, float]) -> None:
        seen: dict[int, _Known] = {}
        for inode, peer, connection in _open_connections(self._port):
            known = self._known.get(inode) or _Known(now, now)
            seen[inode] = known
            waiting, acked = _waiting(connection), _acked(connection)
            if acked != known.acked or not waiting:
                known.acked, known.took = acked, now
            if waiting or peer in asking:
                known.worked = now
            known.worked = max(known.worked, asked.get(peer, 0.0))
            if now - known.worked > self._silence_s or now - known.took > self._stall_s:
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
def _packed(peer: tuple[str, int]) -> Peer:
    return ipaddress.ip_address(peer[0].partition("%")[0]).packed, peer[1]


def _waiting(connection: socket.socket) -> bool:
    """Whether bytes wait for the client to take them (SIOCOUTQ, tcp(7))."""
    queued: int = struct.unpack("=i", fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, b"\0\0\0\0"))[0]
    return queued > 0


def _acked(connection: socket.socket) -> int:
    """How many bytes the client has taken in all; 0 where the system does not count them."""
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _ACKED_AT + _BYTES_ACKED.size)
    return 0 if len(info) < _ACKED_AT + _BYTES_ACKED.size else _BYTES_ACKED.unpack_from(info, _ACKED_AT)[0]
