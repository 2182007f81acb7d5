"""oEmbed 1.0 (oembed.com section 2): what other people's pages put in for a link to a player page."""

from collections.abc import Sequence
from html import escape
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from polycast.delivery.look import poster_url
from polycast.delivery.origin import Origins
from polycast.domain.errors import NotFound
from polycast.services.playback import Playback

_ANY = {"access-control-allow-origin": "*"}


class OEmbed:
    """GET /oembed?url=…"""

    def __init__(self, playback: Playback, origins: Origins) -> None:
        self._playback = playback
        self._origins = origins

    def routes(self) -> Sequence[Route]:
        """All routes of this module."""
        return [Route("/oembed", self.answer)]

    async def answer(self, request: Request) -> Response:
        """JSON only (2.3.4.2); 404 for what is no video of ours, 401 for one that needs a token (2.3.2)."""
        query = request.query_params
        if query.get("format", "json") != "json":
            return _error(501, "only json")
        path = self._own_path(request, query.get("url", ""))
        if path is None:
            return _error(404, "url names no video")
        try:
            found = await self._playback.find(path)
        except NotFound:
            return _error(404, "url names no video")
        if found.policy.blocked or found.policy.token_required:
            return _error(401, "the video is not open to everybody")
        asset, base, player = found.asset, self._origins.base(request), self._origins.pages(request)
        width, height = _fitted(
            asset.width or 1280,
            asset.height or 720,
            _number(query.get("maxwidth")),
            _number(query.get("maxheight")),
        )
        title = asset.title or "Untitled"
        document: dict[str, Any] = {
            "version": "1.0",
            "type": "video",
            "title": title,
            "provider_name": found.tenant_name,
            "provider_url": player,
            "html": f'<iframe src="{escape(player)}/embed/{found.code}" width="{width}" height="{height}" '
            f'title="{escape(title)}" style="border:0" allow="autoplay; fullscreen; picture-in-picture" '
            "allowfullscreen></iframe>",
            "width": width,
            "height": height,
        }
        poster = poster_url(asset, base)
        if poster:
            document |= {"thumbnail_url": poster, "thumbnail_width": width, "thumbnail_height": height}
        return JSONResponse(document, headers={**_ANY, "cache-control": "public, max-age=300"})

    def _own_path(self, request: Request, url: str) -> str | None:
        """The asset that an address of our player pages names, None for any other address."""
        try:
            parts = urlsplit(url)
        except ValueError:
            return None
        hosts = {urlsplit(o).netloc for o in (*self._origins.own, self._origins.base(request))}
        steps = parts.path.rstrip("/").split("/")
        if parts.scheme not in ("http", "https") or parts.netloc.lower() not in hosts:
            return None
        return steps[2] if len(steps) == 3 and steps[1] in ("play", "embed") else None


def _error(status: int, words: str) -> Response:
    return JSONResponse({"error": words}, status, headers=_ANY)


def _number(text: str | None) -> int | None:
    """A size in pixels; None for anything that is none."""
    number = int(text) if text and text.isascii() and text.isdigit() and len(text) < 8 else 0
    return number or None


def _fitted(width: int, height: int, most_w: int | None, most_h: int | None) -> tuple[int, int]:
    scale = min(1.0, (most_w or width) / width, (most_h or height) / height)
    # never more than was allowed
    return max(1, int(width * scale)), max(1, int(height * scale))
