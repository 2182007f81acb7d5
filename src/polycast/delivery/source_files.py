"""GET /files/{uid}/{token}: a source file behind a time-limited link."""

from collections.abc import Sequence

from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from polycast.delivery.answers import ANY_ORIGIN, Headers, plain
from polycast.delivery.guard import guarded
from polycast.delivery.objects import Body, Objects
from polycast.domain.errors import NotFound
from polycast.domain.ids import parse_uid
from polycast.services.egress import Egress
from polycast.services.sources import SourceLinks, StoredSource


class SourceFiles:
    """Serves originals; they are foreign bytes on our origin, and never a page."""

    def __init__(self, sources: SourceLinks, objects: Objects, egress: Egress) -> None:
        self._sources = sources
        self._objects = objects
        self._egress = egress

    def routes(self) -> Sequence[Route]:
        """All routes of this module."""
        return [Route("/files/{uid}/{token}", self)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, ranges included; errors become short texts."""
        if scope["method"] not in ("GET", "HEAD"):
            await plain(send, 405, "method not allowed", [*ANY_ORIGIN, (b"allow", b"GET, HEAD")])
            return
        await guarded(scope, send, self._answer(scope, receive, send))

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        uid = parse_uid(scope["path_params"]["uid"])
        if uid is None:
            raise NotFound("file")
        found = await self._sources.open(uid, scope["path_params"]["token"])
        body = Body(found.key, _harmless(found.content_type))
        sent = await self._objects.serve(scope, receive, send, body, _headers(found))
        self._egress.count_file(found.tenant, sent)


def _headers(found: StoredSource) -> Headers:
    name = "".join(ch if ch.isascii() and (ch.isalnum() or ch in ".-_ ") else "_" for ch in found.name)
    return [
        *ANY_ORIGIN,
        (b"cache-control", b"private, no-store"),
        (b"content-security-policy", b"sandbox; default-src 'none'; media-src 'self'"),
        (b"content-disposition", f'inline; filename="{name}"'.encode()),
    ]


def _harmless(declared: str | None) -> str:
    """What the file is, if that is media or plain text; SVG is a page in disguise."""
    kind = (declared or "").lower()
    safe = kind.startswith(("video/", "audio/", "image/", "text/plain")) and "svg" not in kind
    return kind if safe and kind.isascii() and kind.isprintable() else "application/octet-stream"
