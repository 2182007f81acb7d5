"""Players: looks of the player; exactly one of a tenant is the default."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, func, insert, select, update

from polycast.db.engine import Database
from polycast.db.tables import players
from polycast.domain.access import Caller, Permission
from polycast.domain.errors import Conflict, NotFound
from polycast.services import ledger
from polycast.services.checks import checked_name


@dataclass(frozen=True, slots=True)
class Player:
    """A look of the player; `theme` as delivery/pages takes it."""

    uid: UUID
    name: str
    theme: dict[str, Any]
    is_default: bool
    created_at: datetime


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
                    .values(tenant_num=caller.tenant.num, name=checked_name(name), theme=dict(theme))
                    .returning(players)
                )
            ).one()
            await ledger.record(tx, caller, "player.created", "player", row.uid, {"name": row.name})
        return _player(row)

    async def update(
        self,
        caller: Caller,
        uid: UUID,
        *,
        name: str | None = None,
        change: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None,
    ) -> Player:
        """Rename, or change the theme.

        Args:
            change: the stored theme -> the new one; nobody else changes it meanwhile.

        Raises:
            NotFound: no such player of this tenant.
        """
        caller.require(Permission.WRITE)
        values: dict[str, Any] = {"updated_at": func.now()}
        if name is not None:
            values["name"] = checked_name(name)
        async with self._db.transaction() as tx:
            stored = (
                await tx.execute(
                    select(players)
                    .where(players.c.uid == uid, players.c.tenant_num == caller.tenant.num)
                    .with_for_update()
                )
            ).first()
            if stored is None:
                raise NotFound("player", uid)
            if change is not None:
                values["theme"] = dict(change(stored.theme))
            row = (
                await tx.execute(
                    update(players).where(players.c.num == stored.num).values(**values).returning(players)
                )
            ).one()
            await ledger.record(tx, caller, "player.updated", "player", uid)
        return _player(row)

    async def delete(self, caller: Caller, uid: UUID) -> None:
        """Raises NotFound; Conflict for the default player, which pages need."""
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
        """Make it the tenant's default, and the former default an ordinary one. Raises NotFound."""
        caller.require(Permission.WRITE)
        async with self._db.transaction() as tx:
            rows = (
                await tx.execute(
                    select(players)
                    .where(players.c.tenant_num == caller.tenant.num)
                    .order_by(players.c.num)
                    .with_for_update()
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


def _player(row: Row[Any]) -> Player:
    return Player(row.uid, row.name, row.theme, row.is_default, row.created_at)
