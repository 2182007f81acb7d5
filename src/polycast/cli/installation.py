"""The parts of an installation that commands share: its folder, its database, its services."""

import os
import pwd
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polycast.cli.preflight import WrongSetting
from polycast.db.urls import plain_url
from polycast.domain.errors import Invalid, PolycastError, Unavailable
from polycast.services.master_key import has_sealed
from polycast.settings import Settings

if TYPE_CHECKING:
    from psycopg import AsyncConnection

    from polycast.bootstrap import Platform

    Connection = AsyncConnection[Any]


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


def require_owner(path: Path) -> None:
    """Refuse to be root where another account's installation is: what root makes there is closed to that account.

    Raises:
        Invalid: names the account.
    """
    with suppress(FileNotFoundError, NotADirectoryError):
        owner = path.stat().st_uid
        if os.geteuid() == 0 and owner != 0:
            name = _account(owner)
            raise Invalid(f"{path} belongs to {name}: run this as that account, `sudo -u {name} polycast …`")


def _account(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"'#{uid}'"  # as sudo takes it


@asynccontextmanager
async def database(settings: Settings, *, migrate: bool = True, as_found: bool = False) -> AsyncIterator[str]:
    """URL of the installation's database; the embedded one runs at least as long as the block.

    Args:
        migrate: bring its tables to this release.
        as_found: only look: neither its tables nor its PostgreSQL need be of this release.

    Raises:
        Unavailable, Conflict: it cannot be used; the message says what to do.
    """
    from polycast.db import migrate as migrations

    if settings.database_url:
        if migrate and not as_found:
            await migrations.upgrade(settings.database_url)
        yield settings.database_url
        return
    from polycast.db import binaries
    from polycast.db.embedded import EmbeddedPostgres

    make_folder(settings.data)
    server = EmbeddedPostgres(settings.postgres_folder)
    if as_found and (older := binaries.bundled().get(server.version() or 0)) is not None:
        server = EmbeddedPostgres(settings.postgres_folder, release=older)
    url = await server.start()
    try:
        if migrate and not as_found:
            await migrations.upgrade(url)
        yield url
    finally:
        await server.stop()


async def check_key(settings: Settings, url: str) -> None:
    """Refuse a database that was made under another secret key: nothing sealed in it could be opened, and
    what is signed here would be refused by the nodes that have the right one. An empty one takes any key.

    Raises:
        WrongSetting: there is no key here, or another one.
        Unavailable: the database cannot be reached.
    """
    sealed = await _any_sealed(url)
    if sealed is None:
        return
    if not settings.has_secret:
        raise WrongSetting(
            "secret_key",
            "the database was made under a key that is not here: set it to that of the first node, "
            f"or bring its secret.key to {settings.data}",
        )
    if not has_sealed(settings.secret.encode(), sealed):
        raise WrongSetting(
            "secret_key",
            "the database was made under another key: set it to that of the other nodes, "
            f"or bring the right secret.key to {settings.data}",
        )


async def _any_sealed(url: str) -> str | None:
    """A text that the installation sealed; None in an empty database."""
    async with connected(url) as connection:
        if not await has_tables(connection):
            return None
        cursor = await connection.execute(
            "SELECT value FROM tenants, jsonb_each_text(secrets) ORDER BY num LIMIT 1"
        )
        row = await cursor.fetchone()
    return str(row[0]) if row else None


@asynccontextmanager
async def connected(url: str) -> "AsyncIterator[Connection]":
    """A plain connection.

    Raises:
        Unavailable: the database cannot be reached.
    """
    import psycopg

    try:
        connection = await psycopg.AsyncConnection.connect(plain_url(url), connect_timeout=10)
    except psycopg.OperationalError as error:
        raise Unavailable("the database is not available") from error
    async with connection:
        yield connection


async def has_tables(connection: "Connection") -> bool:
    """Whether an installation was made in the database."""
    cursor = await connection.execute("SELECT to_regclass('tenants')")
    return await cursor.fetchone() != (None,)


@asynccontextmanager
async def platform(settings: Settings) -> AsyncIterator["Platform"]:
    """The installation's services, for a command that works on them directly."""
    async with database(settings) as url:
        await check_key(settings, url)
        from polycast.bootstrap import build_platform, running

        async with running(build_platform(settings, url)) as wired:
            yield wired


def cause(error: PolycastError) -> str:
    """What a database that cannot be reached said, for the one who runs it: `: …`, or nothing."""
    import psycopg

    why = error.__cause__
    return f": {str(why).strip()}" if isinstance(why, psycopg.OperationalError) else ""
