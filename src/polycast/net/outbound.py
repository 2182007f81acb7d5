"""The one HTTP client for servers that callers name: pulls, webhooks, licences, playlists, callbacks.

Every connection and every redirect goes through `AddressPolicy`. Bodies, headers, redirects and time are
bounded; nothing is taken from the environment (proxies, netrc) and nothing is kept between requests
(cookies, credentials).
"""

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import httpcore
import httpx

from polycast.domain.errors import Invalid, TooLarge, UpstreamFailed
from polycast.net.addresses import AddressPolicy, Resolver
from polycast.net.pace import Pace
from polycast.net.source import Source, media_type, range_start, takes_ranges, total_size
from polycast.net.transport import VettedTransport
from polycast.net.urls import check_url, filter_headers, same_origin

_REDIRECTS = {301, 302, 303, 307, 308}


@dataclass(frozen=True, slots=True)
class OutboundLimits:
    """How long and how far.

    Attributes:
        connect_s: for one connection, TLS included.
        answer_s: from the start of a request to the end of the response's header, redirects included.
        read_s: between two blocks of a body.
        rate_window_s, min_rate_bytes_s: a body must bring this much per second over each such window, new
            connections included, so that a server that drips bytes cannot hold a worker for days. Less than
            that, 262 kbit/s, is slower than any video plays.
        total_s: for a whole `stream`, retries included.
        redirects: followed at most.
        retries: of a broken `stream` without any progress in between.
    """

    connect_s: float = 10.0
    answer_s: float = 30.0
    read_s: float = 30.0
    rate_window_s: float = 60.0
    min_rate_bytes_s: float = 32 * 1024.0
    total_s: float = 12 * 3600.0
    redirects: int = 5
    retries: int = 4
    retry_pause_s: float = 0.5


@dataclass(frozen=True, slots=True)
class RemoteInfo:
    """What a server says of a resource.

    Attributes:
        size: bytes, None if it does not say.
        content_type: without parameters, in lower case, '' if it does not say.
        accepts_ranges: byte ranges work.
        final_url: after redirects. Do not keep it: it may hold a short-lived signature.
    """

    size: int | None
    content_type: str
    accepts_ranges: bool
    final_url: str


@dataclass(frozen=True, slots=True)
class OutboundResponse:
    """An answer to `post_json`, whatever its status.

    Attributes:
        body: its beginning.
        duration_s: until the header and that much of the body was there.
    """

    status: int
    body: bytes
    duration_s: float


class _BrokenOff(UpstreamFailed):
    """The way to the server failed, not the server: another try makes sense."""


class SourceChanged(UpstreamFailed):
    """The server has another state of the resource than the one that was begun with."""

    def __init__(self) -> None:
        super().__init__("the resource changed while it was read")


class OutboundClient:
    """Talks to servers that callers name.

    Args:
        allow: networks and hosts that may be reached though they are not public ('127.0.0.1/32', 'nas.lan').
        user_agent: how we call ourselves.
        tls: for servers with certificates of an internal authority; the public ones by default.

    Raises (all methods):
        Invalid: field 'url' for refused schemes, addresses, ports (also of redirects); 'headers'.
        UpstreamFailed: the server cannot be reached, answers with an error, too slowly or nonsense.
    """

    def __init__(
        self,
        *,
        allow: Iterable[str] = (),
        user_agent: str = "Polycast",
        resolver: Resolver | None = None,
        limits: OutboundLimits | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.policy = AddressPolicy(allow, resolver)
        self._limits = limits or OutboundLimits()
        self._transport = VettedTransport(self.policy, tls)
        self._user_agent = user_agent

    async def head_or_get_info(self, url: str, headers: Mapping[str, str] | None = None) -> RemoteInfo:
        """Ask for size and type without reading the body: by HEAD, else by GET for one byte."""
        async with self._answer("HEAD", url, headers) as head:
            if head.status_code == 200 and "content-length" in head.headers:
                return _info(head)
        # servers of signed URLs often refuse HEAD; others leave the length out
        async with self._answer("GET", url, headers, {"range": "bytes=0-0"}) as answer:
            if answer.status_code == 416:  # an empty resource has no first byte
                return RemoteInfo(total_size(answer), media_type(answer), True, str(answer.request.url))
            _refuse_status(answer, {200, 206})
            return _info(answer)

    async def stream(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        max_bytes: int | None = None,
        *,
        offset: int = 0,
        source: Source | None = None,
        on_source: Callable[[Source], Awaitable[None]] | None = None,
    ) -> AsyncGenerator[bytes, None]:
        """The body of a GET, in blocks.

        Where it breaks off, it goes on from there if the server takes ranges and the resource is provably
        the same one (If-Range with a strong validator, RFC 9110 13.1.5). Close the iterator when leaving
        early.

        Args:
            max_bytes: of the whole resource.
            offset, source: go on with a resource of which so many bytes are there; a resumable one.
            on_source: told what the server sends, before the first byte and whenever it is asked anew.

        Raises:
            TooLarge: more than `max_bytes`, announced or not.
            SourceChanged: it cannot be gone on with.
        """
        failures = 0
        deadline = time.monotonic() + self._limits.total_s
        pace = Pace(self._limits.rate_window_s, self._limits.min_rate_bytes_s)
        while True:
            before = offset
            try:
                async with contextlib.aclosing(
                    self._one_stream(url, headers, offset, source, max_bytes, pace)
                ) as blocks:
                    async for item in blocks:
                        if isinstance(item, Source):
                            source = item
                            if on_source is not None:
                                await on_source(item)
                            continue
                        offset += len(item)
                        if max_bytes is not None and offset > max_bytes:
                            raise TooLarge(f"the resource is larger than {max_bytes} bytes", field="url")
                        yield item
                        if time.monotonic() > deadline:
                            raise UpstreamFailed("the server took too long for the whole resource")
            except _BrokenOff:
                failures = 0 if offset > before else failures + 1
                if offset == 0:
                    source = None  # nothing was given away yet: begin anew
                resumable = source is None or source.resumable
                if failures > self._limits.retries or not resumable or time.monotonic() > deadline:
                    raise
                await asyncio.sleep(self._limits.retry_pause_s * 2**failures)
            else:
                if source is not None and source.size not in {None, offset}:
                    raise UpstreamFailed("the server sent another length than it announced")
                return

    async def _one_stream(
        self,
        url: str,
        headers: Mapping[str, str] | None,
        offset: int,
        source: Source | None,
        max_bytes: int | None,
        pace: Pace,
    ) -> AsyncGenerator[bytes | Source, None]:
        extra: dict[str, str] = {}
        if offset and source is not None:
            extra = {"range": f"bytes={offset}-", "if-range": source.validator}
        async with self._answer("GET", url, headers, extra) as answer:
            if answer.status_code >= 500 or answer.status_code == 429:
                raise _BrokenOff(f"the server answered {answer.status_code}")
            if offset and answer.status_code in {200, 416}:
                raise SourceChanged
            _refuse_status(answer, {206} if offset else {200})
            if answer.headers.get("content-encoding", "identity") != "identity":
                raise UpstreamFailed("the server sends a content coding that was not asked for")
            size = total_size(answer)
            if offset and (range_start(answer) != offset or (source and source.size != size)):
                raise SourceChanged
            if max_bytes is not None and size is not None and size > max_bytes:
                raise TooLarge(f"the resource is larger than {max_bytes} bytes", field="url")
            yield Source.of(answer)
            async for block in self._body(answer, pace):
                yield block

    async def post_json(
        self,
        url: str,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        timeout: float = 15.0,
        *,
        max_answer_bytes: int = 4096,
    ) -> OutboundResponse:
        """Send a JSON document once. Redirects are not followed: 3xx is an answer like any other.

        Args:
            timeout: seconds for everything.
            max_answer_bytes: of the answer's body; the rest is not read.
        """
        start = time.monotonic()
        kept = bytearray()
        try:
            async with (
                asyncio.timeout(timeout),
                self._answer(
                    "POST", url, {"content-type": "application/json", **(headers or {})}, body=body
                ) as answer,
            ):
                pace = Pace(self._limits.rate_window_s, self._limits.min_rate_bytes_s)
                async for block in self._body(answer, pace):
                    kept += block
                    if len(kept) >= max_answer_bytes:
                        break
        except TimeoutError:
            raise UpstreamFailed("the server did not answer in time") from None
        return OutboundResponse(answer.status_code, bytes(kept[:max_answer_bytes]), time.monotonic() - start)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._transport.aclose()

    @contextlib.asynccontextmanager
    async def _answer(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        extra: Mapping[str, str] | None = None,
        *,
        body: bytes | None = None,
    ) -> AsyncIterator[httpx.Response]:
        """The response to a request after redirects, its body unread."""
        target = check_url(url)
        theirs = filter_headers(headers)
        answer: httpx.Response | None = None
        try:
            try:
                async with asyncio.timeout(self._limits.answer_s):
                    for _ in range(self._limits.redirects + 1):
                        answer = await self._send(method, target, {**theirs, **(extra or {})}, body)
                        location = answer.headers.get("location")
                        if body is not None or answer.status_code not in _REDIRECTS or location is None:
                            break
                        await answer.aclose()
                        following = _follow(target, location)
                        if not same_origin(target, following):
                            theirs = {}  # among them are credentials for the first server
                        target = following
                        answer = None
            except TimeoutError:
                raise _BrokenOff("the server did not answer in time") from None
            if answer is None:
                raise UpstreamFailed("the server redirects too often")
            yield answer
        finally:
            if answer is not None:
                # a peer that is gone, or a body cut short on purpose, is no failure of ours
                with contextlib.suppress(httpcore.NetworkError, httpcore.ProtocolError):
                    await answer.aclose()

    async def _send(
        self, method: str, url: httpx.URL, headers: Mapping[str, str], body: bytes | None
    ) -> httpx.Response:
        request = httpx.Request(
            method,
            url,
            headers={
                "user-agent": self._user_agent,
                "accept": "*/*",
                "accept-encoding": "identity",  # sizes and ranges are of the bytes themselves
                **headers,
            },
            content=body,
            extensions={
                "timeout": {
                    "connect": self._limits.connect_s,
                    "read": self._limits.read_s,
                    "write": self._limits.read_s,
                    "pool": self._limits.answer_s,
                }
            },
        )
        with _upstream_errors():
            return await self._transport.handle_async_request(request)

    async def _body(self, answer: httpx.Response, pace: Pace) -> AsyncIterator[bytes]:
        with _upstream_errors():
            async for block in answer.stream:  # type: ignore[union-attr]
                pace.took(len(block))
                if pace.too_slow():
                    raise UpstreamFailed("the server sends too slowly")
                given = time.monotonic()
                yield block
                pace.excuse(time.monotonic() - given)


@contextlib.contextmanager
def _upstream_errors() -> Iterator[None]:
    try:
        yield
    except (httpcore.TimeoutException, TimeoutError):
        raise _BrokenOff("the server did not answer in time") from None
    except ssl.SSLError:
        raise UpstreamFailed("no secure connection to the server is possible") from None
    except httpcore.ConnectError as error:
        if isinstance(error.__cause__, ssl.SSLError) or isinstance(error.__context__, ssl.SSLError):
            raise UpstreamFailed("no secure connection to the server is possible") from None
        raise _BrokenOff("the server cannot be reached") from None
    except (httpcore.NetworkError, httpcore.RemoteProtocolError, OSError):
        raise _BrokenOff("the connection to the server broke off") from None
    except (httpcore.ProtocolError, httpcore.UnsupportedProtocol, httpx.HTTPError, ValueError):
        raise UpstreamFailed("the server's answer is not HTTP") from None


def _follow(base: httpx.URL, location: str) -> httpx.URL:
    try:
        return check_url(str(base.join(location)))
    except (httpx.InvalidURL, ValueError) as error:
        raise UpstreamFailed("the server redirects to no valid URL") from error
    except Invalid as error:
        raise Invalid(f"the server redirects: {error.message}", field="url") from None


def _refuse_status(answer: httpx.Response, expected: set[int]) -> None:
    if answer.status_code not in expected:
        raise UpstreamFailed(f"the server answered {answer.status_code}")


def _info(answer: httpx.Response) -> RemoteInfo:
    return RemoteInfo(total_size(answer), media_type(answer), takes_ranges(answer), str(answer.request.url))
