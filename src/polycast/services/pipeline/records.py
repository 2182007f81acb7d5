"""Generations and tracks in the database, as the steps of the pipeline read and write them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from polycast.db.tables import (
    assets,
    generations,
    tracks,
)
from polycast.domain.states import AssetStatus, GenerationState, check_generation_move
from polycast.domain.tracks import TrackLog
from polycast.jobs.queue import JobQueue
from polycast.services import ledger
from polycast.services.making import ASSEMBLE_JOB
from polycast.services.originals import drop_replaced
from polycast.services.pipeline.work import Work

OPEN = (GenerationState.BUILDING, GenerationState.GROWING)
UNPLANNED = -1
"""`chunks` of a plan that is still being made"""
FIRST_ROUND = 1
"""the epoch of outputs whose asset has got files once"""


@dataclass(frozen=True, slots=True)
class GenerationRow:
    num: int
    uid: UUID
    number: int
    state: GenerationState


async def new_generation(tx: AsyncConnection, work: Work) -> GenerationRow:
    """The next generation of an output, as `building`."""
    row = (
        await tx.execute(
            insert(generations)
            .values(
                asset_num=work.asset_num,
                output_num=work.output_num,
                number=select(func.coalesce(func.max(generations.c.number), 0) + 1)
                .where(generations.c.output_num == work.output_num)
                .scalar_subquery(),
            )
            .returning(generations)
        )
    ).one()
    return GenerationRow(row.num, row.uid, row.number, GenerationState(row.state))


async def generations_of(tx: AsyncConnection, output_num: int) -> list[GenerationRow]:
    """All generations of an output, newest first."""
    rows = await tx.execute(
        select(generations)
        .where(generations.c.output_num == output_num)
        .order_by(generations.c.number.desc())
    )
    return [GenerationRow(r.num, r.uid, r.number, GenerationState(r.state)) for r in rows]


async def newest_published(tx: AsyncConnection, output_num: int) -> Any:
    """The row of the generation that new viewers of an output get; None while nothing is published."""
    query = (
        select(generations)
        .where(generations.c.output_num == output_num, generations.c.state == GenerationState.PUBLISHED)
        .order_by(generations.c.number.desc())
        .limit(1)
    )
    return (await tx.execute(query)).first()


@dataclass(frozen=True, slots=True)
class NewTrack:
    """A track about to be listed in a generation."""

    name: str
    rendition: str
    folder: str
    log: TrackLog
    is_default: bool = False
    size: int = 0


async def list_tracks(
    tx: AsyncConnection, generation: int, new: Sequence[NewTrack], *, after: int = 0
) -> None:
    """Write (or rewrite, while a generation grows) the tracks of a generation, behind the first `after`."""
    for position, track in enumerate(new, after):
        header = track.log.header
        values = {
            "kind": header.kind,
            "position": position,
            "rendition": track.rendition,
            "folder": track.folder,
            "codec": header.codec,
            "width": header.width,
            "height": header.height,
            "frame_rate": header.frame_rate,
            "bandwidth": header.bandwidth,
            "average_bandwidth": header.average_bandwidth,
            "channels": header.channels,
            "sample_rate": header.sample_rate,
            "language": header.language,
            "label": header.label,
            "is_default": track.is_default,
            "duration_ms": round(track.log.duration_s * 1000),
            "size": track.size,
        }
        await tx.execute(
            upsert(tracks)
            .values(generation_num=generation, name=track.name, **values)
            .on_conflict_do_update(
                index_elements=["generation_num", "name"], set_={**values, "updated_at": func.now()}
            )
        )


async def move_generation(
    tx: AsyncConnection, work: Work, generation: int, to: GenerationState, *, duration_ms: int | None = None
) -> None:
    """Change a generation's state by the table; publishing retires the older ones of the output.

    A published or growing generation of the main output makes the asset available; a published one of another
    round ends the files that it replaced.
    """
    row = (
        await tx.execute(select(generations).where(generations.c.num == generation).with_for_update())
    ).one()
    check_generation_move(GenerationState(row.state), to)
    values: dict[str, Any] = {"state": to, "updated_at": func.now()}
    if duration_ms is not None:
        values["duration_ms"] = duration_ms
    if to in (GenerationState.GROWING, GenerationState.PUBLISHED) and row.published_at is None:
        values["published_at"] = func.now()
    await tx.execute(update(generations).where(generations.c.num == generation).values(**values))
    if to is GenerationState.PUBLISHED:
        await tx.execute(
            update(generations)
            .where(
                generations.c.output_num == row.output_num,
                generations.c.number < row.number,
                generations.c.state.in_([GenerationState.PUBLISHED, GenerationState.GROWING]),
            )
            .values(state=GenerationState.RETIRED, retired_at=func.now(), updated_at=func.now())
        )
    if to in (GenerationState.GROWING, GenerationState.PUBLISHED) and work.main:
        await make_available(tx, work)
    if to is GenerationState.PUBLISHED and work.main and work.epoch > FIRST_ROUND:
        await drop_replaced(tx, work.caller, work.asset_uid)


async def make_available(tx: AsyncConnection, work: Work) -> None:
    """The asset plays from now on; told once."""
    changed = (
        await tx.execute(
            update(assets)
            .where(assets.c.num == work.asset_num, assets.c.status != AssetStatus.AVAILABLE)
            .values(
                status=AssetStatus.AVAILABLE,
                error=None,
                playable_at=func.coalesce(assets.c.playable_at, func.now()),
                updated_at=func.now(),
            )
            .returning(assets.c.num)
        )
    ).first()
    if changed is not None:
        await ledger.record(tx, work.caller, "asset.available", "asset", work.asset_uid)


async def book_bytes(tx: AsyncConnection, work: Work, size: int, *, generation: int | None = None) -> None:
    """Add to the stored bytes of the asset, and of a generation, and to the ledger; track logs do not count."""
    if generation is not None:
        await tx.execute(
            update(generations)
            .where(generations.c.num == generation)
            .values(size=generations.c.size + size, updated_at=func.now())
        )
    await tx.execute(
        update(assets).where(assets.c.num == work.asset_num).values(stored_size=assets.c.stored_size + size)
    )
    await ledger.count(tx, work.caller.tenant.num, "stored_bytes", size, work.asset_uid)


async def wake_assembly(tx: AsyncConnection, jobs: JobQueue, generation: int) -> None:
    """Have a generation looked at; several wishes become one job."""
    await jobs.enqueue(
        tx, ASSEMBLE_JOB, {"generation": generation}, queueing_lock=f"assemble:{generation}", priority=50
    )


async def open_generations(tx: AsyncConnection, work: Work) -> list[int]:
    """Generations of this round that are still being made, oldest first."""
    rows = await tx.execute(
        select(generations.c.num)
        .where(
            generations.c.output_num == work.output_num,
            generations.c.state.in_(OPEN),
            generations.c.plan["round"].astext == work.round,
        )
        .order_by(generations.c.number)
    )
    return [row.num for row in rows]
