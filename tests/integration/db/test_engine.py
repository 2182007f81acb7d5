"""Transactions, limits and races on a real server."""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from polycast.db.engine import Database, retrying, sqlstate
from polycast.db.urls import plain_url
from polycast.domain.errors import DatabaseUnavailable, Unavailable


async def _count(database: Database) -> int:
    async with database.connect() as connection:
        return int((await connection.execute(text("SELECT count(*) FROM organizations"))).scalar_one())


INSERT = text("INSERT INTO organizations (name) VALUES (:name)")


async def test_commits_and_rolls_back(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.execute(INSERT, {"name": "kept"})
    with pytest.raises(RuntimeError):
        async with database.transaction() as tx:
            await tx.execute(INSERT, {"name": "lost"})
            raise RuntimeError
    async with database.connect() as connection:
        await connection.execute(INSERT, {"name": "never committed"})
    assert await _count(database) == 1


async def test_a_cancelled_transaction_is_rolled_back(database: Database) -> None:
    begun = asyncio.Event()

    async def work() -> None:
        async with database.transaction() as tx:
            await tx.execute(INSERT, {"name": "x"})
            begun.set()
            await tx.execute(text("SELECT pg_sleep(30)"))

    task = asyncio.create_task(work())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await _count(database) == 0


async def test_slow_statements_and_locks_are_ended(database_url: str) -> None:
    database = Database(database_url, statement_timeout_s=0.2, lock_timeout_s=0.1)
    try:
        for begin in (database.transaction, database.connect, database.read):
            with pytest.raises(DatabaseUnavailable) as slow:
                async with begin() as tx:
                    await tx.execute(text("SELECT pg_sleep(30)"))
            assert sqlstate(slow.value.__cause__ or slow.value) == "57014"
        async with database.transaction() as holder:
            await holder.execute(text("LOCK TABLE organizations"))
            with pytest.raises(DatabaseUnavailable) as locked:
                async with database.transaction() as tx:
                    await tx.execute(INSERT, {"name": "x"})
            assert sqlstate(locked.value.__cause__ or locked.value) == "55P03"
    finally:
        await database.dispose()


async def test_no_free_connection_is_unavailable(database_url: str) -> None:
    """The database is there, but all connections to it are busy: what is known may be used meanwhile."""
    database = Database(database_url, pool_size=1, overflow=0, pool_timeout_s=0.1)
    try:
        async with database.connect():
            for begin in (database.transaction, database.connect, database.read):
                with pytest.raises(DatabaseUnavailable):
                    async with begin():
                        pass
        await database.ping()
    finally:
        await database.dispose()


async def test_survives_a_cut_connection(database: Database) -> None:
    async with database.connect() as connection:
        pid = (await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one()
    other = Database(database.url)
    async with other.connect() as connection:
        await connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
    await other.dispose()
    await database.ping()


async def test_a_connection_lost_in_the_middle_is_unavailable(database: Database) -> None:
    other = Database(database.url)
    with pytest.raises(DatabaseUnavailable):
        async with database.transaction() as tx:
            pid = (await tx.execute(text("SELECT pg_backend_pid()"))).scalar_one()
            async with other.connect() as connection:
                await connection.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
            await tx.execute(text("SELECT 1"))
    await other.dispose()
    await database.ping()


async def test_an_absent_server_is_unavailable() -> None:
    database = Database("postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(Unavailable):
        await database.ping()
    await database.dispose()


async def test_a_lost_race_is_run_again(database: Database) -> None:
    """Both look, see nothing and insert: the loser begins anew and finds the winner's row."""
    together = asyncio.Barrier(2)
    tries = 0

    async def ensure() -> int:
        nonlocal tries
        tries += 1
        first = tries <= 2
        async with database.transaction() as tx:
            found = (await tx.execute(text("SELECT num FROM tenants WHERE slug = 'x'"))).scalar()
            if found is not None:
                return int(found)
            if first:
                await together.wait()
            await tx.execute(INSERT, {"name": "o"})
            query = text(
                "INSERT INTO tenants (organization_num, name, slug) SELECT max(num), 'x', 'x' FROM organizations "
                "RETURNING num"
            )
            return int((await tx.execute(query)).scalar_one())

    a, b = await asyncio.gather(retrying(ensure), retrying(ensure))
    assert a == b
    assert tries == 3
    assert await _count(database) == 1


async def test_a_violation_that_stays_is_raised(database: Database) -> None:
    async def work() -> None:
        async with database.transaction() as tx:
            await tx.execute(
                text(
                    "INSERT INTO organizations (name, uid) SELECT 'x', '00000000-0000-4000-8000-000000000000' "
                    "FROM generate_series(1, 2)"
                )
            )

    with pytest.raises(DBAPIError):
        await retrying(work, attempts=2)


def test_urls() -> None:
    assert plain_url("postgresql+psycopg://u@h/d") == "postgresql://u@h/d"
    assert plain_url("postgres://u@h/d") == "postgresql://u@h/d"
    with pytest.raises(Unavailable):
        plain_url("mysql://h/d")
