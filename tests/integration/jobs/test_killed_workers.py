"""kill -9 of worker processes: their jobs are taken over, counted, given up in the end."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import pytest_asyncio
from sqlalchemy import text

from polycast.db.engine import Database
from polycast.jobs import recovery
from polycast.jobs.queue import JobQueue
from polycast.jobs.registry import Args, Failure
from polycast.jobs.retry import Retry
from tests.support.jobs import ended, state, working
from tests.support.waiting import until


@pytest_asyncio.fixture
async def start(database_url: str, tmp_path: Path) -> AsyncIterator[Callable[[], "subprocess.Popen[bytes]"]]:
    """Starts worker processes that hang in their jobs, and note each start in `noted`."""
    processes: list[subprocess.Popen[bytes]] = []

    def _start() -> "subprocess.Popen[bytes]":
        argv = [
            sys.executable,
            "-m",
            "tests.support.job_process",
            database_url,
            "hang",
            str(tmp_path / "noted"),
        ]
        processes.append(subprocess.Popen(argv))
        return processes[-1]

    yield _start
    for process in processes:
        process.kill()
        process.wait()


def _noted(tmp_path: Path) -> list[str]:
    path = tmp_path / "noted"
    return path.read_text().split() if path.exists() else []


def _has(tmp_path: Path, starts: list[str]) -> bool:
    return _noted(tmp_path) == starts


async def _nothing(args: Args) -> None:
    return None


async def test_jobs_of_a_killed_worker_are_taken_over(
    database: Database, start: Callable[[], "subprocess.Popen[bytes]"], tmp_path: Path
) -> None:
    queue = JobQueue(database.url, database.transaction)
    queue.register("note", _nothing, queue="work", retry=Retry(max_attempts=3))
    async with database.transaction() as tx:
        jobs = await queue.enqueue_many(tx, "note", [{"n": 1}, {"n": 2}])
    process = start()
    await until(lambda: len(_noted(tmp_path)) == 2, timeout_s=20)
    process.kill()
    async with working(queue):
        finals = [await ended(database, queue, job, timeout_s=10) for job in jobs]
    assert [(f.status, f.failures, f.last_code) for f in finals] == [("succeeded", 1, "lost")] * 2


async def test_a_job_that_kills_its_workers_is_given_up(
    database: Database, start: Callable[[], "subprocess.Popen[bytes]"], tmp_path: Path
) -> None:
    told: list[Failure] = []

    async def on_failed(args: Args, failure: Failure) -> None:
        told.append(failure)

    queue = JobQueue(database.url, database.transaction)
    queue.register("note", _nothing, queue="work", retry=Retry(max_attempts=2), on_failed=on_failed)
    async with database.transaction() as tx:
        job = await queue.enqueue(tx, "note", {"n": 1})
    for kill in (1, 2):
        process = start()
        starts = ["1"] * kill
        await until(partial(_has, tmp_path, starts), timeout_s=20)
        process.kill()
        process.wait()
    # a worker of another queue watches over this one too
    async with working(queue, "other"):
        final = await ended(database, queue, job)
    assert (final.status, final.failures) == ("failed", 2)
    assert [(f.code, f.attempts) for f in told] == [("lost", 2)]


async def test_who_is_told_may_change_the_job(
    database: Database, start: Callable[[], "subprocess.Popen[bytes]"], tmp_path: Path
) -> None:
    """As it does whose work is deleted in this moment: nothing of the job is held while somebody is told."""
    told: list[Failure] = []

    async def on_failed(args: Args, failure: Failure) -> None:
        told.append(failure)
        async with database.transaction() as tx:
            assert await queue.cancel(tx, job)

    queue = JobQueue(database.url, database.transaction)
    queue.register("note", _nothing, queue="work", retry=Retry(max_attempts=1), on_failed=on_failed)
    async with database.transaction() as tx:
        job = await queue.enqueue(tx, "note", {"n": 1})
    process = start()
    await until(lambda: _noted(tmp_path), timeout_s=20)
    process.kill()
    async with working(queue, "other"):
        final = await ended(database, queue, job, timeout_s=8)
    assert (final.status, final.failures) == ("failed", 1)
    assert len(told) == 1


async def test_of_many_who_watch_one_tells(
    database: Database, start: Callable[[], "subprocess.Popen[bytes]"], tmp_path: Path
) -> None:
    told: list[Failure] = []
    others_have_looked = asyncio.Event()

    async def on_failed(args: Args, failure: Failure) -> None:
        told.append(failure)
        await others_have_looked.wait()

    queue = JobQueue(database.url, database.transaction)
    queue.register("note", _nothing, queue="work", retry=Retry(max_attempts=1), on_failed=on_failed)
    async with database.transaction() as tx:
        job = await queue.enqueue(tx, "note", {"n": 1})
    process = start()
    await until(lambda: _noted(tmp_path), timeout_s=20)
    process.kill()
    process.wait()
    telling = asyncio.create_task(recovery.take_over(queue, 0.0))
    await until(lambda: told)
    await asyncio.gather(*(recovery.take_over(queue, 0.0) for _ in range(3)))
    others_have_looked.set()
    await telling
    final = await state(database, queue, job)
    assert (final.status, final.failures, len(told)) == ("failed", 1, 1)


async def test_a_job_cancelled_while_its_worker_was_dead_ends(
    database: Database, start: Callable[[], "subprocess.Popen[bytes]"], tmp_path: Path
) -> None:
    queue = JobQueue(database.url, database.transaction)
    queue.register("note", _nothing, queue="work")
    async with database.transaction() as tx:
        job = await queue.enqueue(tx, "note", {"n": 1})
    process = start()
    await until(lambda: _noted(tmp_path), timeout_s=20)
    process.kill()
    async with database.transaction() as tx:
        assert await queue.cancel(tx, job)
    async with working(queue):
        assert (await ended(database, queue, job)).status == "aborted"


async def test_a_lost_job_whose_successor_waits_holds_nobody_up(
    database: Database, start: Callable[[], "subprocess.Popen[bytes]"], tmp_path: Path
) -> None:
    """Both have the same queueing lock, of which only one may wait; others' jobs are taken over, too."""
    queue = JobQueue(database.url, database.transaction)
    queue.register("note", _nothing, queue="work", retry=Retry(max_attempts=3))
    async with database.transaction() as tx:
        lost = await queue.enqueue(tx, "note", {"n": 1}, queueing_lock="n")
    process = start()
    await until(lambda: _noted(tmp_path), timeout_s=20)
    process.kill()
    process.wait()
    async with database.transaction() as tx:
        successor = await queue.enqueue(tx, "note", {"n": 2}, queueing_lock="n")
        await tx.execute(
            # as if it had died before it could let go of its lock
            text("UPDATE procrastinate_jobs SET queueing_lock = 'n' WHERE id = :id"),
            {"id": lost},
        )
    async with working(queue):
        for job in (lost, successor):
            assert (await ended(database, queue, job)).status == "succeeded"


async def test_a_living_workers_jobs_are_left_alone(
    database: Database, start: Callable[[], "subprocess.Popen[bytes]"], tmp_path: Path
) -> None:
    queue = JobQueue(database.url, database.transaction)
    queue.register("note", _nothing, queue="work")
    async with database.transaction() as tx:
        job = await queue.enqueue(tx, "note", {"n": 1})
    start()
    await until(lambda: _noted(tmp_path), timeout_s=20)
    async with working(queue, "other"):
        # long enough for the watch to have looked ten times past the limit
        await asyncio.sleep(1.5)
    assert (await state(database, queue, job)).status == "doing"
    assert _noted(tmp_path) == ["1"]
