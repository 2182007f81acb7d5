"""The source files that go because of an asset: with it, or when others have taken their place."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, and_, delete, exists, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from polycast.db.tables import asset_sources, files
from polycast.domain.access import Caller
from polycast.domain.states import FileStatus
from polycast.services import ledger
from polycast.services.files import discard_file
from polycast.services.intents import meant_for


async def drop_belongings(
    tx: AsyncConnection, tenant: int, asset: int, uid: UUID, *, with_sources: bool
) -> None:
    """Delete the pictures uploaded for an asset that goes, in its own transaction.

    Args:
        tenant, asset: numbers of their rows. uid: of the asset.
        with_sources: also the files it was made from and those begun for it, but none that another asset uses.
    """
    found = [select(files.c.num).where(files.c.asset_num == asset)]
    if with_sources:
        found.append(select(asset_sources.c.file_num).where(asset_sources.c.asset_num == asset))
        # an upload that was interrupted, or replaced, names the asset only in its intent
        found.append(select(files.c.num).where(meant_for(uid)))
    # each by an index of its own: one condition with OR would look at every file of the tenant
    await _drop(tx, tenant, files.c.num.in_(union_all(*found)), user=asset)


async def drop_replaced(tx: AsyncConnection, caller: Caller, asset: UUID) -> None:
    """Delete what was uploaded for an asset before the files it is made from now; none that any asset uses.

    Call it once the new ones play, the asset locked: until then the old ones are all there is to go back to.
    """
    earlier = and_(files.c.purpose == "source", files.c.status == FileStatus.COMPLETED, meant_for(asset))
    for file in await _drop(tx, caller.tenant.num, earlier):
        payload = {"size": file.size or 0, "reason": "replaced"}
        await ledger.record(tx, caller, "file.deleted", "file", file.uid, payload)


async def _drop(
    tx: AsyncConnection, tenant: int, chosen: ColumnElement[bool], *, user: int | None = None
) -> Sequence[Row[Any]]:
    """Delete the chosen files that no asset but `user` uses; their bytes are cleared and booked."""
    own = and_(files.c.tenant_num == tenant, chosen)
    held = await tx.execute(select(files.c.num).where(own).order_by(files.c.num).with_for_update())
    # whoever was making an asset of one of them is through, or finds it gone: only now is it known who uses it
    using = asset_sources.alias()
    others = exists().where(using.c.file_num == files.c.num)
    if user is not None:
        others = others.where(using.c.asset_num != user)
    gone = await tx.execute(
        delete(files).where(files.c.num.in_([row.num for row in held]), ~others).returning(files)
    )
    rows = gone.all()
    for row in rows:
        await discard_file(tx, row)
    return rows
