"""What `up` says: the lines of its processes, and the addresses once it serves."""

import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from polycast.cli.up import Ready


def print_line(name: str, line: str) -> None:
    """A line of one process, with its name before it."""
    # a terminal that is closed takes no more, and the stop that follows must go on
    with suppress(OSError):
        print(f"{name:<8}| {line}", file=sys.stderr, flush=True)


def announcer(key_file: Path | None) -> Callable[[Ready], Awaitable[None]]:
    """Says where the server is; the admin key goes to `key_file` when there is one."""

    async def announce(ready: Ready) -> None:
        say = [f"Polycast is ready at {ready.url} ({ready.seconds:.1f} s)"]
        if ready.key and key_file is not None:
            keep_key(key_file, ready.key)
            say.append(f"admin key: in {key_file}")
        elif ready.key:
            say += [
                f"admin key: {ready.key}",
                "It is shown this once; `polycast keys create` makes another one.",
            ]
        print("\n".join(say), flush=True)

    return announce


def keep_key(path: Path, key: str) -> None:
    """Write a key to a file only its owner reads; complete or not at all."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"{key}\n")
    fresh.replace(path)
