"""HTTP connections that go to vetted addresses only."""

import ssl
from collections.abc import AsyncIterator, Iterable
from typing import Any

import httpcore
import httpx

from polycast.domain.errors import Invalid
from polycast.net.addresses import AddressPolicy, literal_address

_MAX_CONNECTIONS = 200
_KEEPALIVE_S = 5.0


class VettedBackend(httpcore.AsyncNetworkBackend):
    """Resolves by the policy and connects to what it answers.

    TLS and the Host header still use the name: httpcore takes them from the URL, not from here.
    """

    def __init__(self, policy: AddressPolicy) -> None:
        self._policy = policy
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        failure: Exception | None = None
        for address in await self._policy.resolve(host, port):
            try:
                stream = await self._inner.connect_tcp(address, port, timeout=timeout)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
                continue
            peer = stream.get_extra_info("server_addr")
            reached = literal_address(str(peer[0])) if peer else None
            if reached is None or not self._policy.permits(reached, host):
                await stream.aclose()
                raise Invalid("the server's address may not be reached from here", field="url")
            return stream
        raise failure or httpcore.ConnectError()

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.AsyncNetworkStream:
        raise Invalid("sockets of this machine may not be reached", field="url")

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)


class _Body(httpx.AsyncByteStream):
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for block in self._stream:
            yield block

    async def aclose(self) -> None:
        await self._stream.aclose()


class VettedTransport(httpx.AsyncBaseTransport):
    """One request, one answer: no redirects, cookies, proxies or credentials of the environment.

    httpx's own transport has no place for a network backend. Errors are httpcore's.
    """

    def __init__(self, policy: AddressPolicy, tls: ssl.SSLContext | None = None) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls or httpx.create_ssl_context(trust_env=False),
            max_connections=_MAX_CONNECTIONS,
            keepalive_expiry=_KEEPALIVE_S,
            network_backend=VettedBackend(policy),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = httpcore.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        )
        answer = await self._pool.handle_async_request(
            httpcore.Request(
                method=request.method,
                url=url,
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx.Response(
            status_code=answer.status,
            headers=answer.headers,
            stream=_Body(answer.stream),
            request=request,
        )

    async def aclose(self) -> None:
        await self._pool.aclose()
