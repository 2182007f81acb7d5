"""Figures of a bench: median and p95 of all runs, beside a rival or a limit, as text and as JSON.

    report = Report("pictures")
    report.compare("storyboard, 3 h", "s CPU", ours, "key frames through ffmpeg", theirs, goal=1.0)
    report.limit("poster, 3 h", "s", values, goal=2.0)
    report.finish()

`python -m bench` names a file in POLYCAST_BENCH_JSON; a script started by hand only prints.
"""

import json
import os
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

LEAST_RUNS = 5
"""Fewer are no measurement but a smoke test, and marked as one."""


def p95(values: Sequence[float]) -> float:
    """The smallest value that 95 % of all do not pass."""
    ordered = sorted(values)
    return ordered[max(0, -(-95 * len(ordered) // 100) - 1)]


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """(wall, CPU) seconds of a call with all children that it waited for."""
    began, used = time.perf_counter(), _cpu_s()
    work()
    return time.perf_counter() - began, _cpu_s() - used


def told(what: str, value: float, unit: str) -> float:
    """Print one run as it ends, so that a bench that is stopped leaves what it had; returns the value."""
    print(f"  {what}: {value:.4g} {unit}", flush=True)
    return value


def _cpu_s() -> float:
    t = os.times()
    return t.user + t.system + t.children_user + t.children_system


class Report:
    """Collects figures and prints each as it comes."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._rows: list[dict[str, Any]] = []

    def compare(
        self,
        what: str,
        unit: str,
        ours: Sequence[float],
        rival: str,
        theirs: Sequence[float],
        *,
        goal: float | None = None,
    ) -> float:
        """Ours against a rival measured in the same run; returns the ratio of the medians.

        Args:
            goal: the ratio must not be above it.
        """
        base = statistics.median(theirs)
        ratio = statistics.median(ours) / base if base else float("inf")
        self._add(what, unit, ours, goal, ratio, rival=rival, rival_runs=list(theirs), rival_median=base)
        return ratio

    def limit(self, what: str, unit: str, values: Sequence[float], *, goal: float) -> float:
        """Ours against a limit; returns the share of it that is used."""
        ratio = statistics.median(values) / goal
        self._add(what, unit, values, 1.0, ratio, limit=goal)
        return ratio

    def finish(self) -> None:
        """Write the figures where `python -m bench` wants them."""
        target = os.environ.get("POLYCAST_BENCH_JSON")
        if target:
            Path(target).write_text(json.dumps(self._rows), encoding="utf-8")

    def _add(
        self, what: str, unit: str, runs: Sequence[float], goal: float | None, ratio: float, **more: Any
    ) -> None:
        row = {
            "bench": self._name,
            "what": what,
            "unit": unit,
            "runs": list(runs),
            "median": statistics.median(runs),
            "p95": p95(runs),
            "ratio": ratio,
            "goal": goal,
            "met": None if goal is None else ratio <= goal,
            "smoke": len(runs) < LEAST_RUNS,
            **more,
        }
        self._rows.append(row)
        print(text(row), flush=True)


def text(row: dict[str, Any]) -> str:
    """One figure as a line."""
    against = (
        f"{row['rival']} {row['rival_median']:.3g}" if "rival" in row else f"limit {row.get('limit', 0):.3g}"
    )
    verdict = {None: "", True: "  met", False: "  MISSED"}[row["met"]]
    if row["smoke"]:
        verdict = f"  (under {LEAST_RUNS} runs: no measurement)"
    goal = f" (goal {row['goal']:.3g})" if row["goal"] is not None else ""
    return (
        f"{row['what']:<28} median {row['median']:.3g} {row['unit']}, p95 {row['p95']:.3g}; {against}; "
        f"ratio {row['ratio']:.2f}{goal}{verdict}"
    )


def markdown(row: dict[str, Any]) -> str:
    """One figure as a row of the table in docs/benchmarks.md."""
    against = (
        f"{row['rival']}: {row['rival_median']:.3g}" if "rival" in row else f"limit {row.get('limit', 0):.3g}"
    )
    met = {None: "", True: "yes", False: "**no**"}[row["met"]]
    return (
        f"| {row['what']} | {row['median']:.3g} {row['unit']} | {row['p95']:.3g} | {against} "
        f"| {row['ratio']:.2f} | {'' if row['goal'] is None else format(row['goal'], '.3g')} | {met} |"
    )
