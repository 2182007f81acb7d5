"""What one tenant's thousand videos cost another's one: `python -m bench.fairness [--runs 5] [--many 1000] [--smoke]`.

Seconds from the creation of an asset to its first playable generation on a `polycast up` of its own: alone,
and with a thousand assets of another tenant created just before. The one may wait for the jobs at hand, not
for the row: goal 5 x of alone, however many there are.
"""

import argparse
import asyncio
import tempfile
import time
from pathlib import Path
from uuid import UUID

from bench.installation import Installation
from bench.report import Report, told
from polycast.bootstrap import build_platform, running
from polycast.settings import load
from tests.support.media import Media
from tests.support.studio import Studio
from tests.support.waiting import until

GOAL = 5.0


async def playable(studio: Studio, clip: Path) -> float:
    """Seconds until a new asset of the clip plays."""
    file = await studio.upload(clip)
    began = time.perf_counter()
    asset = await studio.make(file)
    await until(lambda: _plays(studio, asset.uid), timeout_s=600)
    return time.perf_counter() - began


async def _plays(studio: Studio, uid: UUID) -> bool:
    return (await studio.asset(uid)).playable_at is not None


async def measure(url: str, data: Path, media: Path, runs: int, many: int) -> tuple[list[float], list[float]]:
    """(alone, in the crowd), seconds."""
    alone: list[float] = []
    crowded: list[float] = []
    async with running(build_platform(load(data=data, database_url=url), url)) as platform:
        owner = await platform.services.tenants.default_organization()
        assert owner is not None
        crowd = Studio(platform, await platform.services.tenants.create(owner, "Crowd"))
        one = Studio(platform, await platform.services.tenants.create(owner, "One"))
        clip = Media(media).clip("h264_no_b")
        if runs > 1:
            await playable(one, clip)  # the first one loads what all later ones have
        for _ in range(runs):
            alone.append(told("alone", await playable(one, clip), "s"))
        source = await crowd.upload(clip)
        for _ in range(runs):
            for _ in range(many):
                await crowd.make(source)
            crowded.append(told("behind the crowd", await playable(one, clip), "s"))
    return alone, crowded


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--many", type=int, default=1000)
    parser.add_argument("--smoke", action="store_true", help="a crowd of three, once")
    given = parser.parse_args()
    runs, many = (1, 3) if given.smoke else (given.runs, given.many)
    with tempfile.TemporaryDirectory(prefix="polycast-bench-") as folder:
        data = Path(folder) / "data"
        with Installation(data) as up:
            media = Path(folder) / "media"
            alone, crowded = asyncio.run(measure(up.database_url, up.data, media, runs, many))
    report = Report("fairness")
    report.compare(f"first picture behind {many} others", "s", crowded, "alone", alone, goal=GOAL)
    report.finish()


if __name__ == "__main__":
    main()
