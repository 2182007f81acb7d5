"""Tenants: the unit of isolation, its settings, secrets and figures."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from polycast.db.engine import Database
from polycast.db.tables import assets, files, organizations, players, tenants, usage
from polycast.domain.access import Caller, OrganizationCaller, Permission, Role, TenantRef
from polycast.domain.errors import Conflict, Invalid, NotFound
from polycast.domain.presets import PRESETS
from polycast.domain.states import TenantStatus
from polycast.domain.tenants import TenantSettings
from polycast.services import ledger
from polycast.services.checks import checked_name
from polycast.services.vault import Vault, new_signing_key

SIGNING_KEYS = ("content", "licence", "concurrency")
"""signing keys every tenant gets at birth"""
_SLUG_LOCK = 0x736C7567  # "slug"
_SLUG = re.compile(r"(?=.{1,40}$)[a-z0-9]+(?:-[a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class Tenant:
    """One tenant; `quota_bytes` None is unlimited."""

    ref: TenantRef
    name: str
    settings: TenantSettings
    quota_bytes: int | None
    retention_days: int | None
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None

    @property
    def uid(self) -> UUID:
        return self.ref.uid


@dataclass(frozen=True, slots=True)
class TenantUsage:
    """Real figures: bytes stored now, videos now, bytes delivered and hours encoded so far."""

    source_bytes: int
    stored_bytes: int
    videos: int
    egress_bytes: int
    encoded_ms: int


class Tenants:
    """Use cases on tenants; each method is one transaction."""

    def __init__(self, db: Database, vault: Vault) -> None:
        self._db = db
        self._vault = vault

    async def create_organization(self, name: str) -> OrganizationCaller:
        """A new organization, as its own owner."""
        async with self._db.transaction() as tx:
            row = (
                await tx.execute(
                    insert(organizations)
                    .values(name=name)
                    .returning(organizations.c.num, organizations.c.uid)
                )
            ).one()
        return OrganizationCaller(row.num, row.uid, Role.OWNER, "system:setup")

    async def default_organization(self) -> OrganizationCaller | None:
        """The oldest organization, as its owner; None on an empty installation."""
        async with self._db.connect() as tx:
            row = (
                await tx.execute(
                    select(organizations.c.num, organizations.c.uid).order_by(organizations.c.num).limit(1)
                )
            ).first()
        return OrganizationCaller(row.num, row.uid, Role.OWNER, "system:setup") if row else None

    async def create(
        self, owner: OrganizationCaller, name: str, *, slug: str | None = None, quota_bytes: int | None = None
    ) -> Tenant:
        """A new tenant with fresh signing keys and a default player.

        Args:
            slug: its name in headers and on the command line; None: made of `name`, with a number where it is taken.

        Raises:
            Invalid: name empty or too long, or a slug of other characters.
            Conflict: the slug is taken.
            Forbidden: the caller may not organize.
        """
        owner.require(Permission.ORGANIZE)
        name = checked_name(name)
        if slug is not None and not _SLUG.fullmatch(slug):
            raise Invalid(
                "slug must be a-z, 0-9 and single hyphens between them, 1 to 40 characters", field="slug"
            )
        async with self._db.transaction() as tx:
            chosen = await _free_slug(tx, slug or _slug(name))
            if slug is not None and chosen != slug:
                raise Conflict(f"the slug {slug} is taken")
            num = (
                await tx.execute(
                    insert(tenants)
                    .values(
                        organization_num=owner.organization_num,
                        name=name,
                        slug=chosen,
                        quota_bytes=quota_bytes,
                        settings=TenantSettings().to_json(),
                        secrets={k: self._vault.seal(new_signing_key()) for k in SIGNING_KEYS},
                    )
                    .returning(tenants.c.num)
                )
            ).scalar_one()
            await tx.execute(insert(players).values(tenant_num=num, name="Default", is_default=True))
            tenant = _tenant((await tx.execute(_query().where(tenants.c.num == num))).one())
            await ledger.record(
                tx, owner.within(tenant.ref), "tenant.created", "tenant", tenant.uid, {"name": name}
            )
        return tenant

    async def list(self, owner: OrganizationCaller) -> list[Tenant]:
        """The organization's tenants that are not deleted, oldest first."""
        async with self._db.connect() as tx:
            rows = await tx.execute(
                _query()
                .where(tenants.c.organization_num == owner.organization_num, tenants.c.deleted_at.is_(None))
                .order_by(tenants.c.num)
            )
            return [_tenant(row) for row in rows]

    async def get(self, caller: Caller) -> Tenant:
        """The caller's own tenant."""
        return await self.by_num(caller.tenant.num)

    async def by_num(self, num: int) -> Tenant:
        """Raises NotFound for an unknown tenant."""
        async with self._db.connect() as tx:
            row = (await tx.execute(_query().where(tenants.c.num == num))).first()
        if row is None:
            raise NotFound("tenant")
        return _tenant(row)

    async def in_organization(self, owner: OrganizationCaller, uid: UUID) -> Tenant:
        """One tenant of the organization; NotFound for others' and for deleted ones."""
        async with self._db.connect() as tx:
            row = (
                await tx.execute(
                    _query().where(
                        tenants.c.uid == uid,
                        tenants.c.organization_num == owner.organization_num,
                        tenants.c.deleted_at.is_(None),
                    )
                )
            ).first()
        if row is None:
            raise NotFound("tenant", uid)
        return _tenant(row)

    async def update(
        self,
        caller: Caller,
        *,
        name: str | None = None,
        settings: Mapping[str, Any] | None = None,
        secrets: Mapping[str, str] | None = None,
    ) -> Tenant:
        """Change name, some settings (by member of TenantSettings) and some secrets; absent ones stay.

        Raises:
            Invalid: a setting is unknown or of the wrong kind.
        """
        caller.require(Permission.MANAGE)
        async with self._db.transaction() as tx:
            row = (
                await tx.execute(
                    select(tenants.c.settings, tenants.c.secrets)
                    .where(tenants.c.num == caller.tenant.num)
                    .with_for_update()
                )
            ).one()
            values: dict[str, Any] = {"updated_at": func.now()}
            if name is not None:
                values["name"] = checked_name(name)
            if settings:
                values["settings"] = change_settings(
                    TenantSettings.from_json(row.settings), settings
                ).to_json()
            if secrets:
                values["secrets"] = row.secrets | {k: self._vault.seal(v) for k, v in secrets.items()}
            await tx.execute(update(tenants).where(tenants.c.num == caller.tenant.num).values(**values))
            await ledger.record(
                tx,
                caller,
                "tenant.updated",
                "tenant",
                caller.tenant.uid,
                {"settings": dict(settings or {}), "secrets": sorted(secrets or {})},
            )
            return _tenant((await tx.execute(_query().where(tenants.c.num == caller.tenant.num))).one())

    async def limit(
        self, owner: OrganizationCaller, uid: UUID, *, quota_bytes: int | None, retention_days: int | None
    ) -> Tenant:
        """Set what a tenant may store, and for how long; None is the installation's own limit.

        A quota below what is stored removes nothing: it refuses what is new. Assets older than the
        retention go with the next upkeep.

        Raises:
            NotFound: no such tenant of this organization.
            Invalid: a negative number.
        """
        owner.require(Permission.ORGANIZE)
        for name, value in (("quota_bytes", quota_bytes), ("retention_days", retention_days)):
            if value is not None and value < 0:
                raise Invalid("must not be negative", field=name)
        tenant = await self.in_organization(owner, uid)
        limits = {"quota_bytes": quota_bytes, "retention_days": retention_days}
        async with self._db.transaction() as tx:
            await tx.execute(
                update(tenants).where(tenants.c.num == tenant.ref.num).values(**limits, updated_at=func.now())
            )
            await ledger.record(
                tx, as_system(tenant.ref, owner.actor), "tenant.updated", "tenant", uid, {"limits": limits}
            )
            return _tenant((await tx.execute(_query().where(tenants.c.num == tenant.ref.num))).one())

    async def block(self, owner: OrganizationCaller, uid: UUID, *, blocked: bool) -> None:
        """Refuse a tenant's keys and stop its playback, or allow both again; nothing is removed.

        Raises:
            NotFound: no such tenant of this organization.
        """
        owner.require(Permission.ORGANIZE)
        tenant = await self.in_organization(owner, uid)
        status = TenantStatus.BLOCKED if blocked else TenantStatus.ACTIVE
        async with self._db.transaction() as tx:
            moved = await tx.execute(
                update(tenants)
                .where(
                    tenants.c.num == tenant.ref.num,
                    tenants.c.status.in_([TenantStatus.ACTIVE, TenantStatus.BLOCKED]),
                    tenants.c.status != status,
                )
                .values(status=status, updated_at=func.now())
                .returning(tenants.c.num)
            )
            if moved.first() is not None:
                kind = "tenant.blocked" if blocked else "tenant.unblocked"
                await ledger.record(tx, owner.within(tenant.ref), kind, "tenant", uid)

    async def delete(self, owner: OrganizationCaller, uid: UUID) -> None:
        """Mark a tenant deleted: its keys stop working and its media stop playing at once.

        Bytes are cleared later by upkeep, after the grace period, so that a mistake can be mended.
        """
        owner.require(Permission.ORGANIZE)
        tenant = await self.in_organization(owner, uid)
        async with self._db.transaction() as tx:
            gone = await tx.execute(
                update(tenants)
                .where(tenants.c.num == tenant.ref.num, tenants.c.deleted_at.is_(None))
                .values(status="deleted", deleted_at=func.now(), updated_at=func.now())
                .returning(tenants.c.num)
            )
            if gone.first() is None:
                raise NotFound("tenant", uid)
            await ledger.record(tx, owner.within(tenant.ref), "tenant.deleted", "tenant", uid)

    async def secret(self, tenant_num: int, name: str) -> str:
        """A secret in clear; "" when it was never set. For those who already proved their right to it."""
        async with self._db.connect() as tx:
            sealed = (
                await tx.execute(select(tenants.c.secrets).where(tenants.c.num == tenant_num))
            ).scalar_one()
        return self._vault.open(sealed[name]) if name in sealed else ""

    async def usage(self, tenant_num: int) -> TenantUsage:
        """Figures of one tenant, from rows and ledger, not from counters that could drift."""
        async with self._db.connect() as tx:
            media = (
                await tx.execute(
                    select(func.coalesce(func.sum(assets.c.stored_size), 0), func.count()).where(
                        assets.c.tenant_num == tenant_num
                    )
                )
            ).one()
            source = (
                await tx.execute(
                    select(func.coalesce(func.sum(files.c.size), 0)).where(files.c.tenant_num == tenant_num)
                )
            ).scalar_one()
            used = {
                row.kind: row.total
                for row in await tx.execute(
                    select(usage.c.kind, func.sum(usage.c.quantity).label("total"))
                    .where(usage.c.tenant_num == tenant_num, usage.c.kind.in_(["egress_bytes", "encoded_ms"]))
                    .group_by(usage.c.kind)
                )
            }
        return TenantUsage(
            int(source),
            int(media[0]),
            int(media[1]),
            int(used.get("egress_bytes", 0)),
            int(used.get("encoded_ms", 0)),
        )


def as_system(ref: TenantRef, actor: str) -> Caller:
    """The system at work in a tenant: may do everything there."""
    return Caller(ref, Role.OWNER, actor)


def change_settings(old: TenantSettings, changes: Mapping[str, Any]) -> TenantSettings:
    """Apply changes by member name, checked against the kind of the member's default.

    Raises:
        Invalid: names the member.
    """
    for name, value in changes.items():
        current = getattr(TenantSettings(), name, None)
        if current is None:
            raise Invalid(f"{name} is not a setting", field=name)
        if isinstance(current, bool) and not isinstance(value, bool):
            raise Invalid(f"{name} must be true or false", field=name)
        if isinstance(current, str) and not isinstance(value, str):
            raise Invalid(f"{name} must be a text", field=name)
        if isinstance(current, tuple) and not (
            isinstance(value, list | tuple) and all(isinstance(v, str) for v in value)
        ):
            raise Invalid(f"{name} must be a list of texts", field=name)
    if "preset" in changes and changes["preset"] not in PRESETS:
        raise Invalid("preset is not known", field="preset")
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in changes.items()}
    return replace(old, **values)


def _query() -> Select[Any]:
    return select(tenants, organizations.c.uid.label("organization_uid")).join(
        organizations, organizations.c.num == tenants.c.organization_num
    )


def _tenant(row: Row[Any]) -> Tenant:
    ref = TenantRef(row.num, row.uid, row.organization_num, row.organization_uid, row.slug, row.status)
    return Tenant(
        ref,
        row.name,
        TenantSettings.from_json(row.settings),
        row.quota_bytes,
        row.retention_days,
        row.created_at,
        row.updated_at,
        row.deleted_at,
    )


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40] or "tenant"


async def _free_slug(tx: AsyncConnection, wished: str) -> str:
    """The wished slug, or it with the first number from 2 that is free; nobody else chooses meanwhile."""
    await tx.execute(select(func.pg_advisory_xact_lock(_SLUG_LOCK)))
    like = tenants.c.slug.startswith(f"{wished}-", autoescape=True)
    found = await tx.execute(select(tenants.c.slug).where(or_(tenants.c.slug == wished, like)))
    taken = set(found.scalars())
    numbered = (f"{wished}-{i}" for i in count(2))
    return wished if wished not in taken else next(slug for slug in numbered if slug not in taken)
