"""Clients that say nothing: many of them keep nobody out, and each is cut off in time."""

import asyncio
import contextlib
import itertools
import resource
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from h2.connection import H2Connection
from h2.events import DataReceived

from polycast.domain.access import Role
from polycast.services.registry import Services
from polycast.services.tenants import Tenant, as_system
from tests.integration.delivery.certificates import Certificate
from tests.integration.delivery.conftest import Installation
from tests.integration.delivery.http_server import HttpServer
from tests.integration.delivery.published import publish
from tests.support.raw import connected
from tests.support.waiting import STRETCH

MANY = 1100
H2_BEGUN = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0"
"""preface and empty settings of an HTTP/2 client (RFC 9113 section 3.4)"""
H2_PING = b"\0\0\x08\x06\0\0\0\0\0eightlet"
"""section 6.7"""
PING_ANSWER = H2_PING[:4] + b"\x01" + H2_PING[5:]


@pytest.fixture(scope="module")
def impatient(installation: Installation) -> Iterator[HttpServer]:
    """A server that waits for nobody longer than a second."""
    settings = {"client_silence_s": 1}
    with HttpServer(installation.data, installation.database_url, settings) as server:
        yield server


@pytest.fixture
def descriptors() -> Iterator[None]:
    """Room for many connections in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * MANY + 512
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"at most {hard} descriptors here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@dataclass(frozen=True)
class Way:
    """How a body is announced, and whether it stops or drips."""

    length: str
    dripping: bool


async def in_every_way(one: Callable[[Way], Coroutine[Any, Any, object]]) -> None:
    """At once: each of them waits for the server's patience to end."""
    async with asyncio.TaskGroup() as group:
        for length in ("content-length: 60000", "transfer-encoding: chunked"):
            for dripping in (False, True):
                group.create_task(one(Way(length, dripping)))


async def _key(services: Services, tenant: Tenant) -> tuple[str, dict[str, str]]:
    """A key of the tenant, and the headers with which Gotipath takes it."""
    key = await services.keys.create(as_system(tenant.ref, "system:test"), "test", Role.ADMIN)
    assert key.secret is not None
    names = ("X-Auth-ClientId", "X-Auth-LibraryId", "X-Auth-ApiKey")
    values = (str(tenant.ref.organization_uid), str(tenant.ref.uid), key.secret)
    return key.secret, dict(zip(names, values, strict=True))


@pytest.mark.usefixtures("descriptors")
@pytest.mark.parametrize("asked", [False, True], ids=["silent", "between two requests"])
async def test_connections_at_rest_keep_nobody_out(http_server: HttpServer, asked: bool) -> None:
    async with contextlib.AsyncExitStack() as stack:
        resting = [await stack.enter_async_context(connected(http_server.url)) for _ in range(MANY)]
        if asked:
            for connection in resting:
                connection.head("GET", "/healthz", {})
            for connection in resting:
                assert (await connection.answer()).startswith(b"HTTP/1.1 200")
        async with httpx.AsyncClient(base_url=http_server.url, timeout=30) as client:
            assert (await client.get("/healthz")).text == "ok\n"


@pytest.mark.parametrize("begun", [b"", b"GET /hea", b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-A: "])
async def test_half_a_head_is_cut_off(impatient: HttpServer, begun: bytes) -> None:
    async with connected(impatient.url) as connection:
        connection.send(begun)
        assert b"200" not in await connection.rest()


async def test_a_dripping_head_is_cut_off(impatient: HttpServer) -> None:
    async with connected(impatient.url) as connection:
        connection.send(b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-A: ")
        with pytest.raises(AssertionError, match="closed"):
            await connection.answer(itertools.repeat(b"x"))
            raise AssertionError("closed, with a word before")


@pytest.fixture(scope="module")
def impatient_tls(installation: Installation, certificate: Certificate) -> Iterator[HttpServer]:
    """As `impatient`, with TLS of its own."""
    settings = {"client_silence_s": 1, **certificate.settings}
    with HttpServer(installation.data, installation.database_url, settings) as server:
        yield server


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
async def test_a_connection_between_two_requests_is_cut_off(
    impatient: HttpServer, impatient_tls: HttpServer, certificate: Certificate, tls: bool
) -> None:
    url, trusted = (impatient_tls.url, certificate.trusted()) if tls else (impatient.url, None)
    async with connected(url, trusted) as connection:
        connection.head("GET", "/healthz", {})
        assert (await connection.answer()).startswith(b"HTTP/1.1 200")
        await connection.rest()


@pytest.mark.parametrize(
    ("protocols", "begun"),
    [
        ((), b""),
        (("http/1.1",), b""),
        (("http/1.1",), b"GET /hea"),
        (("h2",), b""),
        (("h2",), H2_BEGUN[:5]),
        (("h2",), H2_BEGUN),
    ],
)
async def test_silent_clients_of_tls_are_cut_off(
    impatient_tls: HttpServer, certificate: Certificate, protocols: tuple[str, ...], begun: bytes
) -> None:
    async with connected(impatient_tls.url, certificate.trusted(*protocols)) as connection:
        connection.send(begun)
        assert b"200" not in await connection.rest()


def ping_answers(frames: bytes) -> bytes:
    """What a client says to the pings among whole frames (RFC 9113 sections 4.1 and 6.7)."""
    said = b""
    while frames:
        length, kind, flags = int.from_bytes(frames[:3]), frames[3], frames[4]
        if kind == 6 and not flags & 1:
            said += frames[:4] + b"\x01" + frames[5 : 9 + length]
        frames = frames[9 + length :]
    return said


async def test_http_2_that_only_answers_pings_is_cut_off(
    impatient_tls: HttpServer, certificate: Certificate
) -> None:
    """And asks for answers to its own."""
    async with (
        connected(impatient_tls.url, certificate.trusted("h2")) as connection,
        asyncio.timeout(60 * STRETCH),
    ):
        connection.send(H2_BEGUN)
        answered = 0
        with pytest.raises((AssertionError, ConnectionError)):
            while True:
                frames = await connection.answer(itertools.repeat(H2_PING))
                answered += PING_ANSWER in frames
                connection.send(ping_answers(frames))
        assert answered


async def test_a_paused_viewer_of_http_2_is_waited_for(
    impatient_tls: HttpServer, certificate: Certificate, services: Services, tenant: Tenant
) -> None:
    """Flow control holds back what it has not taken: longer than a silent client that came later."""
    made = await publish(services, tenant, segments=1, size=700_000)
    whole, window = made.objects[made.key()], 65_535
    trusted = certificate.trusted("h2")
    async with connected(impatient_tls.url, trusted) as connection:
        h2 = H2Connection()
        h2.initiate_connection()
        asked = {":method": "GET", ":scheme": "https", ":authority": "a", ":path": made.segment()}
        h2.send_headers(1, list(asked.items()), end_stream=True)

        async def taken(size: int) -> bytes:
            found = b""
            while len(found) < size:
                connection.send(h2.data_to_send())
                events = h2.receive_data(await connection.answer())
                found += b"".join(event.data or b"" for event in events if isinstance(event, DataReceived))
            return found

        begun = await taken(window)
        async with connected(impatient_tls.url, trusted) as silent:
            await silent.rest()
        for stream in (None, 1):
            h2.increment_flow_control_window(len(whole), stream)
        assert begun + await taken(len(whole) - window) == whole


async def test_an_endless_head_of_http_2_is_not_kept(
    impatient_tls: HttpServer, certificate: Certificate
) -> None:
    """One header field of 16 KB after the other (CONTINUATION, RFC 9113 section 6.10)."""
    field = b"\0\x03x-a\x7f\x81\x7d" + b"a" * 16_128
    more = len(field).to_bytes(3) + b"\x09\0\0\0\0\x01" + field
    async with connected(impatient_tls.url, certificate.trusted("h2")) as connection:
        # HEADERS of stream 1 that do not end: :method GET, :scheme https, :path /
        connection.send(H2_BEGUN + b"\0\0\x03\x01\0\0\0\0\x01" + b"\x82\x87\x84")
        connection.send(more * 8)
        # ENHANCE_YOUR_CALM (RFC 9113 section 7)
        assert b"\0\0\0\x0btoo_many_continuations" in await connection.rest()


class TestBodies:
    """What stops coming, or comes a byte at a time, is answered in the words of whoever is asked."""

    async def _given_up(
        self,
        server: HttpServer,
        request: tuple[str, str, dict[str, str]],
        way: Way,
        status: int = 408,
    ) -> bytes:
        method, path, headers = request
        name, _, value = way.length.partition(": ")
        block = b"x" if name == "content-length" else b"1\r\nx\r\n"
        async with connected(server.url) as connection:
            connection.head(method, path, headers | {name: value})
            connection.send(block)
            answer = await connection.answer(itertools.repeat(block) if way.dripping else ())
            answer += await connection.rest()
        assert answer.startswith(b"HTTP/1.1 %d" % status), (way, answer)
        return answer

    async def test_a_part(self, impatient: HttpServer, services: Services, tenant: Tenant) -> None:
        caller = as_system(tenant.ref, "system:test")

        async def one(way: Way) -> None:
            upload = await services.uploads.start(caller, name="a.mp4", size=60_000)
            url = await services.uploads.part_url(caller, upload.file, 1, impatient.url)
            # uploaders try again after 400, as after S3's own, and never after 408
            answer = await self._given_up(impatient, ("PUT", urlsplit(url).path, {}), way, 400)
            assert b"<Code>RequestTimeout</Code>" in answer
            assert await services.uploads.list_parts(upload.file) == []

        await in_every_way(one)

    async def test_tus_keeps_what_came(
        self, impatient: HttpServer, services: Services, tenant: Tenant
    ) -> None:
        caller = as_system(tenant.ref, "system:test")
        _, credentials = await _key(services, tenant)
        headers = credentials | {
            "tus-resumable": "1.0.0",
            "upload-offset": "0",
            "content-type": "application/offset+octet-stream",
        }

        async def one(way: Way) -> None:
            upload = await services.tus.create(caller, name="a.mp4", length=60_000, intent={})
            path = f"/gotipath/v1/tusupload/{upload.file.uid}"
            answer = await self._given_up(impatient, ("PATCH", path, headers), way, 409)
            assert b'"success":false' in answer
            assert (await services.tus.state(caller, upload.file.uid)).offset >= 1
            # the turn is free again
            async with services.uploads.alone(upload.file):
                pass

        await in_every_way(one)

    @pytest.mark.parametrize("dialect", ["gotipath", "videokit"])
    async def test_json(
        self, impatient: HttpServer, services: Services, tenant: Tenant, dialect: str
    ) -> None:
        key, credentials = await _key(services, tenant)
        path, headers = {
            "gotipath": (f"/gotipath/v1/libraries/{tenant.ref.uid}/videos", credentials),
            "videokit": ("/videokit/vod/v1/files/start", {"x-api-key": key}),
        }[dialect]

        async def one(way: Way) -> None:
            answer = await self._given_up(impatient, ("POST", path, headers), way)
            assert b'"success":false' in answer
            assert b"access-control-allow-origin" in answer.lower() or dialect == "videokit"

        await in_every_way(one)

    async def test_beacons(self, impatient: HttpServer, services: Services, tenant: Tenant) -> None:
        made = await publish(services, tenant)
        await in_every_way(lambda way: self._given_up(impatient, ("POST", f"/beacons/{made.code}", {}), way))


async def test_a_slow_line_is_waited_for(impatient: HttpServer, services: Services, tenant: Tenant) -> None:
    """Several times as long as a client may be silent, at a few times the least pace."""
    caller = as_system(tenant.ref, "system:test")
    blocks = [b"%02d" % n + b"x" * 998 for n in range(20)]
    upload = await services.uploads.start(caller, name="a.mp4", size=sum(map(len, blocks)))
    url = await services.uploads.part_url(caller, upload.file, 1, impatient.url)
    async with connected(impatient.url) as connection:
        connection.head("PUT", urlsplit(url).path, {"content-length": str(sum(map(len, blocks)))})
        answer = await connection.answer(iter(blocks), pause_s=0.15)
    assert answer.startswith(b"HTTP/1.1 200"), answer
    (part,) = await services.uploads.list_parts(upload.file)
    assert part.size == sum(map(len, blocks))
