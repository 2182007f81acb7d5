"""GET /metrics: Prometheus text, for whoever watches over this machine."""

import hmac
import ipaddress

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

_FORWARDED = ("forwarded", "x-forwarded-for")


class Metrics:
    """Answers programs of this machine, and whoever has the key.

    Args:
        key: what others show as bearer token; "" for none: no others are answered.
        public: answer everybody.
    """

    def __init__(self, key: str = "", *, public: bool = False) -> None:
        self._key = key.encode()
        self._public = public

    async def answer(self, request: Request) -> Response:
        """200, or 403 with the way in."""
        if not (self._public or self._knows_key(request) or _from_here(request)):
            return PlainTextResponse(
                "metrics are for this machine, and for others with POLYCAST_METRICS_KEY as bearer token\n",
                403,
            )
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    def _knows_key(self, request: Request) -> bool:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        return (
            self._key != b""
            and scheme.lower() == "bearer"
            and hmac.compare_digest(token.strip().encode("latin-1"), self._key)
        )


def _from_here(request: Request) -> bool:
    """Whether a program of this machine asks by itself, and not a proxy for somebody else."""
    if request.client is None or any(name in request.headers for name in _FORWARDED):
        return False
    try:
        address = ipaddress.ip_address(request.client.host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback
