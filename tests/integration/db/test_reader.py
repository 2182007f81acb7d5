"""Reads straight by psycopg: what a cut connection, a cancelled call and a crowd do to them."""

import asyncio

import pytest

from polycast.db.engine import Database
from polycast.domain.errors import Unavailable
from tests.support.waiting import until

PID = "SELECT pg_backend_pid()"
SLEEP = "SELECT pg_sleep(30)::text"


async def test_connections_are_kept_and_a_cut_one_is_replaced(database: Database) -> None:
    first = await database.reader.one(PID, {})
    assert first is not None and await database.reader.one(PID, {}) == first
    other = Database(database.url)
    assert await other.reader.one("SELECT pg_terminate_backend(%(pid)s, 5000)", {"pid": first[0]}) == (True,)
    await other.dispose()
    second = await database.reader.one(PID, {})
    assert second is not None and second != first


async def test_a_cancelled_read_leaves_nothing_behind(database: Database) -> None:
    task = asyncio.create_task(database.reader.one(SLEEP, {}))
    watched = {"q": f"{SLEEP}%"}
    active = (
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE %(q)s AND state = 'active' "
        "AND datname = current_database()"
    )

    async def running(count: int) -> bool:
        return await database.reader.one(active, watched) == (count,)

    await until(lambda: running(1))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: running(0))


async def test_slow_statements_are_ended(database_url: str) -> None:
    database = Database(database_url, statement_timeout_s=0.2)
    try:
        with pytest.raises(Unavailable):
            await database.reader.one(SLEEP, {})
        assert await database.reader.one("SELECT %(n)s::int", {"n": 1}) == (1,)
    finally:
        await database.dispose()


async def test_a_crowd_waits_for_its_turn(database_url: str) -> None:
    database = Database(database_url, readers=2)
    try:
        found = await asyncio.gather(*(database.reader.one(PID, {}) for _ in range(20)))
        assert len(set(found)) <= 2
    finally:
        await database.dispose()
    impatient = Database(database_url, readers=1, pool_timeout_s=0.05)
    try:
        busy = asyncio.create_task(impatient.reader.one(SLEEP, {}))
        await asyncio.sleep(0)
        with pytest.raises(Unavailable, match="busy"):
            await impatient.reader.one(PID, {})
        busy.cancel()
        await asyncio.gather(busy, return_exceptions=True)
        assert await impatient.reader.one(PID, {}) is not None
    finally:
        await impatient.dispose()


async def test_an_absent_server_is_unavailable() -> None:
    database = Database("postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(Unavailable):
        await database.reader.one(PID, {})
