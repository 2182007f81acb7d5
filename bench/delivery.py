"""What a delivered segment costs: `python -m bench.delivery [--runs 5] [--seconds 3] [--smoke]`.

CPU of the server per segment inside a playback session (its token is checked each time), against nginx that
sends the same files by sendfile and checks nothing. Both on one core, the client on another, 16 connections:

- segments of 2 MB and of 64 KB sent by Polycast itself,
- the same, sent by nginx after Polycast has judged the request (X-Accel-Redirect); CPU of both counts.

Goals: 2 MB at least 0.75 of nginx's segments per CPU-second, 64 KB 0.25, by X-Accel (2 MB) 0.6.
"""

import argparse
import asyncio
import shutil
import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import httpx
import psutil

from bench.installation import database
from bench.rates import SERVER_CORE, WRK, ms_per_request, pin
from bench.report import Report
from polycast.bootstrap import build_platform, running
from polycast.settings import load
from tests.integration.delivery.http_server import HttpServer, free_port
from tests.integration.delivery.published import new_tenant, publish

SIZES = {"2 MB": 2 << 20, "64 KB": 64 << 10}
GOALS = {"2 MB": 1 / 0.75, "64 KB": 1 / 0.25}
ACCEL_GOAL = 1 / 0.6

NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log; {user}
events {{ worker_connections 1024; }}
http {{
    access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000;
    client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
    uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
    upstream polycast {{ server 127.0.0.1:{upstream}; keepalive 64; keepalive_requests 100000000; }}
    server {{ listen 127.0.0.1:{plain} backlog=1024; root {objects}; }}
    server {{
        listen 127.0.0.1:{accel} backlog=1024;
        location / {{ proxy_pass http://polycast; proxy_http_version 1.1; proxy_set_header Connection ""; }}
        location /objects/ {{ internal; alias {objects}/; }}
    }}
}}
"""


class Nginx:
    """nginx beside the servers: sends the object folder as it is, and behind X-Accel-Redirect."""

    def __init__(self, folder: Path, objects: Path, upstream: int) -> None:
        self.plain, self.accel = free_port(), free_port()
        folder.mkdir()
        # as root its workers would be `nobody`, who may not enter a bench's folder
        user = "user root;" if Path("/root").owner() == "root" and psutil.Process().uids().real == 0 else ""
        text = NGINX.format(folder=folder, objects=objects, upstream=upstream, plain=self.plain,
                            accel=self.accel, user=user)  # fmt: skip
        self._config = folder / "nginx.conf"
        self._config.write_text(text)

    def __enter__(self) -> "Nginx":
        self._process = subprocess.Popen(["nginx", "-c", str(self._config)])
        deadline = time.monotonic() + 20
        while len(psutil.Process(self.pid).children()) < 1:
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise SystemExit("nginx did not start")
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()

    @property
    def pid(self) -> int:
        return self._process.pid


async def prepare(data: Path, database_url: str) -> dict[str, str]:
    """Publish assets of both sizes; paths of their first segments inside sessions."""
    settings = load(data=data, sandbox="off")
    async with running(build_platform(settings, database_url)) as platform:
        tenant = await new_tenant(platform.services, "bench")
        paths = {}
        for name, size in SIZES.items():
            made = await publish(platform.services, tenant, size=size - 1, segments=1)
            paths[name] = f"/s/{platform.services.playback.admit(made.uid)}{made.segment()}"
    return paths


def bare(path: str) -> str:
    return path[path.index("/media/") :]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--smoke", action="store_true")
    given = parser.parse_args()
    runs, seconds = (1, 0.3) if given.smoke else (given.runs, given.seconds)
    if shutil.which("nginx") is None:
        print("skipped: there is no nginx on this machine")
        return
    if WRK is None:
        print("wrk is not there: a client of our own")
    report = Report("delivery")
    with tempfile.TemporaryDirectory(prefix="polycast-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)
        with database(folder) as url, ExitStack() as stack:
            measure(stack, folder, url, report, runs, seconds)
    report.finish()


def measure(
    stack: ExitStack, folder: Path, database_url: str, report: Report, runs: int, seconds: float
) -> None:
    paths = asyncio.run(prepare(folder / "data", database_url))
    objects = Path(load(data=folder / "data").store_url) / "objects"
    own = stack.enter_context(HttpServer(folder / "data", database_url))
    judge = stack.enter_context(HttpServer(folder / "data", database_url, {"accel_redirect": "/objects/"}))
    nginx = stack.enter_context(Nginx(folder / "nginx", objects, judge.port))
    for path in paths.values():
        for origin, wanted in ((own.url, path), (f"http://127.0.0.1:{nginx.accel}", path),
                               (f"http://127.0.0.1:{nginx.plain}", bare(path))):  # fmt: skip
            answer = httpx.get(origin + wanted)
            assert answer.status_code == 200 and len(answer.content) in SIZES.values(), (
                origin,
                wanted,
                answer,
            )
    for pid in (own.pid, judge.pid, nginx.pid):
        pin(psutil.Process(pid), SERVER_CORE)
    for name, path in paths.items():
        rival, ours, accel = [], [], []
        # in turn, so that what else the machine does spoils all alike
        for _ in range(runs):
            rival.append(ms_per_request([nginx.pid], f"http://127.0.0.1:{nginx.plain}{bare(path)}", seconds))
            ours.append(ms_per_request([own.pid], own.url + path, seconds))
            accel.append(
                ms_per_request([nginx.pid, judge.pid], f"http://127.0.0.1:{nginx.accel}{path}", seconds)
            )
        unit = "ms CPU"
        report.compare(f"segment of {name}", unit, ours, "nginx sendfile", rival, goal=GOALS[name])
        goal = ACCEL_GOAL if name == "2 MB" else None
        report.compare(f"segment of {name}, X-Accel", unit, accel, "nginx sendfile", rival, goal=goal)


if __name__ == "__main__":
    main()
