"""A relay in front of a server that counts what the server sends: what its clients read."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass
class CountingProxy:
    """Where the relay listens, and what has passed through it to clients so far, heads of answers included."""

    url: str
    sent_bytes: int = 0


@asynccontextmanager
async def counting(endpoint: str) -> AsyncIterator[CountingProxy]:
    """Relay TCP to the server at `endpoint` (http://host:port) for the block."""
    target = urlsplit(endpoint)
    tasks: set[asyncio.Task[None]] = set()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, count: bool) -> None:
        with contextlib.suppress(ConnectionError):
            while block := await reader.read(1 << 16):
                if count:
                    proxy.sent_bytes += len(block)
                writer.write(block)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        upstream, out = await asyncio.open_connection(target.hostname, target.port)
        await asyncio.gather(relay(reader, out, count=False), relay(upstream, writer, count=True))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    proxy = CountingProxy(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    try:
        yield proxy
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
