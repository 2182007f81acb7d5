"""kill -9 at many moments: of the workers, the API and the database, at named steps and by chance.

After each round: what was acknowledged is there, nothing took effect twice, videos end playable with every
byte as written, books agree with the disk, and no child of a killed process lives on. Set
POLYCAST_TEST_SEED to repeat a run.
"""

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import psutil
import pytest
import pytest_asyncio

from polycast.bootstrap import UPKEEP_JOB, build_platform, running
from polycast.db.embedded import EmbeddedPostgres
from polycast.domain.errors import DatabaseUnavailable
from polycast.domain.states import AssetStatus, OutputStatus
from polycast.services.crashpoints import POINTS
from polycast.settings import load
from tests.support.media import Media
from tests.support.server import PolycastServer, lives
from tests.support.stubborn import StubbornClient
from tests.support.studio import Studio
from tests.support.waiting import STRETCH, until

SEED = int(os.environ.get("POLYCAST_TEST_SEED", "20"))
ROUNDS = 5
BY_CHANCE = 2
"""kills of a round at a moment of no meaning"""
AT_ONCE = 5
"""named steps armed in a round"""
OF_THE_DATABASE = 8
"""named steps at which it is the database that dies"""
CRASH = Path(__file__).parents[2] / "support" / "crash"
T = TypeVar("T")


class Battered:
    """A server that is killed again and again, and a client that goes on."""

    def __init__(self, server: PolycastServer, client: StubbornClient, studio: Studio, crashes: Path) -> None:
        self.server = server
        self.client = client
        self.studio = studio
        self.crashes = crashes
        self.kills: list[str] = []
        self.kept: list[UUID] = []
        self.deleted: list[UUID] = []

    @property
    def database(self) -> Path:
        """Its pid is in the first line."""
        return self.server.data / "postgres" / "cluster" / "postmaster.pid"

    async def kill(self, role: str) -> None:
        """kill -9 of one process, without its children: those must notice by themselves."""
        # it may be on its way back from another kill
        victim = await until(lambda: next(iter(self.server.role(role)), None), timeout_s=30, what=role)
        try:
            family = victim.children(recursive=True)
            victim.kill()
        except psutil.NoSuchProcess:
            return
        self.kills.append(role)
        await until(lambda: not any(map(lives, family)), what=f"the children of {role} have ended")

    def arm(self, point: str, victim: str) -> None:
        (self.crashes / point).write_text(str(self.database) if victim == "database" else "")

    def disarm(self, armed: dict[str, str]) -> list[tuple[str, str]]:
        """Count what went off, take away what did not; returns that."""
        left = []
        for point, victim in armed.items():
            try:
                (self.crashes / point).unlink()
                left.append((point, victim))
            except FileNotFoundError:
                self.kills.append(f"{victim or 'self'} at {point}")
        return left

    async def publish(self, clip: Path) -> None:
        self.kept.append(await self.client.publish(clip))

    async def publish_and_delete(self, clip: Path) -> None:
        """The deletion meets the making."""
        await self.delete(await self.client.publish(clip))

    async def delete(self, asset: UUID) -> None:
        await self.client.delete(asset)
        self.deleted.append(asset)
        await self.firmly(self._clear_now)

    async def _clear_now(self) -> None:
        await self.studio.execute("UPDATE garbage SET not_before = now()")
        async with self.studio.services.db.transaction() as tx:
            await self.studio.services.jobs.enqueue(tx, UPKEEP_JOB, {})

    async def firmly(self, look: Callable[[], Awaitable[T]]) -> T:
        """The answer of `look`, which is asked again while the database is away for this process, too."""
        deadline = time.monotonic() + 40 * STRETCH
        while True:
            try:
                return await look()
            except DatabaseUnavailable:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.1)  # between two looks

    async def settle(self) -> None:
        """Until nothing is being made any more."""
        for uid in self.kept:
            asset = await self.studio.settled(uid, timeout_s=60)
            assert (asset.status, asset.error) == (AssetStatus.AVAILABLE, None), uid
            assert [o.status for o in asset.outputs] == [OutputStatus.AVAILABLE], asset.outputs
        await self.studio.quiet()
        await until(self._cleared, timeout_s=60, what="all clearing has ended")

    async def _cleared(self) -> bool:
        waiting = (
            "SELECT 1 FROM procrastinate_jobs WHERE task_name = 'upkeep' AND status IN ('todo', 'doing')"
        )
        return not await self.studio.rows(waiting)

    async def check(self) -> None:
        """All that must be true once things have settled."""
        studio = self.studio
        for uid in self.kept:
            await studio.check_whole(await studio.asset(uid))
            events = await studio.events(uid)
            for once in ("asset.created", "asset.available", "output.available"):
                assert events.count(once) == 1, events
        for uid in self.deleted:
            assert await studio.rows("SELECT 1 FROM assets WHERE uid = :uid", uid=uid) == []
            assert (await studio.events(uid)).count("asset.deleted") == 1
        doubled = await studio.rows(
            "SELECT output_num FROM generations WHERE state = 'published' GROUP BY 1 HAVING count(*) > 1"
        )
        assert doubled == []
        await studio.clear()
        await studio.check_books()


@pytest_asyncio.fixture
async def battered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Battered]:
    crashes = tmp_path / "crashes"
    crashes.mkdir()
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(CRASH), *filter(None, [os.environ.get("PYTHONPATH")])])
    )
    settings = {
        "heartbeat_s": 0.2,
        "stalled_after_s": 2.0 * STRETCH,
        "restart_pause_s": 0.1,
        "encode_workers": 2,
        "test_crash": crashes,
    }
    server = PolycastServer(tmp_path / "data", settings=settings)
    await asyncio.to_thread(server.start)
    try:
        url = EmbeddedPostgres(server.data / "postgres").url()
        loaded = load(data=server.data, database_url=url)
        async with running(build_platform(loaded, url)) as platform:
            owner = await platform.services.tenants.default_organization()
            assert owner is not None
            tenant = (await platform.services.tenants.list(owner))[0]
            client = StubbornClient(server.url, server.admin_key)
            yield Battered(server, client, Studio(platform, tenant), crashes)
            await client.aclose()
    finally:
        await asyncio.to_thread(server.stop)


@pytest.mark.slow
@pytest.mark.crash
@pytest.mark.timeout(420 * STRETCH)
async def test_killed_again_and_again(battered: Battered, tmp_path_factory: pytest.TempPathFactory) -> None:
    media = Media.for_run(tmp_path_factory)
    dice = random.Random(SEED)
    blows = [(point, "") for point in POINTS]
    blows += [(point, "database") for point in dice.sample(POINTS, OF_THE_DATABASE)]
    dice.shuffle(blows)
    for number in range(ROUNDS):
        armed: dict[str, str] = {}
        for blow in [*blows]:
            if len(armed) < AT_ONCE and blow[0] not in armed:
                blows.remove(blow)
                armed[blow[0]] = blow[1]
                battered.arm(*blow)
        clips = ["tall"] if "process.packaged" in armed else ["tall", "tall_vp9"]
        work = [battered.publish(media.clip(dice.choice(clips)))]
        if number % 2:
            work.append(battered.delete(battered.kept.pop(0)))
        else:
            work.append(battered.publish_and_delete(media.clip("tall")))
        tasks = [asyncio.create_task(each) for each in work]
        for role in dice.choices(("encode", "package", "api"), k=BY_CHANCE):
            # a moment by chance: this is what is tried, nothing is waited for
            await asyncio.sleep(dice.uniform(0, 1.5))
            await battered.kill(role)
        try:
            await asyncio.gather(*tasks)
            await battered.firmly(battered.settle)
            blows += battered.disarm(armed)
            await battered.firmly(battered.check)
        except (AssertionError, DatabaseUnavailable) as error:
            lines = "\n".join(list(battered.server.lines)[-60:])
            raise AssertionError(
                f"round {number} of seed {SEED}, armed {armed}, killed {battered.kills}: {error}\n{lines}"
            ) from error
    assert len(battered.kills) >= 30, battered.kills
    assert any(kill.startswith("database") for kill in battered.kills)
