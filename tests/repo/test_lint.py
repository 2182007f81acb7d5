"""What `make lint` checks, so that the one command of the tests does too; the imports are in test_layout."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.repo.files import ROOT


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "command",
    [("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy",)],
    ids=["ruff", "format", "mypy"],
)
def test_no_linter_finds_anything(command: tuple[str, ...]) -> None:
    program, *arguments = command
    found = Path(sys.executable).with_name(program)
    done = subprocess.run([str(found), *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
