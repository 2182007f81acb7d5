"""Brings a database to the schema of this release: our tables by Alembic, the queue's by its own SQL files.

Everything happens under one advisory lock, so any number of processes may start at once. There is no way
back: a release that finds a newer schema refuses to start; the way back is a backup.
"""

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

from sqlalchemy import Connection, create_engine, make_url, text
from sqlalchemy.pool import NullPool

from polycast.db.engine import plain_url
from polycast.domain.errors import Conflict

LOCK_KEY = 0x506F6C7963617374  # "Polycast"
_VERSIONS = Path(__file__).parent / "migrations" / "versions"
_QUEUE_TABLE = "queue_schema"


async def upgrade(url: str) -> None:
    """Bring the database to this release's schema. Idempotent; quick when nothing is to do.

    Raises:
        Conflict: the database was written by a newer release.
        sqlalchemy.exc.DBAPIError: a step failed; the steps before it stay done.
    """
    await asyncio.to_thread(upgrade_blocking, url)


def upgrade_blocking(url: str) -> None:
    """`upgrade`, for callers without an event loop."""
    with _locked(url) as connection:
        _refuse_newer(connection)
        if _revision(connection) != head():
            _run_alembic(connection)
        _upgrade_queue(connection)


async def pending(url: str) -> bool:
    """Whether `upgrade` has something to do.

    Raises:
        Conflict: the database was written by a newer release.
    """
    return await asyncio.to_thread(_pending, url)


def _pending(url: str) -> bool:
    with _connected(url) as connection:
        _refuse_newer(connection)
        return _revision(connection) != head() or _queue_version(connection) != _queue_files()[-1].name


def is_ours(kind: str, name: str | None) -> bool:
    """Whether an object of the database belongs to our tables; the queue's are not compared with them."""
    return not (kind == "table" and name and (name.startswith("procrastinate_") or name == _QUEUE_TABLE))


# -- our tables


def head() -> str:
    """The newest revision, read from the files: importing Alembic would cost each start a tenth of a second."""
    revisions = _revisions()
    newest = set(revisions) - set(revisions.values())
    if len(newest) != 1:
        raise AssertionError(
            f"migrations must form one line, these have no successor: {sorted(map(str, newest))}"
        )
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
    if connection.scalar(text("SELECT to_regclass('alembic_version')")) is None:
        return None
    revision = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return None if revision is None else str(revision)


def _refuse_newer(connection: Connection) -> None:
    revision = _revision(connection)
    if revision is not None and revision not in _revisions():
        raise Conflict(
            f"the database was written by a newer Polycast (schema {revision}, this one knows {head()})"
        )
    queue = _queue_version(connection)
    if queue is not None and queue > _queue_files()[-1].name:
        raise Conflict(f"the job queue was written by a newer Polycast (schema {queue})")
    connection.rollback()


def _run_alembic(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_VERSIONS.parent))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    connection.commit()


# -- the queue's tables


def _queue_files() -> list[Path]:
    folder = Path(str(resources.files("procrastinate.sql"))) / "migrations"
    return sorted(folder.glob("*.sql"))


def _queue_version(connection: Connection) -> str | None:
    """Name of the last of the queue's files that was applied."""
    if connection.scalar(text(f"SELECT to_regclass('{_QUEUE_TABLE}')")) is None:
        return None
    version = connection.scalar(text(f"SELECT version FROM {_QUEUE_TABLE}"))  # noqa: S608 - a constant
    return None if version is None else str(version)


def _upgrade_queue(connection: Connection) -> None:
    """Apply the queue's whole schema to an empty database, else the files that came since."""
    version, files = _queue_version(connection), _queue_files()
    connection.rollback()
    if version == files[-1].name:
        return
    if version is None:
        whole = resources.files("procrastinate.sql").joinpath("schema.sql").read_text(encoding="utf-8")
        _execute_script(connection, whole)
        connection.execute(text(f"CREATE TABLE {_QUEUE_TABLE} (version text NOT NULL)"))
        connection.execute(text(f"INSERT INTO {_QUEUE_TABLE} VALUES (:v)"), {"v": files[-1].name})  # noqa: S608
        connection.commit()
        return
    for path in files:
        if path.name > version:
            _execute_script(connection, path.read_text(encoding="utf-8"))
            connection.execute(text(f"UPDATE {_QUEUE_TABLE} SET version = :v"), {"v": path.name})  # noqa: S608
            connection.commit()


def _execute_script(connection: Connection, script: str) -> None:
    """Many statements at once, which only works without parameters, hence below SQLAlchemy."""
    driver = connection.connection.driver_connection
    assert driver is not None
    driver.execute(script)


# -- connections


@contextmanager
def _connected(url: str) -> Iterator[Connection]:
    target = make_url(plain_url(url)).set(drivername="postgresql+psycopg")
    engine = create_engine(target, poolclass=NullPool, connect_args={"application_name": "polycast migrate"})
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@contextmanager
def _locked(url: str) -> Iterator[Connection]:
    """A connection that alone may change the schema; the lock goes with it, even when it is killed."""
    with _connected(url) as connection:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": LOCK_KEY})
        connection.commit()
        # a change that waits for a lock stands in the way of everybody behind it: rather fail and be retried
        connection.execute(text("SET lock_timeout = '30s'"))
        connection.commit()
        yield connection
