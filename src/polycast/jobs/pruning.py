"""Ended jobs are forgotten after a while, so that the queue stays fast."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_BATCH = 5000
_PRUNE = text("""
    WITH gone AS (
        DELETE FROM procrastinate_jobs WHERE id IN (
            SELECT j.id FROM procrastinate_jobs j
            WHERE j.status = ANY(CAST(:statuses AS procrastinate_job_status[]))
              AND NOT EXISTS (
                  SELECT 1 FROM procrastinate_events e
                  WHERE e.job_id = j.id AND e.at > now() - make_interval(secs => :age_s)
              )
            LIMIT :batch
        ) RETURNING id
    ), reasons AS (
        DELETE FROM job_failures WHERE job_id IN (SELECT id FROM gone)
    )
    SELECT count(*) FROM gone
""")


async def prune(
    tx: AsyncConnection, *, succeeded_after_s: float = 86_400, failed_after_s: float = 14 * 86_400
) -> int:
    """Delete jobs that ended longer ago than these ages, at most 5000 of each; returns how many."""
    total = 0
    for statuses, age_s in (
        (["succeeded", "cancelled", "aborted"], succeeded_after_s),
        (["failed"], failed_after_s),
    ):
        values = {"statuses": statuses, "age_s": age_s, "batch": _BATCH}
        total += int((await tx.execute(_PRUNE, values)).scalar_one())
    return total
