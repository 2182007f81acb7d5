"""Options that several commands share."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from polycast.settings import PREFIX, Settings, load

DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help="Data folder. [default: POLYCAST_DATA, else ~/.local/share/polycast, as root /var/lib/polycast]",
    ),
]
PortOption = Annotated[
    int | None,
    typer.Option(
        "--port",
        help="HTTP port; 0 takes a free one. [default: POLYCAST_HTTP_PORT, else 8080]",
        min=0,
        max=65535,
    ),
]
HostOption = Annotated[
    str | None,
    typer.Option("--host", help="Address to listen on. [default: POLYCAST_HTTP_HOST, else 0.0.0.0]"),
]


def settings_for(data: Path | None = None, **given: Any) -> Settings:
    """This command's settings; also puts the data folder where child processes look for it."""
    if data is not None:
        os.environ[f"{PREFIX}DATA"] = str(data.expanduser().absolute())
    return load(**given)
