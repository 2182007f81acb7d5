"""`polycast backup`: database, secret key and media in one file, while the server runs."""

import asyncio
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import typer

from polycast.cli import archive, pgtools
from polycast.cli.installation import check_key, database
from polycast.cli.preflight import WrongSetting
from polycast.db import binaries, migrate
from polycast.domain.errors import Invalid
from polycast.settings import Settings


async def back_up(settings: Settings, path: Path, *, objects: bool) -> None:
    """Write an archive. The database is taken as it is found: also as one of an older release, whose way back
    this is.

    Args:
        objects: also the media, when their store is a folder.

    Raises:
        Invalid: nothing was made in the database yet.
        WrongSetting: the secret key here is not the database's own, or the media are not where the store is said to be.
        Unavailable, Conflict: the database cannot be used.
    """
    media = settings.store_folder
    with tempfile.TemporaryDirectory(prefix="polycast-backup-", dir=path.parent) as folder:
        dump = Path(folder) / archive.DATABASE
        async with database(settings, as_found=True) as url:
            await check_key(settings, url)
            written = await migrate.written(url)
            if written.schema is None:
                raise Invalid("the database is empty: there is nothing to back up yet")
            if objects and media is not None and not media.is_dir():
                raise WrongSetting(
                    "store", f"there is no folder {media}: the media would not be in the backup"
                )
            await pgtools.dump(url, dump)
        manifest = archive.Manifest(
            format=archive.FORMAT,
            polycast=version("polycast"),
            made_at=datetime.now(UTC).isoformat(timespec="seconds"),
            schema=written.schema,
            queue=written.queue or "",
            postgres=binaries.current().major,
            objects=objects and media is not None,
            store=settings.store_url,
        )
        count = await asyncio.to_thread(
            archive.write, path, manifest, settings.secret, dump, media if objects else None
        )
    typer.echo(f"{path}: database, secret key, {count} objects, {path.stat().st_size:,} bytes")  # noqa: ASYNC240
    if media is None:
        typer.echo(f"The media stay in {settings.store_url}: back them up by that store's own means.")
    elif not objects:
        typer.echo(f"The media are not in it: keep {media} too.")
