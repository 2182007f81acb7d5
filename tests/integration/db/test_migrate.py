"""Migrations: the tables they make are the tables the code knows."""

import asyncio

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, make_url, text

from polycast.db import migrate
from polycast.db.engine import Database
from polycast.db.tables import metadata
from polycast.domain.errors import Conflict
from tests.support.postgres import RunPostgres


def test_migrations_make_the_tables_of_the_code(database_url: str) -> None:
    engine = create_engine(make_url(database_url).set(drivername="postgresql+psycopg"))
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "include_object": lambda _object, name, kind, _reflected, _other: migrate.is_ours(kind, name)
            },
        )
        difference = compare_metadata(context, metadata)
    engine.dispose()
    assert difference == [], "run scripts/new_migration.py"


async def test_many_processes_may_migrate_at_once(postgres: RunPostgres) -> None:
    url = postgres.create(empty=True)
    try:
        assert await migrate.pending(url)
        await asyncio.gather(*(migrate.upgrade(url) for _ in range(3)))
        assert not await migrate.pending(url)
        await migrate.upgrade(url)
        database = Database(url)
        async with database.connect() as connection:
            assert (
                await connection.execute(text("SELECT count(*) FROM procrastinate_jobs"))
            ).scalar_one() == 0
        await database.dispose()
    finally:
        postgres.drop(url)


@pytest.mark.parametrize(
    "newer", ["UPDATE alembic_version SET version_num = '9999'", "UPDATE queue_schema SET version = '99.sql'"]
)
async def test_a_newer_schema_is_refused(database: Database, newer: str) -> None:
    async with database.transaction() as tx:
        await tx.execute(text(newer))
    with pytest.raises(Conflict, match="newer"):
        await migrate.upgrade(database.url)
    with pytest.raises(Conflict, match="newer"):
        await migrate.pending(database.url)


async def test_the_queues_schema_grows_file_by_file(postgres: RunPostgres) -> None:
    """A database whose queue is one release behind gets just the files that came since."""
    url = postgres.create()
    database = Database(url)
    try:
        async with database.transaction() as tx:
            await tx.execute(
                text("DROP FUNCTION procrastinate_trigger_function_status_events_update_v1 CASCADE")
            )
            await tx.execute(
                text("UPDATE queue_schema SET version = '03.04.00_01_pre_add_retry_failed_job_procedure.sql'")
            )
        assert await migrate.pending(url)
        await migrate.upgrade(url)
        async with database.connect() as connection:
            query = text(
                "SELECT count(*) FROM pg_trigger WHERE tgname = 'procrastinate_trigger_status_events_update_v1'"
            )
            assert (await connection.execute(query)).scalar_one() == 1
    finally:
        await database.dispose()
        postgres.drop(url)
