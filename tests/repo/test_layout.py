"""Where things are, and how large they may grow."""

import subprocess
import sys
from pathlib import Path

from tests.repo.files import ROOT, shown, texts

VAGUE = {"utils", "util", "helpers", "helper", "common", "misc", "shared", "tools"}
LONGEST = 400
# a file may be longer for a reason, given here
LONG: dict[str, str] = {}


def _python(*below: str) -> list[Path]:
    return [path for path in texts(".py") if path.is_relative_to(ROOT / Path(*below))]


def test_names_say_what_a_file_holds() -> None:
    vague = [
        shown(path)
        for path in _python()
        if path.stem in VAGUE or VAGUE & set(path.relative_to(ROOT).parts[:-1])
    ]
    assert vague == []


def test_files_stay_readable() -> None:
    long = {
        shown(path): lines
        for path in _python("src")
        if "versions" not in path.parts and (lines := len(path.read_text().splitlines())) > LONGEST
    }
    assert set(long) == set(LONG), f"split these, or give a reason in LONG: {long}"


def test_unit_tests_mirror_the_source() -> None:
    """`tests/unit/x/…` tests `src/polycast/x`."""
    source = {path.name for path in (ROOT / "src" / "polycast").iterdir() if path.is_dir()}
    modules = {path.stem for path in (ROOT / "src" / "polycast").glob("*.py")}
    folders = {path.name for path in (ROOT / "tests" / "unit").iterdir() if path.is_dir()} - {"__pycache__"}
    assert folders - source - modules == set()


def test_imports_point_down() -> None:
    """The contracts in pyproject.toml; the output names the import that breaks one."""
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([str(program), "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_only_settings_reads_the_environment() -> None:
    """Settings come through one typed tree; `cli` passes them on to the processes it starts."""
    allowed = (
        "src/polycast/settings.py",
        "src/polycast/cli/",
        "src/polycast/proc/",
        "src/polycast/media/children/",
    )
    readers = [
        shown(path)
        for path in _python("src")
        if ("os.environ" in path.read_text() or "os.getenv" in path.read_text())
        and not shown(path).startswith(allowed)
    ]
    assert readers == []
