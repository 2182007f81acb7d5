"""HTTP/1.1 by hand: heads that are half sent, bodies that stop coming."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from tests.support.waiting import STRETCH

PATIENCE_S = 30.0


class Connection:
    """One connection to a server; what is sent is up to the test."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> None:
        self._reader = reader
        self._writer = writer
        self._host = host

    def send(self, data: bytes) -> None:
        """Send bytes; a server that hung up shows when its answer is read."""
        self._writer.write(data)

    def head(self, method: str, path: str, headers: Mapping[str, str]) -> None:
        """Send the head of a request."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self._host}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n")

    async def rest(self) -> bytes:
        """All that the server sends until it closes.

        Raises:
            TimeoutError: it does not close.
        """
        async with asyncio.timeout(PATIENCE_S * STRETCH):
            return await self._reader.read()

    async def answer(self, blocks: Iterable[bytes] = (), pause_s: float = 0.1) -> bytes:
        """The head of an answer and some of its body; each time `pause_s` pass without it, one block more is sent.

        Raises:
            TimeoutError: no answer. AssertionError: the server closed without one.
        """
        found, left = b"", iter(blocks)
        reading = asyncio.ensure_future(self._reader.read(65_536))
        async with asyncio.timeout(2 * PATIENCE_S * STRETCH):
            while not found:
                block = next(left, None)
                done, _ = await asyncio.wait([reading], timeout=None if block is None else pause_s)
                if done:
                    found = reading.result()
                    assert found, "closed without an answer"
                elif block is not None:
                    self.send(block)
        return found


@asynccontextmanager
async def connected(url: str, tls: ssl.SSLContext | None = None) -> AsyncIterator[Connection]:
    """A connection to the server at `url`, closed at the end."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, ssl=tls)
    try:
        yield Connection(reader, writer, parts.netloc)
    finally:
        writer.transport.abort()
