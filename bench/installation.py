"""A Polycast of its own for a bench: `polycast up` with embedded defaults in a folder, on a free port."""

import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from pathlib import Path

_START_S = 120.0
_STOP_S = 30.0


class Installation:
    """`with Installation(folder) as running:`; stopped by Ctrl-C at the end.

    Args:
        data: data folder; kept, so that the next start is a warm one.
        settings: further POLYCAST_… settings, lower case, without the prefix.

    Attributes:
        url: origin. key: admin key. seconds: from start to ready, by our clock.
    """

    def __init__(self, data: Path, **settings: object) -> None:
        self.data = data
        self.url = ""
        self.seconds = 0.0
        self._settings = {f"POLYCAST_{name.upper()}": str(value) for name, value in settings.items()}
        self._lines: deque[str] = deque(maxlen=200)
        self._ready: queue.Queue[str] = queue.Queue()

    @property
    def key(self) -> str:
        return (self.data / "admin.key").read_text().strip()

    @property
    def pid(self) -> int:
        return self._process.pid

    def __enter__(self) -> "Installation":
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
