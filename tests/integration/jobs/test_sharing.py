"""Places that owners share: the jobs of one, however many and however long, leave room for another one's first."""

import asyncio
from collections import Counter
from dataclasses import replace
from functools import partial

import pytest

from polycast.db.engine import Database
from polycast.jobs.queue import JobQueue
from polycast.jobs.registry import Args
from tests.support.jobs import QUICK, working
from tests.support.waiting import until

SHARING = replace(QUICK, leave_room=True)


class Slow:
    """A kind of job that works until it is let go, counted by owner."""

    def __init__(self) -> None:
        self.inside: Counter[object] = Counter()
        self.begun: list[object] = []
        self._ends: dict[object, list[asyncio.Event]] = {}

    async def __call__(self, args: Args) -> None:
        owner = args.get("turn")
        end = asyncio.Event()
        self._ends.setdefault(owner, []).append(end)
        self.inside[owner] += 1
        self.begun.append(owner)
        try:
            await end.wait()
        finally:
            self.inside[owner] -= 1

    def holds(self, owner: object, places: int) -> bool:
        return self.inside[owner] == places

    def let_go(self, owner: object) -> None:
        """End the longest-running job of an owner."""
        self._ends[owner].pop(0).set()


@pytest.fixture
def queue(database: Database) -> JobQueue:
    return JobQueue(database.url, database.transaction)


async def _add(queue: JobQueue, owner: int | None, count: int) -> None:
    async with queue.transaction() as tx:
        for _ in range(count):
            await queue.enqueue(tx, "slow", {}, turn=owner)


async def test_nobody_takes_the_last_places(queue: JobQueue) -> None:
    slow = Slow()
    queue.register("slow", slow, queue="work")
    async with working(queue, concurrency=8, options=replace(SHARING, poll_s=3600)):
        await _add(queue, 1, 50)
        await until(lambda: slow.inside[1] == 4, what="half of the places")
        for owner, places in ((2, 2), (3, 1), (4, 1)):
            await _add(queue, owner, 50)
            await until(partial(slow.holds, owner, places), what=f"owner {owner} works")
        await _add(queue, 5, 1)
        # a place that is given back goes to who waits for his first one
        slow.let_go(1)
        await until(lambda: slow.inside[5] == 1, what="the newcomer works")
        assert slow.inside == {1: 3, 2: 2, 3: 1, 4: 1, 5: 1}
    assert slow.begun[:4] == [1] * 4


async def test_all_of_it_is_worked_off(queue: JobQueue) -> None:
    done: list[object] = []

    async def quick(args: Args) -> None:
        done.append(args.get("turn"))

    queue.register("slow", quick, queue="work")
    for owner in (1, 2, None):
        await _add(queue, owner, 20)
    async with working(queue, concurrency=3, options=replace(SHARING, poll_s=3600)):
        await until(lambda: len(done) == 60, what="every job has run")


async def test_jobs_of_nobody_take_any_place(queue: JobQueue) -> None:
    slow = Slow()
    queue.register("slow", slow, queue="work")
    await _add(queue, None, 5)
    async with working(queue, concurrency=4, options=SHARING):
        await until(lambda: slow.inside[None] == 4, what="all places")


async def test_one_at_a_time_under_a_lock(queue: JobQueue) -> None:
    slow = Slow()
    queue.register("slow", slow, queue="work")
    async with queue.transaction() as tx:
        for _ in range(3):
            await queue.enqueue(tx, "slow", {}, turn=1, lock="same")
        await queue.enqueue(tx, "slow", {}, turn=2)
    async with working(queue, concurrency=8, options=SHARING):
        await until(lambda: slow.inside[2] == 1, what="another lock")
        assert slow.inside[1] == 1
        slow.let_go(1)
        await until(lambda: slow.begun.count(1) == 2, what="the next under the lock")
        assert slow.inside[1] == 1
