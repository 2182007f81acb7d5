"""Asking a local server how it is, without an HTTP library: `up` stays small."""

import asyncio
import ssl
from contextlib import suppress

_PATIENCE_S = 5.0
"""What listens there may be no server at all, and say nothing for ever."""


async def status(port: int, path: str, *, host: str = "127.0.0.1", tls: bool = False) -> int:
    """The status code of GET `path`.

    Raises:
        OSError: nobody answers.
        ValueError: what answers is no HTTP server.
    """
    context = None
    if tls:
        # our own certificate is for the public name, not for this address
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    reader, writer = await asyncio.open_connection(host, port, ssl=context)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        line = await reader.readline()
        return int(line.split()[1]) if line.startswith(b"HTTP/") else int("no status")
    except IndexError:
        raise ValueError("no status") from None
    finally:
        writer.close()
        with suppress(OSError, ssl.SSLError):
            await writer.wait_closed()


async def is_ready(host: str, port: int, *, tls: bool = False) -> bool:
    """Whether `/readyz` says 200; False also when nobody answers, or only after seconds."""
    near = "127.0.0.1" if host in ("0.0.0.0", "") else "::1" if host == "::" else host  # noqa: S104
    try:
        async with asyncio.timeout(_PATIENCE_S):
            return await status(port, "/readyz", host=near, tls=tls) == 200
    except (OSError, ValueError):  # TimeoutError is an OSError
        return False
