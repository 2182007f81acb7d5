"""Loaded by every Python that starts with this folder on its path: arms the crash points of that process.

A file named like a point in the folder POLYCAST_TEST_CRASH makes the next process that reaches the point
take the file away and kill itself.
"""

import os
import signal
from pathlib import Path


def _arm(folder: Path) -> None:
    from polycast.services import crashpoints

    async def hook(name: str) -> None:
        try:
            os.unlink(folder / name)
        except FileNotFoundError:
            return
        os.kill(os.getpid(), signal.SIGKILL)

    crashpoints.arm(hook)


if _folder := os.environ.get("POLYCAST_TEST_CRASH"):
    _arm(Path(_folder))
