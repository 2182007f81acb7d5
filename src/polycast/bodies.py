"""Bodies of requests: they come at a pace, and a refusal is heard. Of answers: to HEAD there is none."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from polycast.domain.errors import TooSlow

MAX_DRAINED = 64 * 1024 * 1024
"""bytes that are read only to be thrown away: one part of an upload, and no more"""
DRAIN_S = 20.0
"""seconds a client may take over them"""
DRAIN_SILENCE_S = 1.0
"""seconds without a byte after which nothing more of them is expected"""
SILENCE_S = 60.0
"""seconds without a byte after which a body that is read is given up"""
FLOOR_BYTES_S: Final = 1024
"""bytes a second that a body brings at least: a tenth of what the slowest honest line carries, and one of six
uploads that share it has more"""
_BODILESS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


def head_alone(send: Send) -> Send:
    """Sends answers without their content, as HEAD wants them (RFC 9110 section 9.3.2).

    Applications answer as they do to GET. HTTP/1.1 servers leave the rest out by themselves; over HTTP/2 it would go
    out, and clients break such a stream off.
    """

    async def bare(message: Message) -> None:
        await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

    return bare


class HeardAnswers:
    """Gives up bodies that stop coming, and reads what an application left of one before it answers.

    A body that brings nothing for `silence_s`, or less than `FLOOR_BYTES_S` over so long a time, raises TooSlow
    where it is read: without it a byte a minute would hold a connection, and what its request has taken, for
    ever. Only the time that is spent waiting for the client counts.

    HTTP/1.1 servers close a connection whose request they did not read to the end (RFC 9112 section 9.3), and
    a client that still sends then meets a reset instead of the 404 that would have told it what is wrong.

    A client that waits for `100 Continue` (RFC 9110 section 10.1.1) is answered at once: its body never set
    out. Bodies with more to come than `most_bytes`, that take longer than `DRAIN_S`, or that stop coming for
    `drain_silence_s`, are not waited for.
    """

    def __init__(
        self,
        app: ASGIApp,
        most_bytes: int = MAX_DRAINED,
        drain_silence_s: float = DRAIN_SILENCE_S,
        silence_s: float = SILENCE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._most_bytes = most_bytes
        self._drain_silence_s = drain_silence_s
        self._silence_s = silence_s
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _has_body(scope):
            await self._app(scope, receive, send)
            return
        waits = _header(scope, b"expect").lower() == b"100-continue"
        body = _Body(receive, self._silence_s, self._clock, waits=waits)
        first = scope["http_version"].startswith("1")

        async def heard(message: Message) -> None:
            if message["type"] == "http.response.start" and first:
                if body.unread:
                    with suppress(TimeoutError, TooSlow):
                        async with asyncio.timeout(DRAIN_S):
                            await body.drain(self._most_bytes, self._drain_silence_s)
                if body.given_up:
                    # the rest may come yet, and is no further request
                    message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
            await send(message)
            body.answered = True

        await self._app(scope, body.receive, heard)


class _Body:
    """A body being read, by the application or by nobody.

    Attributes:
        answered: an answer is on its way; whoever receives now waits for a disconnect.
        given_up: it came too slowly.
    """

    def __init__(
        self, receive: Receive, silence_s: float, clock: Callable[[], float], *, waits: bool
    ) -> None:
        self._receive = receive
        self._silence_s = silence_s
        self._clock = clock
        self._unsent = waits
        self._whole = False
        self._bytes = 0
        self._waited_s = 0.0
        self._brought = 0
        self.answered = False
        self.given_up = False
        # a streaming answer watches for a disconnect while its head is still on its way out
        self._turn = asyncio.Lock()

    @property
    def unread(self) -> bool:
        """Is there more of it, sent or on its way?"""
        return not (self._whole or self._unsent or self.given_up)

    async def receive(self) -> Message:
        """The next message. Raises TooSlow, once."""
        async with self._turn:
            self._unsent = False
            if self.given_up:
                return {"type": "http.disconnect"}
            if self._whole or self.answered:
                return await self._receive()
            message = await self._in_time()
            if message["type"] == "http.request":
                self._bytes += len(message.get("body", b""))
                self._whole = not message.get("more_body", False)
            else:
                self._whole = True
            return message

    async def _in_time(self) -> Message:
        begun = self._clock()
        try:
            async with asyncio.timeout(self._silence_s):
                message = await self._receive()
        except TimeoutError as error:
            self.given_up = True
            raise TooSlow(f"nothing came of the body for {self._silence_s:g} seconds") from error
        self._waited_s += self._clock() - begun
        self._brought += len(message.get("body", b""))
        if self._waited_s > self._silence_s:
            if message.get("more_body", False) and self._brought < FLOOR_BYTES_S * self._waited_s:
                self.given_up = True
                raise TooSlow(f"the body came at less than {FLOOR_BYTES_S} bytes a second")
            self._waited_s, self._brought = 0.0, 0
        return message

    async def drain(self, most_bytes: int, silence_s: float) -> None:
        """Raises TimeoutError when nothing came for `silence_s`."""
        limit = self._bytes + most_bytes
        while self.unread and self._bytes < limit:
            async with asyncio.timeout(silence_s):
                await self.receive()


def _has_body(scope: Scope) -> bool:
    """RFC 9112 section 6.3: a request without either header has none. HTTP/2 says so by the end of its stream."""
    if not scope["http_version"].startswith("1"):
        return scope["method"] not in _BODILESS
    return _header(scope, b"content-length") not in (b"", b"0") or _header(scope, b"transfer-encoding") != b""


def _header(scope: Scope, name: bytes) -> bytes:
    value: bytes = next((v for k, v in scope["headers"] if k == name), b"")
    return value
