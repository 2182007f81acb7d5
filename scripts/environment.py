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
import time
from pathlib import Path
from typing import Any

UV_VERSION = "0.13.9"
OLDEST = (3, 11)
ROOT = Path(__file__).resolve().parent.parent
UV = ROOT / ".uv" / "bin" / "uv"
PYTHON = ROOT / ".venv" / "bin" / "python"
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
    return STAMP.read_text().strip() if STAMP.is_file() and PYTHON.exists() else ""


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
    for number, step in enumerate(steps):
        if _shown(("a folder for uv", f"uv {UV_VERSION}")[number], step) != 0:
            return _stop(f"this failed: {' '.join(step)}")
    return 0


def _sync(demo: bool) -> int:
    what = f"packages of uv.lock{'' if demo else ' and development tools'} (1 GB, once)"
    groups = ["--no-dev", "--group", "web"] if demo else []
    argv = [str(UV), "sync", "--locked", "--quiet", "--python", sys.executable, *groups]
    # the machine's interpreter is the one to use: never fetch another
    environment = os.environ | {
        "UV_PYTHON_DOWNLOADS": "never",
        # the machine's own certificates, as pip and git use them: a company's proxy has one of its own
        "UV_SYSTEM_CERTS": "true",
    }
    environment.pop("VIRTUAL_ENV", None)
    if sys.dont_write_bytecode:
        # what Python may not keep by itself, each process of a server would compile again: seconds at every start
        environment["UV_COMPILE_BYTECODE"] = "1"
    if _shown(what, argv, cwd=ROOT, env=environment) != 0:
        return _stop("uv sync failed; its message is above")
    if sys.dont_write_bytecode:
        subprocess.run([PYTHON, "-m", "compileall", "-q", "src"], cwd=ROOT, check=False)
    STAMP.write_text(f"{'demo' if demo else 'dev'} {_wanted()}\n")
    return 0


def _shown(what: str, argv: list[str], **place: Any) -> int:
    """Run a step and say so: on a terminal with the seconds it takes, since a slow network may take minutes."""
    began = time.monotonic()
    print(f"Setting up: {what}", end="" if sys.stdout.isatty() else "\n", flush=True)
    step = subprocess.Popen(argv, **place)
    try:
        while sys.stdout.isatty():
            print(f"\rSetting up: {what} {time.monotonic() - began:.0f} s", end="", flush=True)
            try:
                step.wait(1)
                break
            except subprocess.TimeoutExpired:
                continue
        return step.wait()
    finally:
        # Ctrl-C has reached the step as well
        step.wait()
        if sys.stdout.isatty():
            print(flush=True)


def _output(argv: list[str]) -> str:
    try:
        return subprocess.run(argv, capture_output=True, text=True, check=False).stdout
    except OSError:
        return ""


def _stop(message: str) -> int:
    print(f"\n{message}\n", file=sys.stderr)
    return 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
