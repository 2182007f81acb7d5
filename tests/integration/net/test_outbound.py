"""The outbound client against real sockets."""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from pathlib import Path

import psutil
import pytest

from polycast.domain.errors import Invalid, TooLarge, UpstreamFailed
from polycast.net.allowed import Allowed
from polycast.net.outbound import OutboundClient, OutboundLimits, RemoteInfo, SourceChanged
from polycast.net.source import Source
from polycast.settings import loopback
from tests.integration.net.scripted_server import Request, always, reply, serving
from tests.support.waiting import STRETCH

DATA = bytes(range(256)) * 1000
QUICK = OutboundLimits(
    connect_s=1, answer_s=1, read_s=0.5, rate_window_s=0.3, min_rate_bytes_s=1000, retry_pause_s=0.01
)
LOOPBACK = ["127.0.0.1/32"]


class Names:
    """Answers of a name server, one after the other, the last for ever."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
async def client() -> AsyncIterator[OutboundClient]:
    client = OutboundClient(allow=LOOPBACK, user_agent="Polycast-test", limits=QUICK)
    yield client
    await client.aclose()


async def read(
    client: OutboundClient,
    url: str,
    max_bytes: int | None = None,
    headers: dict[str, str] | None = None,
) -> bytes:
    async with aclosing(client.stream(url, headers, max_bytes)) as blocks:
        return b"".join([block async for block in blocks])


async def attempts(client: OutboundClient, url: str, expected: type[Exception], field: str | None) -> None:
    """All three ways in fail alike."""
    for attempt in (client.head_or_get_info(url), read(client, url), client.post_json(url, b"{}")):
        with pytest.raises(expected) as caught:
            await attempt
        assert getattr(caught.value, "field", None) == field


async def test_a_request_says_who_we_are_and_nothing_more(client: OutboundClient) -> None:
    async with serving(always(reply(body=DATA))) as server:
        headers = {"Authorization": "Bearer x", "Host": "evil", "Transfer-Encoding": "chunked", "X-A": "b"}
        assert await read(client, server.url("/a?b=c#d"), headers=headers) == DATA
    (request,) = server.requests
    assert (request.method, request.target) == ("GET", "/a?b=c")
    assert request.headers == {
        "host": f"127.0.0.1:{server.port}",
        "user-agent": "Polycast-test",
        "accept": "*/*",
        "accept-encoding": "identity",
        "authorization": "Bearer x",
        "x-a": "b",
    }


async def test_nothing_is_taken_from_the_environment_and_cookies_are_forgotten(
    client: OutboundClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with serving(always(reply(set_cookie="a=b; Path=/"))) as server:
        await read(client, server.url())
        await read(client, server.url())
    assert len(server.requests) == 2
    assert all("cookie" not in request.headers for request in server.requests)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "0.0.0.0",
        pytest.param(
            "localhost",
            marks=pytest.mark.skipif(loopback() != "localhost", reason="/etc/hosts does not name localhost"),
        ),
        "2130706433",
        "0177.0.0.1",
        "0x7f.1",
        "127.1",
    ],
)
async def test_this_machine_is_not_reached_by_any_spelling(host: str) -> None:
    client = OutboundClient(limits=QUICK)
    async with serving(always(reply(body=b"secret"))) as server:
        await attempts(client, server.url(host=host), Invalid, "url")
    assert server.connections == 0
    await client.aclose()


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "10.0.0.7", "::1", "fd00:ec2::254"])
async def test_names_of_refused_addresses(address: str) -> None:
    client = OutboundClient(resolver=Names([address]), limits=QUICK)
    await attempts(client, "http://metadata.example/latest", Invalid, "url")
    await client.aclose()


async def test_the_name_is_kept_for_the_server_while_the_vetted_address_is_used() -> None:
    names = Names(["10.9.9.9", "127.0.0.1"])
    client = OutboundClient(allow=LOOPBACK, resolver=names, limits=QUICK)
    async with serving(always(reply(body=b"ok"))) as server:
        assert await read(client, server.url(host="media.example")) == b"ok"
    assert server.requests[0].headers["host"] == f"media.example:{server.port}"
    assert names.asked == ["media.example"]
    await client.aclose()


async def test_dns_rebinding() -> None:
    """The name is resolved once for each connection, and what was judged is what is connected to."""
    names = Names(["127.0.0.1"], ["169.254.169.254"])
    client = OutboundClient(allow=LOOPBACK, resolver=names, limits=QUICK)
    async with serving(always(reply(body=b"ok"))) as server:
        url = server.url(host="rebind.example")
        assert await read(client, url) == b"ok"
        with pytest.raises(Invalid):
            await read(client, url)
    assert len(names.asked) == 2
    assert server.connections == 1
    await client.aclose()


@pytest.fixture
def private_address() -> str:
    """One of this machine's addresses in a private network."""
    network = Allowed(["this.machine"])
    for found in (address for each in psutil.net_if_addrs().values() for address in each):
        literal = found.family in (socket.AF_INET, socket.AF_INET6) and "%" not in found.address
        if literal and network.permits([ipaddress.ip_address(found.address)], "this.machine"):
            return found.address
    pytest.skip("this machine is in no private network")


async def test_an_allowed_name_is_reached_where_it_is_now(private_address: str) -> None:
    """As a server of the operator's own network; another name for the same server is refused."""
    names = Names([private_address], [private_address], ["127.0.0.1"])
    client = OutboundClient(allow=["nas.lan"], resolver=names, limits=QUICK)
    async with serving(always(reply(body=b"ok")), address=private_address) as server:
        assert await read(client, server.url(host="nas.lan")) == b"ok"
        with pytest.raises(Invalid):
            await read(client, server.url(host="other.lan"))
        with pytest.raises(Invalid):
            await read(client, server.url(host="nas.lan"))
    assert server.connections == 1
    await client.aclose()


async def test_a_redirect_to_the_address_of_an_allowed_name_is_refused(private_address: str) -> None:
    host = f"[{private_address}]" if ":" in private_address else private_address
    client = OutboundClient(allow=["nas.lan"], resolver=Names([private_address]), limits=QUICK)

    async def elsewhere(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(reply(302, location=server.url(host=host)))

    async with serving(elsewhere, address=private_address) as server:
        with pytest.raises(Invalid):
            await read(client, server.url(host="nas.lan"))
    assert server.connections == 1
    await client.aclose()


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://[fe80::1]/",
        "http://10.0.0.1/",
        "//2130706434/",
        "http://127.0.0.2/",
        "file:///etc/passwd",
        "ftp://example.com/",
        "http://user:password@127.0.0.1/",
        "http://127.0.0.1:22/",
        "http://127.0.0.1\\@example.com/",
    ],
)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_judged_like_urls(client: OutboundClient, status: int, location: str) -> None:
    async with serving(always(reply(status, location=location))) as server:
        for attempt in (client.head_or_get_info(server.url()), read(client, server.url())):
            with pytest.raises((Invalid, UpstreamFailed)) as caught:
                await attempt
            assert isinstance(caught.value, Invalid)
            assert caught.value.field == "url"


async def test_redirects_are_followed_and_credentials_stay_behind(client: OutboundClient) -> None:
    async with serving(always(reply(body=b"there"))) as there:

        async def here(request: Request, writer: asyncio.StreamWriter) -> None:
            target = "/b" if request.target == "/a" else there.url("/c", host="127.0.0.1")
            writer.write(reply(302, location=target))

        async with serving(here) as server:
            headers = {"Authorization": "Bearer secret", "Cookie": "a=b"}
            assert await read(client, server.url("/a"), headers=headers) == b"there"
            assert [request.headers.get("authorization") for request in server.requests] == [
                "Bearer secret"
            ] * 2
        assert [(r.target, "authorization" in r.headers, "cookie" in r.headers) for r in there.requests] == [
            ("/c", False, False)
        ]


async def test_redirects_without_end(client: OutboundClient) -> None:
    async with serving(always(reply(302, location="/"))) as server:
        with pytest.raises(UpstreamFailed):
            await read(client, server.url())
    assert len(server.requests) == 6


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 204, 206, 304, 302])
async def test_other_statuses(client: OutboundClient, status: int) -> None:
    async with serving(always(reply(status))) as server:
        with pytest.raises(UpstreamFailed):
            await read(client, server.url())
    assert len(server.requests) == 1


async def test_too_large(client: OutboundClient) -> None:
    async with serving(always(reply(body=DATA))) as server:
        with pytest.raises(TooLarge):
            await read(client, server.url(), len(DATA) - 1)
        assert await read(client, server.url(), len(DATA)) == DATA


async def test_too_large_without_saying_so(client: OutboundClient) -> None:
    async def endless(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(reply(content_length="", transfer_encoding="chunked"))
        while True:
            writer.write(b"1000\r\n" + b"x" * 0x1000 + b"\r\n")
            await writer.drain()

    async with serving(endless) as server:
        with pytest.raises(TooLarge):
            await read(client, server.url(), 1_000_000)


async def test_more_than_declared_is_cut_and_less_is_an_error(client: OutboundClient) -> None:
    async with serving(always(reply(body=DATA, content_length="1000"))) as server:
        assert await read(client, server.url(), 1000) == DATA[:1000]
    async with serving(always(reply(body=DATA, content_length="999999"))) as server:
        with pytest.raises(UpstreamFailed):
            await read(client, server.url())
    async with serving(
        always(reply(body=b"", content_length="", transfer_encoding="chunked") + b"zz\r\n")
    ) as server:
        with pytest.raises(UpstreamFailed):
            await read(client, server.url())


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\r\n\r\n",
        b"SSH-2.0-x\r\n\r\n",
        b"HTTP/1.1 abc X\r\n\r\n",
        b"HTTP/1.1 200 X\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 X\r\n" + b"a: b\r\n" * 100000,
        reply(content_length="-5"),
        reply(content_length="1, 2"),
        reply(302, location="http://[/"),
    ],
)
async def test_nonsense(client: OutboundClient, raw: bytes) -> None:
    async with serving(always(raw)) as server:
        for attempt in (client.head_or_get_info(server.url()), read(client, server.url())):
            with pytest.raises((UpstreamFailed, Invalid)):
                await attempt


async def test_a_coding_that_was_not_asked_for(client: OutboundClient) -> None:
    async with serving(always(reply(body=b"\x1f\x8b", content_encoding="gzip"))) as server:
        with pytest.raises(UpstreamFailed):
            await read(client, server.url())


async def stall(_: Request, writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def test_a_server_that_says_nothing(client: OutboundClient) -> None:
    async with serving(stall) as server:
        with pytest.raises(UpstreamFailed):
            await client.post_json(server.url(), b"{}", timeout=0.2)
        with pytest.raises(UpstreamFailed):
            await client.head_or_get_info(server.url())


async def test_a_server_that_drips_its_header(client: OutboundClient) -> None:
    async def drip(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 X\r\n")
        while True:
            writer.write(b"a: b\r\n")
            await writer.drain()
            await asyncio.sleep(0.05)  # the rate is what is tested

    async with serving(drip) as server:
        with pytest.raises(UpstreamFailed):
            await client.head_or_get_info(server.url())


async def test_a_server_that_drips_its_body(client: OutboundClient) -> None:
    async def drip(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(reply(content_length="100000"))
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)  # the rate is what is tested

    async with serving(drip) as server:
        with pytest.raises(UpstreamFailed, match="slowly"):
            await read(client, server.url())


async def test_a_byte_for_each_connection_is_no_progress(client: OutboundClient) -> None:
    """What a server saves by hanging up and being asked again counts as time, too."""
    async with serving(ranged('"v1"', breaks_every=1)) as server:  # type: ignore[arg-type]
        with pytest.raises(UpstreamFailed, match="slowly"):
            await asyncio.wait_for(read(client, server.url()), 10 * STRETCH)
        asked = len(server.requests)
    assert asked > 1, "each time it got a little further"


async def test_time_that_the_reader_takes_is_not_the_servers(client: OutboundClient) -> None:
    taken = asyncio.Event()

    async def halves(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(reply(body=b"x" * 10, content_length="20"))
        await writer.drain()
        await taken.wait()
        writer.write(b"x" * 10)

    async with serving(halves) as server:
        got = 0
        async with aclosing(client.stream(server.url())) as blocks:
            async for block in blocks:
                got += len(block)
                await asyncio.sleep(2 * QUICK.rate_window_s)  # the rate is what is tested
                taken.set()
    assert got == 20


async def test_a_body_is_gone_on_with_later(client: OutboundClient) -> None:
    seen: list[Source] = []

    async def note(source: Source) -> None:
        seen.append(source)

    at = 100_000
    async with serving(ranged('"v1"', breaks_every=len(DATA))) as server:  # type: ignore[arg-type]
        url = server.url()
        async with aclosing(client.stream(url, on_source=note)) as blocks:
            async for _ in blocks:
                break
        (source,) = seen
        assert source == Source(len(DATA), '"v1"', ranges=True)
        again = Source.from_json(source.to_json())
        assert b"".join([b async for b in client.stream(url, offset=at, source=again)]) == DATA[at:]
        assert server.requests[-1].headers["range"] == f"bytes={at}-"
    for other in (Source(len(DATA), '"v0"', ranges=True), Source(len(DATA) + 1, '"v1"', ranges=True)):
        async with serving(ranged('"v1"', breaks_every=len(DATA))) as server:  # type: ignore[arg-type]
            with pytest.raises(SourceChanged):
                await anext(client.stream(server.url(), offset=at, source=other))


async def test_a_body_that_stalls(client: OutboundClient) -> None:
    async def half(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(reply(body=b"x" * 10, content_length="20"))
        await writer.drain()
        await stall(request, writer)

    async with serving(half) as server:
        with pytest.raises(UpstreamFailed, match="in time"):
            await read(client, server.url())


def ranged(etag: str, *, breaks_every: int, total: bool = True) -> object:
    """Sends at most `breaks_every` bytes of DATA for each request, then hangs up."""

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        start = 0
        if "range" in request.headers and request.headers.get("if-range", etag) == etag:
            start = int(request.headers["range"].removeprefix("bytes=").rstrip("-").split("-")[0])
        body = DATA[start : start + breaks_every]
        fields = {"content_length": str(len(DATA) - start), "etag": etag, "accept_ranges": "bytes"}
        if "range" in request.headers:
            fields["content_range"] = f"bytes {start}-{len(DATA) - 1}/{len(DATA)}"
            writer.write(reply(206, body, **fields))
        else:
            writer.write(reply(200, body, **fields))

    return answer


async def test_a_broken_body_is_resumed(client: OutboundClient) -> None:
    async with serving(ranged('"v1"', breaks_every=50_001)) as server:  # type: ignore[arg-type]
        assert await read(client, server.url(), len(DATA)) == DATA
    asked = [(r.headers.get("range"), r.headers.get("if-range")) for r in server.requests]
    assert asked == [(None, None)] + [(f"bytes={n * 50_001}-", '"v1"') for n in range(1, 6)]


async def test_a_weak_etag_does_not_prove_enough(client: OutboundClient) -> None:
    async with serving(ranged('W/"v1"', breaks_every=50_001)) as server:  # type: ignore[arg-type]
        with pytest.raises(UpstreamFailed):
            await read(client, server.url())
    assert len(server.requests) == 1


async def test_another_version_is_not_glued_on(client: OutboundClient) -> None:
    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        fields = {"accept_ranges": "bytes", "content_length": str(len(DATA))}
        if "range" in request.headers:
            writer.write(reply(200, DATA, etag='"v2"', **fields))  # If-Range did not match
        else:
            writer.write(reply(200, DATA[:1000], etag='"v1"', **fields))

    async with serving(answer) as server:
        with pytest.raises(UpstreamFailed, match="changed"):
            await read(client, server.url())


async def test_a_server_that_fails_for_a_while(client: OutboundClient) -> None:
    failures = [503, 500, 429]

    async def answer(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(reply(failures.pop()) if failures else reply(body=DATA))

    async with serving(answer) as server:
        assert await read(client, server.url()) == DATA
    assert len(server.requests) == 4


async def test_info_by_head(client: OutboundClient) -> None:
    raw = reply(content_length="12345", content_type="Video/MP4; x=y", accept_ranges="bytes")
    async with serving(always(raw)) as server:
        info = await client.head_or_get_info(server.url("/a"))
        assert info == RemoteInfo(12345, "video/mp4", True, server.url("/a"))
    assert [request.method for request in server.requests] == ["HEAD"]


async def test_info_by_get_where_head_is_refused(client: OutboundClient) -> None:
    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        if request.method == "HEAD":
            writer.write(reply(403))
        elif request.target == "/old":
            writer.write(reply(301, location="/new"))
        else:
            writer.write(reply(206, b"x", content_range="bytes 0-0/777", content_type="video/webm"))

    async with serving(answer) as server:
        info = await client.head_or_get_info(server.url("/old"))
        assert info == RemoteInfo(777, "video/webm", True, server.url("/new"))
    assert server.requests[-1].headers["range"] == "bytes=0-0"


async def test_info_without_a_size(client: OutboundClient) -> None:
    async with serving(always(reply(content_length="", transfer_encoding="chunked"))) as server:
        info = await client.head_or_get_info(server.url())
    assert (info.size, info.content_type, info.accepts_ranges) == (None, "", False)


@pytest.mark.parametrize("status", [200, 202, 302, 400, 410, 500])
async def test_posting(client: OutboundClient, status: int) -> None:
    async with serving(always(reply(status, DATA, location="http://169.254.169.254/"))) as server:
        answer = await client.post_json(
            server.url("/hook"), b'{"a":1}', {"webhook-id": "x"}, max_answer_bytes=10
        )
    assert (answer.status, answer.body) == (status, DATA[:10])
    assert 0 < answer.duration_s < 5
    (request,) = server.requests
    assert (request.method, request.body) == ("POST", b'{"a":1}')
    assert request.headers["content-type"] == "application/json"
    assert request.headers["webhook-id"] == "x"


async def test_nobody_listens(client: OutboundClient) -> None:
    async with serving(always(b"")) as server:
        url = server.url()
    await attempts(client, url, UpstreamFailed, None)


async def test_leaving_early_closes_the_connection(client: OutboundClient) -> None:
    closed = asyncio.Event()

    async def endless(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(reply(content_length="999999999"))
        try:
            while True:
                writer.write(b"x" * 65536)
                await writer.drain()
        finally:
            closed.set()

    async with serving(endless) as server:
        async with aclosing(client.stream(server.url())) as blocks:
            async for _ in blocks:
                break
        await asyncio.wait_for(closed.wait(), 5)


async def test_tls_is_verified_against_the_name(tmp_path: Path) -> None:
    certificate, key = tmp_path / "c.pem", tmp_path / "k.pem"
    make_certificate("media.example", certificate, key)
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(certificate, key)
    names = Names(["127.0.0.1"])
    trusting = ssl.create_default_context(cafile=str(certificate))
    knowing = OutboundClient(allow=LOOPBACK, resolver=names, limits=QUICK, tls=trusting)
    strange = OutboundClient(allow=LOOPBACK, resolver=names, limits=QUICK)
    async with serving(always(reply(body=b"ok")), server_side) as server:
        assert await read(knowing, server.url(host="media.example", scheme="https")) == b"ok"
        for client, host in ((knowing, "other.example"), (strange, "media.example")):
            with pytest.raises(UpstreamFailed, match="secure"):
                await read(client, server.url(host=host, scheme="https"))
    await knowing.aclose()
    await strange.aclose()


def make_certificate(name: str, certificate: Path, key: Path) -> None:
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    private = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(private, hashes.SHA256())
    )
    certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
