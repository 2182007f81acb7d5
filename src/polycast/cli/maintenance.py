"""`polycast backup`, `restore` and `upgrade` as commands."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from polycast.cli.installation import require, require_owner
from polycast.cli.options import DataOption, settings_for
from polycast.domain.errors import Invalid


def backup(
    file: Annotated[Path, typer.Argument(help="Archive to write.")],
    objects: Annotated[bool, typer.Option(help="Also the stored media, when the store is a folder.")] = True,
    data: DataOption = None,
) -> None:
    """Write database, secret key and media to one file; the server may run meanwhile."""
    from polycast.cli.backing_up import back_up

    settings = settings_for(data)
    require(settings)
    if not file.absolute().parent.is_dir():
        raise Invalid(f"{file.absolute().parent}: no such folder", field="file")
    if file.is_dir():
        raise Invalid(f"{file} is a folder: name the file to write", field="file")
    asyncio.run(back_up(settings, file.absolute(), objects=objects))


def restore(
    file: Annotated[Path, typer.Argument(help="Archive that `backup` wrote.", exists=True, dir_okay=False)],
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
    data: DataOption = None,
) -> None:
    """Bring an installation back from an archive; the server must not run."""
    from polycast.cli.restoring import restore as put_back

    asyncio.run(put_back(settings_for(data), file, force=force))


def upgrade(data: DataOption = None) -> None:
    """Bring the database to this release: its tables, and a new major version of PostgreSQL."""
    from polycast.cli.upgrading import upgrade as bring_up

    settings = settings_for(data)
    require(settings)
    require_owner(settings.postgres_folder)
    asyncio.run(bring_up(settings))
