"""Which addresses may be reached on a caller's behalf.

Callers name servers (pulls, webhooks, restream targets, licences). Without this check they would reach
what only we can reach: our database, the metadata service of the cloud, the router. Names are resolved
here, every address is judged, and connections go to the judged address itself, so that a name that
resolves differently a moment later (DNS rebinding) gains nothing.
"""

import asyncio
import contextlib
import ipaddress
import re
import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from polycast.domain.errors import Invalid, Unavailable, UpstreamFailed
from polycast.net.allowed import Address, Allowed, Network

_REFUSED: tuple[Network, ...] = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",  # this network; Linux takes 0.0.0.0 for itself
        "100.64.0.0/10",  # carriers' shared space (RFC 6598); Alibaba's metadata lives there
        "168.63.129.16/32",  # Azure's wire server: a public address that is not
        "192.0.0.0/24",  # protocol assignments; Oracle's metadata
        "192.88.99.0/24",  # 6to4 relays, withdrawn (RFC 7526)
        "198.18.0.0/15",  # benchmarks
        "240.0.0.0/4",
        "::/96",  # IPv4-compatible, withdrawn, and the unspecified address
        "64:ff9b:1::/48",  # NAT64 for local use (RFC 8215)
        "100::/64",  # discard
        "2001::/23",  # protocol assignments, Teredo among them: it carries an IPv4 address, obfuscated
        "2001:db8::/32",  # documentation
        "3fff::/20",
        "5f00::/16",  # segment routing
        "fc00::/7",
        "fec0::/10",  # site-local, withdrawn but still routed by some
    )
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052
_6TO4 = ipaddress.IPv6Network("2002::/16")  # RFC 3056
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")  # RFC 4291
_TRIED = 4
"""addresses of one name that are tried in turn"""
_NUMERIC_LABEL = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*")


class Resolver(Protocol):
    """Names to addresses."""

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        """IP addresses of a host in order of preference; `OSError` if there are none."""
        ...


class SystemResolver:
    """The resolver of the operating system, asked in threads of its own.

    A look-up that nobody waits for any more goes on until the system gives up, tens of seconds where the name's
    servers are silent. In the event loop's pool such names would hold up the disk and the store, in threads that
    the interpreter waits for also its end.

    Args:
        at_once: look-ups that run at the same time; others wait for one to end.
        waiting: further ones are refused.
        look_up: `socket.getaddrinfo`.
    """

    def __init__(
        self, *, at_once: int = 16, waiting: int = 64, look_up: Callable[..., Any] = socket.getaddrinfo
    ) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._most_waiting = waiting
        self._waiting = 0
        self._look_up = look_up

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        """As `Resolver`. Raises Unavailable: too many names are being looked up, or no thread can be had."""
        if self._free.locked() and self._waiting >= self._most_waiting:
            raise Unavailable("too many names are being looked up: try again later")
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1
        loop = asyncio.get_running_loop()
        found: asyncio.Future[Sequence[str]] = loop.create_future()

        def end(answer: Sequence[str] | Exception) -> None:
            self._free.release()
            if found.done():  # nobody waits any more
                return
            if isinstance(answer, Exception):
                found.set_exception(answer)
            else:
                found.set_result(answer)

        def run() -> None:
            answer: Sequence[str] | Exception
            try:
                addresses = self._look_up(host, port, type=socket.SOCK_STREAM)
                answer = [str(address[4][0]) for address in addresses]
            except Exception as error:
                answer = error
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(end, answer)

        try:
            threading.Thread(target=run, name="resolver", daemon=True).start()
        except RuntimeError as error:
            self._free.release()
            raise Unavailable("no name can be looked up now: try again later") from error
        return await found


def is_public(address: Address) -> bool:
    """Whether an address belongs to the internet at large; for addresses that carry another, that one too."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = _carried(address)
        if inner is not None:
            return is_public(inner)
    if any(address in network for network in _REFUSED if network.version == address.version):
        return False
    return address.is_global and not (
        address.is_multicast or address.is_private or address.is_loopback or address.is_link_local
        or address.is_reserved or address.is_unspecified
    )  # fmt: skip


def _carried(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    value = int(address)
    if address in _MAPPED or address in _NAT64:
        return ipaddress.IPv4Address(value & 0xFFFFFFFF)
    if address in _6TO4:
        return ipaddress.IPv4Address(value >> 80 & 0xFFFFFFFF)
    return None


class AddressPolicy:
    """Resolves names to addresses that may be connected to.

    Args:
        allow: networks and names of hosts that may be reached though they are not public, such as
            '127.0.0.1/32' in tests or the internal media server; see `Allowed`.

    Raises:
        ValueError: a word of `allow` is neither.
    """

    def __init__(self, allow: Iterable[str] = (), resolver: Resolver | None = None) -> None:
        self._allowed = Allowed(allow)
        self._resolver = resolver or SystemResolver()

    def permits(self, address: Address, host: str = "") -> bool:
        """Whether this address may be connected to, for a URL of this host."""
        judged: list[Address] = [address]
        if isinstance(address, ipaddress.IPv6Address) and (inner := _carried(address)) is not None:
            judged.append(inner)
        return self._allowed.permits(judged, host) or is_public(address)

    async def resolve(self, host: str, port: int) -> list[str]:
        """Addresses to connect to, at most a few, never empty.

        Connect to these and to nothing else: resolving the name again may give others.

        Raises:
            Invalid: the host has no address that may be reached, or is a number in disguise (field 'url').
            UpstreamFailed: the name does not resolve. Unavailable: it cannot be looked up now.
        """
        found: Sequence[str]
        literal = literal_address(host)
        if literal is not None:
            found = [str(literal)]
        else:
            try:
                found = await self._resolver.resolve(host, port)
            except (OSError, UnicodeError):
                found = []
            if not found:
                raise UpstreamFailed("the server's name does not resolve")
        permitted: list[str] = []
        for text in found:
            try:
                address = ipaddress.ip_address(text)
            except ValueError:
                continue  # with a scope ('fe80::1%eth0'): link-local
            if self.permits(address, host) and str(address) not in permitted:
                permitted.append(str(address))
        if not permitted:
            raise Invalid("the server's address may not be reached from here", field="url")
        return permitted[:_TRIED]


def literal_address(host: str) -> Address | None:
    """The address that a host of a URL is, None if it is a name.

    Raises:
        Invalid: looks like a number but is no address in its usual form. System resolvers take
            '2130706433', '0177.1' and '0x7f.0.0.1' for 127.0.0.1; we take them for an attempt.
    """
    text = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        labels = text.rstrip(".").split(".")
        if ":" in text or _NUMERIC_LABEL.fullmatch(labels[-1]):
            raise Invalid("the host of the URL is not a valid address", field="url") from None
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id:
        raise Invalid("the host of the URL has a scope", field="url")
    return address
