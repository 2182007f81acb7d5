"""Section Libraries: tenants, their settings and figures, for keys of the organization or of one library."""

from typing import Any
from urllib.parse import urlsplit

from polycast.dialects.gotipath.auth import BaseDep, LibraryCaller, OrganizationDep, ServicesDep
from polycast.dialects.gotipath.mapping import Look
from polycast.dialects.gotipath.schemas_libraries import CreateLibrary, Library, UpdateLibrary
from polycast.dialects.gotipath.wire import Envelope, moment
from polycast.dialects.routing import Section
from polycast.domain.access import PERMISSIONS, Caller, Permission
from polycast.domain.errors import Forbidden, Invalid, NotSupported
from polycast.domain.presets import PRESETS
from polycast.services.registry import Services
from polycast.services.tenants import Tenant

router = Section(tags=["Libraries"], prefix="/libraries")
WEBHOOK_SECRET = "webhook"  # noqa: S105 - a secret's name
RESOLUTIONS = tuple(rung.name for rung in PRESETS["dash_hls_2160p"].rungs)
# wire name -> member of the tenant's settings
_SETTINGS = {
    "enabled_video_resolutions": "resolutions",
    "enabled_live_resolutions": "live_resolutions",
    "enable_keep_original_file": "keep_original",
    "enable_early_play": "early_play",
    "enable_mp4_fallback": "mp4_fallback",
    "enable_continue_watch": "continue_watching",
    "webhook_url": "webhook_url",
}
# a switch that protected nothing, or an advertisement that nobody saw, would be worse than none
_NOT_YET = {
    "enable_video_drm": "DRM is",
    "enable_live_drm": "DRM is",
    "enable_token_authentication": "token authentication is",
    "vast_tag_url": "advertisements are",
}


@router.get("", operation_id="list_libraries")
async def list_libraries(
    callers: OrganizationDep, services: ServicesDep, base: BaseDep
) -> Envelope[list[Library]]:
    """Libraries of the client; a library's own key sees that one."""
    organization, own = callers
    if own is not None:
        found = [await services.tenants.get(own)]
    else:
        found = await services.tenants.list(organization)
    libraries = [
        await _library(services, own or organization.within(tenant.ref), tenant, base) for tenant in found
    ]
    return Envelope(message="Library List", result=libraries)


@router.post("", operation_id="create_library", status_code=201)
async def create_library(
    callers: OrganizationDep, services: ServicesDep, base: BaseDep, body: CreateLibrary
) -> Envelope[Library]:
    """A new library with its own key.

    Raises:
        Forbidden: the key is not one of the organization.
    """
    organization, _ = callers
    tenant = await services.tenants.create(organization, body.name)
    library = await _library(services, organization.within(tenant.ref), tenant, base)
    # the vendor's sample carries the list's message here too
    return Envelope(message="Library List", result=library)


@router.get("/{libraryId}", operation_id="get_library")
async def get_library(caller: LibraryCaller, services: ServicesDep, base: BaseDep) -> Envelope[Library]:
    """One library with its settings and figures."""
    tenant = await services.tenants.get(caller)
    return Envelope(message="Library details", result=await _library(services, caller, tenant, base))


@router.put("/{libraryId}", operation_id="update_library")
async def update_library(
    caller: LibraryCaller, services: ServicesDep, base: BaseDep, body: UpdateLibrary
) -> Envelope[Library]:
    """Change settings; members that are absent keep their value.

    Raises:
        Invalid: an unknown resolution, or an address that is none.
        NotSupported: something that this version does not have is switched on.
    """
    for member, words in _NOT_YET.items():
        if getattr(body, member):
            raise NotSupported(f"{words} not part of this version", field=member)
    changes = {
        setting: value for wire, setting in _SETTINGS.items() if (value := _setting(body, wire)) is not None
    }
    secrets = {WEBHOOK_SECRET: body.webhook_secret} if body.webhook_secret is not None else None
    tenant = await services.tenants.update(caller, name=body.name, settings=changes, secrets=secrets)
    library = await _library(services, caller, tenant, base)
    return Envelope(message="Library has been updated.", result=library)


@router.delete("/{libraryId}", operation_id="delete_library")
async def delete_library(
    caller: LibraryCaller, services: ServicesDep, callers: OrganizationDep
) -> Envelope[str]:
    """Mark a library deleted: its keys stop working and its videos stop playing at once.

    Raises:
        Forbidden: the key is not one of the organization.
    """
    organization, own = callers
    if own is not None:
        raise Forbidden("only a key of the client may delete a library")
    await services.tenants.delete(organization, caller.tenant.uid)
    return Envelope(message="Library has  been deleted.", result="")


def _setting(body: UpdateLibrary, wire: str) -> Any:
    """A setting as the domain takes it; None where it stays."""
    value = getattr(body, wire)
    if wire.endswith("_resolutions"):
        if not body.given(wire):
            return None
        wanted = dict.fromkeys(value or ())
        if unknown := [name for name in wanted if name not in RESOLUTIONS]:
            raise Invalid(f"{unknown[0][:32]!r} is none of {', '.join(RESOLUTIONS)}", field=wire)
        return [name for name in RESOLUTIONS if name in wanted]
    if wire.endswith("_url") and value:
        _check_address(value, wire)
    return value


def _check_address(text: str, field: str) -> None:
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or not text.isprintable() or " " in text:
        raise Invalid(f"{field} must be an http or https address", field=field)


async def _library(services: Services, caller: Caller, tenant: Tenant, base: str) -> Library:
    """Library; key and secret only for those who may manage it."""
    settings = tenant.settings
    used = await services.tenants.usage(tenant.ref.num)
    manages = Permission.MANAGE in PERMISSIONS[caller.role]
    host = urlsplit(base).netloc
    return Library(
        id=str(tenant.uid),
        customer_id=str(tenant.ref.organization_uid),
        name=tenant.name,
        api_key=await services.keys.library_key(caller) if manages else "",
        raw_storage=used.source_bytes,
        transcode_storage=used.stored_bytes,
        total_storage=used.source_bytes + used.stored_bytes,
        cdn_volume=used.egress_bytes,
        total_video=used.videos,
        encoding_output_hour=used.encoded_ms // 3_600_000,
        webhook_secret=await services.tenants.secret(tenant.ref.num, WEBHOOK_SECRET) if manages else "",
        webhook_url=settings.webhook_url,
        video_distribution_url=host,
        live_distribution_url=host,
        enabled_live_resolutions=list(settings.live_resolutions) or None,
        enabled_video_resolutions=list(settings.resolutions) or None,
        enable_keep_original_file=settings.keep_original,
        enable_early_play=settings.early_play,
        enable_mp4_fallback=settings.mp4_fallback,
        enable_continue_watch=settings.continue_watching,
        vast_tag_url=settings.vast_url,
        direct_play_url=Look(services, base).pages(tenant.uid),
        enable_video_drm=settings.video_drm,
        enable_live_drm=settings.live_drm,
        enable_token_authentication=settings.token_authentication,
        created_at=moment(tenant.created_at),
        updated_at=moment(tenant.updated_at),
        deleted_at=moment(tenant.deleted_at) if tenant.deleted_at else None,
    )
