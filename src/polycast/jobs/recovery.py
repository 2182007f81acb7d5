"""Jobs whose worker died: found by its silence, tried again or given up."""

import logging
from typing import Any

from sqlalchemy import text

from polycast.jobs import failures
from polycast.jobs.queue import JobQueue
from polycast.jobs.registry import JobType, RunningJob, _running

log = logging.getLogger(__name__)

_STALLED = """
    SELECT j.id, j.task_name, j.args, j.abort_requested
    FROM procrastinate_jobs j
    LEFT JOIN procrastinate_workers w ON w.id = j.worker_id
    WHERE j.status = 'doing'
      -- no such worker any more, or silent; the database's clock on both sides
      AND (w.id IS NULL OR w.last_heartbeat < now() - make_interval(secs => :silent_s))
"""
_NEXT = text(f"""{_STALLED}
      AND j.id <> ALL(CAST(:passed AS bigint[]))
    ORDER BY j.id
    LIMIT 1
    -- another worker may be at it; and what it did must be seen, not what was before
    FOR UPDATE OF j SKIP LOCKED
""")
_STILL = text(f"{_STALLED} AND j.id = :id")
_TELLER = text("SELECT pg_try_advisory_xact_lock(hashtextextended('given up', :id))")
UNLOCK = text(
    # another one with the same queueing lock may wait by now, and only one may
    "UPDATE procrastinate_jobs SET queueing_lock = NULL WHERE id = :id AND queueing_lock IS NOT NULL"
)
_AGAIN = text("SELECT procrastinate_retry_job_v2(:id, now(), NULL, NULL, NULL)")
_NOTIFY = text(
    "SELECT pg_notify('procrastinate_queue_v1#' || queue_name, "
    "json_build_object('type', 'job_inserted', 'job_id', id)::text) FROM procrastinate_jobs WHERE id = :id"
)
_END = text("SELECT procrastinate_finish_job_v1(:id, CAST(:status AS procrastinate_job_status), false)")
_FORGET_WORKERS = text("SELECT procrastinate_prune_stalled_workers_v1(:silent_s)")


async def take_over(queue: JobQueue, silent_s: float) -> int:
    """Give the jobs of workers that were silent for `silent_s` back to the queue.

    A job asked to be cancelled ends as cancelled; one that has used up its tries is given up.

    Returns:
        How many jobs were dealt with.
    """
    dealt = 0
    passed: list[int] = []
    while True:
        try:
            if not await _take_over_one(queue, silent_s, passed):
                break
            dealt += 1
        except _NotTold:
            continue
    async with queue.transaction() as tx:
        await tx.execute(_FORGET_WORKERS, {"silent_s": silent_s})
    return dealt


async def _take_over_one(queue: JobQueue, silent_s: float, passed: list[int]) -> bool:
    async with queue.transaction() as tx:
        row = (await tx.execute(_NEXT, {"silent_s": silent_s, "passed": passed})).first()
        if row is None:
            return False
        if row.abort_requested:
            await tx.execute(_END, {"id": row.id, "status": "aborted"})
            return True
        kind = queue.types.get(row.task_name)
        lost = 1 + await failures.losses(tx, row.id)
        if kind is None or kind.retry.wait_s(lost, None) is not None:
            await failures.record(tx, row.id, row.task_name, None)
            log.warning("job %s (%s) lost its worker: back to the queue", row.id, row.task_name)
            await tx.execute(UNLOCK, {"id": row.id})
            await tx.execute(_AGAIN, {"id": row.id})
            await tx.execute(_NOTIFY, {"id": row.id})
            return True
    # none of its rows is held any more: whoever is told may change them, or wait for somebody who does
    passed.append(row.id)
    await _give_up(queue, kind, row, silent_s)
    return True


async def _give_up(queue: JobQueue, kind: JobType, row: Any, silent_s: float) -> None:
    """Tell that a job is given up, then end it: one process at a time, and again by the next if this one dies."""
    async with queue.transaction() as tx:
        if not (await tx.execute(_TELLER, {"id": row.id})).scalar():
            return
        if (await tx.execute(_STILL, {"silent_s": silent_s, "id": row.id})).first() is None:
            return  # another process was first
        failure = await failures.record(tx, row.id, row.task_name, None)
        log.error("job %s (%s) lost its worker %s times: given up", row.id, row.task_name, failure.attempts)
        if kind.on_failed is not None:
            token = _running.set(RunningJob(row.id, row.task_name, failure.attempts))
            try:
                await kind.on_failed(row.args, failure)
            except Exception:
                # it stays as it is until somebody can be told: nothing of this is written down
                log.exception("the failure handler of job %s failed; once more later", row.id)
                raise _NotTold from None
            finally:
                _running.reset(token)
        await tx.execute(_END, {"id": row.id, "status": "failed"})


class _NotTold(Exception):
    """Nobody could be told that a job is given up."""
