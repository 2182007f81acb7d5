"""Installations without a server, and commands as an operator types them."""

import os
import subprocess
import sys
from pathlib import Path

from polycast.cli.installation import platform
from polycast.settings import Settings, load
from tests.support.waiting import STRETCH

SOURCE = "t/x/f/y/source"
"""key of the one object"""


async def install(data: Path, **given: object) -> tuple[Settings, str]:
    """An installation with a tenant, a key and an object; returns its admin key."""
    settings = load(data=data, **given)
    async with platform(settings) as wired:
        from polycast.bootstrap import first_start

        made = await first_start(wired.services)
        await wired.services.store.put(SOURCE, b"bytes of a video")
    assert made.key is not None
    assert made.key.secret is not None
    return settings, made.key.secret


async def knows(settings: Settings, key: str) -> bool:
    """Whether an installation has the key, opens its secrets and holds the object."""
    async with platform(settings) as wired:
        caller = await wired.services.keys.authenticate(key)
        opened = await wired.services.tenants.secret(caller.tenant.num, "content")
        return bool(opened) and await wired.services.store.get(SOURCE) == b"bytes of a video"


def environment(**settings: str) -> dict[str, str]:
    """This process's environment with no settings but these, named without their prefix."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("POLYCAST_")}
    return clean | {f"POLYCAST_{name}": value for name, value in settings.items()} | {"PYTHONUNBUFFERED": "1"}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "polycast.cli.main", *arguments]


def run(*arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end."""
    return run_in(Path.cwd(), *arguments, **settings)


def run_in(folder: Path, *arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    """Run a command in a folder to its end."""
    return subprocess.run(
        command(*arguments),
        capture_output=True,
        text=True,
        check=False,
        timeout=60 * STRETCH,
        env=environment(**settings),
        cwd=folder,
    )
