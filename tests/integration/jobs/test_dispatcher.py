"""Chunks are released in turn over tenants, never many at a time."""

import asyncio
from collections.abc import Sequence

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from polycast.db.engine import Database
from polycast.jobs.dispatcher import Dispatcher
from polycast.jobs.queue import JobQueue
from polycast.jobs.registry import Args, Failure
from polycast.jobs.retry import Backoff, Retry
from tests.support.jobs import working
from tests.support.waiting import until

_PARENTS = """
    WITH o AS (INSERT INTO organizations (name) VALUES (:name) RETURNING num),
    t AS (INSERT INTO tenants (organization_num, name, slug) SELECT num, :name, :name FROM o RETURNING num),
    a AS (INSERT INTO assets (tenant_num, preset) SELECT num, 'p' FROM t RETURNING num, tenant_num),
    u AS (
        INSERT INTO outputs (asset_num, tenant_num, name, preset, kind)
        SELECT num, tenant_num, 'main', 'p', 'stream' FROM a RETURNING num, asset_num, tenant_num
    ),
    g AS (
        INSERT INTO generations (asset_num, output_num, number)
        SELECT asset_num, num, 1 FROM u RETURNING num
    )
    SELECT u.tenant_num, u.asset_num, u.num AS output_num, g.num AS generation_num FROM u, g
"""
_CHUNKS = text("""
    INSERT INTO chunk_jobs (tenant_num, asset_num, output_num, generation_num, kind, position, priority)
    SELECT :tenant_num, :asset_num, :output_num, :generation_num, 'video', n, :priority
    FROM generate_series(1, :count) n
    RETURNING num
""")
_DONE = text("UPDATE chunk_jobs SET state = 'done' WHERE num = :num")


async def hold(tx: AsyncConnection, tenant: str, count: int, priority: int = 0) -> list[int]:
    """`count` held chunks of a new asset of a new tenant."""
    parents = (await tx.execute(text(_PARENTS), {"name": tenant})).mappings().one()
    rows = await tx.execute(_CHUNKS, {**parents, "count": count, "priority": priority})
    await Dispatcher.ring(tx)
    return list(rows.scalars())


class Encoder:
    """Marks its chunks done, and remembers their order and how many stood in the queue."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.done: list[int] = []
        self.most_outstanding = 0

    async def __call__(self, args: Args) -> None:
        async with self.database.transaction() as tx:
            count = text("SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing')")
            self.most_outstanding = max(self.most_outstanding, (await tx.execute(count)).scalar_one())
            await tx.execute(_DONE, {"num": args["chunk"]})
        self.done.append(args["chunk"])


@pytest.fixture
def queue(database: Database) -> JobQueue:
    return JobQueue(database.url, database.transaction)


async def _run(queue: JobQueue, dispatchers: Sequence[Dispatcher], stop: asyncio.Event) -> None:
    await asyncio.gather(*(dispatcher.run(stop) for dispatcher in dispatchers))


async def test_one_tenants_thousand_do_not_starve_anothers_one(database: Database, queue: JobQueue) -> None:
    encoder = Encoder(database)
    dispatchers = [Dispatcher(queue, "encode", slots=2) for _ in range(2)]
    dispatchers[0].register(encoder, queue="work")
    async with database.transaction() as tx:
        many = await hold(tx, "many", 1000, priority=5)
    stop = asyncio.Event()
    running = asyncio.create_task(_run(queue, dispatchers, stop))
    async with working(queue, concurrency=2):
        await until(lambda: len(encoder.done) >= 10)
        async with database.transaction() as tx:
            [one] = await hold(tx, "one", 1)
        at = len(encoder.done)  # only from the commit on is there anybody to be kept waiting
        await until(lambda: one in encoder.done)
        passed = encoder.done.index(one) - at
        # what was already in the queue or at work goes first, and little else
        assert passed <= 12, passed
        assert encoder.most_outstanding <= 5
        assert len(encoder.done) < len(many)
        stop.set()
        await asyncio.wait_for(running, 10)


async def test_all_are_released_once(database: Database, queue: JobQueue) -> None:
    encoder = Encoder(database)
    dispatchers = [Dispatcher(queue, "encode", slots=2) for _ in range(3)]
    dispatchers[0].register(encoder, queue="work")
    stop = asyncio.Event()
    running = asyncio.create_task(_run(queue, dispatchers, stop))
    async with working(queue, concurrency=3):
        async with database.transaction() as tx:
            chunks = await hold(tx, "a", 30) + await hold(tx, "b", 20)
        await until(lambda: len(encoder.done) >= len(chunks), timeout_s=20)
        stop.set()
        await asyncio.wait_for(running, 10)
    assert sorted(encoder.done) == sorted(chunks)


async def test_a_chunk_whose_job_vanished_is_released_again(database: Database, queue: JobQueue) -> None:
    encoder = Encoder(database)
    dispatcher = Dispatcher(queue, "encode", slots=1, tidy_s=0.1)
    dispatcher.register(encoder, queue="work")
    async with database.transaction() as tx:
        [chunk] = await hold(tx, "a", 1)
    assert await dispatcher.dispatch() == 1
    async with database.transaction() as tx:
        await tx.execute(text("DELETE FROM procrastinate_jobs"))
    stop = asyncio.Event()
    running = asyncio.create_task(dispatcher.run(stop))
    async with working(queue):
        await until(lambda: encoder.done == [chunk])
        stop.set()
        await asyncio.wait_for(running, 10)


async def test_a_failed_chunk_stays_failed(database: Database, queue: JobQueue) -> None:
    tries = 0

    async def encode(args: Args) -> None:
        nonlocal tries
        tries += 1
        raise OSError("disk")

    async def on_failed(args: Args, failure: Failure) -> None:
        async with database.transaction() as tx:
            query = text("UPDATE chunk_jobs SET state = 'failed', error = :why WHERE num = :num")
            await tx.execute(query, {"num": args["chunk"], "why": failure.code})

    dispatcher = Dispatcher(queue, "encode", slots=1, tidy_s=0.05)
    retry = Retry(max_attempts=2, backoff=Backoff(first_s=0.01))
    dispatcher.register(encode, queue="work", retry=retry, on_failed=on_failed)
    async with database.transaction() as tx:
        await hold(tx, "a", 1)

    async def failed() -> bool:
        async with database.connect() as connection:
            query = text(
                "SELECT 1 FROM chunk_jobs c JOIN procrastinate_jobs j ON j.id = c.job_id "
                "WHERE c.state = 'failed' AND j.status = 'failed'"
            )
            return (await connection.execute(query)).first() is not None

    stop = asyncio.Event()
    running = asyncio.create_task(dispatcher.run(stop))
    async with working(queue):
        await until(failed)
        assert await dispatcher.dispatch() == 0
        stop.set()
        await asyncio.wait_for(running, 10)
    assert tries == 2
