"""What use cases and the pipeline share of an asset's work: its lock, its jobs, its traces in the store."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from polycast.db.tables import assets, chunk_jobs, generations, outputs
from polycast.domain.states import OutputStatus
from polycast.jobs.queue import JobQueue
from polycast.jobs.registry import running_job
from polycast.services import ledger

PROCESS_JOB = "process_output"
"""plans one output and starts its jobs; see services/pipeline"""

ASSEMBLE_JOB = "assemble"
"""publishes what of a generation can be published"""
ASSEMBLY_LOCK = "generation:{generation}"

_LATE = timedelta(hours=1)
"""by then every job that was running at a deletion has ended, however it did"""


async def lock_asset(tx: AsyncConnection, asset_num: int) -> bool:
    """Take the asset's row until the transaction ends; False when the asset was deleted.

    Whoever changes rows below an asset does this first: steps of its making, its deletion and the replacing
    of its source so come one after the other, and never deadlock.
    """
    found = await tx.execute(
        select(assets.c.num).where(assets.c.num == asset_num).with_for_update(key_share=True)
    )
    return found.first() is not None


async def enqueue_process(tx: AsyncConnection, jobs: JobQueue, tenant: int, output: int, epoch: int) -> None:
    """Have an output made, in its tenant's turn; a job of an earlier round finds that it is too late."""
    await jobs.enqueue(
        tx, PROCESS_JOB, {"output": output, "epoch": epoch}, lock=process_lock(output), turn=tenant
    )


async def start_again(tx: AsyncConnection, jobs: JobQueue, tenant: int, which: ColumnElement[bool]) -> int:
    """Have the outputs that `which` names made in a new round, from the sources that their asset has now.

    Jobs of earlier rounds find that they are too late; what was published plays on until the new one is.

    Returns:
        How many there are.
    """
    begun = await tx.execute(
        update(outputs)
        .where(which)
        .values(
            status=OutputStatus.PROCESSING,
            progress=0,
            error=None,
            completed_at=None,
            epoch=outputs.c.epoch + 1,
            updated_at=func.now(),
        )
        .returning(outputs.c.num, outputs.c.epoch)
    )
    rounds = begun.all()
    for output in rounds:
        await enqueue_process(tx, jobs, tenant, output.num, output.epoch)
    return len(rounds)


def process_lock(output: int) -> str:
    """The lock under which an output is planned, one run at a time."""
    return f"output:{output}"


def pictures_lock(output: int) -> str:
    """The lock under which pictures of an output are made."""
    return f"pictures:{output}"


def fallback_lock(output: int) -> str:
    """The lock under which MP4 files of an output's tracks are made."""
    return f"mp4:{output}"


def iframes_lock(output: int) -> str:
    """The lock under which I-frame playlists of an output's tracks are made."""
    return f"iframes:{output}"


def assembly_lock(generation: int) -> str:
    """The lock under which a generation is put together."""
    return ASSEMBLY_LOCK.format(generation=generation)


async def cancel_work(tx: AsyncConnection, jobs: JobQueue, nums: Sequence[int]) -> None:
    """Cancel all jobs of some outputs, given by number: waiting ones never start, running ones end with their children."""
    own = running_job()
    running = await tx.execute(
        select(chunk_jobs.c.job_id).where(chunk_jobs.c.output_num.in_(nums), chunk_jobs.c.job_id.is_not(None))
    )
    for row in running.all():
        if own is None or own.id != row.job_id:
            await jobs.cancel(tx, row.job_id)
    made = await tx.execute(select(generations.c.num).where(generations.c.output_num.in_(nums)))
    locks = [assembly_lock(row.num) for row in made]
    for output in nums:
        locks += [process_lock(output), pictures_lock(output), fallback_lock(output), iframes_lock(output)]
    await jobs.cancel_locked(tx, locks)


def scratch_folder(output: UUID, epoch: int | None = None) -> str:
    """Key prefix of objects kept while an output is made, of one round or of all."""
    return f"work/{output}/" + (f"{epoch}/" if epoch is not None else "")


async def discard_later(tx: AsyncConnection, keys: Iterable[str]) -> None:
    """Discard what running jobs may still be writing to: now, and once more when the last of them has ended."""
    keys = list(keys)
    await ledger.discard(tx, keys)
    await ledger.discard(tx, keys, after=_LATE)
