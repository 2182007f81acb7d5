"""What viewers and uploaders meet beside media: player pages, oEmbed, beacons, part uploads, source links."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID
from xml.sax.saxutils import escape

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from polycast.delivery import pages
from polycast.delivery.look import player_config, poster_url
from polycast.delivery.media import Media
from polycast.delivery.objects import Objects
from polycast.domain.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    PolycastError,
    TooLarge,
    Unavailable,
)
from polycast.domain.ids import parse_uid
from polycast.domain.policy import Refusal, judge
from polycast.protocols.errors import BadToken, ExpiredToken
from polycast.services.playback import Playable
from polycast.services.registry import Services
from polycast.services.views import MAX_BATCH_BYTES

PLAYER_FILES = "/player"
_CORS = {
    "access-control-allow-origin": "*",
    "access-control-expose-headers": "etag, location",
    "access-control-max-age": "86400",
}


class Viewer:
    """Routes of pages and uploads. `media` admits to sessions, `objects` serves files."""

    def __init__(self, services: Services, media: Media, objects: Objects) -> None:
        self._services = services
        self._media = media
        self._objects = objects

    def routes(self) -> Sequence[Route]:
        """All routes of this module."""
        return [
            Route("/play/{ident}", self.play),
            Route("/embed/{ident}", self.embed),
            Route("/play/{ident}/config.json", self.config),
            Route("/oembed", self.oembed),
            Route("/beacons/{ident}", self.beacon, methods=["POST", "OPTIONS"]),
            Route("/upload/{token}", self.put_part, methods=["PUT", "OPTIONS"]),
            Route("/files/{uid}/{token}", _Source(self._services, self._objects)),
        ]

    def base(self, request: Request) -> str:
        """Public origin of this installation, without a slash at the end."""
        return self._services.public_url or f"{request.url.scheme}://{request.headers.get('host', '')}"

    async def _found(self, request: Request) -> Playable:
        player = request.query_params.get("player")
        wanted = parse_uid(player) if player and player != "default" else None
        return await self._services.playback.find(request.path_params["ident"], player=wanted)

    def _prefix(self, request: Request, found: Playable) -> str:
        """`/s/{token}` for assets that play only in a session.

        The page itself is what carries the permission: who may frame it is told to the browser by
        frame-ancestors, so no origin is judged here.

        Raises:
            Forbidden: nobody may watch, or only holders of a token.
        """
        if found.policy.public:
            return ""
        viewer = self._media.viewer(request.scope, {"host": request.headers.get("host", "")})
        refusal = judge(found.policy, viewer)
        if refusal is not None:
            raise Forbidden(_WORDS.get(refusal, "This video is not available."))
        return f"/s/{self._services.playback.admit(found.asset.uid)}"

    async def play(self, request: Request) -> Response:
        """GET /play/{asset}: the player with all that belongs to the video."""
        return await self._page(request, embedded=False)

    async def embed(self, request: Request) -> Response:
        """GET /embed/{asset}: the player alone, for frames of the tenant's allowed domains."""
        return await self._page(request, embedded=True)

    async def _page(self, request: Request, *, embedded: bool) -> Response:
        try:
            found = await self._found(request)
            prefix = self._prefix(request, found)
        except NotFound:
            return _page(pages.render_message("Not here", "There is no video at this address.", status=404))
        except Forbidden as error:
            return _page(pages.render_message("Not available", error.message, status=403))
        base = self.base(request)
        config = player_config(found, base=base, prefix=prefix, start=_start(request))
        ancestors = ("'self'", *found.policy.origins) if found.policy.origins else ("*",)
        own = urlsplit(base)
        policy = pages.PagePolicy(
            frame_ancestors=ancestors,
            media_origins=(f"{own.scheme}://{own.netloc}", *_picture_origins(config.poster)),
            custom_scripts=bool(self._services.player_origin),
        )
        player = self._services.player_origin or base
        meta = pages.PageMeta(
            page_url=f"{player}/play/{found.code}",
            embed_url=f"{player}/embed/{found.code}",
            oembed_url=f"{base}/oembed?url={player}/play/{found.code}",
            image_url=config.poster,
            site_name=found.tenant_name,
        )
        render = pages.render_embed if embedded else pages.render_play
        return _page(render(config, assets_url=PLAYER_FILES, policy=policy, meta=meta))

    async def config(self, request: Request) -> Response:
        """GET /play/{asset}/config.json: the player's configuration, with ETag, for polling."""
        try:
            found = await self._found(request)
            prefix = self._prefix(request, found)
        except PolycastError as error:
            return JSONResponse(
                {"error": error.message}, 404 if isinstance(error, NotFound) else 403, headers=_CORS
            )
        body, etag = pages.config_document(player_config(found, base=self.base(request), prefix=prefix))
        headers = {**_CORS, "etag": etag, "cache-control": "no-cache"}
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        return Response(body, media_type="application/json", headers=headers)

    async def oembed(self, request: Request) -> Response:
        """GET /oembed?url=…: oEmbed 1.0 (oembed.com section 2.3.4.2), JSON only."""
        if request.query_params.get("format", "json") != "json":
            return JSONResponse({"error": "only json"}, 501, headers=_CORS)
        path = urlsplit(request.query_params.get("url", "")).path.rstrip("/").split("/")
        if len(path) != 3 or path[1] not in ("play", "embed"):
            return JSONResponse({"error": "url names no video"}, 404, headers=_CORS)
        try:
            found = await self._services.playback.find(path[2])
        except NotFound:
            return JSONResponse({"error": "url names no video"}, 404, headers=_CORS)
        asset, base = found.asset, self._services.player_origin or self.base(request)
        width, height = _fitted(
            asset.width or 1280,
            asset.height or 720,
            _number(request.query_params.get("maxwidth")),
            _number(request.query_params.get("maxheight")),
        )
        frame = (
            f'<iframe src="{base}/embed/{found.code}" width="{width}" height="{height}" frameborder="0" '
            'allow="autoplay; fullscreen; picture-in-picture" allowfullscreen></iframe>'
        )
        document: dict[str, Any] = {
            "version": "1.0",
            "type": "video",
            "title": asset.title,
            "provider_name": found.tenant_name,
            "provider_url": base,
            "html": frame,
            "width": width,
            "height": height,
        }
        poster = poster_url(asset, base)
        if poster:
            document |= {"thumbnail_url": poster, "thumbnail_width": width, "thumbnail_height": height}
        return JSONResponse(document, headers={**_CORS, "cache-control": "public, max-age=300"})

    async def beacon(self, request: Request) -> Response:
        """POST /beacons/{asset}: a batch of playback samples; kept in a spool, counted later."""
        if request.method == "OPTIONS":
            return Response(
                status_code=204, headers={**_CORS, "access-control-allow-headers": "content-type"}
            )
        try:
            found = await self._services.playback.find(request.path_params["ident"])
            body = await _bounded(request, MAX_BATCH_BYTES + 1)
            client = request.client.host if request.client else None
            await self._services.views.take(
                found.asset.uid, body, address=client, user_agent=request.headers.get("user-agent")
            )
        except NotFound:
            return Response(status_code=404, headers=_CORS)
        except TooLarge:
            return Response(status_code=413, headers=_CORS)
        except Invalid:
            return Response(status_code=400, headers=_CORS)
        return Response(status_code=204, headers=_CORS)

    async def put_part(self, request: Request) -> Response:
        """PUT /upload/{token}: the body of one part, answered as an object store does: ETag, XML errors."""
        if request.method == "OPTIONS":
            return Response(
                status_code=204,
                headers={
                    **_CORS,
                    "access-control-allow-methods": "PUT, OPTIONS",
                    "access-control-allow-headers": "content-type, content-md5, x-requested-with",
                },
            )
        length = _number(request.headers.get("content-length"))
        try:
            part = await self._services.uploads.put_part(
                request.path_params["token"], request.stream(), length
            )
        except ExpiredToken:
            return _store_error(403, "AccessDenied", "Request has expired")
        except BadToken:
            return _store_error(403, "SignatureDoesNotMatch", "The request signature does not match")
        except NotFound:
            return _store_error(404, "NoSuchUpload", "The upload does not exist")
        except Conflict as error:
            return _store_error(409, "InvalidRequest", error.message)
        except TooLarge as error:
            return _store_error(413, "EntityTooLarge", error.message)
        except Unavailable as error:
            return _store_error(503, "SlowDown", error.message)
        except PolycastError as error:
            return _store_error(400, "InvalidRequest", error.message)
        return Response(headers={**_CORS, "etag": f'"{part.etag}"', "content-length": "0"})


_WORDS = {
    Refusal.TOKEN_MISSING: "This video needs a token.",
    Refusal.COUNTRY: "This video is not available in your country.",
    Refusal.ADDRESS: "This video is not available from your network.",
}


class _Source:
    """GET /files/{uid}/{token}: a source file behind a time-limited link."""

    def __init__(self, services: Services, objects: Objects) -> None:
        self._services = services
        self._objects = objects

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        params = scope["path_params"]
        uid = parse_uid(params["uid"])
        try:
            if uid is None:
                raise NotFound("file")
            found = await self._services.sources.open(UUID(str(uid)), params["token"])
            name = "".join(ch if ch.isalnum() or ch in ".-_ " else "_" for ch in found.name)
            name = name.encode("ascii", "replace").decode().replace("?", "_")
            headers = [
                (b"cache-control", b"private, no-store"),
                (b"access-control-allow-origin", b"*"),
                # foreign bytes on our origin: never a page
                (b"content-security-policy", b"sandbox; default-src 'none'; media-src 'self'"),
                (b"x-content-type-options", b"nosniff"),
                (b"content-disposition", f'inline; filename="{name}"'.encode()),
            ]
            kind = found.content_type or ""
            safe = kind if kind.startswith(("video/", "audio/", "image/")) and "svg" not in kind else None
            await self._objects.serve(scope, send, found.key, headers, media_type=safe)
        except (BadToken, ExpiredToken) as error:
            await Response(error.message, 403)(scope, receive, send)
        except NotFound:
            await Response("not found", 404)(scope, receive, send)


def _page(page: pages.Page) -> Response:
    return Response(page.body, page.status, headers=page.headers)


def _start(request: Request) -> pages.Start:
    """Flags in the address, as embedders of several products write them."""

    def flag(name: str) -> bool:
        value = next((v for k, v in request.query_params.items() if k.lower() == name), "")
        return value.lower() in ("1", "true", "yes", "on")

    preload = request.query_params.get("preload", "metadata")
    return pages.Start(
        autoplay=flag("autoplay"),
        muted=flag("muted"),
        loop=flag("loop"),
        preload="none" if preload in ("none", "false", "0") else "auto" if preload == "auto" else "metadata",
        at_s=float(_number(request.query_params.get("t")) or 0),
    )


def _picture_origins(url: str | None) -> tuple[str, ...]:
    parts = urlsplit(url or "")
    return (f"{parts.scheme}://{parts.netloc}",) if parts.netloc else ()


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 16 else None


def _fitted(width: int, height: int, most_w: int | None, most_h: int | None) -> tuple[int, int]:
    scale = min(1.0, (most_w or width) / width, (most_h or height) / height)
    return max(1, round(width * scale)), max(1, round(height * scale))


async def _bounded(request: Request, most: int) -> bytes:
    body = b""
    async for block in request.stream():
        body += block
        if len(body) >= most:
            raise TooLarge("the body is too large")
    return body


def _store_error(status: int, code: str, message: str) -> Response:
    """An error in the form of S3's REST API, which upload clients read."""
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>'
    return Response(text, status, media_type="application/xml", headers=_CORS)
