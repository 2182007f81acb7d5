"""oEmbed 1.0 (oembed.com section 2): what other people's pages put in for a link to a player page."""

from collections.abc import Sequence
from html import escape
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit
from uuid import UUID
from xml.etree import ElementTree as ET

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from polycast.delivery.look import poster_url, sound_only
from polycast.delivery.origin import Origins
from polycast.delivery.page_address import PageAddress
from polycast.domain.errors import NotFound
from polycast.protocols.xml_text import xml_text
from polycast.services.playback import Playback

_ANY = {"access-control-allow-origin": "*", "x-content-type-options": "nosniff"}
_SOUND = (640, 210)
"""size of the player of a sound in pixels"""


class OEmbed:
    """GET /oembed?url=…"""

    def __init__(self, playback: Playback, origins: Origins) -> None:
        self._playback = playback
        self._origins = origins

    def routes(self) -> Sequence[Route]:
        """All routes of this module."""
        return [Route("/oembed", self.answer)]

    async def answer(self, request: Request) -> Response:
        """JSON or XML (2.3.4); 404 for what is no video of ours, 401 for one that needs a token (2.3.2).

        A moment in the address (`?t=`) is kept. Sound is "rich" (2.3.4.4): there is no picture to size.
        """
        query = request.query_params
        wanted = query.get("format", "json")
        if wanted not in ("json", "xml"):
            return _error(501, "format is json or xml")
        try:
            address = self._own_address(request, query.get("url", ""))
            found = await address.find(self._playback)
        except NotFound:
            return _error(404, "url names no video")
        if found.policy.blocked or found.policy.token_required:
            return _error(401, "the video is not open to everybody")
        asset, base, player = found.asset, self._origins.base(request), self._origins.pages(request)
        sound = sound_only(asset)
        shape = _SOUND if sound else (asset.width or 1280, asset.height or 720)
        most = _number(query.get("maxwidth")), _number(query.get("maxheight"))
        width, height = _clipped(shape, *most) if sound else _fitted(*shape, *most)
        kept = _kept_query(query.get("url", ""), address.player)
        title = asset.title or "Untitled"
        document: dict[str, Any] = {
            "version": "1.0",
            "type": "rich" if sound else "video",
            "title": title,
            "provider_name": found.tenant_name,
            "provider_url": player,
            "html": f'<iframe src="{escape(player)}/embed/{found.code}{kept}" width="{width}" height="{height}" '
            f'title="{escape(title)}" style="border:0" allow="autoplay; fullscreen; picture-in-picture" '
            "allowfullscreen></iframe>",
            "width": width,
            "height": height,
        }
        poster = poster_url(asset, base)
        if poster:
            document |= {"thumbnail_url": poster, "thumbnail_width": width, "thumbnail_height": height}
        headers = {**_ANY, "cache-control": "public, max-age=300"}
        if wanted == "xml":
            return Response(_xml(document), media_type="text/xml", headers=headers)
        return JSONResponse(document, headers=headers)

    def _own_address(self, request: Request, url: str) -> PageAddress:
        """What an address names. Raises NotFound: it is not one of our player pages."""
        try:
            parts = urlsplit(url)
        except ValueError:
            raise NotFound("page", url[:64]) from None
        hosts = {urlsplit(o).netloc for o in (*self._origins.own, self._origins.base(request))}
        if parts.scheme in ("http", "https") and parts.netloc.lower() in hosts:
            query = dict(parse_qsl(parts.query))
            match parts.path.rstrip("/").split("/"):
                case ["", "play" | "embed", ident]:
                    return PageAddress.read({"ident": ident}, query)
                case ["", "stream", tenant, player, ident]:
                    return PageAddress.read({"tenant": tenant, "player": player, "ident": ident}, query)
        raise NotFound("page", url[:64])


def _kept_query(url: str, player: UUID | None) -> str:
    """What makes a frame look as the linked page does, and begin where it does."""
    at = dict(parse_qsl(urlsplit(url).query)).get("t", "")
    kept = {"player": player, "t": at if len(at) <= 16 else ""}
    named = urlencode({name: value for name, value in kept.items() if value})
    return f"?{escape(named)}" if named else ""


def _xml(document: dict[str, Any]) -> bytes:
    root = ET.Element("oembed")
    for name, value in document.items():
        ET.SubElement(root, name).text = xml_text(str(value))
    return b'<?xml version="1.0" encoding="utf-8" standalone="yes"?>\n' + ET.tostring(root)


def _error(status: int, words: str) -> Response:
    return JSONResponse({"error": words}, status, headers=_ANY)


def _number(text: str | None) -> int | None:
    """A size in pixels; None for anything that is none."""
    number = int(text) if text and text.isascii() and text.isdigit() and len(text) < 8 else 0
    return number or None


def _clipped(shape: tuple[int, int], most_w: int | None, most_h: int | None) -> tuple[int, int]:
    return min(shape[0], most_w or shape[0]), min(shape[1], most_h or shape[1])


def _fitted(width: int, height: int, most_w: int | None, most_h: int | None) -> tuple[int, int]:
    scale = min(1.0, (most_w or width) / width, (most_h or height) / height)
    # never more than was allowed
    return max(1, int(width * scale)), max(1, int(height * scale))
