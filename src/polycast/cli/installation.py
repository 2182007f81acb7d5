"""The parts of an installation that commands share: its folder, its database, its services."""

import fcntl
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from polycast.domain.errors import Conflict, Invalid, PolycastError
from polycast.settings import Settings

if TYPE_CHECKING:
    from polycast.bootstrap import Platform


def make_folder(data: Path) -> None:
    """Make the data folder when missing. Others may pass through it, not look into it: the embedded
    database's own account must reach its cluster.

    Raises:
        Invalid: it cannot be made, or is there and cannot be written.
    """
    try:
        if not data.exists():
            data.mkdir(parents=True, mode=0o711)
            data.chmod(0o711)  # whatever the umask took
        why = "" if data.is_dir() else "it is no folder"
    except OSError as error:
        why = error.strerror or str(error)
    if why or not os.access(data, os.W_OK | os.X_OK):
        raise Invalid(
            f"the data folder {data} cannot be used: {why or 'it cannot be written by this user'}; "
            "choose another one with --data or POLYCAST_DATA",
            field="data",
        )


def require(settings: Settings) -> None:
    """Stop a command that works on an installation where there is none: a mistyped folder would get a new one.

    Raises:
        Invalid: nothing was ever started on the data folder, and no database is named.
    """
    if settings.database_url:
        return
    try:
        there = settings.postgres_folder.is_dir()
    except OSError:  # the folder of another user
        there = True
    if not there:
        raise Invalid(
            f"there is no Polycast in {settings.data}: `polycast up` makes one; "
            "--data or POLYCAST_DATA names another folder",
            field="data",
        )


@contextmanager
def alone(data: Path) -> Iterator[None]:
    """Hold the data folder for one `up`, `restore` or `upgrade`; the kernel lets go when the process dies.

    Raises:
        Conflict: another one holds it; names the process.
    """
    descriptor = os.open(data / "up.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 20, 0).decode().strip()
            raise Conflict(f"Polycast already runs on {data} (process {holder or 'unknown'})") from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


@asynccontextmanager
async def database(settings: Settings, *, migrate: bool = True) -> AsyncIterator[str]:
    """URL of the installation's database; the embedded one runs at least as long as the block.

    Raises:
        Unavailable, Conflict: it cannot be used; the message says what to do.
    """
    from polycast.db import migrate as migrations

    if settings.database_url:
        if migrate:
            await migrations.upgrade(settings.database_url)
        yield settings.database_url
        return
    from polycast.db.embedded import EmbeddedPostgres

    make_folder(settings.data)
    server = EmbeddedPostgres(settings.postgres_folder)
    url = await server.start()
    try:
        if migrate:
            await migrations.upgrade(url)
        yield url
    finally:
        await server.stop()


@asynccontextmanager
async def platform(settings: Settings) -> AsyncIterator["Platform"]:
    """The installation's services, for a command that works on them directly."""
    async with database(settings) as url:
        from polycast.bootstrap import build_platform, running

        async with running(build_platform(settings, url)) as wired:
            yield wired


def cause(error: PolycastError) -> str:
    """What a database that cannot be reached said, for the one who runs it: `: …`, or nothing."""
    import psycopg

    why = error.__cause__
    return f": {str(why).strip()}" if isinstance(why, psycopg.OperationalError) else ""
