"""What benches of the product run against: a Polycast of their own, or a database of their own.

`Installation` is `polycast up` with embedded defaults in a folder, on a free port; `database` a migrated, empty
PostgreSQL without the rest. Starting either takes longer than a smoke run may: a test lends it what it has.
"""

import asyncio
import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from polycast.db import migrate
from polycast.db.embedded import EmbeddedPostgres

LENT = "POLYCAST_BENCH_LENT"
"""Environment of a smoke run: JSON with `database` (a URL), or with `url`, `key`, `data`, `database` of a server."""
_START_S = 120.0
_STOP_S = 30.0


def lent() -> dict[str, str]:
    """What a test lends; empty where it lends nothing."""
    found: dict[str, str] = json.loads(os.environ.get(LENT, "{}"))
    return found


@contextmanager
def database(folder: Path) -> Iterator[str]:
    """URL of a migrated, empty database below `folder`; no power cut is expected."""
    if url := lent().get("database"):
        yield url
        return
    postgres = EmbeddedPostgres(folder / "pg", durable=False)
    asyncio.run(postgres.start())
    try:
        migrate.upgrade_blocking(postgres.url())
        yield postgres.url()
    finally:
        asyncio.run(postgres.stop())


class Installation:
    """`with Installation(folder) as running:`; stopped by Ctrl-C at the end.

    Args:
        data: data folder; kept, so that the next start is a warm one.
        borrow: take the running one that a test lends, if there is one.
        settings: further POLYCAST_… settings, lower case, without the prefix.

    Attributes:
        url: origin. key: admin key. database_url: of its database. seconds: from start to ready, by our clock.
    """

    def __init__(self, data: Path, *, borrow: bool = True, **settings: object) -> None:
        self._lent = lent() if borrow else {}
        self.data = Path(self._lent.get("data", data))
        self.url = self._lent.get("url", "")
        self.database_url = self._lent.get("database") or EmbeddedPostgres(data / "postgres").url()
        self.seconds = 0.0
        self._settings = {f"POLYCAST_{name.upper()}": str(value) for name, value in settings.items()}
        self._lines: deque[str] = deque(maxlen=200)
        self._ready: queue.Queue[str] = queue.Queue()

    @property
    def key(self) -> str:
        return self._lent.get("key") or (self.data / "admin.key").read_text().strip()

    @property
    def pid(self) -> int:
        return self._process.pid

    def __enter__(self) -> "Installation":
        if self.url:
            return self
        self.data.mkdir(parents=True, exist_ok=True)
        clean = {name: value for name, value in os.environ.items() if not name.startswith("POLYCAST_")}
        argv = [sys.executable, "-m", "polycast.cli.main", "up", "--data", str(self.data), "--port", "0"]
        argv += ["--host", "127.0.0.1", "--key-file", str(self.data / "admin.key")]
        began = time.monotonic()
        self._process = subprocess.Popen(
            argv,
            env=clean | self._settings | {"PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        threading.Thread(target=self._read, daemon=True).start()
        try:
            self.url = self._ready.get(timeout=_START_S)
        except queue.Empty:
            self.url = ""
        self.seconds = time.monotonic() - began
        if not self.url:
            self._process.kill()
            raise SystemExit("polycast did not start:\n" + "\n".join(self._lines))
        return self

    def __exit__(self, *_: object) -> None:
        if self._lent.get("url"):
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.append(line.rstrip())
            if match := re.search(r"Polycast is ready at (\S+)", line):
                self._ready.put(match[1])
        self._ready.put("")  # it ended: nobody needs to wait any longer
