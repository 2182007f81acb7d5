"""Generations that nobody watches any more: their tracks go, but not those that a later one lists."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from polycast.db.engine import Database
from polycast.db.tables import assets, generations, tracks
from polycast.domain.states import GenerationState
from polycast.services import ledger
from polycast.services.making import lock_asset

RETIRED_KEPT = timedelta(hours=24)
"""old playback sessions end within this time; then a retired generation's own bytes go"""
FAILED_KEPT = timedelta(hours=1)
"""whoever was writing into a failed generation has ended by then"""


async def drop_retired(db: Database, now: datetime, *, limit: int = 50) -> int:
    """Remove generations retired or failed long ago, but not bytes that a later generation shares."""
    async with db.connect() as tx:
        rows = (
            await tx.execute(
                select(
                    generations.c.num,
                    generations.c.asset_num,
                    assets.c.uid.label("asset_uid"),
                    assets.c.tenant_num,
                )
                .join(assets, assets.c.num == generations.c.asset_num)
                .where(
                    or_(
                        and_(
                            generations.c.state == GenerationState.RETIRED,
                            generations.c.retired_at < now - RETIRED_KEPT,
                        ),
                        and_(
                            generations.c.state == GenerationState.FAILED,
                            generations.c.updated_at < now - FAILED_KEPT,
                        ),
                    )
                )
                .order_by(generations.c.num)
                .limit(limit)
            )
        ).all()
    for row in rows:
        async with db.transaction() as tx:
            if await lock_asset(tx, row.asset_num):
                await _drop_generation(tx, row)
    return len(rows)


async def _drop_generation(tx: AsyncConnection, row: Any) -> None:
    """Discard the tracks that only this generation lists.

    A shared track's bytes are counted once: with the generation whose folder they are in, and when that
    is gone, with the newest one that lists the track.
    """
    family = (
        await tx.execute(
            select(generations).where(generations.c.asset_num == row.asset_num).order_by(generations.c.num)
        )
    ).all()
    generation = next((g for g in family if g.num == row.num), None)
    if generation is None:
        return
    uids = {str(g.uid) for g in family}
    rows = await tx.execute(
        select(tracks)
        .where(tracks.c.generation_num.in_([g.num for g in family]))
        .order_by(tracks.c.generation_num)
    )
    own: list[Any] = []
    newest: dict[tuple[str, str], int] = {}
    for track in rows:
        if track.generation_num == row.num:
            own.append(track)
        else:
            newest[track.folder, track.name] = track.generation_num
    media = f"media/{row.asset_uid}/g/"
    freed = int(generation.size)
    for track in own:
        sharer = newest.get((track.folder, track.name))
        if sharer is None:
            await ledger.discard(tx, [f"{media}{track.folder}/{track.name}/"])
        elif track.folder == str(generation.uid) or (track.folder not in uids and sharer < row.num):
            moved = min(int(track.size), freed)
            freed -= moved
            await tx.execute(
                update(generations).where(generations.c.num == sharer).values(size=generations.c.size + moved)
            )
    if not any(folder == str(generation.uid) for folder, _ in newest):
        await ledger.discard(tx, [f"{media}{generation.uid}/"])
    await tx.execute(delete(generations).where(generations.c.num == row.num))
    await tx.execute(
        update(assets).where(assets.c.num == row.asset_num).values(stored_size=assets.c.stored_size - freed)
    )
    await ledger.count(tx, row.tenant_num, "stored_bytes", -freed, row.asset_uid)
