"""Jobs on a real PostgreSQL: transactions, pick-up, retries, cancelling, stopping."""

import asyncio
import time
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from polycast.db.engine import Database
from polycast.domain.errors import NotFound, Unreadable
from polycast.jobs.pruning import prune
from polycast.jobs.queue import JobQueue
from polycast.jobs.registry import Args, Failure, running_job
from polycast.jobs.retry import Backoff, Retry
from tests.support.jobs import QUICK, ended, state, working
from tests.support.waiting import STRETCH, until

AT_ONCE = Backoff(first_s=0.01, factor=1)


@pytest.fixture
def queue(database: Database) -> JobQueue:
    return JobQueue(database.url, database.transaction)


class Seen:
    """A handler that remembers what it was called with."""

    def __init__(self) -> None:
        self.args: list[Args] = []

    async def __call__(self, args: Args) -> None:
        self.args.append(args)


class Stuck:
    """A handler that works until it is cancelled."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def __call__(self, args: Args) -> None:
        self.started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


async def test_a_job_exists_only_if_its_transaction_was_committed(
    database: Database, queue: JobQueue
) -> None:
    seen = Seen()
    queue.register("note", seen, queue="work")
    async with working(queue):
        with pytest.raises(RuntimeError):
            async with database.transaction() as tx:
                await queue.enqueue(tx, "note", {"n": 1})
                raise RuntimeError
        async with database.transaction() as tx:
            job = await queue.enqueue(tx, "note", {"n": 2, "deep": {"é": [1, None]}})
        assert (await ended(database, queue, job)).status == "succeeded"
    assert seen.args == [{"n": 2, "deep": {"é": [1, None]}}]


async def test_is_picked_up_when_it_is_told_of(database: Database, queue: JobQueue) -> None:
    """By notification, each time: the worker's own look-round comes far too late to help."""
    done = asyncio.Event()

    async def handler(args: Args) -> None:
        done.set()

    queue.register("note", handler, queue="work")
    async with working(queue, options=replace(QUICK, poll_s=3600)):
        for _ in range(12):
            done.clear()
            async with database.transaction() as tx:
                await queue.enqueue(tx, "note", {})
            await asyncio.wait_for(done.wait(), 10 * STRETCH)


async def test_higher_priority_first_then_age(database: Database, queue: JobQueue) -> None:
    seen = Seen()
    queue.register("note", seen, queue="work", priority=1)
    async with database.transaction() as tx:
        await queue.enqueue_many(tx, "note", [{"n": 1}, {"n": 2}])
        await queue.enqueue(tx, "note", {"n": 3}, priority=9)
    async with working(queue):
        await until(lambda: len(seen.args) == 3)
    assert [args["n"] for args in seen.args] == [3, 1, 2]


async def test_one_at_a_time_under_a_lock(database: Database, queue: JobQueue) -> None:
    running: dict[str, int] = {}
    most: dict[str, int] = {}
    done = 0

    async def handler(args: Args) -> None:
        nonlocal done
        asset = args["asset"]
        running[asset] = running.get(asset, 0) + 1
        most[asset] = max(most.get(asset, 0), running[asset])
        await asyncio.sleep(0)
        running[asset] -= 1
        done += 1

    queue.register("note", handler, queue="work", lock_template="asset:{asset}")
    async with database.transaction() as tx:
        for asset in ("a", "b") * 5:
            await queue.enqueue(tx, "note", {"asset": asset})
    async with working(queue, concurrency=4):
        await until(lambda: done == 10)
    assert most == {"a": 1, "b": 1}


async def test_a_queueing_lock_keeps_one_waiting(database: Database, queue: JobQueue) -> None:
    seen = Seen()
    queue.register("note", seen, queue="work")
    async with database.transaction() as tx:
        first = await queue.enqueue(tx, "note", {"n": 1}, queueing_lock="x")
        assert await queue.enqueue(tx, "note", {"n": 2}, queueing_lock="x") == first
        assert await queue.enqueue(tx, "note", {"n": 3}, queueing_lock="y") != first
    async with working(queue):
        await until(lambda: len(seen.args) == 2)


async def test_a_waiting_job_starts_after_the_one_who_counts_on_it(
    database: Database, queue: JobQueue
) -> None:
    """Found waiting instead of inserted: it must not run before the finder's own writes are visible."""
    seen = Seen()
    queue.register("note", seen, queue="work")
    async with database.transaction() as tx:
        first = await queue.enqueue(tx, "note", {}, queueing_lock="x")
    async with database.transaction() as tx:
        assert await queue.enqueue(tx, "note", {}, queueing_lock="x") == first
        async with working(queue, options=replace(QUICK, poll_s=60)):
            # this worker has looked: another job of later age went through
            async with database.transaction() as other:
                await queue.enqueue(other, "note", {"other": True})
            await until(lambda: seen.args)
            assert seen.args == [{"other": True}]
            await tx.commit()
            # and is told of the commit
            await until(lambda: len(seen.args) == 2)


async def test_two_who_enqueue_the_same_at_once(database: Database, queue: JobQueue) -> None:
    queue.register("note", Seen(), queue="work")

    async def enqueue() -> int:
        async with database.transaction() as tx:
            return await queue.enqueue(tx, "note", {}, queueing_lock="x")

    assert len(set(await asyncio.gather(*(enqueue() for _ in range(8))))) == 1


async def test_not_before_its_time(database: Database, queue: JobQueue) -> None:
    seen = Seen()
    queue.register("note", seen, queue="work")
    soon = datetime.now(UTC) + timedelta(seconds=0.4)
    async with database.transaction() as tx:
        job = await queue.enqueue(tx, "note", {}, schedule_at=soon)
    async with working(queue):
        await ended(database, queue, job)
    assert datetime.now(UTC) >= soon


async def test_tries_again_and_keeps_the_reason(database: Database, queue: JobQueue) -> None:
    tries: list[int] = []

    async def handler(args: Args) -> None:
        job = running_job()
        assert job is not None
        tries.append(job.failures)
        if len(tries) < 3:
            raise OSError(f"try {len(tries)}\0")

    queue.register("note", handler, queue="work", retry=Retry(max_attempts=3, backoff=AT_ONCE))
    async with database.transaction() as tx:
        job = await queue.enqueue(tx, "note", {})
    async with working(queue):
        final = await ended(database, queue, job)
    assert final.status == "succeeded"
    assert tries == [0, 1, 2]
    assert (final.failures, final.last_code, final.last_message) == (2, "error", "OSError: try 2")


@pytest.mark.parametrize(
    ("error", "tries", "code"),
    [(OSError("gone"), 2, "error"), (Unreadable("not a video"), 1, "media_unreadable")],
)
async def test_gives_up_and_says_so(
    database: Database, queue: JobQueue, error: Exception, tries: int, code: str
) -> None:
    told: list[tuple[Args, Failure, str]] = []

    async def handler(args: Args) -> None:
        raise error

    async def on_failed(args: Args, failure: Failure) -> None:
        told.append((args, failure, (await state(database, queue, job)).status))

    retry = Retry(max_attempts=2, backoff=AT_ONCE)
    queue.register("note", handler, queue="work", retry=retry, on_failed=on_failed)
    async with database.transaction() as tx:
        job = await queue.enqueue(tx, "note", {"n": 1})
    async with working(queue):
        assert (await ended(database, queue, job)).status == "failed"
    [(args, failure, status)] = told
    assert (args, failure.attempts, failure.code, status) == ({"n": 1}, tries, code, "doing")


async def test_a_job_whose_failure_cannot_be_written_down_is_tried_again(database: Database) -> None:
    """The database is gone for our record, and back for the library's: it must not believe that the job ended."""
    absent = Database("postgresql://nobody@127.0.0.1:1/none")
    outages: list[int] = []
    tries: list[int] = []

    def transaction() -> AbstractAsyncContextManager[AsyncConnection]:
        if running_job() is None or outages:
            return database.transaction()
        outages.append(1)
        return absent.transaction()

    async def handler(args: Args) -> None:
        tries.append(1)
        if len(tries) == 1:
            raise OSError("once")

    queue = JobQueue(database.url, transaction)
    queue.register("note", handler, queue="work", retry=Retry(max_attempts=1))
    async with working(queue):
        async with database.transaction() as tx:
            job = await queue.enqueue(tx, "note", {})
        assert (await ended(database, queue, job)).status == "succeeded"
    assert (len(tries), len(outages)) == (2, 1)
    await absent.dispose()


async def test_a_waiting_job_is_cancelled(database: Database, queue: JobQueue) -> None:
    seen = Seen()
    queue.register("note", seen, queue="work")
    async with database.transaction() as tx:
        job, other = await queue.enqueue_many(tx, "note", [{"n": 1}, {"n": 2}])
        assert await queue.cancel(tx, job)
    async with working(queue):
        await ended(database, queue, other)
    assert seen.args == [{"n": 2}]
    async with database.transaction() as tx:
        assert not await queue.cancel(tx, job)
        assert not await queue.cancel(tx, 10**9)


async def test_a_running_jobs_handler_is_cancelled(database: Database, queue: JobQueue) -> None:
    stuck = Stuck()
    queue.register("note", stuck, queue="work")
    async with database.transaction() as tx:
        job = await queue.enqueue(tx, "note", {})
    # told of, not found by a look around
    async with working(queue, options=replace(QUICK, poll_s=3600)):
        await asyncio.wait_for(stuck.started.wait(), 10)
        async with database.transaction() as tx:
            assert await queue.cancel(tx, job)
        await asyncio.wait_for(stuck.cancelled.wait(), 10 * STRETCH)
        final = await ended(database, queue, job)
    assert (final.status, final.failures) == ("aborted", 0)


async def test_a_stopping_worker_hands_its_jobs_back(database: Database, queue: JobQueue) -> None:
    stuck = Stuck()
    queue.register("note", stuck, queue="work", retry=Retry(max_attempts=1))
    async with database.transaction() as tx:
        job = await queue.enqueue(tx, "note", {})
    async with working(queue):
        await asyncio.wait_for(stuck.started.wait(), 10)
    assert stuck.cancelled.is_set()
    now = await state(database, queue, job)
    assert (now.status, now.failures) == ("todo", 0), "no try lost"


async def test_outlives_a_cut_connection(database: Database, queue: JobQueue) -> None:
    seen = Seen()
    queue.register("note", seen, queue="work")
    async with working(queue):
        async with database.transaction() as tx:
            await queue.enqueue(tx, "note", {"n": 1})
        await until(lambda: len(seen.args) == 1)
        async with database.transaction() as tx:
            await tx.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )
        async with database.transaction() as tx:
            await queue.enqueue(tx, "note", {"n": 2})
        await until(lambda: len(seen.args) == 2)


async def test_periodic_jobs_run_by_themselves(database: Database, queue: JobQueue) -> None:
    seen = Seen()
    queue.register("tick", seen, queue="work", cron="* * * * * */1")
    async with working(queue):
        await until(lambda: len(seen.args) >= 2, timeout_s=15)
    assert all(abs(args["timestamp"] - time.time()) < 60 for args in seen.args)


async def test_ended_jobs_are_forgotten(database: Database, queue: JobQueue) -> None:
    async def handler(args: Args) -> None:
        if args["n"] == 1:
            raise OSError("no")

    queue.register("note", handler, queue="work", retry=Retry(max_attempts=1))
    async with database.transaction() as tx:
        jobs = await queue.enqueue_many(tx, "note", [{"n": 0}, {"n": 1}])
        waiting = await queue.enqueue(tx, "note", {"n": 2}, schedule_at=datetime.now(UTC) + timedelta(days=1))
    async with working(queue):
        for job in jobs:
            await ended(database, queue, job)
    async with database.transaction() as tx:
        assert await prune(tx) == 0, "too young"
        assert await prune(tx, succeeded_after_s=0) == 1
        assert await prune(tx, succeeded_after_s=0, failed_after_s=0) == 1
        assert (await tx.execute(text("SELECT count(*) FROM job_failures"))).scalar_one() == 0
        assert (await queue.state(tx, waiting)).status == "todo"
        assert await queue.depth(tx) == {("work", "todo"): 1}
        with pytest.raises(NotFound):
            await queue.state(tx, jobs[0])


def test_a_name_is_registered_once(queue: JobQueue) -> None:
    queue.register("note", Seen(), queue="work")
    with pytest.raises(ValueError, match="twice"):
        queue.register("note", Seen(), queue="work")


async def test_jobs_are_served_in_turn(database: Database, queue: JobQueue) -> None:
    """A newcomer's first job stands behind one of each other, however many those have waiting."""
    order: list[str] = []

    async def handler(args: Args) -> None:
        order.append(args["name"])

    queue.register("turned", handler, queue="turns")
    async with database.transaction() as tx:
        for n in range(20):
            await queue.enqueue(tx, "turned", {"name": f"many {n}"}, turn=1)
        for n in range(3):
            await queue.enqueue(tx, "turned", {"name": f"few {n}"}, turn=2)
        await queue.enqueue(tx, "turned", {"name": "one 0"}, turn=3)
    async with working(queue, "turns"):
        await until(lambda: len(order) == 24)
    assert order.index("one 0") <= 2
    assert [order.index(f"few {n}") for n in range(3)] == sorted(order.index(f"few {n}") for n in range(3))
    assert order.index("few 2") <= 8
    own = [name for name in order if name.startswith("many")]
    assert own == [f"many {n}" for n in range(20)]


async def test_a_job_that_waited_for_a_lock_starts_when_it_is_free(
    database: Database, queue: JobQueue
) -> None:
    """Not at the worker's next look around, which is an hour away."""
    begun: list[int] = []
    go = asyncio.Event()

    async def handler(args: Args) -> None:
        begun.append(1)
        await go.wait()

    queue.register("locked", handler, queue="locks", lock_template="same")
    async with working(queue, "locks", concurrency=2, options=replace(QUICK, poll_s=3600)):
        async with database.transaction() as tx:
            await queue.enqueue(tx, "locked", {})
            await queue.enqueue(tx, "locked", {})
        await until(lambda: begun)
        go.set()
        await until(lambda: len(begun) == 2, timeout_s=10)


async def test_a_job_that_fails_while_the_next_one_waits_is_tried_again(
    database: Database, queue: JobQueue
) -> None:
    """Both had the same queueing lock: going back, the first must not collide with the second."""
    tries: list[int] = []
    go = asyncio.Event()

    async def handler(args: Args) -> None:
        tries.append(args["n"])
        await go.wait()
        if tries == [1]:
            raise OSError("once")

    queue.register("wished", handler, queue="wishes", retry=Retry(backoff=AT_ONCE), lock_template="one")
    async with working(queue, "wishes", concurrency=2):
        async with database.transaction() as tx:
            first = await queue.enqueue(tx, "wished", {"n": 1}, queueing_lock="w")
        await until(lambda: tries)
        async with database.transaction() as tx:
            second = await queue.enqueue(tx, "wished", {"n": 2}, queueing_lock="w")
        assert second != first
        go.set()
        assert (await ended(database, queue, first)).status == "succeeded"
        assert (await ended(database, queue, second)).status == "succeeded"
    assert sorted(tries) == [1, 1, 2]
