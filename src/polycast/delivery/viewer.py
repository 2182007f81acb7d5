"""Player pages: `/play/{asset}`, `/embed/{asset}`, and the configuration they poll.

`/stream/{tenant}/{player}/{asset}` is the embed page in the form that integrators build from ids they stored.
"""

from collections.abc import Sequence
from urllib.parse import urlencode, urlsplit
from uuid import UUID

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from polycast.delivery import pages
from polycast.delivery.admission import Admission, cors
from polycast.delivery.look import player_config
from polycast.delivery.origin import Origins
from polycast.delivery.page_address import PageAddress
from polycast.domain.errors import Forbidden, NotFound
from polycast.domain.policy import judge
from polycast.services.playback import Playback

PLAYER_FILES = "/player"
_ANY = {
    "access-control-allow-origin": "*",
    "access-control-expose-headers": "etag",
    "x-content-type-options": "nosniff",
}


class Viewer:
    """Routes of the player pages."""

    def __init__(self, playback: Playback, admission: Admission, origins: Origins) -> None:
        self._playback = playback
        self._admission = admission
        self._origins = origins

    def routes(self) -> Sequence[Route]:
        """All routes of this module."""
        return [
            Route("/play/{ident}", self.play),
            Route("/embed/{ident}", self.embed),
            Route("/stream/{tenant}/{player}/{ident}", self.embed),
            Route("/play/{ident}/config.json", self.config),
        ]

    async def play(self, request: Request) -> Response:
        """GET /play/{asset}: the player with all that belongs to the video."""
        return await self._page(request, embedded=False)

    async def embed(self, request: Request) -> Response:
        """GET /embed/{asset}, /stream/…: the player alone, for frames of the tenant's allowed domains."""
        return await self._page(request, embedded=True)

    async def _page(self, request: Request, *, embedded: bool) -> Response:
        try:
            address = PageAddress.read(request.path_params, request.query_params)
            found = await address.find(self._playback)
        except NotFound:
            return _page(pages.render_message("Not here", "There is no video at this address.", status=404))
        ancestors = ("'self'", *found.policy.origins) if found.policy.origins else ("*",)
        try:
            prefix = await self._admission.admit_page(
                request.scope, found.policy, found.owner, found.asset.uid
            )
        except Forbidden as error:
            return _page(
                pages.render_message("Not available", error.message, status=403, frame_ancestors=ancestors)
            )
        base, player = self._origins.base(request), self._origins.pages(request)
        config = player_config(
            found,
            base=base,
            prefix=prefix,
            start=_start(request),
            query=_kept_query(request, address.player),
            measured=_measured(request),
        )
        policy = pages.PagePolicy(
            frame_ancestors=ancestors,
            media_origins=(base, *_picture_origins(config.poster)),
            custom_scripts=self._origins.apart(request),
        )
        # what is put into other pages looks as this one
        themed = f"{found.code}?player={address.player}" if address.player else found.code
        meta = pages.PageMeta(
            page_url=f"{player}/play/{found.code}",
            embed_url=f"{player}/embed/{themed}",
            oembed_url=f"{base}/oembed?{urlencode({'url': f'{player}/play/{themed}'})}",
            image_url=config.poster,
            site_name=found.tenant_name,
        )
        render = pages.render_embed if embedded else pages.render_play
        return _page(render(config, assets_url=PLAYER_FILES, policy=policy, meta=meta))

    async def config(self, request: Request) -> Response:
        """GET /play/{asset}/config.json: the player's configuration, with ETag, for polling.

        It names the session, so it is judged as a manifest is: another site's page must not read it.
        """
        try:
            address = PageAddress.read(request.path_params, request.query_params)
            found = await address.find(self._playback)
        except NotFound as error:
            return JSONResponse({"error": error.message}, 404, headers=_ANY)
        ticket = await self._admission.ticket(request.scope, found.owner, found.asset.uid)
        viewer = self._admission.viewer(request.scope, token_valid=ticket.valid if ticket else None)
        shared = {k.decode(): v.decode("latin-1") for k, v in cors(found.policy, viewer)}
        if judge(found.policy, viewer) is not None:
            return JSONResponse({"error": "not available"}, 403, headers=_ANY)
        prefix = await self._admission.admit_page(request.scope, found.policy, found.owner, found.asset.uid)
        body, etag = pages.config_document(
            player_config(
                found,
                base=self._origins.base(request),
                prefix=prefix,
                query=_kept_query(request, address.player),
                measured=_measured(request),
            )
        )
        cache = "no-cache" if found.policy.public else "private, no-cache"
        headers = {**shared, "etag": etag, "cache-control": cache}
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        return Response(body, media_type="application/json", headers=headers)


def _page(page: pages.Page) -> Response:
    return Response(page.body, page.status, headers=page.headers)


def _kept_query(request: Request, player: UUID | None) -> str:
    """What the page's own polling must repeat to be answered alike."""
    kept = [(k, v) for k, v in request.query_params.multi_items() if k in ("token", "analytics")]
    if player is not None:
        kept.append(("player", str(player)))
    return f"?{urlencode(kept)}" if kept else ""


def _measured(request: Request) -> bool:
    """`analytics=0` in the address keeps this viewing from being measured; nothing there turns measuring on."""
    return request.query_params.get("analytics", "").lower() not in ("0", "false", "no", "off")


def _start(request: Request) -> pages.Start:
    """Flags in the address, as embedders of several products write them."""

    def flag(name: str) -> bool:
        value = next((v for k, v in request.query_params.items() if k.lower() == name), "")
        return value.lower() in ("1", "true", "yes", "on")

    preload = request.query_params.get("preload", "metadata")
    at = request.query_params.get("t", "")
    return pages.Start(
        autoplay=flag("autoplay"),
        muted=flag("muted"),
        loop=flag("loop"),
        preload="none" if preload in ("none", "false", "0") else "auto" if preload == "auto" else "metadata",
        at_s=float(at) if at.isascii() and at.isdigit() and len(at) < 8 else 0.0,
    )


def _picture_origins(url: str | None) -> tuple[str, ...]:
    parts = urlsplit(url or "")
    return (f"{parts.scheme}://{parts.netloc}",) if parts.netloc else ()
