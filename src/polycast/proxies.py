"""Believe `X-Forwarded-*` from proxies the operator named, and from nobody else."""

import ipaddress
from collections.abc import Sequence

from starlette.types import ASGIApp, Receive, Scope, Send


class TrustedProxies:
    """Sets scheme, host and client address from a trusted proxy's headers.

    Args:
        trusted: addresses or networks; with none the headers are ignored.
    """

    def __init__(self, app: ASGIApp, trusted: Sequence[str]) -> None:
        self._app = app
        self._networks = [ipaddress.ip_network(n, strict=False) for n in trusted]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._networks and scope["type"] == "http" and self._trusted(scope.get("client")):
            scope = self._believed(scope)
        await self._app(scope, receive, send)

    def _trusted(self, client: tuple[str, int] | None) -> bool:
        return client is not None and self._listed(client[0])

    def _listed(self, address: str) -> bool:
        try:
            ip = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(ip in network for network in self._networks)

    def _believed(self, scope: Scope) -> Scope:
        fields = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
        changed = dict(scope)
        if fields.get("x-forwarded-proto") in ("http", "https"):
            changed["scheme"] = fields["x-forwarded-proto"]
        if host := fields.get("x-forwarded-host", "").split(",")[0].strip():
            changed["headers"] = [
                *((k, v) for k, v in scope["headers"] if k.lower() != b"host"),
                (b"host", host.encode("latin-1")),
            ]
        # from the right: the first address that is no proxy of ours is the client
        hops = [h.strip() for h in fields.get("x-forwarded-for", "").split(",") if h.strip()]
        for hop in reversed(hops):
            changed["client"] = (hop, 0)
            if not self._listed(hop):
                break
        return changed
