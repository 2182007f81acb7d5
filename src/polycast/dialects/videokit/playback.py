"""What players call: source configuration and the embed page."""

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Query, Request
from starlette.responses import RedirectResponse, Response

from polycast.delivery.look import poster_url
from polycast.dialects.routing import Section
from polycast.dialects.videokit.auth import BaseDep, ServicesDep, bearer
from polycast.dialects.videokit.strict import StrictRoute
from polycast.dialects.videokit.wire import Wire, compact, uid
from polycast.domain.errors import Forbidden, Invalid, NotFound
from polycast.domain.policy import ViewerRequest, judge, origin_asked
from polycast.services.content_tokens import asset_named
from polycast.services.registry import Services

router = Section(route_class=StrictRoute, tags=["playback"])


@router.get("/v1/sourceconfig", operation_id="player_source_config")
async def source_config(
    request: Request,
    have: ServicesDep,
    base: BaseDep,
    token: str | None = None,
    asset_id: Annotated[str | None, Query(alias="assetId")] = None,
    tenant_id: Annotated[str | None, Query(alias="tenantId")] = None,
) -> dict[str, Any]:
    """What plays of one asset, for a player: manifests, or the one file. Domain and token are checked here.

    A content token may come as `Authorization: Bearer`, too; the product's documents do not say which.
    """
    return await _source(request, have, base, token, asset_id, tenant_id)


async def _source(
    request: Request,
    have: Services,
    base: str,
    token: str | None,
    asset_id: str | None,
    tenant_id: str | None,
) -> dict[str, Any]:
    sent = bearer(request)
    # API clients send their own bearer with every call, and it says nothing of a viewer
    token = token or (sent if sent and asset_named(sent) else None)
    if not asset_id and token:
        asset_id = asset_named(token)
        if not asset_id:
            raise Forbidden("the token is not valid")
    if not asset_id:
        raise Invalid("assetId or token is required", field="assetId")
    found = await have.playback.find(str(uid(asset_id, "asset")))
    if tenant_id and tenant_id.lower() != str(found.tenant_uid):
        raise NotFound("asset", asset_id)
    asset = found.asset
    if not asset.streams and asset.download is None:
        raise NotFound("media of asset", asset_id)
    own = (base, f"http://{request.headers.get('host')}", f"https://{request.headers.get('host')}")
    ticket = await have.playback.ticket(found.owner, found.asset.uid, token)
    refusal = judge(
        found.policy,
        ViewerRequest(
            origin=origin_asked(request.headers),
            own_origins=own,
            address=request.client.host if request.client else None,
            token_valid=ticket.valid if ticket else None,
        ),
    )
    if refusal is not None:
        raise Forbidden(f"playback is refused: {refusal.value}")
    prefix = "" if found.policy.public else f"/s/{have.playback.admit(found.asset.uid, ticket)}"
    media = f"{base}{prefix}/media/{asset.uid}"
    sources: dict[str, Any] = {}
    if asset.streams:
        sources = {
            "hls": f"{media}/playlist.m3u8",
            "dash": None if asset.growing else f"{media}/manifest.mpd",
        }
    elif asset.download is not None:
        sources = {"progressive": [{"url": f"{base}{prefix}/{asset.download.key}", "type": "video/mp4"}]}
    return compact({**sources, "title": asset.title, "poster": poster_url(asset, base)})


class AcquireContent(Wire):
    """player_acquire_content"""

    token: str | None = None
    asset_id: str | None = None
    tenant_id: str | None = None


@router.post("/player/v1/acquirecontent/bitmovin/web", operation_id="player_acquire_content")
async def acquire_content(
    request: Request, have: ServicesDep, base: BaseDep, body: AcquireContent | None = None
) -> dict[str, Any]:
    """Older content acquisition call of the web player; answers as sourceconfig."""
    sent = body or AcquireContent()
    return await _source(request, have, base, sent.token, sent.asset_id, sent.tenant_id)


@router.get("/v1/embed/bitmovin", operation_id="embed_player")
async def embed(
    have: ServicesDep,
    base: BaseDep,
    asset_id: Annotated[str, Query(alias="assetId")],
    token: str | None = None,
    muted: Annotated[bool | None, Query(alias="Muted")] = None,
    autoplay: Annotated[bool | None, Query(alias="Autoplay")] = None,
    time_shift: Annotated[bool | None, Query(alias="TimeShift")] = None,
    analytics: Annotated[bool | None, Query(alias="Analytics")] = None,
) -> Response:
    """Ready-made player page for an iframe or QR code: the engine's own, with the same options."""
    found = await have.playback.find(str(uid(asset_id, "asset")))
    options = {"muted": muted, "autoplay": autoplay, "analytics": analytics}
    query = {k: str(int(v)) for k, v in options.items() if v is not None}
    if token:
        query["token"] = token
    player = have.player_origin or base
    return RedirectResponse(f"{player}/embed/{found.code}" + (f"?{urlencode(query)}" if query else ""), 302)
