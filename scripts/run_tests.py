"""Run the test suite: everything in two processes, then what needs a browser, then what kills processes.

    .venv/bin/python scripts/run_tests.py [--fast] [pytest arguments]

The last line is the sum of all parts: `N passed, N failed, N skipped in N s`; the line before says so when nothing
was tested in a browser.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from browser import find_chromium  # beside this file

ROOT = Path(__file__).resolve().parent.parent
SUMMARY = "POLYCAST_TEST_SUMMARY"
NO_BROWSER = "No Chromium here, and none could be installed: apt-get install chromium (as root)"
NO_TESTS = 5
"""pytest's exit code when it found nothing to run"""
PARALLEL = ["-n", "2", "--dist", "worksteal"]


def main() -> int:
    began = time.monotonic()
    fast = "--fast" in sys.argv[1:]
    extra = [word for word in sys.argv[1:] if word != "--fast"]
    if fast:
        parts = [[*PARALLEL, "-m", "not slow and not browser and not crash"]]
    else:
        _have_browser()
        if subprocess.run([sys.executable, "scripts/build_web.py"], cwd=ROOT, check=False).returncode:
            return 1
        # browsers show time, and kills hit moments: beside other tests both would be somewhere else each time
        parts = [
            [*PARALLEL, "-m", "not browser and not crash"],
            ["-n", "0", "-m", "browser"],
            ["-n", "0", "-m", "crash"],
        ]
    total: Counter[str] = Counter()
    results = []
    for part in parts:
        counts, result = _pytest([*part, *extra])
        total.update(counts)
        results.append(result)
    if all(result == NO_TESTS for result in results):
        print("No test was run: nothing has the name that was asked for.", flush=True)
    elif not fast and find_chromium() is None:
        print(f"NOT TESTED: the player in a browser. {NO_BROWSER}", flush=True)
    print(_line(total, time.monotonic() - began), flush=True)
    # one part without tests is no failure, all of them are
    return next((result for result in results if result not in (0, NO_TESTS)), min(results))


def _pytest(arguments: list[str]) -> tuple[dict[str, int], int]:
    with tempfile.TemporaryDirectory(prefix="polycast-tests-") as folder:
        summary = Path(folder) / "summary.json"
        argv = [sys.executable, "-m", "pytest", *arguments]
        result = subprocess.run(argv, cwd=ROOT, env=os.environ | {SUMMARY: str(summary)}, check=False)
        counts = json.loads(summary.read_text()) if summary.exists() else {"error": 1}
        return counts, result.returncode


def _have_browser() -> None:
    """Install Debian's Chromium where that is possible; else say what will be skipped."""
    if find_chromium() is not None:
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        print("Installing Chromium (apt-get) for the browser tests", flush=True)
        quiet = {"stdout": subprocess.DEVNULL, "env": os.environ | {"DEBIAN_FRONTEND": "noninteractive"}}
        install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"]
        for argv in (["apt-get", "update", "-qq"], install):
            if subprocess.run(argv, check=False, **quiet).returncode:  # type: ignore[call-overload]
                break
    if find_chromium() is None:
        print(f"The browser tests will be SKIPPED. {NO_BROWSER}", flush=True)


def _line(total: Counter[str], seconds: float) -> str:
    shown = [
        f"{total['passed']} passed",
        f"{total['failed'] + total['error']} failed",
        f"{total['skipped']} skipped",
    ]
    return f"{', '.join(shown)} in {seconds:.0f} s"


if __name__ == "__main__":
    sys.exit(main())
