"""`polycast restore`: an installation from an archive, into an empty place or in the place of another one."""

import asyncio
import shutil
from pathlib import Path

import typer

from polycast.cli import archive, pgtools
from polycast.cli.installation import connected, database, has_tables, make_folder, require_owner
from polycast.cli.locks import undisturbed
from polycast.db import binaries, migrate
from polycast.domain.errors import Conflict
from polycast.settings import SECRET_FILE, Settings


async def restore(settings: Settings, path: Path, *, force: bool) -> None:
    """Bring back what an archive holds.

    Args:
        force: replace what is there.

    Raises:
        Invalid: it is no archive, or the data folder is not this account's.
        Conflict: something is there, or runs there, or the archive is of a newer release. Nothing was changed.
        Unavailable: the database cannot be used.
    """
    manifest = archive.read_manifest(path)
    _refuse_newer(path, manifest)
    await asyncio.to_thread(require_owner, settings.data)
    await asyncio.to_thread(make_folder, settings.data)
    with undisturbed(settings.data):
        if not force:
            await _require_empty(settings)
        staging = settings.data / "restore.new"
        await asyncio.to_thread(shutil.rmtree, staging, ignore_errors=True)
        try:
            # the data folder lets others pass, and this holds the key of all secrets
            staging.mkdir(mode=0o700)
            await asyncio.to_thread(archive.extract, path, staging)
            async with database(settings, migrate=False) as url:
                await _require_quiet(url)
                # first the database, all or nothing; a crash after it is mended by running restore --force again
                fill = pgtools.exchange if force else pgtools.load
                await fill(url, staging / archive.DATABASE)
                await migrate.upgrade(url)
        except BaseException:
            # what did not come whole must not fill the disk
            await asyncio.to_thread(shutil.rmtree, staging, ignore_errors=True)
            raise
        await asyncio.to_thread(_put_in_place, settings, staging)
    typer.echo(f"restored {path}, made {manifest.made_at} by Polycast {manifest.polycast}")
    if not manifest.objects:
        typer.echo(f"The media were not in it: bring back {manifest.store} by its own means.")


def _refuse_newer(path: Path, manifest: archive.Manifest) -> None:
    """Before anything is touched: what it holds could be filled in, but not be used."""
    why = ""
    try:
        migrate.refuse_newer(migrate.Written(manifest.schema, manifest.queue or None))
    except Conflict as error:
        why = error.message
    if manifest.postgres > (ours := binaries.current().major):
        why = f"it was written by PostgreSQL {manifest.postgres}, this release brings {ours}"
    if why:
        raise Conflict(f"{path} needs Polycast {manifest.polycast} or newer: {why}")


async def _require_empty(settings: Settings) -> None:
    folder = settings.store_folder
    holds = folder is not None and any(path.is_file() for path in folder.rglob("*"))
    taken = [f"{folder} holds media"] if holds else []
    if settings.database_url or settings.postgres_folder.exists():
        async with database(settings, migrate=False) as url, connected(url) as connection:
            if await has_tables(connection):
                taken.append("the database holds an installation")
    if taken:
        raise Conflict(f"{', '.join(taken)}: restore into an empty place, or replace it with --force")


async def _require_quiet(url: str) -> None:
    """Nodes on other machines hold no lock of this one's, but connections to the database."""
    async with connected(url) as connection:
        cursor = await connection.execute(
            "SELECT DISTINCT application_name || coalesce(' on ' || host(client_addr), '') FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name LIKE 'polycast%' AND pid <> pg_backend_pid()"
        )
        names = sorted(str(row[0]) for row in await cursor.fetchall())
    if names:
        raise Conflict(f"the database is in use ({', '.join(names)}): stop what works on it first")


def _put_in_place(settings: Settings, staging: Path) -> None:
    secret = staging / SECRET_FILE
    secret.chmod(0o600)
    secret.replace(settings.data / SECRET_FILE)
    objects = staging / archive.OBJECTS
    if objects.is_dir():
        target = settings.store_folder
        if target is None:
            (staging / archive.DATABASE).unlink()
            raise Conflict(
                f"the media stay in {objects}: the store {settings.store_url} is not a folder; copy them there"
            )
        old = target.with_name(f"{target.name}.replaced")
        shutil.rmtree(old, ignore_errors=True)
        if target.exists():
            target.rename(old)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(objects, target)
        shutil.rmtree(old, ignore_errors=True)
    shutil.rmtree(staging, ignore_errors=True)
