"""Places of a worker that owners share: whoever holds some leaves as many free.

An owner gets one more place only while it holds fewer than are free. Of eight the first owner so takes four, the
next two, then one and one: nobody, however many jobs it has waiting and however long they take, fills the places
that another one's first job needs. Whose a job is, its `turn` says (`JobQueue.enqueue`); one without is not counted.
"""

from collections.abc import Iterable

from procrastinate.connector import BaseAsyncConnector
from procrastinate.jobs import Job
from procrastinate.manager import JobManager

# as the library's own procrastinate_fetch_job_v2, and the rule
_FETCH = """
WITH held AS (
    SELECT args->>'turn' AS owner, count(*) AS jobs FROM procrastinate_jobs
    WHERE status = 'doing' AND worker_id = %(worker_id)s
    GROUP BY 1
),
free AS (
    SELECT %(places)s - coalesce(sum(jobs), 0) AS places FROM held
),
candidate AS (
    SELECT job.id FROM procrastinate_jobs AS job
    WHERE job.status = 'todo'
      AND job.queue_name = ANY(%(queues)s::varchar[])
      AND (job.scheduled_at IS NULL OR job.scheduled_at <= now())
      AND NOT EXISTS (
        SELECT 1 FROM procrastinate_jobs AS other
        WHERE job.lock IS NOT NULL AND other.lock = job.lock AND (
            other.status = 'doing'
            OR other.status = 'todo' AND (other.priority, -other.id) > (job.priority, -job.id)
        )
      )
      AND (SELECT places FROM free) > coalesce(
        (SELECT jobs FROM held WHERE owner = job.args->>'turn'), 0
      )
    ORDER BY job.priority DESC, job.id
    LIMIT 1
    FOR UPDATE OF job SKIP LOCKED
)
UPDATE procrastinate_jobs AS job SET status = 'doing', worker_id = %(worker_id)s
FROM candidate WHERE job.id = candidate.id
RETURNING job.id, job.status, job.task_name, job.priority, job.lock, job.queueing_lock, job.args,
          job.scheduled_at, job.queue_name, job.attempts, job.worker_id
"""


class SharingManager(JobManager):
    """Takes jobs by the rule above.

    Args:
        places: jobs that this worker runs at once. It asks for one only while it has a place free.
    """

    def __init__(self, connector: BaseAsyncConnector, places: int) -> None:
        super().__init__(connector)
        self._places = places

    async def fetch_job(self, queues: Iterable[str] | None, worker_id: int) -> Job | None:
        """The next job, marked as taken; None when none may start now."""
        assert queues is not None
        rows = await self.connector.execute_query_all_async(
            query=_FETCH, queues=list(queues), worker_id=worker_id, places=self._places
        )
        return Job.from_row(rows[0]) if rows else None
