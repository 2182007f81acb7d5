"""Brings a database to the schema of this release: our tables by Alembic, the queue's by its own SQL files.

Everything happens under one advisory lock, so any number of processes may start at once. There is no way
back: a release that finds a newer schema refuses to start; the way back is a backup.
"""

import asyncio
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from polycast.db.urls import plain_url
from polycast.domain.errors import Conflict, Unavailable

LOCK_KEY = 0x506F6C7963617374  # "Polycast"
_VERSIONS = Path(__file__).parent / "migrations" / "versions"
_QUEUE_TABLE = "queue_schema"

Connection = psycopg.Connection[Any]
"""Plain psycopg: a start that has nothing to migrate does not load SQLAlchemy for it."""


async def upgrade(url: str) -> None:
    """Bring the database to this release's schema. Idempotent; quick when nothing is to do.

    Raises:
        Conflict: the database was written by a newer release.
        Unavailable: no connection.
        sqlalchemy.exc.DBAPIError, psycopg.Error: a step failed; the steps before it stay done.
    """
    await asyncio.to_thread(upgrade_blocking, url)


def upgrade_blocking(url: str) -> None:
    """`upgrade`, for callers without an event loop."""
    with _connected(url) as connection:
        # alone: the lock goes with the connection, even when this process is killed
        connection.execute("SELECT pg_advisory_lock(%s)", (LOCK_KEY,))
        refuse_newer(_written(connection))
        if _revision(connection) != head():
            _run_alembic(url)
        _upgrade_queue(connection)


async def pending(url: str) -> bool:
    """Whether `upgrade` has something to do.

    Raises:
        Conflict: the database was written by a newer release.
        Unavailable: no connection.
    """
    return await asyncio.to_thread(pending_blocking, url)


def pending_blocking(url: str) -> bool:
    """`pending`, for callers without an event loop."""
    with _connected(url) as connection:
        refuse_newer(_written(connection))
        return _revision(connection) != head() or _queue_version(connection) != _queue_files()[-1].name


def wait_blocking(url: str, *, timeout_s: float = 60.0, every_s: float = 0.02) -> None:
    """Wait until somebody has brought the database to this release's schema.

    Raises:
        Conflict: it was written by a newer release.
        Unavailable: not in time.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        why = "the database is not at this release's schema"
        try:
            if not pending_blocking(url):
                return
        except Unavailable as error:
            why = error.message
        if time.monotonic() > deadline:
            raise Unavailable(why)
        time.sleep(every_s)


@dataclass(frozen=True, slots=True)
class Written:
    """By which release a database was written: the newest revision of our tables, and of the queue's.

    Both are None in an empty database.
    """

    schema: str | None
    queue: str | None


async def written(url: str) -> Written:
    """How far a database's tables are. Nothing is changed.

    Raises:
        Unavailable: no connection.
    """

    def look() -> Written:
        with _connected(url) as connection:
            return _written(connection)

    return await asyncio.to_thread(look)


def refuse_newer(found: Written) -> None:
    """Raises Conflict when a newer release wrote it."""
    if found.schema is not None and found.schema not in _revisions():
        raise Conflict(
            f"the database was written by a newer Polycast (schema {found.schema}, this one knows {head()})"
        )
    if found.queue is not None and found.queue > _queue_files()[-1].name:
        raise Conflict(f"the job queue was written by a newer Polycast (schema {found.queue})")


def is_ours(kind: str, name: str | None) -> bool:
    """Whether an object of the database belongs to our tables; the queue's are not compared with them."""
    return not (kind == "table" and name and (name.startswith("procrastinate_") or name == _QUEUE_TABLE))


# -- our tables


def head() -> str:
    """The newest revision, read from the files: importing Alembic would cost each start a tenth of a second."""
    revisions = _revisions()
    newest = set(revisions) - set(revisions.values())
    if len(newest) != 1:
        raise AssertionError(f"migrations must form one line, these have no successor: {sorted(newest)}")
    return newest.pop()


def _revisions() -> dict[str, str | None]:
    """Revision -> its predecessor."""
    found: dict[str, str | None] = {}
    for path in _VERSIONS.glob("[0-9]*.py"):
        words = dict(
            re.findall(
                r"^(revision|down_revision) = (?:None|[\"'](.*?)[\"'])$", path.read_text(), re.MULTILINE
            )
        )
        found[words["revision"]] = words["down_revision"] or None
    return found


def _revision(connection: Connection) -> str | None:
    return _value(connection, "alembic_version", "version_num")


def _value(connection: Connection, table: str, column: str) -> str | None:
    """The one value of a one-row table; None when there is no such table or row."""
    if connection.execute("SELECT to_regclass(%s)", (table,)).fetchone() == (None,):
        return None
    query = sql.SQL("SELECT {} FROM {}").format(sql.Identifier(column), sql.Identifier(table))
    row = connection.execute(query).fetchone()
    return None if row is None else str(row[0])


def _written(connection: Connection) -> Written:
    return Written(_revision(connection), _queue_version(connection))


def _run_alembic(url: str) -> None:
    """All steps to the newest, each in a transaction of its own, on a connection of their own."""
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine, make_url
    from sqlalchemy.pool import NullPool

    engine = create_engine(
        make_url(plain_url(url)).set(drivername="postgresql+psycopg"),
        poolclass=NullPool,
        # a change that waits for a lock stands in the way of everybody behind it: rather fail and be retried
        connect_args={"options": "-c lock_timeout=30s"},
    )
    with engine.connect() as connection:
        config = Config()
        config.set_main_option("script_location", str(_VERSIONS.parent))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()
    engine.dispose()


# -- the queue's tables


def _queue_files() -> list[Path]:
    folder = Path(str(resources.files("procrastinate.sql"))) / "migrations"
    return sorted(folder.glob("*.sql"))


def _queue_version(connection: Connection) -> str | None:
    """Name of the last of the queue's files that was applied."""
    return _value(connection, _QUEUE_TABLE, "version")


def _upgrade_queue(connection: Connection) -> None:
    """Apply the queue's whole schema to an empty database, else the files that came since."""
    version, files = _queue_version(connection), _queue_files()
    table = sql.Identifier(_QUEUE_TABLE)
    if version is None:
        whole = resources.files("procrastinate.sql").joinpath("schema.sql").read_text(encoding="utf-8")
        with connection.transaction():
            connection.execute(whole.encode())
            connection.execute(sql.SQL("CREATE TABLE {} (version text NOT NULL)").format(table))
            connection.execute(sql.SQL("INSERT INTO {} VALUES (%s)").format(table), (files[-1].name,))
        return
    for path in files:
        if path.name > version:
            # one by one: a new value of an enum must be committed before it is used
            with connection.transaction():
                connection.execute(path.read_bytes())
                connection.execute(sql.SQL("UPDATE {} SET version = %s").format(table), (path.name,))


@contextmanager
def _connected(url: str) -> Iterator[Connection]:
    try:
        connection = psycopg.connect(
            plain_url(url), autocommit=True, connect_timeout=10, application_name="polycast migrate"
        )
    except psycopg.OperationalError as error:
        raise Unavailable("the database is not available") from error
    with connection:
        yield connection
