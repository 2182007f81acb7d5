"""How soon it serves and what it holds at rest: `python -m bench.startup [--runs 5] [--smoke]`.

`polycast up` on a data folder that exists, from the command to ready, by our clock: goal 3 s. Then the
proportional set size of all its processes, PostgreSQL too (sum of `Pss` of /proc/*/smaps_rollup; shared
pages are counted once), when nothing was asked of it for some seconds: goal 500 MB.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

import psutil

from bench.installation import Installation, lent
from bench.report import Report

GOAL_S = 3.0
GOAL_MB = 500.0
_REST_S = 5.0


def pss(data: Path, root: int) -> dict[str, float]:
    """Megabytes by kind of process: the family of `root`, and the database in its folder, which is nobody's child."""
    family = {root, *(child.pid for child in psutil.Process(root).children(recursive=True))}
    for process in psutil.process_iter(["pid", "cmdline"]):
        if str(data) in " ".join(process.info["cmdline"] or []):
            family.add(process.pid)
            family |= {child.pid for child in process.children(recursive=True)}
    found: dict[str, float] = {}
    for pid in family - {os.getpid()}:
        try:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
            command = " ".join(psutil.Process(pid).cmdline())
        except (OSError, psutil.Error):
            continue
        size = next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) / 1024
        kind = next(
            (word for word in ("serving", "working", "polycast.cli.main", "postgres") if word in command),
            "other",
        )
        found[kind] = found.get(kind, 0.0) + size
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--smoke", action="store_true", help="one start, at rest for an instant")
    given = parser.parse_args()
    runs, rest = (1, 0.0) if given.smoke else (given.runs, _REST_S)
    starts: list[float] = []
    held: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory(prefix="polycast-bench-") as folder:
        data = Path(folder) / "data"
        settings = {"database_url": url} if (url := lent().get("database")) else {}
        if not given.smoke:
            with Installation(data, borrow=False, **settings) as first:
                print(f"first start, making database and keys: {first.seconds:.2f} s", flush=True)
        for _ in range(runs):
            with Installation(data, borrow=False, **settings) as running:
                starts.append(running.seconds)
                time.sleep(rest)
                held.append(pss(data, running.pid))
    report = Report("startup")
    report.limit("up to ready, warm", "s", starts, goal=GOAL_S)
    report.limit("PSS of all processes at rest", "MB", [sum(one.values()) for one in held], goal=GOAL_MB)
    parts = (
        f"{kind} {statistics.median(one.get(kind, 0.0) for one in held):.0f}" for kind in sorted(held[0])
    )
    print(f"  MB by kind: {', '.join(parts)}", flush=True)
    report.finish()


if __name__ == "__main__":
    main()
