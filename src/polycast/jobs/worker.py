"""The worker: takes jobs off the queue, runs their handlers, watches over other workers' jobs."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from procrastinate import App, JobContext, PsycopgConnector, RetryDecision
from procrastinate.exceptions import JobAborted
from procrastinate.job_context import AbortReason
from procrastinate.jobs import Job, Notification
from procrastinate.retry import BaseRetryStrategy
from procrastinate.worker import Worker

from polycast.domain.errors import PolycastError
from polycast.jobs import failures, recovery
from polycast.jobs.options import WorkerOptions
from polycast.jobs.queue import JobQueue
from polycast.jobs.registry import Failure, JobType, RunningJob, _running
from polycast.jobs.sharing import SharingManager

log = logging.getLogger(__name__)
# it would write each failure a second time, with the wrapped exception and all arguments
logging.getLogger("procrastinate.worker").setLevel(logging.CRITICAL)

_UNHEARD_S = 30.0
"""Pause before a job is tried again whose failure nobody could be told."""
_UNRECORDED_S = 2.0
"""Pause before a job is tried again whose failure could not be written down."""


async def run(
    queue: JobQueue,
    queues: Sequence[str],
    concurrency: int,
    stop_event: asyncio.Event,
    options: WorkerOptions,
) -> None:
    """Work until `stop_event` is set; outlives restarts of the database.

    Cancelling it is the same as the event. Jobs that do not end within the grace are cancelled and handed
    back without counting as a failed try.

    Raises:
        ValueError: concurrency below 1.
    """
    if concurrency < 1:
        raise ValueError("concurrency must be at least 1")
    stopping = asyncio.create_task(stop_event.wait())
    watching = asyncio.create_task(_watch(queue, options))
    try:
        while not stopping.done():
            session = asyncio.create_task(_session(queue, list(queues), concurrency, options))
            try:
                await asyncio.wait({stopping, session}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                # the library's word for: take no more jobs, let the running ones end
                session.cancel()
                await asyncio.gather(session, return_exceptions=True)
            if not stopping.done():
                error = None if session.cancelled() else session.exception()
                log.warning("the job worker lost the database, beginning anew: %r", error)
                await asyncio.wait({stopping}, timeout=options.reconnect_s)
    finally:
        stopping.cancel()
        watching.cancel()
        await asyncio.gather(stopping, watching, return_exceptions=True)


async def _session(queue: JobQueue, queues: list[str], concurrency: int, options: WorkerOptions) -> None:
    """One life of the library's worker; ends when it fails or is cancelled."""
    connector = PsycopgConnector(
        conninfo=queue.url,
        min_size=1,
        # statuses are written by all jobs at once when they end together; more would not be faster
        max_size=min(4, concurrency + 1),
        kwargs={"application_name": "polycast worker", "connect_timeout": 10},
    )
    app = App(connector=connector, periodic_defaults={"max_delay": 600})
    if options.leave_room:
        app.job_manager = SharingManager(connector, concurrency)
    for kind in queue.types.values():
        _add(app, queue, kind)
    async with app.open_async():
        worker = _AttentiveWorker(
            app=app,
            queues=queues,
            concurrency=concurrency,
            install_signal_handlers=False,
            listen_notify=True,
            fetch_job_polling_interval=options.poll_s,
            abort_job_polling_interval=options.poll_s,
            update_heartbeat_interval=options.heartbeat_s,
            stalled_worker_timeout=options.stalled_after_s,
            shutdown_graceful_timeout=options.grace_s,
        )
        await worker.run()  # type: ignore[no-untyped-call]


def _add(app: App, queue: JobQueue, kind: JobType) -> None:
    async def run_handler(context: JobContext, /, **args: Any) -> None:
        await _attempt(queue, kind, context, args)

    task = app.task(name=kind.name, queue=kind.queue, pass_context=True, retry=_Decided())(run_handler)
    if kind.cron is not None:
        # the library passes `timestamp` by name, which its types cannot say of **args
        app.periodic(cron=kind.cron, queueing_lock=f"cron:{kind.name}")(task)  # type: ignore[arg-type]


async def _attempt(queue: JobQueue, kind: JobType, context: JobContext, args: dict[str, Any]) -> None:
    """Run a job once; whatever it raises carries a decision.

    The library takes any other error for the end of the job, of which nobody would be told.
    """
    try:
        await _run_once(queue, kind, context, args)
    except (_Failed, _HandBack, JobAborted, asyncio.CancelledError):
        raise
    except Exception as error:
        # mostly the database: gone, or come back between the failure and its record
        log.exception(
            "job %s (%s) goes back to the queue, its try was not recorded", context.job.id, kind.name
        )
        raise _HandBack(_UNRECORDED_S) from error


async def _run_once(queue: JobQueue, kind: JobType, context: JobContext, args: dict[str, Any]) -> None:
    job_id = context.job.id
    assert job_id is not None
    earlier = 0
    if context.job.queueing_lock is not None:
        # it waits no longer; going back to the queue it would collide with the next one that does
        async with queue.transaction() as tx:
            await tx.execute(recovery.UNLOCK, {"id": job_id})
    if context.job.attempts:  # also counts hand-backs: only a hint that there may be failures
        async with queue.transaction() as tx:
            earlier = await failures.count(tx, job_id)
    token = _running.set(RunningJob(job_id, kind.name, earlier))
    try:
        await kind.handler(args)
    except asyncio.CancelledError:
        if context.abort_reason() is AbortReason.USER_REQUEST:
            raise JobAborted from None
        raise _HandBack from None
    except Exception as error:
        raise await _failed(queue, kind, job_id, args, error) from error
    finally:
        _running.reset(token)


async def _failed(
    queue: JobQueue, kind: JobType, job_id: int, args: dict[str, Any], error: Exception
) -> "_Failed":
    async with queue.transaction() as tx:
        failure = await failures.record(tx, job_id, kind.name, error)
    wait_s = kind.retry.wait_s(failure.alike, error)
    # an error of our own tree says what it is; for any other the operator needs the place
    log.log(
        logging.ERROR if wait_s is None else logging.WARNING,
        "job %s (%s) failed, try %s of %s: %s",
        job_id,
        kind.name,
        failure.attempts,
        kind.retry.max_attempts,
        failure.message,
        exc_info=None if isinstance(error, PolycastError) else error,
    )
    if wait_s is None and kind.on_failed is not None:
        try:
            await kind.on_failed(args, failure)
        except Exception:
            # a job that ends without anybody hearing of it leaves its asset "in encoding" for ever
            log.exception("the failure handler of job %s (%s) failed", job_id, kind.name)
            wait_s = _UNHEARD_S
    return _Failed(failure, wait_s)


class _AttentiveWorker(Worker):
    """Loses no notification.

    The library forgets the ones that come while it asks for a job, which is just when the next one is
    enqueued by the end of the last; such a job would wait for the next look-round. (procrastinate 3.10,
    `Worker._fetch_and_process_jobs`; tests/integration/jobs measures the pick-up.)
    """

    _heard = 0

    async def _handle_notification(self, *, channel: str, notification: Notification) -> None:
        self._heard += 1
        await super()._handle_notification(channel=channel, notification=notification)

    async def _process_job(self, context: JobContext) -> None:
        try:
            await super()._process_job(context)
        finally:
            if context.job.lock is not None or "turn" in context.job.task_kwargs:
                # the next one with this lock, or of this owner, was passed over while this one ran, and nobody
                # tells of it
                self._heard += 1
                self._new_job_event.set()

    async def _fetch_and_process_jobs(self) -> None:
        while True:
            before = self._heard
            await super()._fetch_and_process_jobs()  # type: ignore[no-untyped-call]
            if self._heard == before or self._stop_event.is_set():
                return


class _Failed(Exception):
    """A failed try, written down; carries the decision to the library."""

    def __init__(self, failure: Failure, wait_s: float | None) -> None:
        super().__init__(failure.message)
        self.wait_s = wait_s


class _HandBack(Exception):
    """The worker is stopping, or cannot say how the job went: it goes back to the queue, uncounted."""

    def __init__(self, wait_s: float = 0.0) -> None:
        super().__init__(wait_s)
        self.wait_s = wait_s


class _Decided(BaseRetryStrategy):
    """Tells the library what `_attempt` decided."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        if isinstance(exception, _HandBack | _Failed) and exception.wait_s is not None:
            return RetryDecision(retry_at=datetime.now(UTC) + timedelta(seconds=exception.wait_s))
        return None


async def _watch(queue: JobQueue, options: WorkerOptions) -> None:
    """Take over the jobs of dead workers, again and again."""
    while True:
        try:
            await recovery.take_over(queue, options.stalled_after_s)
        except Exception as error:
            log.warning("could not look for jobs of dead workers: %s", error)
        await asyncio.sleep(min(options.heartbeat_s, options.stalled_after_s / 2))
