"""Which addresses the outbound client connects to: never one that was not judged."""

import asyncio
import ipaddress
import socket
import ssl
from pathlib import Path

import psutil
import pytest

from polycast.domain.errors import Invalid, UpstreamFailed
from polycast.net.allowed import Allowed
from polycast.net.outbound import OutboundClient
from polycast.settings import loopback
from tests.integration.net.asking import LOOPBACK, QUICK, Names, attempts, read
from tests.integration.net.scripted_server import Request, always, reply, serving


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
