"""What an API call costs: `python -m bench.api [--runs 5] [--seconds 3] [--smoke]`.

CPU of the HTTP process (not of the database) per request, and the clock; one process on one core, 16 connections,
no cache of answers:

- one asset through the Video Kit dialect, key checked (a query of its own), against a bare FastAPI route under the
  same server, on the same core, that makes the asset's query by psycopg and returns its row: no key, no objects,
  no other form, and a declared type, so that FastAPI serialises it natively;
- a list of 100 of 200 assets with its total, against such a route with the 100 rows of the same statement.

Goals: at least half of the bare route's calls per CPU-second, and 1 500 assets a second per core.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import LiteralString

import httpx
import psutil

from bench.installation import database
from bench.rates import SERVER_CORE, Cost, cost, pin
from bench.report import Report
from polycast.bootstrap import build_platform, running
from polycast.services.asset_details import listed, whole
from polycast.services.tenants import as_system
from polycast.settings import load
from tests.integration.delivery.http_server import HttpServer, free_port
from tests.integration.delivery.published import new_tenant, publish

RATE_GOAL = 1500.0
ASSETS, SMOKE_ASSETS = 200, 5

# a page's numbers come by a statement of their own; the rival finds them in the same one
PAGE: LiteralString = "ARRAY(SELECT num FROM assets ORDER BY created_at, num LIMIT 100)"
STATEMENTS = {"BENCH_ONE": whole("a.uid = %(uid)s"), "BENCH_LIST": listed(PAGE)}

BARE = """
import os
from contextlib import asynccontextmanager
from typing import Any
from fastapi import FastAPI
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

pool = AsyncConnectionPool(os.environ["BENCH_DB"], open=False, min_size=4, max_size=16,
                           kwargs={"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row})

@asynccontextmanager
async def lifespan(app):
    await pool.open()
    yield
    await pool.close()

app = FastAPI(lifespan=lifespan)
ONE, LIST = os.environ["BENCH_ONE"], os.environ["BENCH_LIST"]

@app.get("/one/{uid}")
async def one(uid: str) -> dict[str, Any]:
    async with pool.connection() as c:
        return await (await c.execute(ONE, {"uid": uid})).fetchone()

@app.get("/list")
async def many() -> list[dict[str, Any]]:
    async with pool.connection() as c:
        return await (await c.execute(LIST)).fetchall()
"""


class Bare:
    """The rival under Granian, as Polycast runs it."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self._folder = folder
        self._url = database_url
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> "Bare":
        (self._folder / "bare_route.py").write_text(BARE)
        argv = [
            "granian",
            "--interface",
            "asgi",
            "bare_route:app",
            "--port",
            str(self.port),
            "--loop",
            "uvloop",
        ]
        argv += ["--no-ws", "--http", "1", "--log-level", "warning"]
        self._process = subprocess.Popen(
            [str(Path(sys.executable).parent / argv[0]), *argv[1:]],
            cwd=self._folder,
            env={**os.environ, **STATEMENTS, "BENCH_DB": self._url, "PYTHONPATH": str(self._folder)},
        )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with suppress(httpx.HTTPError):
                if httpx.get(f"{self.url}/list").status_code == 200:
                    return self
            time.sleep(0.1)
        raise SystemExit("the bare route did not start")

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()

    @property
    def pid(self) -> int:
        return self._process.pid


async def prepare(data: Path, database_url: str, many: int) -> tuple[str, str]:
    """Publish assets; the uid of one, and a key."""
    async with running(build_platform(load(data=data, sandbox="off"), database_url)) as platform:
        services = platform.services
        tenant = await new_tenant(services, "bench")
        for _ in range(many):
            made = await publish(services, tenant, segments=1, size=100)
        key = await services.keys.create_for_organization(as_system(tenant.ref, "system:bench"), "bench")
        assert key.secret is not None
    async with (
        running(build_platform(load(data=data, sandbox="off"), database_url)) as platform,
        platform.services.db.transaction() as tx,
    ):
        await tx.exec_driver_sql("ANALYZE")
    return str(made.uid), key.secret


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--smoke", action="store_true")
    given = parser.parse_args()
    runs, seconds = (1, 0.3) if given.smoke else (given.runs, given.seconds)
    report = Report("api")
    with tempfile.TemporaryDirectory(prefix="polycast-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)
        with database(folder) as url, ExitStack() as stack:
            measure(stack, folder, url, report, runs, seconds, SMOKE_ASSETS if given.smoke else ASSETS)
    report.finish()


def measure(
    stack: ExitStack, folder: Path, database_url: str, report: Report, runs: int, seconds: float, assets: int
) -> None:
    uid, key = asyncio.run(prepare(folder / "data", database_url, assets))
    headers = {"x-api-key": key}
    own = stack.enter_context(HttpServer(folder / "data", database_url))
    bare = stack.enter_context(Bare(folder, database_url))
    one, many = f"{own.url}/videokit/vod/v1/assets/{uid}", f"{own.url}/videokit/vod/v1/assets?limit=100"
    answers = {
        "one": httpx.get(one, headers=headers),
        "many": httpx.get(many, headers=headers),
        "bare one": httpx.get(f"{bare.url}/one/{uid}"),
        "bare many": httpx.get(f"{bare.url}/list"),
    }
    assert answers["one"].json()["id"] == answers["bare one"].json()["uid"] == uid
    assert len(answers["many"].json()["items"]) == len(answers["bare many"].json()) == min(100, assets)
    print("bytes:", {name: len(answer.content) for name, answer in answers.items()})
    for pid in (own.pid, bare.pid):
        pin(psutil.Process(pid), SERVER_CORE)
    for url, sent in (
        (one, headers),
        (many, headers),
        (f"{bare.url}/one/{uid}", {}),
        (f"{bare.url}/list", {}),
    ):
        cost([own.pid], url, seconds / 3, headers=sent)  # connections are opened, statements prepared
    found: dict[str, list[Cost]] = {name: [] for name in answers}
    for _ in range(runs):
        found["bare one"].append(cost([bare.pid], f"{bare.url}/one/{uid}", seconds))
        found["one"].append(cost([own.pid], one, seconds, headers=headers))
        found["bare many"].append(cost([bare.pid], f"{bare.url}/list", seconds))
        found["many"].append(cost([own.pid], many, seconds, headers=headers))
    cpu = {name: [run.cpu_ms for run in runs] for name, runs in found.items()}
    clock = {name: [run.clock_ms for run in runs] for name, runs in found.items()}
    rival = "bare FastAPI, psycopg"
    report.compare("one asset", "ms CPU", cpu["one"], rival, cpu["bare one"], goal=2.0)
    report.limit("one asset, per core", "ms CPU", cpu["one"], goal=1000 / RATE_GOAL)
    report.compare("one asset, by the clock", "ms", clock["one"], rival, clock["bare one"])
    report.compare("list of 100", "ms CPU", cpu["many"], rival, cpu["bare many"], goal=2.0)
    report.compare("list of 100, by the clock", "ms", clock["many"], rival, clock["bare many"])


if __name__ == "__main__":
    main()
