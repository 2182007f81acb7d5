"""Releases chunk jobs into the queue, in turn over tenants.

The queue serves by priority, then age: a thousand chunks of one tenant would stand before everybody else's.
So chunks wait in the table `chunk_jobs`, and only about two per worker are ever in the queue.

    held -> released (in the queue, `job_id`) -> done | failed      (the last two by their handler)
"""

import asyncio
import logging
import time
from collections.abc import Sequence

import psycopg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from polycast.jobs.fairness import Held, plan_release, release_budget
from polycast.jobs.queue import JobQueue
from polycast.jobs.registry import Args, FailureHandler, Handler
from polycast.jobs.retry import Retry

log = logging.getLogger(__name__)

CHANNEL = "polycast_chunks"
"""Rung when a chunk became held, or one ended."""

_LOCK_KEY = 0x6368756E6B73  # "chunks"
_TRY_LOCK = text("SELECT pg_try_advisory_xact_lock(:key)")
_OUTSTANDING = text("""
    SELECT c.tenant_num, count(*) AS jobs, count(*) FILTER (WHERE j.status = 'doing') AS running
    FROM chunk_jobs c JOIN procrastinate_jobs j ON j.id = c.job_id
    WHERE c.state = 'released' AND j.status IN ('todo', 'doing')
    GROUP BY c.tenant_num
""")
# each tenant's best few are all a plan can need: a million held rows are not read for a handful of places
_HELD = text("""
    SELECT held.num, held.tenant_num, held.priority
    FROM (SELECT DISTINCT tenant_num FROM chunk_jobs WHERE state = 'held') tenants
    CROSS JOIN LATERAL (
        SELECT num, tenant_num, priority FROM chunk_jobs
        WHERE state = 'held' AND tenant_num = tenants.tenant_num
        ORDER BY priority DESC, num LIMIT :budget
    ) held
""")
_RELEASE = text("""
    UPDATE chunk_jobs SET state = 'released', job_id = :job_id, updated_at = now()
    WHERE num = :num AND state = 'held'
""")
_STILL_HELD = text("SELECT num FROM chunk_jobs WHERE num = ANY(:nums) AND state = 'held' FOR UPDATE")
# a released chunk whose job ended without its handler's word, as after a restored backup of half the tables
_LOST = text("""
    UPDATE chunk_jobs c SET state = 'held', job_id = NULL, updated_at = now()
    WHERE c.state = 'released' AND NOT EXISTS (
        SELECT 1 FROM procrastinate_jobs j WHERE j.id = c.job_id AND j.status IN ('todo', 'doing', 'failed')
    )
""")


class Dispatcher:
    """Moves held chunk jobs into the queue.

    Args:
        job: name of the registered kind; its handler gets `{"chunk": num}`.
        slots: encodes that this process can run at once.
        tidy_s: how often it looks unasked, and takes back chunks whose job vanished.
    """

    def __init__(self, queue: JobQueue, job: str, *, slots: int, tidy_s: float = 2.0) -> None:
        self._queue = queue
        self.job = job
        self._slots = slots
        self._tidy_s = tidy_s

    def register(
        self,
        handler: Handler,
        *,
        queue: str,
        retry: Retry | None = None,
        on_failed: FailureHandler | None = None,
    ) -> None:
        """Declare the kind of job that chunks become; `handler` marks its chunk done, `on_failed` failed.

        In their own transactions, before they return: a chunk that stays `released` though its job has
        ended is released again.
        """

        async def handle(args: Args) -> None:
            # one more worker is known to be at work: there is room for its next one
            await self._ring_now()
            try:
                await handler(args)
            finally:
                await self._ring_now()

        self._queue.register(self.job, handle, queue=queue, retry=retry, on_failed=on_failed)

    @staticmethod
    async def ring(tx: AsyncConnection) -> None:
        """Call from the transaction that holds chunks, or ends one: dispatchers look when it commits."""
        await tx.execute(text(f"SELECT pg_notify('{CHANNEL}', '')"))

    async def dispatch(self) -> int:
        """Release what may be released now; any number of processes may call it.

        Returns:
            How many were released; 0 also when another process is at it, which will see the same rows.
        """
        async with self._queue.transaction() as tx:
            if not (await tx.execute(_TRY_LOCK, {"key": _LOCK_KEY})).scalar():
                return 0
            rows = (await tx.execute(_OUTSTANDING)).all()
            running = sum(row.running for row in rows)
            budget = release_budget(running, sum(row.jobs for row in rows) - running, self._slots)
            if budget <= 0:
                return 0
            held = [Held(*row) for row in await tx.execute(_HELD, {"budget": budget})]
            chosen = plan_release(held, {row.tenant_num: row.jobs for row in rows}, budget)
            return await self._release(tx, chosen)

    async def _release(self, tx: AsyncConnection, chosen: Sequence[int]) -> int:
        # locked, so that one deleted meanwhile is not released
        held = set((await tx.execute(_STILL_HELD, {"nums": list(chosen)})).scalars())
        for num in (num for num in chosen if num in held):
            # all alike, so that the queue keeps this order: one's urgent chunks would pass another's turn for ever
            job_id = await self._queue.enqueue(tx, self.job, {"chunk": num})
            await tx.execute(_RELEASE, {"num": num, "job_id": job_id})
        return len(held)

    async def run(self, stop_event: asyncio.Event) -> None:
        """Dispatch whenever rung, and now and then, until `stop_event`; outlives restarts of the database."""
        stopping = asyncio.create_task(stop_event.wait())
        work = asyncio.create_task(self._work())
        try:
            await asyncio.wait({stopping, work}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            work.cancel()
            await asyncio.gather(stopping, work, return_exceptions=True)

    async def _work(self) -> None:
        while True:
            tidied = 0.0
            try:
                async with await psycopg.AsyncConnection.connect(
                    self._queue.url, autocommit=True, application_name="polycast dispatcher"
                ) as bell:
                    await bell.execute(f"LISTEN {CHANNEL}")
                    while True:
                        if time.monotonic() - tidied >= self._tidy_s:
                            await self._tidy()
                            tidied = time.monotonic()
                        await self.dispatch()
                        # returns at the first ring; rings that came meanwhile come with it
                        async for _ in bell.notifies(timeout=self._tidy_s, stop_after=1):
                            pass
            except Exception as error:
                log.warning("the dispatcher lost the database, beginning anew: %s", error)
                await asyncio.sleep(1.0)

    async def _ring_now(self) -> None:
        async with self._queue.transaction() as tx:
            await self.ring(tx)

    async def _tidy(self) -> None:
        async with self._queue.transaction() as tx:
            await tx.execute(_LOST)
