"""Each bench still runs: as small as it can be, once. What it measures is not looked at."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.installation import LENT
from tests.support.server import PolycastServer

ROOT = Path(__file__).parents[3]
NAMES = sorted(
    path.stem
    for path in (ROOT / "bench").glob("*.py")
    if path.name != "__main__.py" and '"--smoke"' in path.read_text(encoding="utf-8")
)


ON_A_SERVER = {"fairness", "first_frame", "upload_10gb"}
ON_A_DATABASE = {"api", "delivery", "startup", "workers"}


ALONE = [name for name in NAMES if name not in ON_A_SERVER | ON_A_DATABASE]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(320)]


@pytest.mark.parametrize("name", sorted(ON_A_SERVER))
def test_the_bench_runs_on_a_server(name: str, server: PolycastServer) -> None:
    tenant = asyncio.run(server.tenant(f"bench {name}"))
    lent = {"url": server.url, "key": tenant.key, "data": str(server.data), "database": server.database_url}
    _smoke(name, lent)


@pytest.mark.parametrize("name", sorted(ON_A_DATABASE))
def test_the_bench_runs_on_a_database(name: str, database_url: str) -> None:
    _smoke(name, {"database": database_url})


@pytest.mark.parametrize("name", ALONE)
def test_the_bench_runs(name: str) -> None:
    _smoke(name, {})


def _smoke(name: str, lent: dict[str, str]) -> None:
    """Args: lent: what the bench would else start for itself, which takes longer than its work."""
    done = subprocess.run(
        [sys.executable, "-m", "bench", name, "--smoke"],
        cwd=ROOT,
        env={**os.environ, LENT: json.dumps(lent)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"== {name}: ")
    assert len(lines) > 1, "a bench prints what it measured"


def test_names_that_are_none_are_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "no-such-bench"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "no bench no-such-bench" in done.stderr
