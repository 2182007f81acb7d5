"""`polycast backup`, `restore` and `upgrade`."""

import asyncio
import shutil
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from polycast.cli.installation import alone, database, make_folder, require
from polycast.cli.options import DataOption, settings_for
from polycast.domain.errors import Conflict, Invalid, NotSupported
from polycast.settings import SECRET_FILE, Settings

if TYPE_CHECKING:
    from polycast.db.embedded import EmbeddedPostgres


def backup(
    file: Annotated[Path, typer.Argument(help="Archive to write.")],
    objects: Annotated[bool, typer.Option(help="Also the stored media, when the store is a folder.")] = True,
    data: DataOption = None,
) -> None:
    """Write database, secret key and media to one file; the server may run meanwhile."""
    settings = settings_for(data)
    require(settings)
    if not file.absolute().parent.is_dir():
        raise Invalid(f"{file.absolute().parent}: no such folder", field="file")
    if file.is_dir():
        raise Invalid(f"{file} is a folder: name the file to write", field="file")
    asyncio.run(_backup(settings, file.absolute(), objects))


def restore(
    file: Annotated[Path, typer.Argument(help="Archive that `backup` wrote.", exists=True, dir_okay=False)],
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
    data: DataOption = None,
) -> None:
    """Bring an installation back from an archive; the server must not run."""
    asyncio.run(_restore(settings_for(data), file, force))


def upgrade(data: DataOption = None) -> None:
    """Bring the database to this release: its tables, and a new major version of PostgreSQL."""
    settings = settings_for(data)
    require(settings)
    asyncio.run(_upgrade(settings))


# -- backup


async def _backup(settings: Settings, path: Path, objects: bool) -> None:
    from polycast.cli import archive, pgtools
    from polycast.db import binaries, migrate

    local = _object_folder(settings)
    with tempfile.TemporaryDirectory(prefix="polycast-backup-", dir=path.parent) as folder:
        dump = Path(folder) / archive.DATABASE
        async with database(settings) as url:
            await pgtools.dump(url, dump)
        manifest = archive.Manifest(
            format=archive.FORMAT,
            polycast=version("polycast"),
            made_at=datetime.now(UTC).isoformat(timespec="seconds"),
            schema=migrate.head(),
            postgres=binaries.current().major,
            objects=objects and local is not None,
            store=settings.store_url,
        )
        count = await asyncio.to_thread(
            archive.write, path, manifest, settings.secret, dump, local if objects else None
        )
    typer.echo(f"{path}: database, secret key, {count} objects, {path.stat().st_size:,} bytes")  # noqa: ASYNC240
    if local is None:
        typer.echo(f"The media stay in {settings.store_url}: back them up by that store's own means.")
    elif not objects:
        typer.echo(f"The media are not in it: keep {local} too.")


def _object_folder(settings: Settings) -> Path | None:
    """Folder of the objects; None when the store is elsewhere."""
    url = settings.store_url
    if "://" in url and not url.startswith("file://"):
        return None
    folder = Path(url.removeprefix("file://"))
    return folder if folder.is_dir() else None


# -- restore


async def _restore(settings: Settings, path: Path, force: bool) -> None:
    from polycast.cli import archive, pgtools
    from polycast.db import migrate

    manifest = archive.read_manifest(path)
    await asyncio.to_thread(make_folder, settings.data)
    with alone(settings.data):
        if not force:
            await _require_empty(settings)
        staging = settings.data / "restore.new"
        await asyncio.to_thread(shutil.rmtree, staging, ignore_errors=True)
        try:
            await asyncio.to_thread(archive.extract, path, staging)
            async with database(settings, migrate=False) as url:
                # first the database, all or nothing; a crash after it is mended by running restore --force again
                await pgtools.load(url, staging / archive.DATABASE, clean=force)
                await migrate.upgrade(url)
        except BaseException:
            # what did not come whole must not fill the disk
            await asyncio.to_thread(shutil.rmtree, staging, ignore_errors=True)
            raise
        await asyncio.to_thread(_put_in_place, settings, staging)
    typer.echo(f"restored {path}, made {manifest.made_at} by Polycast {manifest.polycast}")
    if not manifest.objects:
        typer.echo(f"The media were not in it: bring back {manifest.store} by its own means.")


async def _require_empty(settings: Settings) -> None:
    folder = _object_folder(settings)
    holds = folder is not None and any(path.is_file() for path in folder.rglob("*"))
    taken = [f"{folder} holds media"] if holds else []
    if settings.database_url or (settings.postgres_folder / "cluster").exists():
        async with database(settings, migrate=False) as url:
            if await _has_tables(url):
                taken.append("the database holds an installation")
    if taken:
        raise Conflict(f"{', '.join(taken)}: restore into an empty place, or replace it with --force")


async def _has_tables(url: str) -> bool:
    import psycopg

    async with await psycopg.AsyncConnection.connect(url) as connection:
        cursor = await connection.execute("SELECT to_regclass('tenants') IS NOT NULL")
        row = await cursor.fetchone()
        return bool(row and row[0])


def _put_in_place(settings: Settings, staging: Path) -> None:
    secret = staging / SECRET_FILE
    secret.chmod(0o600)
    secret.replace(settings.data / SECRET_FILE)
    objects = staging / "objects"
    if objects.is_dir():
        url = settings.store_url
        if "://" in url and not url.startswith("file://"):
            raise Conflict(f"the media stay in {objects}: the store {url} is not a folder; copy them there")
        target = Path(url.removeprefix("file://"))
        old = target.with_name(f"{target.name}.replaced")
        shutil.rmtree(old, ignore_errors=True)
        if target.exists():
            target.rename(old)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(objects, target)
        shutil.rmtree(old, ignore_errors=True)
    shutil.rmtree(staging, ignore_errors=True)


# -- upgrade


async def _upgrade(settings: Settings) -> None:
    from polycast.db.embedded import EmbeddedPostgres

    if not settings.database_url:
        with alone(settings.data):
            server = EmbeddedPostgres(settings.postgres_folder)
            found, wanted = server.version(), server.release.major
            if found is not None and found < wanted:
                await _upgrade_cluster(server, found)
                typer.echo(f"PostgreSQL {found} -> {wanted}")
    async with database(settings):
        typer.echo("the database is at this release")


async def _upgrade_cluster(server: "EmbeddedPostgres", found: int) -> None:
    """Dump the old cluster with its own release, load it into a new one, then swap.

    The old cluster stays as `cluster.<version>` until somebody deletes it; when anything fails it is back
    in its place.
    """
    from polycast.cli import pgtools
    from polycast.db import binaries
    from polycast.db.embedded import EmbeddedPostgres

    release = binaries.bundled().get(found)
    if release is None:
        raise NotSupported(
            f"this release carries no PostgreSQL {found}: make a backup with the Polycast that wrote the "
            "data, and restore it with this one"
        )
    kept = server.folder / f"cluster.{found}"
    if kept.exists():
        raise Conflict(f"{kept} is in the way: an earlier upgrade left it; move it away")
    old = EmbeddedPostgres(server.folder, release=release)
    dump = server.folder / "upgrade.dump"
    url = await old.start()
    try:
        before = await _row_counts(url)
        await pgtools.dump(url, dump)
    finally:
        await old.stop()
    server.cluster.rename(kept)
    try:
        url = await server.start()
        try:
            await pgtools.load(url, dump)
            if (after := await _row_counts(url)) != before:
                raise Conflict(f"rows were lost on the way: {before} became {after}")
        finally:
            await server.stop()
    except BaseException:
        await asyncio.to_thread(shutil.rmtree, server.cluster, ignore_errors=True)
        kept.rename(server.cluster)
        raise
    finally:
        dump.unlink(missing_ok=True)


async def _row_counts(url: str) -> dict[str, int]:
    """Table -> rows, of all tables of ours."""
    import psycopg
    from psycopg import sql

    async with await psycopg.AsyncConnection.connect(url) as connection:
        cursor = await connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
        )
        names = [row[0] for row in await cursor.fetchall()]
        counts = {}
        for name in names:
            query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(name))
            row = await (await connection.execute(query)).fetchone()
            counts[name] = int(row[0]) if row else 0
        return counts
