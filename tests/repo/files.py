"""The repository's own files."""

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@cache
def tracked() -> tuple[Path, ...]:
    """All files that git keeps; in a source tree without git, all but what .gitignore names by hand."""
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, text=True, check=False
    )
    if listed.returncode == 0 and listed.stdout:
        paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    else:
        hidden = {".venv", ".uv", ".git", "node_modules", "dist", "__pycache__", ".polycast"}
        paths = [path for path in ROOT.rglob("*") if not hidden & set(path.relative_to(ROOT).parts)]
    return tuple(path for path in paths if path.is_file())


def texts(*suffixes: str) -> list[Path]:
    """Tracked files by suffix."""
    return [path for path in tracked() if path.suffix in suffixes]


def shown(path: Path) -> str:
    """The path as a reader knows it."""
    return path.relative_to(ROOT).as_posix()
