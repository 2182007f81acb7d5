"""Under which origin this installation is known."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.requests import Request

from polycast.domain.policy import origin_of


@dataclass(frozen=True, slots=True)
class Origins:
    """Origins as set by the operator, "" = as the request came; without a slash at the end.

    Attributes:
        public: of media, API and uploads.
        player: of player pages, where they have one of their own.
    """

    public: str = ""
    player: str = ""

    @property
    def own(self) -> tuple[str, ...]:
        """Those that are set."""
        return tuple(origin for origin in (self.public, self.player) if origin)

    def base(self, request: Request) -> str:
        """Origin of absolute addresses in an answer."""
        return self.public or f"{request.url.scheme}://{request.headers.get('host', '')}"

    def apart(self, request: Request) -> bool:
        """Whether a request came to an origin that is the player pages' alone.

        All addresses are served under all host names: what is right for a page there is not for the same page
        beside the API. The scheme is left out: between a proxy and us it is often another one.
        """
        scheme = urlsplit(self.player).scheme
        asked = _host(f"{scheme}://{request.headers.get('host', '')}")
        return asked != "" and asked == _host(self.player) != _host(self.public)

    def pages(self, request: Request) -> str:
        """Origin of the player pages."""
        return self.player or self.base(request)


def _host(origin: str) -> str:
    """Host and port of an origin, without the port that its scheme implies; "" for none."""
    return urlsplit(origin_of(origin) or "").netloc
