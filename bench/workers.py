"""What a second worker brings: `python -m bench.workers [--seconds 60] [--size 1280x720] [--runs 5] [--smoke]`.

Wall time from the creation of an asset until its last rung is published, by two `polycast worker` processes,
each with its children on a core of its own, against one such process on one core. Goal: at most 0.60 times.
The source must be encoded from the first rung on (H.264 4:4:4 plays nowhere), and its sound too.
"""

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from uuid import UUID

from bench.installation import database
from bench.machine import FFMPEG
from bench.rates import CORES
from bench.report import Report, told
from polycast.bootstrap import build_platform, running
from polycast.domain.states import AssetStatus
from polycast.settings import load
from tests.integration.delivery.published import new_tenant
from tests.support.studio import Studio

GOAL = 0.60
_LOOK_S = 0.1


def make_source(path: Path, seconds: float, size: str) -> None:
    subprocess.run(
        [FFMPEG, "-v", "error", "-y", "-f", "lavfi", "-i", f"testsrc2=s={size}:r=25:d={seconds}",
         "-f", "lavfi", "-i", f"anoisesrc=a=0.1:d={seconds}", "-vf", "noise=alls=6:allf=t", "-c:v", "libx264",
         "-preset", "veryfast", "-g", "50", "-pix_fmt", "yuv444p", "-c:a", "aac", "-ac", "2", str(path)],
        check=True,
    )  # fmt: skip


@contextmanager
def worker(data: Path, url: str, core: int) -> Iterator[None]:
    """One worker of all queues, one encode at a time, on one core with all that it starts."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("POLYCAST_")}
    given = {"DATA": str(data), "DATABASE_URL": url, "ENCODE_WORKERS": "1", "LOG_LEVEL": "warning"}
    process = subprocess.Popen(
        ["taskset", "-c", str(core), sys.executable, "-m", "polycast.cli.working"],
        env=clean | {f"POLYCAST_{name}": value for name, value in given.items()},
    )
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


async def ladder(studio: Studio, source: Path) -> float:
    """Seconds until the whole ladder of a new asset is there; nothing of it is left to do afterwards."""
    file = await studio.upload(source)
    await _rest(studio)  # it is probed
    began = time.perf_counter()
    made = await studio.make(file)
    while (await _output(studio, made.uid)) == "processing":  # noqa: ASYNC110 - other processes
        await asyncio.sleep(_LOOK_S)
    seconds = time.perf_counter() - began
    asset = await studio.asset(made.uid)
    assert asset.status is AssetStatus.AVAILABLE, asset.error
    await _rest(studio)
    return seconds


async def _output(studio: Studio, uid: UUID) -> str:
    [row] = await studio.rows(
        "SELECT o.status FROM outputs o JOIN assets a ON a.num = o.asset_num WHERE a.uid = :uid AND o.main",
        uid=uid,
    )
    return str(row.status)


async def _rest(studio: Studio) -> None:
    """Wait until nothing is to be done; seldom enough to take no part in what is measured."""
    busy = (
        "SELECT 1 FROM procrastinate_jobs WHERE status IN ('todo', 'doing') "
        "AND task_name NOT IN ('upkeep', 'views', 'scrub') LIMIT 1"
    )
    while await studio.rows(busy):  # noqa: ASYNC110 - other processes
        await asyncio.sleep(_LOOK_S)


async def measure(
    data: Path, url: str, source: Path, warm: Path, runs: int
) -> tuple[list[float], list[float]]:
    """(two workers, one worker), seconds."""
    two: list[float] = []
    one: list[float] = []
    settings = load(data=data, database_url=url, encode_workers=1)
    async with running(build_platform(settings, url)) as platform:
        studio = Studio(platform, await new_tenant(platform.services, "bench"))
        for values, cores in ((one, CORES[:1]), (two, CORES[:2])) * runs:
            with ExitStack() as stack:
                for core in cores:
                    stack.enter_context(worker(data, url, core))
                await ladder(studio, warm)  # they are up, and have loaded what they need
                values.append(told(f"workers on {len(cores)} cores", await ladder(studio, source), "s"))
    return two, one


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--smoke", action="store_true", help="one second at 160x90, once: does it run?")
    given = parser.parse_args()
    if len(CORES) < 2:
        print("skipped: there is one core")
        return
    if given.smoke:
        given.seconds, given.size, given.runs = 1.0, "160x90", 1
    with tempfile.TemporaryDirectory(prefix="polycast-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)
        source, warm = folder / "source.mp4", folder / "warm.mp4"
        make_source(source, given.seconds, given.size)
        make_source(warm, 1.0, "160x90")
        with database(folder) as url:
            two, one = asyncio.run(measure(folder / "data", url, source, warm, given.runs))
    report = Report("workers")
    what = f"ladder of {given.seconds:g} s {given.size}, two workers"
    report.compare(what, "s", two, "one worker", one, goal=GOAL)
    report.finish()


if __name__ == "__main__":
    main()
