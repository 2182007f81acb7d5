"""Collections: folders of assets, in trees."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, insert, literal, select, update

from polycast.db.engine import Database
from polycast.db.tables import collections
from polycast.domain.access import Caller, Permission
from polycast.domain.errors import Invalid, NotFound
from polycast.services import ledger
from polycast.services.checks import checked_name

MAX_DEPTH = 64
"""levels of collections: trees are answered whole, nested"""


@dataclass(frozen=True, slots=True)
class Collection:
    """A folder of assets; `parent` None at the root."""

    uid: UUID
    name: str
    parent: UUID | None
    created_at: datetime
    updated_at: datetime


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
            parent_num = None
            if parent:
                await self._lock(tx, caller)
                parent_num = await self._num(tx, caller, parent)
                await self._check_depth(tx, parent_num, 1)
            row = (
                await tx.execute(
                    insert(collections)
                    .values(tenant_num=caller.tenant.num, name=checked_name(name), parent_num=parent_num)
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
                values["name"] = checked_name(name)
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
        return await self.get(caller, uid)

    async def delete(self, caller: Caller, uid: UUID) -> None:
        """Remove a collection and those below it; their assets stay, without a collection. Raises NotFound."""
        caller.require(Permission.WRITE)
        async with self._db.transaction() as tx:
            gone = await tx.execute(
                delete(collections)
                .where(collections.c.uid == uid, collections.c.tenant_num == caller.tenant.num)
                .returning(collections.c.num)
            )
            if gone.first() is None:
                raise NotFound("collection", uid)
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
        """One mover at a time per tenant: two moves could close a circle that neither sees alone, and what is
        put below a collection must not meet its deletion."""
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
