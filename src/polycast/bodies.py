"""A refusal is heard: the rest of a request's body is taken in before its answer leaves."""

import asyncio
from contextlib import suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_DRAINED = 64 * 1024 * 1024
"""bytes that are read only to be thrown away: one part of an upload, and no more"""
DRAIN_S = 20.0
"""seconds a client may take over them"""
SILENCE_S = 1.0
"""seconds without a byte after which nothing more is expected"""


class HeardAnswers:
    """Reads what an application left unread of a body before it answers.

    HTTP/1.1 servers close a connection whose request they did not read to the end (RFC 9112 section 9.3), and
    a client that still sends then meets a reset instead of the 404 that would have told it what is wrong.

    A client that waits for `100 Continue` (RFC 9110 section 10.1.1) is answered at once: its body never set
    out. Bodies with more to come than `most_bytes`, that take longer than `DRAIN_S`, or that stop coming for
    `silence_s`, are not waited for.
    """

    def __init__(self, app: ASGIApp, most_bytes: int = MAX_DRAINED, silence_s: float = SILENCE_S) -> None:
        self._app = app
        self._most_bytes = most_bytes
        self._silence_s = silence_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _has_body(scope):
            body = _Body(receive, waits=_header(scope, b"expect").lower() == b"100-continue")

            async def heard(message: Message) -> None:
                if message["type"] == "http.response.start" and body.unread:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(DRAIN_S):
                            await body.drain(self._most_bytes, self._silence_s)
                await send(message)

            await self._app(scope, body.receive, heard)
        else:
            await self._app(scope, receive, send)


class _Body:
    """A body being read, by the application or by nobody."""

    def __init__(self, receive: Receive, *, waits: bool) -> None:
        self._receive = receive
        self._unsent = waits
        self._whole = False
        self._bytes = 0
        # a streaming answer watches for a disconnect while its head is still on its way out
        self._turn = asyncio.Lock()

    @property
    def unread(self) -> bool:
        """Is there more of it, sent or on its way?"""
        return not (self._whole or self._unsent)

    async def receive(self) -> Message:
        async with self._turn:
            self._unsent = False
            message = await self._receive()
            if message["type"] == "http.request":
                self._bytes += len(message.get("body", b""))
                self._whole = not message.get("more_body", False)
            else:
                self._whole = True
            return message

    async def drain(self, most_bytes: int, silence_s: float) -> None:
        """Raises TimeoutError when nothing came for `silence_s`."""
        limit = self._bytes + most_bytes
        while self.unread and self._bytes < limit:
            async with asyncio.timeout(silence_s):
                await self.receive()


def _has_body(scope: Scope) -> bool:
    """RFC 9112 section 6.3: a request without either header has none. HTTP/2 needs no such care."""
    return scope["http_version"].startswith("1") and (
        _header(scope, b"content-length") not in (b"", b"0") or _header(scope, b"transfer-encoding") != b""
    )


def _header(scope: Scope, name: bytes) -> bytes:
    value: bytes = next((v for k, v in scope["headers"] if k == name), b"")
    return value
