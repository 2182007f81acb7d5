"""The command behind `make test`: what its last lines say."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.browser import find_chromium
from tests.repo.files import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def _run(folder: Path, *arguments: str, path: str) -> "subprocess.CompletedProcess[str]":
    # a run of its own, not a worker of this one, and with a folder of its own: it ends what killed runs left there
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("POLYCAST_", "PYTEST_"))
    }
    return subprocess.run(
        [sys.executable, "scripts/run_tests.py", *arguments],
        cwd=ROOT,
        env=clean | {"PATH": path, "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_run_without_any_test_fails(tmp_path: Path) -> None:
    done = _run(tmp_path, "--fast", "tests/repo/test_words.py", "-k", "mistyped", path=os.environ["PATH"])
    assert done.returncode == 5, done.stdout + done.stderr
    said, total = done.stdout.splitlines()[-2:]
    assert said.startswith("No test was run")
    assert total.startswith("0 passed, 0 failed")


def test_a_run_without_a_browser_says_so_above_its_sum(tmp_path: Path) -> None:
    """On a machine that has none and installs none: no program is found there."""
    done = _run(tmp_path, "tests/repo/test_words.py", "-k", "changelog", path=str(tmp_path / "none"))
    assert done.returncode == 0, done.stdout + done.stderr
    said, total = done.stdout.splitlines()[-2:]
    assert said.startswith("NOT TESTED: the player in a browser.")
    assert total.startswith("1 passed, 0 failed")


@pytest.mark.parametrize("name", ["chromium", "chromium-browser", "google-chrome"])
def test_a_browser_is_found_by_any_of_its_names(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / name
    program.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("POLYCAST_TEST_CHROMIUM", raising=False)
    assert find_chromium() == str(program)
