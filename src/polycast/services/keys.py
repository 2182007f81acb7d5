"""API keys: how a caller is known, and how keys are made, listed and revoked."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, and_, func, insert, select, update

from polycast.db.engine import Database
from polycast.db.tables import api_keys, tenants
from polycast.domain.access import PERMISSIONS, Caller, OrganizationCaller, Permission, Role
from polycast.domain.errors import Conflict, Forbidden, Invalid, NotFound, Unauthorized
from polycast.domain.paging import Page, PageRequest
from polycast.services import ledger
from polycast.services.checks import checked_name
from polycast.services.key_lookup import HeldKey, find_key
from polycast.services.vault import Vault, hash_key, new_key


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key; `secret` only in the answer to its creation; refused after `expires_at`, None: never."""

    uid: UUID
    name: str
    role: Role
    created_at: datetime
    secret: str | None = None
    expires_at: datetime | None = None


_SORTS = {
    "id": api_keys.c.uid,
    "name": api_keys.c.name,
    "createdat": api_keys.c.created_at,
    "roleid": api_keys.c.role,
    "rolename": api_keys.c.role,
}


class ApiKeys:
    """Use cases on API keys."""

    def __init__(self, db: Database, vault: Vault) -> None:
        self._db = db
        self._vault = vault

    async def authenticate(
        self,
        key: str,
        *,
        tenant: UUID | str | None = None,
        request_id: str | None = None,
        blocked_too: bool = False,
    ) -> Caller:
        """The caller behind a key, working in one tenant.

        Args:
            tenant: uid or slug named by the caller; optional for a key of one tenant. A key of an
                organization works in the named tenant, or in its oldest one.
            blocked_too: also admit to a tenant that is blocked, for calls that only tell so.

        Raises:
            Unauthorized: no such key, revoked or expired, or the tenant is gone.
            Forbidden: the key is good, the tenant is not its own or is blocked.
        """
        held = await self._held(key, tenant)
        return held.caller(tenant, request_id, blocked_too=blocked_too)

    async def authenticate_organization(
        self, key: str, *, organization: UUID | None = None, request_id: str | None = None
    ) -> OrganizationCaller:
        """The caller behind any key, as a member of its organization; permissions are the key's own.

        Raises:
            Unauthorized, Forbidden: as `authenticate`.
        """
        held = await self._held(key)
        if organization is not None and held.organization_uid != organization:
            raise Forbidden("the key belongs to another organization")
        return OrganizationCaller(
            held.organization_num, held.organization_uid, Role(held.role), f"key:{held.uid}", request_id
        )

    async def check_pair(self, key_uid: UUID, secret: str) -> None:
        """Check a key by its id and secret, as OAuth's client credentials do.

        Raises:
            Unauthorized: they do not fit.
        """
        if (await self._held(secret)).uid != key_uid:
            raise Unauthorized("client id or secret is not valid")

    async def caller_for(
        self,
        key_uid: UUID,
        *,
        tenant: UUID | str | None = None,
        request_id: str | None = None,
        blocked_too: bool = False,
    ) -> Caller:
        """The caller of a bearer token that was issued for a key: refused once the key is revoked.

        Raises:
            Unauthorized, Forbidden: as `authenticate`.
        """
        held = await find_key(self._db.reader, key_uid, tenant)
        if held is None:
            raise Unauthorized("the token's key is revoked")
        return held.caller(tenant, request_id, blocked_too=blocked_too)

    async def _held(self, key: str, tenant: UUID | str | None = None) -> HeldKey:
        held = await find_key(self._db.reader, hash_key(key), tenant)
        if held is None:
            raise Unauthorized("the API key is missing or not valid")
        return held

    async def create(
        self,
        caller: Caller,
        name: str,
        role: Role,
        *,
        secret: str | None = None,
        shown_again: bool = False,
        expires_at: datetime | None = None,
    ) -> ApiKey:
        """A new key of the caller's tenant; the secret is returned this once.

        Args:
            shown_again: also keep it encrypted, for contracts that show a key again.
            expires_at: refused from then on; None: never.

        Raises:
            Invalid: name empty, too long, the role is not one of a tenant, or `expires_at` is over.
        """
        caller.require(Permission.MANAGE)
        if role is Role.OWNER:
            raise Invalid("the role is not one of a tenant", field="role")
        return await self._insert(
            caller, name, role, caller.tenant.num, secret or new_key(), expires_at, shown_again=shown_again
        )

    async def create_for_organization(
        self, caller: Caller, name: str, *, expires_at: datetime | None = None
    ) -> ApiKey:
        """A new owner key of the caller's organization; arguments and errors as for `create`."""
        caller.require(Permission.ORGANIZE)
        return await self._insert(caller, name, Role.OWNER, None, new_key(), expires_at, shown_again=False)

    async def has_owner_key(self, owner: OrganizationCaller) -> bool:
        """Whether the organization ever had a key of its own; a revoked one is not made again by itself."""
        async with self._db.connect() as tx:
            found = await tx.execute(
                select(api_keys.c.num)
                .where(api_keys.c.organization_num == owner.organization_num, api_keys.c.tenant_num.is_(None))
                .limit(1)
            )
            return found.first() is not None

    async def _insert(
        self,
        caller: Caller,
        name: str,
        role: Role,
        tenant_num: int | None,
        secret: str,
        expires_at: datetime | None,
        *,
        shown_again: bool,
    ) -> ApiKey:
        name = checked_name(name)
        if expires_at is not None and expires_at <= datetime.now(UTC):
            raise Invalid("the key would be refused from the start", field="expires_at")
        async with self._db.transaction() as tx:
            row = (
                await tx.execute(
                    insert(api_keys)
                    .values(
                        organization_num=caller.tenant.organization_num,
                        tenant_num=tenant_num,
                        name=name,
                        role=role.value,
                        key_hash=hash_key(secret),
                        key_cipher=self._vault.seal(secret) if shown_again else None,
                        expires_at=expires_at,
                    )
                    .returning(api_keys.c.uid, api_keys.c.created_at)
                )
            ).one()
            await ledger.record(
                tx, caller, "api_key.created", "api_key", row.uid, {"name": name, "role": role.value}
            )
        return ApiKey(row.uid, name, role, row.created_at, secret, expires_at)

    async def library_key(self, caller: Caller) -> str:
        """The secret of the tenant's own key, for contracts that show it; made when there is none yet.

        Concurrent first askers get the same one.
        """
        caller.require(Permission.MANAGE)
        if known := await self.shown(caller.tenant.num):
            return known
        secret = new_key()
        async with self._db.transaction() as tx:
            await tx.execute(
                select(tenants.c.num).where(tenants.c.num == caller.tenant.num).with_for_update()
            )
            had = await tx.execute(_shown_again(caller.tenant.num))
            if cipher := had.scalar():
                return self._vault.open(cipher)
            uid = (
                await tx.execute(
                    insert(api_keys)
                    .values(
                        organization_num=caller.tenant.organization_num,
                        tenant_num=caller.tenant.num,
                        name="Library key",
                        role=Role.ADMIN.value,
                        key_hash=hash_key(secret),
                        key_cipher=self._vault.seal(secret),
                    )
                    .returning(api_keys.c.uid)
                )
            ).scalar_one()
            await ledger.record(
                tx, caller, "api_key.created", "api_key", uid, {"name": "Library key", "role": "admin"}
            )
        return secret

    async def shown(self, tenant_num: int) -> str:
        """The secret of the tenant's oldest key that may be shown again; "" when there is none."""
        async with self._db.connect() as tx:
            cipher = (await tx.execute(_shown_again(tenant_num))).scalar()
        return self._vault.open(cipher) if cipher else ""

    async def list(self, caller: Caller, page: PageRequest, query: str = "") -> Page[ApiKey]:
        """The tenant's live keys, oldest first unless sorted by one of their properties."""
        caller.require(Permission.MANAGE)
        where = [api_keys.c.tenant_num == caller.tenant.num, api_keys.c.revoked_at.is_(None)]
        if query:
            where.append(api_keys.c.name.icontains(query, autoescape=True))
        if page.sort and page.sort.lower() not in _SORTS:
            raise Invalid(f"the list cannot be sorted by {page.sort}", field="sort")
        order = _SORTS.get((page.sort or "").lower(), api_keys.c.num)
        async with self._db.connect() as tx:
            total = (await tx.execute(select(func.count()).select_from(api_keys).where(*where))).scalar_one()
            rows = await tx.execute(
                select(api_keys)
                .where(*where)
                .order_by(order.desc() if page.descending else order, api_keys.c.num)
                .limit(page.limit)
                .offset(page.offset)
            )
            return Page([_key(row) for row in rows], total, page)

    async def list_of_organization(self, caller: Caller) -> tuple[ApiKey, ...]:
        """The organization's own live keys (role owner), oldest first."""
        caller.require(Permission.ORGANIZE)
        async with self._db.connect() as tx:
            query = select(api_keys).where(_organization_wide(caller)).order_by(api_keys.c.num)
            return tuple(_key(row) for row in await tx.execute(query))

    async def get(self, caller: Caller, uid: UUID) -> ApiKey:
        """One live key of the tenant; NotFound otherwise."""
        caller.require(Permission.MANAGE)
        async with self._db.connect() as tx:
            row = (await tx.execute(select(api_keys).where(_own(caller, uid)))).first()
        if row is None:
            raise NotFound("API key", uid)
        return _key(row)

    async def update(self, caller: Caller, uid: UUID, name: str, role: Role) -> ApiKey:
        """Rename a key and change its role; the secret stays.

        Raises:
            Invalid: a bad name, or a role that is not one of a tenant.
            Conflict: the key would take the right to manage keys from itself; another one may do so.
        """
        caller.require(Permission.MANAGE)
        if role is Role.OWNER:
            raise Invalid("the role is not one of a tenant", field="role")
        name = checked_name(name)
        if caller.actor == f"key:{uid}" and Permission.MANAGE not in PERMISSIONS[role]:
            raise Conflict("a key cannot lower its own role")
        async with self._db.transaction() as tx:
            row = (
                await tx.execute(
                    update(api_keys)
                    .where(_own(caller, uid))
                    .values(name=name, role=role.value, updated_at=func.now())
                    .returning(api_keys)
                )
            ).first()
            if row is None:
                raise NotFound("API key", uid)
            await ledger.record(
                tx, caller, "api_key.updated", "api_key", uid, {"name": name, "role": role.value}
            )
        return _key(row)

    async def revoke(self, caller: Caller, uid: UUID) -> None:
        """Refuse a key of the tenant from now on.

        Raises:
            Conflict: the key is the one the call is made with; use another one to revoke it.
        """
        caller.require(Permission.MANAGE)
        await self._revoke(caller, uid, _own(caller, uid))

    async def revoke_of_organization(self, caller: Caller, uid: UUID) -> None:
        """Refuse a key of the organization (role owner) from now on; raises as `revoke`."""
        caller.require(Permission.ORGANIZE)
        await self._revoke(caller, uid, and_(api_keys.c.uid == uid, _organization_wide(caller)))

    async def _revoke(self, caller: Caller, uid: UUID, which: ColumnElement[bool]) -> None:
        if caller.actor == f"key:{uid}":
            raise Conflict("a key cannot revoke itself")
        async with self._db.transaction() as tx:
            row = (
                await tx.execute(
                    update(api_keys)
                    .where(which)
                    .values(revoked_at=func.now(), updated_at=func.now())
                    .returning(api_keys.c.num)
                )
            ).first()
            if row is None:
                raise NotFound("API key", uid)
            await ledger.record(tx, caller, "api_key.revoked", "api_key", uid)


def _shown_again(tenant_num: int) -> Select[Any]:
    return (
        select(api_keys.c.key_cipher)
        .where(
            api_keys.c.tenant_num == tenant_num,
            api_keys.c.key_cipher.is_not(None),
            api_keys.c.revoked_at.is_(None),
        )
        .order_by(api_keys.c.num)
        .limit(1)
    )


def _own(caller: Caller, uid: UUID):  # type: ignore[no-untyped-def]
    return and_(
        api_keys.c.uid == uid, api_keys.c.tenant_num == caller.tenant.num, api_keys.c.revoked_at.is_(None)
    )


def _organization_wide(caller: Caller) -> ColumnElement[bool]:
    return and_(
        api_keys.c.organization_num == caller.tenant.organization_num,
        api_keys.c.tenant_num.is_(None),
        api_keys.c.revoked_at.is_(None),
    )


def _key(row: Row[tuple[object, ...]]) -> ApiKey:
    return ApiKey(row.uid, row.name, Role(row.role), row.created_at, expires_at=row.expires_at)
