"""Under which origin this installation is known."""

from dataclasses import dataclass

from starlette.requests import Request


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

    def pages(self, request: Request) -> str:
        """Origin of the player pages."""
        return self.player or self.base(request)
