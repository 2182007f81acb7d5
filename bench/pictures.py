"""What pictures of a long source cost: `python -m bench.pictures [--hours 3] [--runs 5] [--smoke]`.

Poster, six stills, animated preview and storyboard of a 1080p H.264 source of three hours, wall and CPU
seconds with their sandboxed children. The rival of the storyboard is the usual single command: ffmpeg
reads the whole file, decodes key frames only and tiles them.
"""

import argparse
import asyncio
import shutil
import subprocess
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from bench.long_sources import looped, moving_picture
from bench.machine import FFMPEG
from bench.report import Report, timed
from polycast.domain.media import SourceInfo
from polycast.media.images import frames, poster, preview
from polycast.media.storyboard import Storyboard, storyboard
from polycast.media.toolkit import MediaToolkit


def single_command(source: Path, board: Storyboard, out: Path) -> None:
    """The same tiles by one ffmpeg over all key frames."""
    graph = f"fps=1/{board.interval_s:g},scale={board.tile_w}:{board.tile_h}:flags=area,tile={board.columns}x{board.rows}"
    subprocess.run(
        [FFMPEG, "-v", "error", "-nostdin", "-y", "-threads", "1", "-skip_frame", "nokey", "-i", str(source), "-an",
         "-vf", graph, "-q:v", "7", str(out / "%d.jpg")],
        check=True,
    )  # fmt: skip


def measure(toolkit: MediaToolkit, source: Path, info: SourceInfo, out: Path, runs: int) -> None:
    report = Report("pictures")
    hours = f"{info.duration_s / 3600:.2g} h"
    works: dict[str, Callable[[], Awaitable[object]]] = {
        "poster": lambda: poster(toolkit, source, info, out / "poster.jpg"),
        "6 stills": lambda: frames(toolkit, source, info, out),
        "preview": lambda: preview(toolkit, source, info, out / "preview.webp"),
    }
    for name, work in works.items():
        values = [timed(lambda work=work: asyncio.run(_of(work)))[0] for _ in range(runs)]  # type: ignore[misc]
        report.limit(f"{name} of {hours}", "s", values, goal=5.0)
    boards: list[Storyboard] = []

    async def make() -> None:
        boards.append(await storyboard(toolkit, source, info, out))

    ours, theirs = [], []
    for _ in range(runs):
        ours.append(timed(lambda: asyncio.run(make()))[1])
        rival = out / "rival"
        rival.mkdir()
        theirs.append(timed(lambda to=rival: single_command(source, boards[-1], to))[1])  # type: ignore[misc]
        shutil.rmtree(rival)
    report.compare(f"storyboard of {hours}", "s CPU", ours, "ffmpeg over all key frames", theirs, goal=1.0)
    report.finish()


async def _of(work: Callable[[], Awaitable[object]]) -> None:
    await work()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--hours", type=float, default=3.0)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--smoke", action="store_true", help="some seconds at 160x90, once: does it run?")
    given = parser.parse_args()
    size, seconds, runs = (
        ("160x90", 20.0, 1) if given.smoke else ("1920x1080", given.hours * 3600, given.runs)
    )
    kept = Path(tempfile.gettempdir()) / "polycast-bench-media"
    kept.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="polycast-bench-") as folder:
        out = Path(folder)
        piece_s = 5.0 if given.smoke else 20.0
        piece = moving_picture(kept / f"piece-{size}.mp4", seconds=piece_s, size=size)
        source = looped(piece, kept / f"pictures-{size}-{seconds:g}.mp4", seconds=seconds, source_s=piece_s)
        toolkit = MediaToolkit(ffmpeg=FFMPEG, work_root=out)
        measure(toolkit, source, asyncio.run(toolkit.probe(source)), out, runs)


if __name__ == "__main__":
    main()
