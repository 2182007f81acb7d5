"""Loaded by every Python that starts with this folder on its path: arms the crash points of that process.

A file named like a point in the folder POLYCAST_TEST_CRASH makes the next process that reaches the point
take the file away and kill -9 somebody: the process whose number is in the first line of the file that it
names, and where it is empty, itself.
"""

import os
import signal
from pathlib import Path


def _arm(folder: Path) -> None:
    from polycast.services import crashpoints

    async def hook(name: str) -> None:
        _strike(folder / name)

    crashpoints.arm(hook)


def _strike(blow: Path) -> None:
    try:
        victim = blow.read_text()
        number = int(Path(victim).read_text().split("\n", 1)[0]) if victim else os.getpid()
        blow.unlink()
        os.kill(number, signal.SIGKILL)
    except (FileNotFoundError, ProcessLookupError):
        return  # not armed, or another one was first


if _folder := os.environ.get("POLYCAST_TEST_CRASH"):
    _arm(Path(_folder))
