"""The HTTP server process alone (Granian, as `polycast up` starts it), with any settings, in about a second."""

import os
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from threading import Thread

from tests.support.waiting import STRETCH


def free_port() -> int:
    """A port that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class HttpServer:
    """`python -m polycast.cli.serving` on a free port of 127.0.0.1.

    Args:
        settings: POLYCAST_… without the prefix, in lower case.
    """

    def __init__(self, data: Path, database_url: str, settings: Mapping[str, object] | None = None) -> None:
        self.port = free_port()
        self.lines: deque[str] = deque(maxlen=500)
        given = {
            "data": data, "database_url": database_url, "http_host": "127.0.0.1", "http_port": self.port,
            "sandbox": "off", "log_format": "text", **(settings or {}),
        }  # fmt: skip
        clean = {k: v for k, v in os.environ.items() if not k.startswith("POLYCAST_")}
        self._env = clean | {f"POLYCAST_{k.upper()}": str(v) for k, v in given.items()}
        self._process: subprocess.Popen[str] | None = None
        scheme = "https" if "tls_certificate" in given else "http"
        self.url = f"{scheme}://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def __enter__(self) -> "HttpServer":
        self._process = subprocess.Popen(
            [sys.executable, "-m", "polycast.cli.serving"],
            env=self._env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        Thread(target=self._read, daemon=True).start()
        deadline = time.monotonic() + 50 * STRETCH
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self.__exit__()
                    raise AssertionError("the server did not start:\n" + "\n".join(self.lines)) from None
                time.sleep(0.02)

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(15 * STRETCH)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _read(self) -> None:
        assert self._process is not None and self._process.stdout is not None
        with self._process.stdout:
            for line in self._process.stdout:
                self.lines.append(line.rstrip())
