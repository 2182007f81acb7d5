"""`polycast upgrade`: the database's tables, and a newer major version of the embedded PostgreSQL."""

import asyncio
from typing import TYPE_CHECKING

import typer

from polycast.cli import pgtools
from polycast.cli.installation import check_key, connected, database
from polycast.cli.locks import undisturbed
from polycast.db import binaries
from polycast.db.embedded import EmbeddedPostgres
from polycast.domain.errors import Conflict, NotSupported
from polycast.settings import Settings

if TYPE_CHECKING:
    from polycast.cli.installation import Connection


async def upgrade(settings: Settings) -> None:
    """Bring the database to this release.

    Raises:
        Conflict: it is of a newer one, or in use.
        NotSupported: it is of a PostgreSQL that this release does not carry.
        Unavailable: it cannot be used.
    """
    if not settings.database_url:
        with undisturbed(settings.data):
            server = EmbeddedPostgres(settings.postgres_folder)
            await server.settle()
            found, wanted = server.version(), server.release.major
            if found is not None and found < wanted:
                await _move(server, found)
                typer.echo(f"PostgreSQL {found} -> {wanted}; the old one is kept in {server.kept(found)}")
    async with database(settings) as url:
        await check_key(settings, url)
        typer.echo("the database is at this release")


async def _move(server: EmbeddedPostgres, found: int) -> None:
    """Dump the cluster with its own release, load it into a new one beside it, then exchange the two.

    Whatever happens meanwhile, the old one stays in its place until the new one is whole.
    """
    release = binaries.bundled().get(found)
    if release is None:
        raise NotSupported(
            f"this release carries no PostgreSQL {found}: make a backup with the Polycast that wrote the "
            "data, and restore it with this one"
        )
    if server.kept(found).exists():
        raise Conflict(f"{server.kept(found)} is in the way: an earlier upgrade left it; move it away")
    if await server.in_use():
        raise Conflict("another process works on the database: stop it first")
    old = EmbeddedPostgres(server.folder, release=release)
    fresh = EmbeddedPostgres(server.folder / "upgrade.new", release=server.release)
    dump = server.folder / "upgrade.dump"
    await fresh.remove()  # of an upgrade that was killed
    try:
        url = await old.start()
        try:
            before = await _row_counts(url)
            await pgtools.dump(url, dump)
        finally:
            await old.stop()
        url = await fresh.start()
        try:
            await pgtools.load(url, dump)
            if (after := await _row_counts(url)) != before:
                raise Conflict(f"rows were lost on the way: {before} became {after}")
        finally:
            await fresh.stop()
        await server.exchange(fresh.cluster, found)
    finally:
        await asyncio.to_thread(dump.unlink, missing_ok=True)
        await fresh.remove()


async def _row_counts(url: str) -> dict[str, int]:
    """Table -> rows, of all tables of ours."""
    async with connected(url) as connection:
        cursor = await connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
        )
        names = [str(row[0]) for row in await cursor.fetchall()]
        return {name: await _rows(connection, name) for name in names}


async def _rows(connection: "Connection", table: str) -> int:
    from psycopg import sql

    query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))
    row = await (await connection.execute(query)).fetchone()
    return int(row[0]) if row else 0
