"""Section Assets of streaming: everything playable, its presentation, settings, tags, QR code."""

import io
from dataclasses import replace
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

import segno
from fastapi import Depends, Query
from starlette.responses import Response

from polycast.dialects.routing import Section
from polycast.dialects.videokit.auth import BaseDep, CallerDep, RootDep, ServicesDep
from polycast.dialects.videokit.chapters import ChapterBody, new_chapters
from polycast.dialects.videokit.domains import domain_result
from polycast.dialects.videokit.files import list_filter
from polycast.dialects.videokit.images import ImageBody, new_images
from polycast.dialects.videokit.mapping import ASSET_KINDS, SWITCHES, asset_result, statuses
from polycast.dialects.videokit.strict import StrictRoute
from polycast.dialects.videokit.wire import (
    MAX_INT64,
    Wire,
    attributes,
    enumerated,
    moment,
    page_of,
    paging,
    split,
    uid,
)
from polycast.domain.access import Permission
from polycast.domain.errors import Invalid
from polycast.domain.paging import PageRequest
from polycast.services.asset_changes import AssetChanges
from polycast.services.assets import AssetFilter
from polycast.services.filters import ListFilter

router = Section(route_class=StrictRoute, tags=["streaming.assets"])
_POLICIES = {"inherit": None, "true": True, "false": False}
_STATES = {"inherit": None, "enabled": True, "disabled": False}
_SOURCES = {"Live": ["live_channel", "live_event"], "Recorder": ["recording"], "Vod": ["vod"]}


class UpdateStreamingAsset(Wire):
    """update_asset; only sent properties change"""

    token_required_policy: str | None = None
    images: dict[str, ImageBody] | None = None
    chapters: list[ChapterBody] | None = None
    description: str | None = None
    tags: list[str] | None = None
    attributes: list[str] | None = None
    title: str | None = None


class UpdateSettings(Wire):
    """update_asset_settings"""

    token_required: str | None = None
    dev_tools_access: str | None = None
    cap: str | None = None
    analytics: str | None = None
    code_obfuscation: str | None = None


class TagBody(Wire):
    name: str


class AddTags(Wire):
    """add_asset_tags"""

    tags: list[TagBody]


def _state(table: dict[str, bool | None], value: str, field: str) -> bool | None:
    if value.lower() not in table:
        raise Invalid(f"{field} must be one of {', '.join(table)}", field=field)
    return table[value.lower()]


@router.get("/streaming/v1/assets", operation_id="list_assets")
async def list_assets(
    caller: CallerDep,
    have: ServicesDep,
    base: BaseDep,
    page: Annotated[PageRequest, Depends(paging)],
    chosen: Annotated[ListFilter, Depends(list_filter)],
    channel_id: Annotated[str | None, Query(alias="channelId")] = None,
    is_drm: Annotated[bool | None, Query(alias="isDrm")] = None,
    source: str | None = None,
    status: str | None = None,
    type: str | None = None,
    duration_from: Annotated[int | None, Query(alias="durationFrom", ge=0, le=MAX_INT64)] = None,
    duration_to: Annotated[int | None, Query(alias="durationTo", ge=0, le=MAX_INT64)] = None,
    search_start: Annotated[str | None, Query(alias="searchStart")] = None,
    search_end: Annotated[str | None, Query(alias="searchEnd")] = None,
    channels: Annotated[list[str] | None, Query()] = None,
    status_names: Annotated[list[str] | None, Query(alias="statuses")] = None,
    types: Annotated[list[str] | None, Query()] = None,
) -> dict[str, Any]:
    """Page through everything playable."""
    kinds = enumerated([*(types or []), *([type] if type else [])], ASSET_KINDS, "type")
    if source:
        wanted = {k.lower(): v for k, v in _SOURCES.items()}.get(source.lower())
        if wanted is None:
            raise Invalid(f"source must be one of {', '.join(_SOURCES)}", field="source")
        kinds = [k for k in wanted if not kinds or k in kinds] or ["none"]
    moment(search_start, "searchStart")
    moment(search_end, "searchEnd")
    # VOD assets belong to no channel, have no window of time and are clear
    if channel_id or channels or search_start or search_end or is_drm:
        chosen = replace(chosen, ids=[])
    found = await have.assets.list(
        caller,
        page,
        replace(chosen, statuses=statuses(split([*(status_names or []), *([status] if status else [])]))),
        AssetFilter(kinds=kinds, duration_from=duration_from, duration_to=duration_to, with_file=True),
        presentation=True,
    )
    settings = (await have.tenants.get(caller)).settings
    return page_of(found, [asset_result(a, settings, base) for a in found.items])


async def _detail(caller: Any, have: Any, base: str, asset: Any) -> dict[str, Any]:
    settings = (await have.tenants.get(caller)).settings
    tag_ids = await have.presentation.tag_ids(caller, asset.tags)
    return asset_result(asset, settings, base, tag_ids=tag_ids)


@router.get("/streaming/v1/assets/{assetId}", operation_id="get_asset")
async def get(assetId: str, caller: CallerDep, have: ServicesDep, base: BaseDep) -> dict[str, Any]:
    """One playable asset in full."""
    asset = await have.assets.get(caller, uid(assetId, "asset"))
    return await _detail(caller, have, base, asset)


@router.patch("/streaming/v1/assets/{assetId}", operation_id="update_asset")
async def update(
    assetId: str, body: UpdateStreamingAsset, caller: CallerDep, have: ServicesDep, base: BaseDep
) -> dict[str, Any]:
    """Change presentation data of a playable asset."""
    asset = uid(assetId, "asset")
    switches = None
    if body.token_required_policy is not None:
        switches = {"token_required": _state(_POLICIES, body.token_required_policy, "tokenRequiredPolicy")}
    changes = AssetChanges(
        title=body.title,
        description=body.description,
        tags=body.tags,
        attributes=attributes(body.attributes),
        settings=switches,
    )
    chapters = new_chapters(body.chapters) if body.chapters is not None else None
    images = new_images(body.images, asset) if body.images is not None else None
    await have.presentation.change(caller, asset, changes, chapters=chapters, images=images)
    settings = (await have.tenants.get(caller)).settings
    return asset_result(await have.assets.get(caller, asset), settings, base)


@router.patch("/streaming/v1/assets/{assetId}/settings", operation_id="update_asset_settings")
async def update_settings(
    assetId: str, body: UpdateSettings, caller: CallerDep, have: ServicesDep, base: BaseDep
) -> dict[str, Any]:
    """Per-asset player switches."""
    sent = body.model_dump(by_alias=True, exclude_none=True)
    switches = {SWITCHES[name]: _state(_STATES, value, name) for name, value in sent.items()}
    asset = await have.assets.update(caller, uid(assetId, "asset"), AssetChanges(settings=switches))
    return await _detail(caller, have, base, asset)


@router.post("/streaming/v1/assets/{assetId}/tags", operation_id="add_asset_tags", tags=["streaming.tags"])
async def add_tags(assetId: str, body: AddTags, caller: CallerDep, have: ServicesDep) -> Response:
    """Add tags to an asset."""
    await have.presentation.add_tags(caller, uid(assetId, "asset"), [t.name for t in body.tags])
    return Response()


@router.delete(
    "/streaming/v1/assets/{assetId}/tags/{tag:path}",
    operation_id="delete_asset_tag",
    tags=["streaming.tags"],
)
async def delete_tag(assetId: str, tag: str, caller: CallerDep, have: ServicesDep) -> Response:
    """Remove a tag from an asset, by its text or its id."""
    await have.presentation.remove_tag(caller, uid(assetId, "asset"), tag)
    return Response()


@router.get(
    "/streaming/v1/qrcode/{id}",
    operation_id="get_qr_code",
    response_class=Response,
    responses={200: {"content": {"image/png": {}}}},
)
async def qr_code(
    id: str,
    caller: CallerDep,
    have: ServicesDep,
    root: RootDep,
    muted: Annotated[bool | None, Query(alias="Muted")] = None,
    autoplay: Annotated[bool | None, Query(alias="Autoplay")] = None,
    time_shift: Annotated[bool | None, Query(alias="TimeShift")] = None,
    analytics: Annotated[bool | None, Query(alias="Analytics")] = None,
) -> Response:
    """A PNG that opens the player page of an asset."""
    asset: UUID = uid(id, "asset")
    await have.assets.get(caller, asset)
    options = {
        "assetId": str(asset),
        "Muted": muted,
        "Autoplay": autoplay,
        "TimeShift": time_shift,
        "Analytics": analytics,
    }
    query = urlencode(
        {k: str(v).lower() if isinstance(v, bool) else v for k, v in options.items() if v is not None}
    )
    picture = io.BytesIO()
    try:
        code = segno.make(f"{root}/v1/embed/bitmovin?{query}", error="m")
    except segno.DataOverflowError as error:
        raise Invalid("the address is too long for a QR code", field="Host") from error
    code.save(picture, kind="png", scale=8, border=4)
    return Response(picture.getvalue(), media_type="image/png")


@router.get("/streaming/v1/settings", operation_id="get_settings", tags=["streaming.settings"])
async def get_settings(caller: CallerDep, have: ServicesDep, root: RootDep) -> dict[str, Any]:
    """Tenant-wide player settings, addresses and signing keys; for admins, since it shows the keys."""
    caller.require(Permission.MANAGE)
    tenant = await have.tenants.get(caller)
    keys = {
        name: await have.tenants.secret(caller.tenant.num, name)
        for name in ("content", "licence", "concurrency")
    }
    used = await have.playback.view_count(caller.tenant.num)
    return {
        "tenantId": str(tenant.uid),
        "tenantName": tenant.ref.slug,
        "playerEncryptedData": "",
        "contentAcquisitionInfo": {
            "acquireContentUrl": f"{root}/player/v1/acquirecontent/bitmovin/web",
            "sourceConfigUrl": f"{root}/v1/sourceconfig",
            "authorization": {
                "tokenRequiredPolicy": tenant.settings.token_required,
                "signingKey": keys["content"],
                "signingAlgorithm": "HS256",
            },
        },
        "licenseAcquisitionInfo": {
            "enabled": False,
            "authorization": {"signingKey": keys["licence"], "signingAlgorithm": "HS256"},
            "endpoints": [],
        },
        "bitmovinPlayerInfo": {
            "embedUrl": f"{root}/v1/embed/bitmovin",
            "sourceConfigUrl": f"{root}/v1/sourceconfig",
            "playerLicense": {
                "key": str(tenant.uid),
                "impressions": used,
                "maxImpressions": 2**31 - 1,
                "id": str(tenant.uid),
            },
            "analyticsLicense": {
                "key": str(tenant.uid),
                "impressions": used,
                "maxImpressions": 2**31 - 1,
            },
        },
        "capInfo": {
            "enabled": tenant.settings.concurrency_protection,
            "capUrl": f"{root}/heartbeat/v1/heartbeat/{tenant.uid}",
            "signingKey": keys["concurrency"],
        },
        "allowedDomains": [domain_result(d) for d in await have.domains.list(caller)],
        "playerConfigInfo": {
            "devToolsAccess": tenant.settings.dev_tools_access,
            "analytics": tenant.settings.player_analytics,
            "codeObfuscation": tenant.settings.code_obfuscation,
        },
    }
