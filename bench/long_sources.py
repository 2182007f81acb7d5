"""Long sources out of short ones: copies in a loop, without encoding, at the speed of the disk."""

import subprocess
from math import ceil
from pathlib import Path

from bench.machine import FFMPEG


def moving_picture(path: Path, *, seconds: float, size: str, bitrate: str = "4M", gop: int = 50) -> Path:
    """H.264 and AAC with some grain, as cameras make it. An existing file is kept."""
    if not path.exists():
        _run(
            path, "-f", "lavfi", "-i", f"testsrc2=s={size}:r=25:d={seconds:g}", "-f", "lavfi",
            "-i", f"sine=d={seconds:g}", "-vf", "noise=alls=8:allf=t,format=yuv420p",
            "-c:v", "libx264", "-preset", "veryfast", "-b:v", bitrate, "-maxrate", bitrate, "-bufsize", bitrate,
            "-g", str(gop), "-keyint_min", str(gop), "-sc_threshold", "0", "-flags", "+cgop",
            "-c:a", "aac", "-b:a", "128k",
        )  # fmt: skip
    return path


def looped(source: Path, target: Path, *, seconds: float, source_s: float) -> Path:
    """`source` again and again until `seconds` are reached; the container by `target`'s suffix. Kept if there."""
    if not target.exists():
        times = max(1, ceil(seconds / source_s))
        # the option stands before its input: this input is read once and `times - 1` times more
        _run(target, "-stream_loop", str(times - 1), "-i", str(source), "-c", "copy")
    return target


def _run(target: Path, *args: str) -> None:
    """A file appears whole or not at all: a bench that was stopped leaves no half one to be measured."""
    draft = target.with_name(f"draft-{target.name}")
    subprocess.run([FFMPEG, "-v", "error", "-nostdin", "-y", *args, str(draft)], check=True)
    draft.rename(target)
