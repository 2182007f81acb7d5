"""The queue as services see it: jobs are inserted, cancelled and looked up on the caller's own transaction.

A job exists if and only if the transaction that asked for it was committed. Nothing here needs the queue's
library: its tables and SQL functions are the interface; the worker's side is in `polycast.jobs.worker`.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from polycast.domain.errors import NotFound
from polycast.jobs.registry import Args, FailureHandler, Handler, JobType
from polycast.jobs.retry import Retry

Transaction = Callable[[], AbstractAsyncContextManager[AsyncConnection]]
"""Opens one transaction; `Database.transaction` is one."""

_INSERT = text("""
    SELECT unnest(procrastinate_defer_jobs_v1(ARRAY(
        SELECT ROW(:queue, :name, :priority, :lock, :queueing_lock, args, CAST(:at AS timestamptz))
               ::procrastinate_job_to_defer_v1
        FROM jsonb_array_elements(CAST(:batch AS jsonb)) WITH ORDINALITY AS given(args, position)
        ORDER BY position
    )))
""")
_WAITING = text(
    # FOR UPDATE: no worker takes the job before this transaction ends, so it will see what we write
    "SELECT id FROM procrastinate_jobs WHERE queueing_lock = :lock AND status = 'todo' FOR UPDATE"
)
_NOTIFY = text("SELECT pg_notify('procrastinate_queue_v1#' || :queue, :payload)")
_CANCEL = text("SELECT procrastinate_cancel_job_v1(:id, true, false)")
_CANCEL_LOCKED = text("""
    SELECT count(procrastinate_cancel_job_v1(id, true, false)) FROM procrastinate_jobs
    WHERE lock = ANY(:locks) AND status IN ('todo', 'doing')
""")
_BUSY = text(
    "SELECT EXISTS (SELECT FROM procrastinate_jobs WHERE lock = :lock AND status IN ('todo', 'doing'))"
)
_TURN = text("""
    SELECT max(priority) AS first, min(priority) FILTER (WHERE args->>'turn' = :turn) AS last_own
    FROM procrastinate_jobs WHERE queue_name = :queue AND task_name = :name AND status = 'todo'
""")
_STATE = text("""
    SELECT j.id, j.task_name, j.queue_name, j.status::text AS status, j.args, j.scheduled_at, j.abort_requested,
           f.attempt, f.code, f.message
    FROM procrastinate_jobs j
    LEFT JOIN LATERAL (
        SELECT attempt, code, message FROM job_failures WHERE job_id = j.id ORDER BY num DESC LIMIT 1
    ) f ON true
    WHERE j.id = :id
""")
_DEPTH = text(
    "SELECT queue_name, status::text AS status, count(*) AS jobs FROM procrastinate_jobs "
    "WHERE status IN ('todo', 'doing') GROUP BY 1, 2"
)


@dataclass(frozen=True, slots=True)
class JobState:
    """One job as stored.

    Attributes:
        status: todo | doing | succeeded | failed | cancelled | aborted.
        failures: failed tries so far; code and message are the last one's.
    """

    id: int
    name: str
    queue: str
    status: str
    args: Args
    scheduled_at: datetime | None
    cancelling: bool
    failures: int
    last_code: str | None
    last_message: str | None


class JobQueue:
    """Kinds of jobs, and the queue they go through.

    Args:
        url: of the database, `postgresql://…`; workers open connections of their own.
        transaction: for the worker's own short transactions.
    """

    def __init__(self, url: str, transaction: Transaction) -> None:
        self.url = url
        self.transaction = transaction
        self.types: dict[str, JobType] = {}

    def register(
        self,
        name: str,
        handler: Handler,
        *,
        queue: str,
        retry: Retry | None = None,
        priority: int = 0,
        lock_template: str | None = None,
        on_failed: FailureHandler | None = None,
        cron: str | None = None,
    ) -> None:
        """Declare a kind of job. Every process that enqueues or works registers the same ones.

        Args:
            handler: runs the job; a job may run twice (its worker died after the work, before saying so),
                so its effect must be the same when repeated. Cancelled when the job is.
            priority: default; higher first.
            lock_template: `"asset:{asset}"`: of jobs with the same lock one runs at a time, oldest first.
            on_failed: called when the job is given up, before it is marked failed; may be called twice.
            cron: run it by itself at these times (five fields, UTC), with `{"timestamp": …}` in its arguments.

        Raises:
            ValueError: the name is taken.
        """
        if name in self.types:
            raise ValueError(f"job {name} is registered twice")
        self.types[name] = JobType(
            name, handler, queue, retry or Retry(), priority, lock_template, on_failed, cron
        )

    async def enqueue(
        self,
        tx: AsyncConnection,
        name: str,
        args: Mapping[str, Any],
        *,
        priority: int | None = None,
        lock: str | None = None,
        queueing_lock: str | None = None,
        schedule_at: datetime | None = None,
        turn: int | None = None,
    ) -> int:
        """Insert a job on the caller's transaction; workers hear of it when that commits.

        Args:
            args: JSON.
            lock: instead of the one made by the kind's template.
            queueing_lock: at most one job with it waits; when one does, nothing is inserted and its id is
                returned. That job does not start before the caller's transaction has ended.
            schedule_at: not before.
            turn: whose job it is. Waiting jobs of one kind are then served in turn: whoever has one waiting
                is served before somebody else's second one, however many those have.

        Returns:
            Number of the job.
        """
        if turn is not None:
            args = {**args, "turn": turn}
            priority = await self._place(tx, self._kind(name), turn, priority)
        if queueing_lock is None:
            return (
                await self.enqueue_many(
                    tx, name, [args], priority=priority, lock=lock, schedule_at=schedule_at
                )
            )[0]
        kind = self._kind(name)
        values = self._values(kind, [args], priority, lock, schedule_at) | {"queueing_lock": queueing_lock}
        # two transactions may both see nothing: the advisory lock makes the second wait for the first
        await tx.execute(
            text("SELECT pg_advisory_xact_lock(hashtextextended(:lock, 7))"), {"lock": queueing_lock}
        )
        waiting = (await tx.execute(_WAITING, {"lock": queueing_lock})).scalar()
        if waiting is not None:
            # a worker that found it locked went past it
            payload = json.dumps({"type": "job_inserted", "job_id": waiting})
            await tx.execute(_NOTIFY, {"queue": kind.queue, "payload": payload})
            return int(waiting)
        return int((await tx.execute(_INSERT, values)).scalar_one())

    async def enqueue_many(
        self,
        tx: AsyncConnection,
        name: str,
        batch: Sequence[Mapping[str, Any]],
        *,
        priority: int | None = None,
        lock: str | None = None,
        schedule_at: datetime | None = None,
    ) -> list[int]:
        """Insert jobs of one kind in one statement, in order; [] inserts nothing.

        With a lock template all of `batch` must give the same lock.
        """
        if not batch:
            return []
        kind = self._kind(name)
        values = self._values(kind, batch, priority, lock, schedule_at) | {"queueing_lock": None}
        return [int(number) for number in (await tx.execute(_INSERT, values)).scalars()]

    async def cancel(self, tx: AsyncConnection, job_id: int) -> bool:
        """Cancel a job on the caller's transaction: a waiting one never starts, a running one's handler is
        cancelled as soon as its worker hears of the commit.

        Returns:
            False when it had ended before, or does not exist.
        """
        return (await tx.execute(_CANCEL, {"id": job_id})).scalar() is not None

    async def cancel_locked(self, tx: AsyncConnection, locks: Sequence[str]) -> int:
        """Cancel all jobs that wait or run under one of these locks, as `cancel` does; returns how many."""
        return int((await tx.execute(_CANCEL_LOCKED, {"locks": list(locks)})).scalar_one())

    async def busy(self, tx: AsyncConnection, lock: str) -> bool:
        """Whether a job waits or runs under this lock."""
        return bool((await tx.execute(_BUSY, {"lock": lock})).scalar_one())

    async def state(self, tx: AsyncConnection, job_id: int) -> JobState:
        """Where a job stands.

        Raises:
            NotFound: no such job, or pruned since.
        """
        row = (await tx.execute(_STATE, {"id": job_id})).first()
        if row is None:
            raise NotFound("job", job_id)
        return JobState(
            row.id,
            row.task_name,
            row.queue_name,
            row.status,
            row.args,
            row.scheduled_at,
            row.abort_requested,
            row.attempt or 0,
            row.code,
            row.message,
        )

    async def depth(self, tx: AsyncConnection) -> dict[tuple[str, str], int]:
        """(queue, todo | doing) -> number of jobs, for metrics."""
        return {(row.queue_name, row.status): row.jobs for row in await tx.execute(_DEPTH)}

    async def _place(self, tx: AsyncConnection, kind: JobType, turn: int, priority: int | None) -> int:
        """The priority of a job that waits its turn.

        Start-time fair queueing with the priority as clock: one below the last of the same owner, but never
        above who is served next. A newcomer so stands behind one job of each other, and who keeps a long
        row waiting is not passed for ever by those who come later.
        """
        base = kind.priority if priority is None else priority
        values = {"queue": kind.queue, "name": kind.name, "turn": str(turn)}
        waiting = (await tx.execute(_TURN, values)).one()
        if waiting.first is None:
            return base
        first = min(base, int(waiting.first))
        return first if waiting.last_own is None else min(first, int(waiting.last_own) - 1)

    def _kind(self, name: str) -> JobType:
        try:
            return self.types[name]
        except KeyError:
            raise NotFound("kind of job", name) from None

    @staticmethod
    def _values(
        kind: JobType,
        batch: Sequence[Mapping[str, Any]],
        priority: int | None,
        lock: str | None,
        schedule_at: datetime | None,
    ) -> dict[str, Any]:
        return {
            "queue": kind.queue,
            "name": kind.name,
            "priority": kind.priority if priority is None else priority,
            "lock": lock if lock is not None else kind.lock_for(batch[0]),
            "batch": json.dumps(list(batch)),
            "at": schedule_at,
        }
