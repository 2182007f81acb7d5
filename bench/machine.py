"""What a figure was measured on: a figure without its machine says nothing."""

import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import imageio_ffmpeg

FFMPEG = os.environ.get("POLYCAST_FFMPEG") or imageio_ffmpeg.get_ffmpeg_exe()
ROOT = Path(__file__).parents[1]


def describe() -> dict[str, Any]:
    """Plain facts, no names of hosts or people."""
    return {
        "cpu": _field("/proc/cpuinfo", "model name") or platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(int((_field("/proc/meminfo", "MemTotal") or "0 kB").split()[0]) / (1 << 20), 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "ffmpeg": _first_line([FFMPEG, "-version"]).removeprefix("ffmpeg version ").split(" ")[0],
        "commit": _first_line(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]),
        "changed": bool(
            _first_line(["git", "-C", str(ROOT), "status", "--porcelain", "--untracked-files=no"])
        ),
        # other work on the machine spoils wall times, and CPU times a little
        "load_1m": round(os.getloadavg()[0], 2),
    }


def line(facts: dict[str, Any]) -> str:
    """The facts as one line of text."""
    return (
        f"{facts['cpu']}, {facts['cores']} cores, {facts['memory_gib']} GiB, Linux {facts['kernel']}, "
        f"Python {facts['python']}, FFmpeg {facts['ffmpeg']}, {facts['commit']}{' changed' if facts['changed'] else ''}, "
        f"load {facts['load_1m']}"
    )


def _field(path: str, name: str) -> str | None:
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((text.partition(":")[2].strip() for text in lines if text.startswith(name)), None)


def _first_line(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except OSError:
        return ""
    return (done.stdout.splitlines() or [""])[0].strip()


if __name__ == "__main__":
    sys.stdout.write(line(describe()) + "\n")
