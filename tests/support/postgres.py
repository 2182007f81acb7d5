"""One PostgreSQL per test run, shared by the xdist workers; databases copied from a migrated template."""

import fcntl
import itertools
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from polycast.db import migrate
from polycast.db.embedded import EmbeddedPostgres

TEMPLATE = "template_polycast"


async def end_orphans(among: Iterable[Path]) -> None:
    """Stop the servers of runs that were killed, and remove their folders; of a living run nothing changes."""
    for folder in among:
        server = EmbeddedPostgres(folder / "pg", durable=False)
        if not server.running():
            continue
        await server.start()
        await server.stop()  # only its last user stops it
        if not server.running():
            shutil.rmtree(folder, ignore_errors=True)


class RunPostgres:
    """The run's server. Sharing needs no code here: the embedded server is stopped by its last user.

    Args:
        folder: the same for all workers of the run.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # nothing of a test run need outlive a power cut
        self.server = EmbeddedPostgres(folder / "pg", durable=False)
        self._numbers = itertools.count(1)

    async def start(self) -> None:
        await self.server.start()
        with self._alone():
            if self._execute("SELECT 1 FROM pg_database WHERE datname = %s", TEMPLATE) is None:
                self._execute(f"CREATE DATABASE {TEMPLATE}_new OWNER polycast")
                migrate.upgrade_blocking(self.server.url(database=f"{TEMPLATE}_new"))
                self._execute(f"ALTER DATABASE {TEMPLATE}_new RENAME TO {TEMPLATE}")

    async def stop(self) -> None:
        await self.server.stop()

    def create(self, *, empty: bool = False) -> str:
        """A new database, migrated unless `empty`; returns its URL as its owner."""
        name = f"t_{os.getpid()}_{next(self._numbers)}_{uuid.uuid4().hex[:6]}"
        template = "template1" if empty else TEMPLATE
        self._execute(f"CREATE DATABASE {name} TEMPLATE {template} OWNER polycast STRATEGY WAL_LOG")
        return self.server.url(database=name)

    def drop(self, url: str) -> None:
        name = url.partition("?")[0].rpartition("/")[2]
        self._execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def _execute(self, query: str, *values: object) -> object:
        with psycopg.connect(self.server.superuser_url(), autocommit=True) as connection:
            cursor = connection.execute(query.encode(), values or None)
            return cursor.fetchone() if cursor.description else None

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with (self._folder / "template.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
