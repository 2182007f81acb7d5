"""A job worker inside the test's event loop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text

from polycast.db.engine import Database
from polycast.jobs import worker
from polycast.jobs.options import WorkerOptions
from polycast.jobs.queue import JobQueue, JobState
from tests.support.waiting import until

QUICK = WorkerOptions(heartbeat_s=0.1, stalled_after_s=1.0, poll_s=0.05, grace_s=0.2, reconnect_s=0.05)


@asynccontextmanager
async def working(
    queue: JobQueue, *queues: str, concurrency: int = 1, options: WorkerOptions = QUICK
) -> AsyncIterator[asyncio.Event]:
    """A worker for the block, already listening; it is told to stop at the end, and must."""
    stop = asyncio.Event()
    task = asyncio.create_task(worker.run(queue, queues or ("work",), concurrency, stop, options))
    try:
        await until(lambda: _listening(queue), what="the worker listens")
        yield stop
    finally:
        stop.set()
        await asyncio.wait_for(task, 10)


async def _listening(queue: JobQueue) -> bool:
    query = text(
        "SELECT 1 FROM pg_stat_activity "
        "WHERE datname = current_database() AND query LIKE 'LISTEN \"procrastinate%'"
    )
    async with queue.transaction() as tx:
        return (await tx.execute(query)).first() is not None


async def state(database: Database, queue: JobQueue, job_id: int) -> JobState:
    async with database.connect() as tx:
        return await queue.state(tx, job_id)


async def ended(database: Database, queue: JobQueue, job_id: int, *, timeout_s: float = 10) -> JobState:
    """The job once it neither waits nor runs."""

    async def look() -> JobState | None:
        now = await state(database, queue, job_id)
        return None if now.status in ("todo", "doing") else now

    return await until(look, timeout_s=timeout_s, what=f"end of job {job_id}")
