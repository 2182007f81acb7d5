"""kill -9 at many moments: of the encoder, the packager, the API and the database, by chance and on purpose.

After each blow: what was acknowledged is there, nothing took effect twice, videos end playable with every
byte as written, books agree with the disk, and no child of a killed process lives on. Set
POLYCAST_TEST_SEED to repeat a run.
"""

import asyncio
import os
import random
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import psutil
import pytest
import pytest_asyncio

from polycast.bootstrap import build_platform, running
from polycast.db.embedded import EmbeddedPostgres
from polycast.domain.states import AssetStatus, OutputStatus
from polycast.settings import load
from tests.support.media import Media
from tests.support.server import PolycastServer
from tests.support.stubborn import StubbornClient
from tests.support.studio import Studio
from tests.support.waiting import STRETCH

SEED = int(os.environ.get("POLYCAST_TEST_SEED", "20"))
ROUNDS = 9
CRASH = Path(__file__).parents[2] / "support" / "crash"
ROLES = ("encode", "package", "api")
POINTS = (
    "upload.part", "upload.joined", "upload.completed", "process.begun", "process.packaged", "process.planned",
    "process.prepared", "process.done", "chunk.claimed", "chunk.encoded", "chunk.kept", "chunk.done",
    "assemble.logs", "assemble.published", "pictures.kept", "delete.committed", "garbage.deleted",
)  # fmt: skip
CLIPS = ("tall", "tall_vp9", "h264_no_b")


class Battered:
    """A server that is killed again and again, and a client that goes on."""

    def __init__(self, server: PolycastServer, client: StubbornClient, studio: Studio, crashes: Path) -> None:
        self.server = server
        self.client = client
        self.studio = studio
        self.crashes = crashes
        self.kills: list[str] = []
        self.kept: set[UUID] = set()
        self.deleted: set[UUID] = set()

    def kill(self, role: str) -> None:
        """kill -9 of one process, without its children: those must notice by themselves."""
        if role == "database":
            pid_file = self.server.data / "postgres" / "cluster" / "postmaster.pid"
            victims = [psutil.Process(int(pid_file.read_text().split("\n", 1)[0]))]
        else:
            victims = self.server.role(role)[:1]
        for victim in victims:
            try:
                family = victim.children(recursive=True)
                victim.kill()
            except psutil.NoSuchProcess:
                continue
            self.kills.append(role)
            _, alive = psutil.wait_procs(family, timeout=5 * STRETCH)
            assert not alive, f"children of {role} live on: {alive}"

    def arm(self, point: str) -> None:
        (self.crashes / point).touch()

    def disarm(self) -> None:
        """Count what went off, take away what did not."""
        for point in POINTS:
            try:
                (self.crashes / point).unlink()
            except FileNotFoundError:
                continue

    async def publish(self, clip: Path) -> None:
        self.kept.add(await self.client.publish(clip))

    async def delete(self) -> None:
        if self.kept:
            asset = min(self.kept)
            self.kept.discard(asset)
            await self.client.delete(asset)
            self.deleted.add(asset)

    async def check(self) -> None:
        """All that must be true once things have settled."""
        studio = self.studio
        for uid in self.kept:
            asset = await studio.settled(uid, timeout_s=60)
            assert (asset.status, asset.error) == (AssetStatus.AVAILABLE, None)
            assert [o.status for o in asset.outputs] == [OutputStatus.AVAILABLE], asset.outputs
        await studio.quiet()
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
        "stalled_after_s": 1.2 * STRETCH,
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
@pytest.mark.timeout(420)
async def test_killed_again_and_again(battered: Battered, tmp_path_factory: pytest.TempPathFactory) -> None:
    media = Media.for_run(tmp_path_factory)
    clips = [media.clip(name) for name in CLIPS]
    dice = random.Random(SEED)
    points = [dice.sample(POINTS, len(POINTS)) for _ in range(2)]
    order = [point for row in points for point in row]
    for number in range(ROUNDS):
        armed = [order.pop() for _ in range(3)]
        for point in armed:
            battered.arm(point)
        work = [asyncio.create_task(battered.publish(dice.choice(clips)))]
        if number % 2:
            work.append(asyncio.create_task(battered.delete()))
        for role in dice.choices((*ROLES, "database"), weights=(3, 3, 2, 1), k=2):
            # a moment by chance: this is what is tried, nothing is waited for
            await asyncio.sleep(dice.uniform(0, 1.5))
            battered.kill(role)
        await asyncio.gather(*work)
        try:
            await battered.check()
        except AssertionError as error:
            lines = "\n".join(list(battered.server.lines)[-60:])
            raise AssertionError(
                f"round {number} of seed {SEED}, armed {armed}, killed {battered.kills[-2:]}: {error}\n{lines}"
            ) from error
        # those that went off were kills, too
        battered.kills += [point for point in armed if not (battered.crashes / point).exists()]
        battered.disarm()
    assert len(battered.kills) >= 30, battered.kills
    assert {*ROLES, "database"} <= set(battered.kills)
