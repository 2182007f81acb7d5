"""What an API call costs: `python -m bench.api [--runs 5] [--seconds 3] [--smoke]`.

CPU of the HTTP process (not of the database) per request, one core, 16 connections, no cache of answers:

- one asset through the Video Kit dialect, key checked, against a bare FastAPI route that makes the asset's
  query by psycopg and returns the row, under the same server;
- a list of 100 of 200 assets, against the bare route with 100 rows.

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

import httpx
import psutil

from bench.installation import database
from bench.rates import SERVER_CORE, ms_per_request, pin
from bench.report import Report
from polycast.bootstrap import build_platform, running
from polycast.services.tenants import as_system
from polycast.settings import load
from tests.integration.delivery.http_server import HttpServer, free_port
from tests.integration.delivery.published import new_tenant, publish

RATE_GOAL = 1500.0
ASSETS, SMOKE_ASSETS = 200, 5

BARE = """
import os
from contextlib import asynccontextmanager
from fastapi import FastAPI
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

pool = AsyncConnectionPool(os.environ["BENCH_DB"], open=False, min_size=4, max_size=16,
                           kwargs={"autocommit": True, "row_factory": dict_row})

@asynccontextmanager
async def lifespan(app):
    await pool.open()
    yield
    await pool.close()

app = FastAPI(lifespan=lifespan)
COLUMNS = "uid, title, description, metadata, tags, attributes, status, preset, duration_ms, created_at, updated_at"

@app.get("/one/{uid}")
async def one(uid: str):
    async with pool.connection() as c:
        return await (await c.execute(f"SELECT {COLUMNS} FROM assets WHERE uid = %s", (uid,))).fetchone()

@app.get("/list")
async def many():
    async with pool.connection() as c:
        return await (await c.execute(f"SELECT {COLUMNS} FROM assets ORDER BY num DESC LIMIT 100")).fetchall()
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
            env={**os.environ, "BENCH_DB": self._url, "PYTHONPATH": str(self._folder)},
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
    assert httpx.get(one, headers=headers).json()["id"] == uid
    assert len(httpx.get(many, headers=headers).json()["items"]) == min(assets, 100)
    assert httpx.get(f"{bare.url}/one/{uid}").json()["uid"] == uid
    for pid in (own.pid, bare.pid):
        pin(psutil.Process(pid), SERVER_CORE)
    found: dict[str, list[float]] = {"one": [], "many": [], "bare one": [], "bare many": []}
    for _ in range(runs):
        found["bare one"].append(ms_per_request([bare.pid], f"{bare.url}/one/{uid}", seconds))
        found["one"].append(ms_per_request([own.pid], one, seconds, headers=headers))
        found["bare many"].append(ms_per_request([bare.pid], f"{bare.url}/list", seconds))
        found["many"].append(ms_per_request([own.pid], many, seconds, headers=headers))
    report.compare("one asset", "ms CPU", found["one"], "bare FastAPI, psycopg", found["bare one"], goal=2.0)
    report.limit("one asset, per core", "ms CPU", found["one"], goal=1000 / RATE_GOAL)
    report.compare(
        "list of 100", "ms CPU", found["many"], "bare FastAPI, psycopg", found["bare many"], goal=2.0
    )


if __name__ == "__main__":
    main()
