"""Believe `X-Forwarded-*` from proxies the operator named, and from nobody else."""

import ipaddress
import re
from collections.abc import Sequence

from starlette.types import ASGIApp, Receive, Scope, Send

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_HOST = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_WITH_PORT = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::[0-9]{1,5})?|([0-9.]+):[0-9]{1,5}")
_MAX_HOPS = 32


class TrustedProxies:
    """Sets scheme, host and client address from a trusted proxy's headers.

    A proxy adds what it saw at the right end of a list; further left stands what others claimed. So of each
    list the right-most entry counts, and of the addresses the first from the right that is no proxy of ours.

    Args:
        trusted: addresses or networks; with none the headers are ignored.

    Raises:
        ValueError: one of `trusted` is neither.
    """

    def __init__(self, app: ASGIApp, trusted: Sequence[str]) -> None:
        self._app = app
        self._networks = [ipaddress.ip_network(n, strict=False) for n in trusted]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._networks and scope["type"] == "http" and self._trusted(scope.get("client")):
            scope = self._believed(scope)
        await self._app(scope, receive, send)

    def _trusted(self, client: tuple[str, int] | None) -> bool:
        address = parse_address(client[0]) if client is not None else None
        return address is not None and self._listed(address)

    def _listed(self, address: _Address) -> bool:
        return any(address in network for network in self._networks)

    def _believed(self, scope: Scope) -> Scope:
        lists: dict[str, list[str]] = {"proto": [], "host": [], "for": []}
        for raw, value in scope["headers"]:
            name = raw.decode("latin-1").lower().removeprefix("x-forwarded-")
            if name in lists and raw.lower().startswith(b"x-forwarded-"):
                # fields that come several times are one list (RFC 9110 section 5.3)
                lists[name] += [v.strip() for v in value.decode("latin-1").split(",") if v.strip()]
        changed = dict(scope)
        if lists["proto"] and lists["proto"][-1].lower() in ("http", "https"):
            changed["scheme"] = lists["proto"][-1].lower()
        if lists["host"] and _HOST.fullmatch(lists["host"][-1]):
            changed["headers"] = [
                *((k, v) for k, v in scope["headers"] if k.lower() != b"host"),
                (b"host", lists["host"][-1].encode("ascii")),
            ]
        for hop in lists["for"][: -_MAX_HOPS - 1 : -1]:
            address = parse_address(hop)
            if address is None:
                break  # nothing further left was written by a proxy of ours
            changed["client"] = (str(address), 0)
            if not self._listed(address):
                break
        return changed


def parse_address(text: str) -> _Address | None:
    """An IP address, with or without port or brackets; IPv4 inside IPv6 is IPv4. None for anything else."""
    if (match := _WITH_PORT.fullmatch(text)) is not None:
        text = match[1] or match[2]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
