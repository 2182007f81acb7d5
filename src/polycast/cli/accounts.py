"""`polycast keys` and `polycast tenants`: worked on directly, whether the server runs or not."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from polycast.cli.installation import platform, require
from polycast.cli.options import DataOption, settings_for
from polycast.domain.access import Caller, OrganizationCaller, Role
from polycast.domain.errors import Invalid, NotFound

if TYPE_CHECKING:
    from pathlib import Path

    from polycast.services.registry import Services
    from polycast.services.tenants import Tenant

keys = typer.Typer(no_args_is_help=True)
tenants = typer.Typer(no_args_is_help=True)

TenantOption = Annotated[str, typer.Option("--tenant", help="Its slug or id; the first one by default.")]
TenantArgument = Annotated[str, typer.Argument(help="Id or slug of the tenant.")]
_ACTOR = "system:cli"


def _with_services(data: "Path | None", work: "Callable[[Services], Awaitable[None]]") -> None:
    settings = settings_for(data)
    require(settings)

    async def run() -> None:
        async with platform(settings) as wired:
            from polycast.bootstrap import first_start

            await first_start(wired.services)
            await work(wired.services)

    asyncio.run(run())


async def _owner(services: "Services") -> OrganizationCaller:
    owner = await services.tenants.default_organization()
    if owner is None:
        raise NotFound("organization")
    return owner


async def _tenant(services: "Services", name: str) -> "Tenant":
    found = await services.tenants.list(await _owner(services))
    for tenant in found:
        if not name or name.lower() in (tenant.ref.slug, str(tenant.uid)):
            return tenant
    raise NotFound("tenant", name)


async def _caller(services: "Services", name: str) -> Caller:
    from polycast.services.tenants import as_system

    return as_system((await _tenant(services, name)).ref, _ACTOR)


@keys.command("list")
def list_keys(tenant: TenantOption = "", data: DataOption = None) -> None:
    """Show a tenant's keys, and those of all tenants (owner); without their secrets."""
    from polycast.domain.paging import PageRequest

    async def work(services: "Services") -> None:
        caller = await _caller(services, tenant)
        own = (await services.keys.list(caller, PageRequest(limit=1000))).items
        for key in (*await services.keys.list_of_organization(caller), *own):
            until = "" if key.expires_at is None else f"  until {key.expires_at:%Y-%m-%d %H:%M} UTC"
            typer.echo(f"{key.uid}  {key.role.value:<7} {key.created_at:%Y-%m-%d}  {key.name}{until}")

    _with_services(data, work)


@keys.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="What it is for.")] = "cli",
    role: Annotated[str, typer.Option(help="owner (all tenants), admin, editor or viewer.")] = "owner",
    days: Annotated[
        int | None, typer.Option(min=1, max=36500, help="Refused after so many days; never by default.")
    ] = None,
    tenant: TenantOption = "",
    data: DataOption = None,
) -> None:
    """Make a key and print it: the one line of output, shown this once."""
    try:
        wanted = Role(role.lower())
    except ValueError:
        raise Invalid(f"{role} is no role: owner, admin, editor or viewer", field="role") from None

    async def work(services: "Services") -> None:
        caller = await _caller(services, tenant)
        until = None if days is None else datetime.now(UTC) + timedelta(days=days)
        if wanted is Role.OWNER:
            made = await services.keys.create_for_organization(caller, name, expires_at=until)
        else:
            made = await services.keys.create(caller, name, wanted, expires_at=until)
        typer.echo(made.secret)

    _with_services(data, work)


@keys.command("revoke")
def revoke_key(
    key: Annotated[UUID, typer.Argument(help="Its id, as `keys list` shows it.")],
    tenant: TenantOption = "",
    data: DataOption = None,
) -> None:
    """Refuse a key from now on."""

    async def work(services: "Services") -> None:
        caller = await _caller(services, tenant)
        try:
            await services.keys.revoke(caller, key)
        except NotFound:
            await services.keys.revoke_of_organization(caller, key)
        typer.echo(f"{key} is revoked")

    _with_services(data, work)


@tenants.command("list")
def list_tenants(data: DataOption = None) -> None:
    """Show all tenants."""

    async def work(services: "Services") -> None:
        for tenant in await services.tenants.list(await _owner(services)):
            typer.echo(f"{tenant.uid}  {tenant.ref.status:<8} {tenant.ref.slug:<24} {tenant.name}")

    _with_services(data, work)


@tenants.command("organization")
def show_organization(data: DataOption = None) -> None:
    """Print the id of the organization whose tenants these are: the client id of Gotipath's API."""

    async def work(services: "Services") -> None:
        typer.echo(str((await _owner(services)).organization_uid))

    _with_services(data, work)


@tenants.command("create")
def create_tenant(
    name: Annotated[str, typer.Argument(help="Shown name.")],
    slug: Annotated[
        str, typer.Option(help="Short name, a-z, 0-9 and hyphens; made from the shown one by default.")
    ] = "",
    quota_bytes: Annotated[
        int, typer.Option(help="Storage limit in bytes; 0: the installation's.", min=0)
    ] = 0,
    data: DataOption = None,
) -> None:
    """Make a tenant and print its id."""

    async def work(services: "Services") -> None:
        owner = await _owner(services)
        made = await services.tenants.create(owner, name, slug=slug or None, quota_bytes=quota_bytes or None)
        typer.echo(str(made.uid))

    _with_services(data, work)


@tenants.command("limit")
def limit_tenant(
    tenant: TenantArgument,
    quota_bytes: Annotated[
        int | None,
        typer.Option(help="Storage limit in bytes; 0: the installation's. Left as it is by default.", min=0),
    ] = None,
    retention_days: Annotated[
        int | None,
        typer.Option(
            help="Days after which assets are deleted; 0: the installation's. Left as it is by default.",
            min=0,
        ),
    ] = None,
    data: DataOption = None,
) -> None:
    """Set what a tenant may store, and for how long; show what is in force."""

    async def work(services: "Services") -> None:
        found = await _tenant(services, tenant)
        if quota_bytes is not None or retention_days is not None:
            found = await services.tenants.limit(
                await _owner(services),
                found.uid,
                quota_bytes=found.quota_bytes if quota_bytes is None else quota_bytes or None,
                retention_days=found.retention_days if retention_days is None else retention_days or None,
            )
        typer.echo(
            f"{found.ref.slug}: quota {_limit(found.quota_bytes, settings.quota_bytes, 'bytes')}, "
            f"retention {_limit(found.retention_days, settings.retention_days, 'days')}"
        )

    settings = settings_for(data)
    _with_services(data, work)


def _limit(own: int | None, everybodys: int, unit: str) -> str:
    if own is not None:
        return f"{own} {unit}"
    return f"{everybodys} {unit} (the installation's)" if everybodys else "without limit (the installation's)"


@tenants.command("block")
def block_tenant(tenant: TenantArgument, data: DataOption = None) -> None:
    """Refuse a tenant's keys and stop its playback from now on; nothing is removed."""
    _block(tenant, data, blocked=True)


@tenants.command("unblock")
def unblock_tenant(tenant: TenantArgument, data: DataOption = None) -> None:
    """Let a blocked tenant work and play again."""
    _block(tenant, data, blocked=False)


def _block(name: str, data: "Path | None", *, blocked: bool) -> None:
    async def work(services: "Services") -> None:
        found = await _tenant(services, name)
        await services.tenants.block(await _owner(services), found.uid, blocked=blocked)
        typer.echo(f"{found.ref.slug} is {'blocked' if blocked else 'active'}")

    _with_services(data, work)
