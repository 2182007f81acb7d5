"""How work ends: a generation or an output is whole, or cannot be made; and how far it is."""

from typing import Any

from sqlalchemy import String, and_, cast, delete, exists, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from polycast.db.tables import (
    assets,
    chunk_jobs,
    generations,
    outputs,
)
from polycast.domain.states import AssetStatus, GenerationState, OutputStatus
from polycast.jobs.queue import JobQueue
from polycast.jobs.registry import running_job
from polycast.services import ledger
from polycast.services.pipeline.records import OPEN, UNPLANNED, open_generations, wake_assembly
from polycast.services.pipeline.work import Work


async def settle(tx: AsyncConnection, jobs: JobQueue, work: Work) -> None:
    """After a generation was published or failed: end the output when nothing of it is left to do, else wake
    what waits for the change."""
    waiting = await open_generations(tx, work)
    for num in waiting:
        await wake_assembly(tx, jobs, num)
    if waiting:
        return
    failed = (
        await tx.execute(
            select(outputs.c.error)
            .join(generations, generations.c.output_num == outputs.c.num)
            .where(
                outputs.c.num == work.output_num,
                generations.c.state == GenerationState.FAILED,
                generations.c.plan["round"].astext == work.round,
                generations.c.plan["step"].astext == "ladder",
            )
            .limit(1)
        )
    ).first()
    if failed is not None:
        await fail_output(tx, jobs, work, failed.error or "the processing failed")
    else:
        await finish_output(tx, work)


async def finish_output(
    tx: AsyncConnection, work: Work, *, key: str | None = None, size: int | None = None
) -> None:
    """The output is whole; what was kept while it was made goes."""
    await tx.execute(delete(chunk_jobs).where(chunk_jobs.c.output_num == work.output_num))
    await tx.execute(
        update(outputs)
        .where(outputs.c.num == work.output_num)
        .values(
            status=OutputStatus.AVAILABLE,
            progress=1,
            error=None,
            key=key,
            size=size,
            completed_at=func.now(),
            updated_at=func.now(),
        )
    )
    await tx.execute(update(assets).where(assets.c.num == work.asset_num).values(updated_at=func.now()))
    await ledger.discard(tx, [work.scratch])
    await ledger.record(tx, work.caller, "output.available", "asset", work.asset_uid, {"output": work.name})


async def drop_chunks(tx: AsyncConnection, jobs: JobQueue, where: Any) -> None:
    """Forget chunk jobs: waiting ones never start, running ones are cancelled (but not who calls this)."""
    own = running_job()
    gone = await tx.execute(
        delete(chunk_jobs).where(where).returning(chunk_jobs.c.job_id, chunk_jobs.c.state)
    )
    for row in gone.all():
        if row.state == "released" and row.job_id is not None and (own is None or own.id != row.job_id):
            await jobs.cancel(tx, row.job_id)


async def fail_generation(
    tx: AsyncConnection, jobs: JobQueue, work: Work, generation: int, message: str
) -> None:
    """A generation cannot be made. A first rung below it is finished nevertheless; without one all fails."""
    row = (await tx.execute(select(generations).where(generations.c.num == generation))).first()
    if row is None or row.state not in OPEN or row.plan["round"] != work.round:
        return
    if row.plan["step"] != "ladder":
        await fail_output(tx, jobs, work, message)
        return
    await tx.execute(
        update(generations)
        .where(generations.c.num == generation)
        .values(state=GenerationState.FAILED, updated_at=func.now())
    )
    await drop_chunks(tx, jobs, chunk_jobs.c.generation_num == generation)
    await tx.execute(update(outputs).where(outputs.c.num == work.output_num).values(error=message))
    await settle(tx, jobs, work)


async def fail_output(tx: AsyncConnection, jobs: JobQueue, work: Work, message: str) -> None:
    """The output cannot be made; the asset fails with it only if it is the main one and nothing plays.

    A generation that was still growing ends, too: it has a beginning and will never have an end.
    """
    await tx.execute(
        update(outputs)
        .where(outputs.c.num == work.output_num)
        .values(status=OutputStatus.ERROR, error=message, completed_at=func.now(), updated_at=func.now())
    )
    await tx.execute(
        update(generations)
        .where(generations.c.output_num == work.output_num, generations.c.state.in_(OPEN))
        .values(state=GenerationState.FAILED, updated_at=func.now())
    )
    await drop_chunks(tx, jobs, chunk_jobs.c.output_num == work.output_num)
    await ledger.discard(tx, [work.scratch])
    await ledger.record(
        tx,
        work.caller,
        "output.failed",
        "asset",
        work.asset_uid,
        {"output": work.name, "reason": message},
    )
    if not work.main:
        return
    plays = select(generations.c.num).where(
        generations.c.output_num == work.output_num, generations.c.state == GenerationState.PUBLISHED
    )
    if (await tx.execute(plays.limit(1))).first() is None:
        await tx.execute(
            update(assets)
            .where(assets.c.num == work.asset_num)
            .values(status=AssetStatus.ERROR, error=message, updated_at=func.now())
        )
        await ledger.record(tx, work.caller, "asset.failed", "asset", work.asset_uid, {"reason": message})


async def refresh_progress(tx: AsyncConnection, output_num: int) -> None:
    """The output's progress: the chunk jobs of its round by weight; 1 is said only by `finish_output`.

    It never falls. As long as a part is not planned yet nobody knows the share of what is, and it stands still.
    """
    of_round = and_(
        generations.c.output_num == outputs.c.num,
        generations.c.plan["round"].astext == cast(outputs.c.epoch, String),
    )
    share = (
        select(
            func.coalesce(
                func.sum(chunk_jobs.c.weight * chunk_jobs.c.progress)
                / func.nullif(func.sum(chunk_jobs.c.weight), 0),
                0,
            )
        )
        .join(generations, generations.c.num == chunk_jobs.c.generation_num)
        .where(of_round)
        .correlate(outputs)
        .scalar_subquery()
    )
    unplanned = select(generations.c.num).where(
        of_round, generations.c.state.in_(OPEN), generations.c.plan["chunks"].astext == str(UNPLANNED)
    )
    await tx.execute(
        update(outputs)
        .where(
            outputs.c.num == output_num,
            outputs.c.status == OutputStatus.PROCESSING,
            ~exists(unplanned.correlate(outputs)),
        )
        .values(progress=func.greatest(outputs.c.progress, func.least(share, 0.999)))
    )
