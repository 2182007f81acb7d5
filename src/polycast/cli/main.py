"""The `polycast` command."""

import asyncio
import errno
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import typer

from polycast.cli import accounts, maintenance
from polycast.cli.options import DataOption, HostOption, PortOption, settings_for
from polycast.domain.errors import ChildFailed, NotSupported, PolycastError
from polycast.settings import PREFIX, SECRET_FILE, Settings

EX_CONFIG = 78
"""sysexits.h: a restart will not help"""

app = typer.Typer(
    name="polycast",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"polycast {version('polycast')}")
        raise typer.Exit


@app.callback()
def every_command(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """Polycast, a self-hosted video platform."""


@app.command()
def up(
    data: DataOption = None,
    port: PortOption = None,
    host: HostOption = None,
    key_file: Annotated[
        Path | None, typer.Option(help="Write the admin key of a first start to this file (0600) instead.")
    ] = None,
) -> None:
    """Run everything on this machine: database, HTTP server, workers. Stop with Ctrl-C."""
    from polycast.cli.announce import announcer, print_line
    from polycast.cli.up import up as run_up

    settings = settings_for(data, http_port=port, http_host=host)
    # found out now: a key that cannot be kept is lost
    if key_file is not None and (key_file.is_dir() or not os.access(key_file.absolute().parent, os.W_OK)):
        raise typer.BadParameter(f"{key_file} cannot be written", param_hint="--key-file")
    asyncio.run(run_up(settings, on_ready=announcer(key_file), on_line=print_line))


@app.command()
def api(data: DataOption = None, port: PortOption = None, host: HostOption = None) -> None:
    """Run only the HTTP server: the APIs, players and delivery."""
    from polycast.cli.ports import check_free, free_port
    from polycast.cli.serving import serve

    settings = settings_for(data, http_port=port, http_host=host)
    if settings.http_port == 0:
        settings = settings.model_copy(update={"http_port": free_port(settings.http_host)})
    check_free(settings.http_host, settings.http_port)  # before a database is started for nothing

    async def serve_beside_database() -> None:
        async with _role(settings, serves=True) as url:
            os.environ[f"{PREFIX}DATABASE_URL"] = url
            os.environ[f"{PREFIX}HTTP_PORT"] = str(settings.http_port)
            typer.echo(f"serving {settings.local_url} until Ctrl-C")
            # Granian handles signals, for which it needs this, the main thread; nothing else runs here. Until it does,
            # a second or so, the loop's own handler would wait for an await that does not come
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
            serve(settings)

    asyncio.run(serve_beside_database())


@app.command()
def worker(
    data: DataOption = None,
    queues: Annotated[
        str, typer.Option(help="Queues to work on, by commas.")
    ] = "encode,package,pictures,pull,upkeep",
) -> None:
    """Run only a job worker. May run many times, on many machines."""
    from polycast.cli.logs import configure
    from polycast.cli.working import QUEUES, work

    chosen = [name.strip() for name in queues.split(",") if name.strip()]
    if not chosen:
        raise typer.BadParameter(f"name one or more of {', '.join(QUEUES)}", param_hint="--queues")
    if unknown := sorted(set(chosen) - set(QUEUES)):
        raise typer.BadParameter(f"{unknown[0]}: not one of {', '.join(QUEUES)}", param_hint="--queues")
    settings = settings_for(data)
    configure(settings.log_level, settings.log_format)

    async def work_beside_database() -> None:
        async with _role(settings, serves=False) as url:
            typer.echo(f"working on {', '.join(chosen)} until Ctrl-C")
            await work(settings, url, chosen)

    asyncio.run(work_beside_database())


@asynccontextmanager
async def _role(settings: Settings, *, serves: bool) -> AsyncIterator[str]:
    """URL of the database, for a process that serves or works by itself on this data folder."""
    from polycast.cli import preflight
    from polycast.cli.installation import check_key, database, make_folder, require_owner
    from polycast.cli.locks import role

    require_owner(settings.data / SECRET_FILE)
    # before what lies in it: it has rights of its own, by which the database's account comes through
    make_folder(settings.data)
    await preflight.check(settings, serves=serves)
    with role(settings.data):
        async with database(settings) as url:
            await check_key(settings, url)
            yield url


@app.command()
def live() -> None:
    """Run only a live node (not in this version)."""
    raise NotSupported("live streaming is not in this version: there is nothing to run yet")


@app.command()
def publish(
    source: Annotated[str, typer.Argument(help="A video file, or an http(s) address to fetch it from.")],
    url: Annotated[
        str,
        typer.Option(
            help="Address of the running server; the one on this machine by default.", envvar="POLYCAST_URL"
        ),
    ] = "",
    key: Annotated[
        str,
        typer.Option(
            help="API key; the one in the data folder's admin.key by default.", envvar="POLYCAST_KEY"
        ),
    ] = "",
    title: Annotated[str, typer.Option(help="Title; the file's name by default.")] = "",
    preset: Annotated[str, typer.Option(help="What to make of it.")] = "dash_hls_1080p",
    data: DataOption = None,
) -> None:
    """Upload a video to a running server and show where it plays."""
    from polycast.cli.publish import publish as run_publish
    from polycast.cli.publish import unreadable

    settings = settings_for(data)
    url = (url or settings.local_url).rstrip("/")
    if not url.startswith(("http://", "https://")):
        raise typer.BadParameter(f"{url} must begin with http:// or https://", param_hint="--url")
    for hint, address in (("--url", url), ("SOURCE", source)):
        if "://" in address and (why := unreadable(address)):
            raise typer.BadParameter(f"{address}: {why}", param_hint=hint)
    if not key and (kept := settings.data / "admin.key").is_file():
        key = kept.read_text().strip()
    if not key:
        raise typer.BadParameter(
            "an API key is needed, here or in POLYCAST_KEY; `polycast keys create` makes one",
            param_hint="--key",
        )
    asyncio.run(run_publish(source, url, key, title=title, preset=preset))


@app.command()
def doctor(data: DataOption = None) -> None:
    """Check everything Polycast needs here, and say how to mend what is missing."""
    from polycast.cli.doctor import report

    raise typer.Exit(asyncio.run(report(settings_for(data))))


@app.command()
def openapi(
    dialect: Annotated[str, typer.Argument(help="videokit, gotipath, gjirafa, fivecentscdn or streamdo.")],
) -> None:
    """Print the OpenAPI document of one of the APIs."""
    from polycast.cli.openapi import document

    sys.stdout.write(document(dialect, settings_for()))


app.add_typer(accounts.keys, name="keys", help="API keys: list, create, revoke.")
app.add_typer(
    accounts.tenants,
    name="tenants",
    help="Tenants: list, create, limit, block, unblock; the organization's id.",
)
app.command()(maintenance.backup)
app.command()(maintenance.restore)
app.command()(maintenance.upgrade)


def run() -> None:
    """The entry point."""
    reported(app)


def reported(work: Callable[[], object]) -> None:
    """Do a command's work: what the user can mend is one line, and exit code 1 (78 where a restart will not help)."""
    from pydantic import ValidationError

    from polycast.cli.installation import cause
    from polycast.cli.ports import PortTaken
    from polycast.cli.preflight import WrongSetting

    try:
        work()
    except PolycastError as error:
        typer.echo(f"polycast: {error.message}{cause(error)}", err=True)
        lasting = isinstance(error, PortTaken | WrongSetting)
        lasting = lasting or (isinstance(error, ChildFailed) and error.returncode == EX_CONFIG)
        sys.exit(EX_CONFIG if lasting else 1)
    except ValidationError as error:
        for problem in error.errors():
            name = "".join(f"{PREFIX}{part}".upper() for part in problem["loc"][:1])
            typer.echo(
                f"polycast: {name or 'settings'}: {problem['msg'].removeprefix('Value error, ')}", err=True
            )
        sys.exit(EX_CONFIG)
    except OSError as error:
        if error.errno not in _FOR_USERS or os.environ.get(f"{PREFIX}LOG_LEVEL") == "debug":
            raise
        place = f"{error.filename}: " if error.filename else ""
        typer.echo(f"polycast: {place}{error.strerror}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


_FOR_USERS = frozenset(
    (
        errno.EACCES,
        errno.EPERM,
        errno.EROFS,
        errno.ENOSPC,
        errno.EDQUOT,
        errno.ENOENT,
        errno.ENOTDIR,
        errno.EISDIR,
    )
)
"""what a folder or a disk is to blame for; anything else is a fault of ours and shows where"""


if __name__ == "__main__":
    run()
