"""What callers may reach besides the internet, because the operator says so: networks, and hosts by name."""

import ipaddress
import re
from collections.abc import Iterable, Sequence

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_BY_NAME: tuple[Network, ...] = tuple(
    ipaddress.ip_network(network)
    for network in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
)
"""private networks, those of companies, homes and VPNs"""
_METADATA: tuple[Network, ...] = tuple(
    ipaddress.ip_network(address)
    for address in (
        "100.100.100.200",  # Alibaba
        "fd00:ec2::254",  # AWS
        "fd20:ce::254",  # Google
        "fd00:42::42",  # Scaleway
        "fd00:c1::a9fe:a9fe",  # Oracle
    )
)
"""addresses in private networks where clouds hand out credentials"""
_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
_NUMERIC = re.compile(r"[0-9.]+|0x[0-9a-f]*|.*\.(?:[0-9]+|0x[0-9a-f]*)")


class Allowed:
    """Networks and host names of one setting.

    A network may be reached under any name. A name stands for the private addresses that it has when a
    connection is made, and only while it is the host of the URL. Whoever rules its zone can so move it
    within private networks, but never to this machine, to link-local addresses or to a cloud's metadata:
    those are reached only where a network says so.

    Args:
        words: '10.1.0.0/16', '10.1.2.3', 'fd00::/8', 'nas.lan'.

    Raises:
        ValueError: a word is neither; names it.
    """

    def __init__(self, words: Iterable[str]) -> None:
        self._networks: list[Network] = []
        self._names: set[str] = set()
        for word in words:
            try:
                self._networks.append(ipaddress.ip_network(word, strict=False))
            except ValueError:
                self._names.add(_checked(word))

    def permits(self, judged: Sequence[Address], host: str) -> bool:
        """Whether an address may be reached.

        Args:
            judged: the address, and those that it carries.
            host: of the URL; "" for none.
        """
        if _any_in(judged, self._networks):
            return True
        return (
            host.lower().rstrip(".") in self._names
            and _any_in(judged, _BY_NAME)
            and not _any_in(judged, _METADATA)
        )


def _any_in(addresses: Sequence[Address], networks: Iterable[Network]) -> bool:
    return any(
        address in network
        for network in networks
        for address in addresses
        if network.version == address.version
    )


def _checked(word: str) -> str:
    name = word.lower().rstrip(".")
    if not _NAME.fullmatch(name) or _NUMERIC.fullmatch(name) or len(name) > 253:
        raise ValueError(f"{word!r} is neither an address, nor a network, nor the name of a host")
    if name.split(".")[-1] == "localhost":
        raise ValueError(f"{word!r}: this machine is allowed by its address alone, such as 127.0.0.1")
    return name
