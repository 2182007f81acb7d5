"""Each bench still runs: as small as it can be, once. What it measures is not looked at."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
NAMES = sorted(
    path.stem
    for path in (ROOT / "bench").glob("*.py")
    if path.name != "__main__.py" and '"--smoke"' in path.read_text(encoding="utf-8")
)


@pytest.mark.slow
@pytest.mark.timeout(320)
@pytest.mark.parametrize("name", NAMES)
def test_the_bench_runs(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", name, "--smoke"],
        cwd=ROOT,
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
