"""Make the Python environment of this working copy: `.venv`, exactly as uv.lock says.

    python3 scripts/environment.py [--demo]     --demo leaves the development tools out

Runs on the bare python3 of the machine, standard library only. uv itself lives in `.uv`, apart, so that
`.venv` holds nothing but what the lock file names. Does nothing when the environment is current.
"""

import fcntl
import hashlib
import os
import subprocess
import sys
from pathlib import Path

UV_VERSION = "0.13.9"
OLDEST = (3, 11)
ROOT = Path(__file__).resolve().parent.parent
UV = ROOT / ".uv" / "bin" / "uv"
STAMP = ROOT / ".venv" / ".polycast-environment"


def main() -> int:
    if sys.version_info < OLDEST:
        found = sys.version.split()[0]
        return _stop(
            f"Polycast needs Python {OLDEST[0]}.{OLDEST[1]} or newer, this is {found} ({sys.executable})"
        )
    demo = "--demo" in sys.argv[1:]
    with (ROOT / "uv.lock").open() as turn:
        # a demo and a test run that start at once take turns; the second finds the work done
        fcntl.flock(turn, fcntl.LOCK_EX)
        # the development environment holds everything a demo needs
        if _current() in ((f"dev {_wanted()}", f"demo {_wanted()}") if demo else (f"dev {_wanted()}",)):
            return 0
        return _make_uv() or _sync(demo)


def _wanted() -> str:
    digest = hashlib.sha256(sys.version.encode())
    for name in ("uv.lock", "pyproject.toml"):
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()[:16]


def _current() -> str:
    python = ROOT / ".venv" / "bin" / "python"
    return STAMP.read_text().strip() if STAMP.is_file() and python.exists() else ""


def _make_uv() -> int:
    """A venv of its own with the pinned uv."""
    if UV.is_file() and f"uv {UV_VERSION}" in _output([str(UV), "--version"]):
        return 0
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
        return _stop(
            f"this Python has no venv module. On Debian and Ubuntu:\n\n    apt-get install {package}\n\n"
            "(as root), then run make again"
        )
    print(f"Setting up: uv {UV_VERSION} in .uv", flush=True)
    steps = [
        [sys.executable, "-m", "venv", "--clear", str(ROOT / ".uv")],
        [
            str(UV.with_name("python")),
            "-m",
            "pip",
            "install",
            "-q",
            "--disable-pip-version-check",
            f"uv=={UV_VERSION}",
        ],
    ]
    for step in steps:
        if subprocess.run(step, check=False).returncode != 0:
            return _stop(f"this failed: {' '.join(step)}")
    return 0


def _sync(demo: bool) -> int:
    print(
        f"Setting up: packages of uv.lock in .venv{' (without development tools)' if demo else ''}",
        flush=True,
    )
    groups = ["--no-dev", "--group", "web"] if demo else []
    argv = [str(UV), "sync", "--locked", "--quiet", "--python", sys.executable, *groups]
    # the machine's interpreter is the one to use: never fetch another
    environment = os.environ | {
        "UV_PYTHON_DOWNLOADS": "never",
        # the machine's own certificates, as pip and git use them: a company's proxy has one of its own
        "UV_SYSTEM_CERTS": "true",
    }
    environment.pop("VIRTUAL_ENV", None)
    if subprocess.run(argv, cwd=ROOT, env=environment, check=False).returncode != 0:
        return _stop("uv sync failed; its message is above")
    STAMP.write_text(f"{'demo' if demo else 'dev'} {_wanted()}\n")
    return 0


def _output(argv: list[str]) -> str:
    try:
        return subprocess.run(argv, capture_output=True, text=True, check=False).stdout
    except OSError:
        return ""


def _stop(message: str) -> int:
    print(f"\n{message}\n", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
