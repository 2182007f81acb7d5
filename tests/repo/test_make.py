"""The verbs of the Makefile."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.repo.files import ROOT

VERBS = ("demo", "demo-live", "test", "test-crash", "test-fast", "lint", "web", "bench", "help")


def test_help_lists_every_verb() -> None:
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r"make ([a-z-]+)", shown)) == set(VERBS)


def test_continuous_integration_runs_the_documented_command() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    assert script.rstrip().endswith("exec make test")


def test_uv_is_pinned_once() -> None:
    script = (ROOT / "scripts" / "environment.py").read_text()
    assert re.search(r'UV_VERSION = "\d+\.\d+\.\d+"', script)


def test_the_demo_is_given_a_video_of_any_name(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    python.chmod(0o755)
    name = 'it\'s [1] "`x`" & 100%.mp4'
    ours = [f"BIN={tmp_path}", f"PYTHON={python}"]
    shown = subprocess.run(
        ["make", "--silent", "demo", *ours, f"VIDEO={name}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert shown.splitlines()[-3:] == ["-m", "polycast.cli.demo", name]


@pytest.mark.parametrize("missing", ["venv", "ensurepip"])
def test_a_python_without_venv_is_told_the_package(missing: str) -> None:
    """As on a minimal Debian: the message names the package, and nothing is made."""
    code = (
        f"import sys, runpy; sys.modules['{missing}'] = None\n"
        "import pathlib; module = runpy.run_path('scripts/environment.py', run_name='loaded')\n"
        "module['_make_uv'].__globals__['UV'] = pathlib.Path('/nonexistent/uv')\n"
        "sys.exit(module['_make_uv']())"
    )
    done = subprocess.run(["python3", "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert re.search(r"apt-get install python3\.\d+-venv", done.stderr)
