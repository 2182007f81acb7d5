"""How a tenant arranges its videos and players: collections, player themes, allowed domains."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import Row, delete, func, insert, literal, select, update
from sqlalchemy.exc import IntegrityError as UniqueViolation

from polycast.db.engine import Database
from polycast.db.tables import collections, domains, players
from polycast.domain.access import Caller, Permission
from polycast.domain.errors import Conflict, Invalid, NotFound
from polycast.services import ledger


@dataclass(frozen=True, slots=True)
class Collection:
    """A folder of assets; `parent` None at the root."""

    uid: UUID
    name: str
    parent: UUID | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Player:
    """A look of the player; `theme` as delivery/pages takes it."""

    uid: UUID
    name: str
    theme: dict[str, Any]
    is_default: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Domain:
    """A web origin on which the tenant's players may run."""

    uid: UUID
    analytics_uid: UUID
    origin: str


MAX_DEPTH = 64
"""levels of collections: trees are answered whole, nested"""


class Collections:
    """Use cases on the tree of collections."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def create(self, caller: Caller, name: str, parent: UUID | None) -> Collection:
        """A new collection below `parent`.

        Raises:
            NotFound: unknown parent. Invalid: a bad name, or more than 64 levels.
        """
        caller.require(Permission.WRITE)
        async with self._db.transaction() as tx:
            parent_num = await self._num(tx, caller, parent) if parent else None
            if parent_num is not None:
                await self._lock(tx, caller)
                await self._check_depth(tx, parent_num, 1)
            row = (
                await tx.execute(
                    insert(collections)
                    .values(tenant_num=caller.tenant.num, name=_name(name), parent_num=parent_num)
                    .returning(collections)
                )
            ).one()
            await ledger.record(tx, caller, "collection.created", "collection", row.uid, {"name": row.name})
        return Collection(row.uid, row.name, parent, row.created_at, row.updated_at)

    async def get(self, caller: Caller, uid: UUID) -> Collection:
        """One collection; NotFound for others'."""
        found = next((c for c in await self.list(caller) if c.uid == uid), None)
        if found is None:
            raise NotFound("collection", uid)
        return found

    async def list(self, caller: Caller) -> list[Collection]:
        """All collections of the tenant, oldest first."""
        above = collections.alias()
        async with self._db.connect() as tx:
            rows = await tx.execute(
                select(collections, above.c.uid.label("parent_uid"))
                .outerjoin(above, above.c.num == collections.c.parent_num)
                .where(collections.c.tenant_num == caller.tenant.num)
                .order_by(collections.c.num)
            )
            return [
                Collection(row.uid, row.name, row.parent_uid, row.created_at, row.updated_at) for row in rows
            ]

    async def update(
        self, caller: Caller, uid: UUID, *, name: str | None = None, parent: UUID | str | None = None
    ) -> Collection:
        """Rename or move; `parent` "" moves to the root, None leaves it.

        Raises:
            Invalid: moved into its own subtree.
        """
        caller.require(Permission.WRITE)
        async with self._db.transaction() as tx:
            await self._lock(tx, caller)
            num = await self._num(tx, caller, uid)
            values: dict[str, Any] = {"updated_at": func.now()}
            if name is not None:
                values["name"] = _name(name)
            if parent == "":
                values["parent_num"] = None
            elif isinstance(parent, UUID):
                target = await self._num(tx, caller, parent)
                moved = await self._subtree(tx, num)
                if target in moved:
                    raise Invalid("a collection cannot be moved below itself", field="parent_id")
                await self._check_depth(tx, target, max(moved.values()))
                values["parent_num"] = target
            await tx.execute(update(collections).where(collections.c.num == num).values(**values))
            await ledger.record(tx, caller, "collection.updated", "collection", uid)
        return next(c for c in await self.list(caller) if c.uid == uid)

    async def delete(self, caller: Caller, uid: UUID) -> None:
        """Remove a collection and those below it; their assets stay, without a collection."""
        caller.require(Permission.WRITE)
        async with self._db.transaction() as tx:
            num = await self._num(tx, caller, uid)
            await tx.execute(delete(collections).where(collections.c.num == num))
            await ledger.record(tx, caller, "collection.deleted", "collection", uid)

    async def _num(self, tx: Any, caller: Caller, uid: UUID) -> int:
        num = (
            await tx.execute(
                select(collections.c.num).where(
                    collections.c.uid == uid, collections.c.tenant_num == caller.tenant.num
                )
            )
        ).scalar()
        if num is None:
            raise NotFound("collection", uid)
        return int(num)

    async def _lock(self, tx: Any, caller: Caller) -> None:
        """One mover at a time per tenant: two moves could close a circle that neither sees alone."""
        await tx.execute(
            select(collections.c.num)
            .where(collections.c.tenant_num == caller.tenant.num)
            .order_by(collections.c.num)
            .with_for_update()
        )

    async def _subtree(self, tx: Any, num: int) -> dict[int, int]:
        """A collection and those below it, with the level of each, counted from 1."""
        level = literal(1).label("level")
        tree = select(collections.c.num, level).where(collections.c.num == num).cte(recursive=True)
        tree = tree.union_all(
            select(collections.c.num, tree.c.level + 1).where(collections.c.parent_num == tree.c.num)
        )
        return {row.num: row.level for row in await tx.execute(select(tree))}

    async def _check_depth(self, tx: Any, parent: int, levels: int) -> None:
        """Raises Invalid when `levels` below a collection would be too deep."""
        up = select(collections.c.parent_num).where(collections.c.num == parent).cte(recursive=True)
        up = up.union_all(select(collections.c.parent_num).where(collections.c.num == up.c.parent_num))
        above = (await tx.execute(select(func.count()).select_from(up))).scalar_one()
        if above + levels > MAX_DEPTH:
            raise Invalid(f"collections have at most {MAX_DEPTH} levels", field="parent_id")


class Players:
    """Use cases on player themes; exactly one per tenant is the default."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def list(self, caller: Caller) -> list[Player]:
        """All players of the tenant, oldest first."""
        async with self._db.connect() as tx:
            rows = await tx.execute(
                select(players).where(players.c.tenant_num == caller.tenant.num).order_by(players.c.num)
            )
            return [_player(row) for row in rows]

    async def get(self, caller: Caller, uid: UUID) -> Player:
        """Raises NotFound for others'."""
        async with self._db.connect() as tx:
            row = (
                await tx.execute(
                    select(players).where(players.c.uid == uid, players.c.tenant_num == caller.tenant.num)
                )
            ).first()
        if row is None:
            raise NotFound("player", uid)
        return _player(row)

    async def create(self, caller: Caller, name: str, theme: Mapping[str, Any]) -> Player:
        """A new theme, not the default."""
        caller.require(Permission.WRITE)
        async with self._db.transaction() as tx:
            row = (
                await tx.execute(
                    insert(players)
                    .values(tenant_num=caller.tenant.num, name=_name(name), theme=dict(theme))
                    .returning(players)
                )
            ).one()
            await ledger.record(tx, caller, "player.created", "player", row.uid, {"name": row.name})
        return _player(row)

    async def update(
        self, caller: Caller, uid: UUID, *, name: str | None = None, theme: Mapping[str, Any] | None = None
    ) -> Player:
        """Rename, or replace the theme."""
        caller.require(Permission.WRITE)
        values: dict[str, Any] = {"updated_at": func.now()}
        if name is not None:
            values["name"] = _name(name)
        if theme is not None:
            values["theme"] = dict(theme)
        async with self._db.transaction() as tx:
            row = (
                await tx.execute(
                    update(players)
                    .where(players.c.uid == uid, players.c.tenant_num == caller.tenant.num)
                    .values(**values)
                    .returning(players)
                )
            ).first()
            if row is None:
                raise NotFound("player", uid)
            await ledger.record(tx, caller, "player.updated", "player", uid)
        return _player(row)

    async def delete(self, caller: Caller, uid: UUID) -> None:
        """Raises Conflict for the default player, which pages need."""
        caller.require(Permission.WRITE)
        async with self._db.transaction() as tx:
            row = (
                await tx.execute(
                    select(players)
                    .where(players.c.uid == uid, players.c.tenant_num == caller.tenant.num)
                    .with_for_update()
                )
            ).first()
            if row is None:
                raise NotFound("player", uid)
            if row.is_default:
                raise Conflict("the default player cannot be deleted; mark another one first")
            await tx.execute(delete(players).where(players.c.num == row.num))
            await ledger.record(tx, caller, "player.deleted", "player", uid)

    async def mark_default(self, caller: Caller, uid: UUID) -> Player:
        """Make it the tenant's default, and the former default an ordinary one."""
        caller.require(Permission.WRITE)
        async with self._db.transaction() as tx:
            rows = (
                await tx.execute(
                    select(players).where(players.c.tenant_num == caller.tenant.num).with_for_update()
                )
            ).all()
            if not any(row.uid == uid for row in rows):
                raise NotFound("player", uid)
            await tx.execute(
                update(players).where(players.c.tenant_num == caller.tenant.num).values(is_default=False)
            )
            await tx.execute(
                update(players).where(players.c.uid == uid).values(is_default=True, updated_at=func.now())
            )
            await ledger.record(tx, caller, "player.default", "player", uid)
        return await self.get(caller, uid)


class Domains:
    """Use cases on the origins where players may be embedded; none listed = everywhere."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def list(self, caller: Caller) -> list[Domain]:
        """All allowed origins, oldest first."""
        async with self._db.connect() as tx:
            rows = await tx.execute(
                select(domains).where(domains.c.tenant_num == caller.tenant.num).order_by(domains.c.num)
            )
            return [Domain(row.uid, row.analytics_uid, row.origin) for row in rows]

    async def add(self, caller: Caller, url: str) -> Domain:
        """Allow one more origin.

        Raises:
            Invalid: not an http(s) origin. Conflict: it is listed already.
        """
        caller.require(Permission.MANAGE)
        origin = parse_origin(url)
        try:
            async with self._db.transaction() as tx:
                row = (
                    await tx.execute(
                        insert(domains).values(tenant_num=caller.tenant.num, origin=origin).returning(domains)
                    )
                ).one()
                await ledger.record(tx, caller, "domain.added", "domain", row.uid, {"origin": origin})
        except UniqueViolation as error:
            raise Conflict(f"{origin} is listed already") from error
        return Domain(row.uid, row.analytics_uid, row.origin)

    async def remove(
        self, caller: Caller, *, player: UUID | None = None, analytics: UUID | None = None
    ) -> None:
        """Forbid an origin again, named by one or both of its ids.

        Raises:
            Invalid: neither was given. NotFound: no such origin.
        """
        caller.require(Permission.MANAGE)
        where = [domains.c.tenant_num == caller.tenant.num]
        if player is None and analytics is None:
            raise Invalid("playerDomainId or analyticsDomainId is required", field="playerDomainId")
        if player is not None:
            where.append(domains.c.uid == player)
        if analytics is not None:
            where.append(domains.c.analytics_uid == analytics)
        async with self._db.transaction() as tx:
            row = (await tx.execute(delete(domains).where(*where).returning(domains))).first()
            if row is None:
                raise NotFound("domain")
            await ledger.record(tx, caller, "domain.removed", "domain", row.uid, {"origin": row.origin})


def parse_origin(url: str) -> str:
    """`scheme://host[:port]` of an address, lower case; a bare host means https (RFC 6454).

    Raises:
        Invalid: no host, another scheme, or credentials, path, query or wild cards in it.
    """
    text = url.strip()
    if "://" not in text:
        text = f"https://{text}"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise Invalid("url is not an origin", field="url") from error
    host = (parts.hostname or "").lower()
    plain = host and all(ch.isalnum() or ch in "-.:" for ch in host) and host.isascii()
    if parts.scheme not in ("http", "https") or not plain or parts.username is not None or len(text) > 512:
        raise Invalid("url must be an origin such as https://example.org", field="url")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise Invalid("url must be an origin, without path or query", field="url")
    host = f"[{host}]" if ":" in host else host
    default = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" + (f":{port}" if port and port != default else "")


def _player(row: Row[Any]) -> Player:
    return Player(row.uid, row.name, row.theme, row.is_default, row.created_at)


def _name(name: str) -> str:
    name = name.strip()
    if not name or len(name) > 200 or "\0" in name:
        raise Invalid("name must have 1 to 200 characters", field="name")
    return name
