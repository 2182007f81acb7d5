"""Pulls from servers that are slow, stop half-way, or hold on to what they were asked for."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from polycast.bootstrap import UPKEEP_JOB
from polycast.domain.assets import Asset
from polycast.domain.errors import UpstreamFailed
from polycast.domain.states import AssetStatus
from polycast.net.outbound import OutboundClient, OutboundLimits
from polycast.services.pulls import Pulls
from polycast.services.quotas import Quotas
from tests.integration.net.scripted_server import Request, ScriptedServer, reply, serving
from tests.support.studio import Studio
from tests.support.waiting import until

LOOPBACK = ["127.0.0.1/32"]
QUICK = OutboundLimits(
    connect_s=2, answer_s=2, read_s=0.3, rate_window_s=0.5, min_rate_bytes_s=100_000, retry_pause_s=0.01
)
PART = 64 * 1024 * 1024
WHOLE = hashlib.shake_128(b"film").digest(1 << 20) * 80
"""80 MiB: one whole part, and some of the second"""


@pytest_asyncio.fixture
async def studio(database_url: str, tmp_path: Path) -> AsyncIterator[Studio]:
    """A platform of the test's own that may reach this machine."""
    async with Studio.open(database_url, tmp_path / "data", outbound_allow=LOOPBACK) as opened:
        yield opened


@pytest_asyncio.fixture
async def outbound() -> AsyncIterator[OutboundClient]:
    """One that loses patience in half a second."""
    client = OutboundClient(allow=LOOPBACK, limits=QUICK)
    yield client
    await client.aclose()


def pulls(studio: Studio, outbound: OutboundClient) -> Pulls:
    s = studio.services
    return Pulls(s.db, s.store, s.jobs, outbound, s.vault, s.tenants, s.assets, s.uploads, Quotas(s.db))


class Breaking:
    """A server of `body` that sends up to `until` for each request, then says nothing more.

    Attributes:
        etag: of what it has.
        asked: the Range and If-Range of each GET.
    """

    def __init__(self, until: int, *, ranges: bool = True) -> None:
        self.until = until
        self.ranges = ranges
        self.etag = '"one"'
        self.body = WHOLE
        self.asked: list[tuple[str | None, str | None]] = []

    async def __call__(self, request: Request, writer: asyncio.StreamWriter) -> None:
        fields: dict[str, Any] = {"etag": self.etag, "accept_ranges": "bytes" if self.ranges else ""}
        if request.method == "HEAD":
            writer.write(reply(content_length=str(len(self.body)), **fields))
            return
        asked = request.headers.get("range"), request.headers.get("if-range")
        self.asked.append(asked)
        start = 0
        if self.ranges and asked[0] is not None and asked[1] == self.etag:
            start = int(asked[0].removeprefix("bytes=").rstrip("-"))
            fields["content_range"] = f"bytes {start}-{len(self.body) - 1}/{len(self.body)}"
        status = 206 if start else 200
        writer.write(reply(status, content_length=str(len(self.body) - start), **fields))
        for at in range(start, self.until, 1 << 20):
            writer.write(self.body[at : min(at + (1 << 20), self.until)])
            await writer.drain()
        if self.until < len(self.body):
            await asyncio.Event().wait()


async def begun(studio: Studio, server: ScriptedServer) -> tuple[Asset, int]:
    """A pull that nobody works on yet: its asset, and the number of its file."""
    asset, _ = await studio.services.pulls.start(studio.caller, url=server.url("/film.mp4"), title="Film")
    rows = await studio.rows("SELECT num FROM files WHERE intent->>'asset' = :uid", uid=str(asset.uid))
    return asset, rows[0].num


async def broken_off(studio: Studio, server: ScriptedServer, work: Pulls) -> int:
    """A pull whose first try ended before the file did: the number of its file."""
    _, file = await begun(studio, server)
    with pytest.raises(UpstreamFailed):
        await work.run(file)
    return file


async def stored(studio: Studio, file_num: int) -> str:
    """SHA-256 of a pulled file."""
    row = (await studio.rows("SELECT key, status FROM files WHERE num = :n", n=file_num))[0]
    assert row.status == "completed"
    return hashlib.sha256(await studio.services.store.get(row.key)).hexdigest()


async def test_the_next_try_goes_on_where_the_last_one_ended(
    studio: Studio, outbound: OutboundClient
) -> None:
    work = pulls(studio, outbound)
    breaking = Breaking(PART + 1000)
    async with serving(breaking) as server:
        file = await broken_off(studio, server, work)
        tries = len(breaking.asked)
        breaking.until = len(WHOLE)
        await work.run(file)
    assert breaking.asked[0] == (None, None)
    assert breaking.asked[tries:] == [(f"bytes={PART}-", '"one"')]
    assert await stored(studio, file) == hashlib.sha256(WHOLE).hexdigest()


async def test_what_changed_meanwhile_is_fetched_anew(studio: Studio, outbound: OutboundClient) -> None:
    work = pulls(studio, outbound)
    breaking = Breaking(PART + 1000)
    async with serving(breaking) as server:
        file = await broken_off(studio, server, work)
        breaking.until, breaking.etag = len(WHOLE), '"two"'
        with pytest.raises(UpstreamFailed, match="changed"):
            await work.run(file)
        await work.run(file)
    assert breaking.asked[-1] == (None, None)
    assert await stored(studio, file) == hashlib.sha256(WHOLE).hexdigest()


async def test_parts_of_two_states_are_not_joined(studio: Studio, outbound: OutboundClient) -> None:
    """One try left a part of the old state, the next one none of the new: there is nothing to go on with."""
    work = pulls(studio, outbound)
    breaking = Breaking(PART + 1000)
    async with serving(breaking) as server:
        file = await broken_off(studio, server, work)
        breaking.etag, breaking.body, breaking.until = '"two"', WHOLE[::-1], 1000
        for _ in range(2):
            with pytest.raises(UpstreamFailed):
                await work.run(file)
        breaking.until = len(WHOLE)
        await work.run(file)
    assert breaking.asked[-1] == (None, None)
    assert await stored(studio, file) == hashlib.sha256(WHOLE[::-1]).hexdigest()


async def test_a_source_without_ranges_begins_anew(studio: Studio, outbound: OutboundClient) -> None:
    work = pulls(studio, outbound)
    breaking = Breaking(PART + 1000, ranges=False)
    async with serving(breaking) as server:
        _, file = await begun(studio, server)
        with pytest.raises(UpstreamFailed, match="in time"):
            await work.run(file)
        breaking.until = len(WHOLE)
        await work.run(file)
    assert breaking.asked == [(None, None)] * 2
    assert await stored(studio, file) == hashlib.sha256(WHOLE).hexdigest()


async def drip(request: Request, writer: asyncio.StreamWriter) -> None:
    """Announces a film and never comes to its end, just fast enough."""
    writer.write(reply(content_length="1000000000"))
    while request.method == "GET":
        writer.write(b"x" * 65536)
        await writer.drain()
        await asyncio.sleep(0.2)  # the rate is what is tested


async def small(request: Request, writer: asyncio.StreamWriter) -> None:
    """Words, at once: enough to be pulled."""
    head = request.method == "HEAD"
    writer.write(reply(content_length="5") if head else reply(body=b"words"))


async def test_slow_pulls_hold_up_neither_upkeep_nor_other_tenants(studio: Studio) -> None:
    neighbour = await studio.neighbour("Two")
    async with serving(drip) as slow, serving(small) as quick, studio.working("pull", "upkeep"):
        for _ in range(20):
            await studio.services.pulls.start(studio.caller, url=slow.url("/film.mp4"), title="Slow")

        async def full() -> bool:
            rows = await studio.rows(
                "SELECT count(*) AS n FROM procrastinate_jobs WHERE task_name = 'pull' AND status = 'doing' "
                "AND args->>'turn' = :tenant",
                tenant=str(studio.tenant.ref.num),
            )
            return bool(rows[0].n == 4)

        await until(full, what="the first tenant's pulls run")
        async with studio.services.db.transaction() as tx:
            job = await studio.services.jobs.enqueue(tx, UPKEEP_JOB, {})

        async def cleared() -> bool:
            async with studio.services.db.connect() as tx:
                return (await studio.services.jobs.state(tx, job)).status == "succeeded"

        await until(cleared, what="upkeep has run")
        asset, _ = await neighbour.services.pulls.start(
            neighbour.caller, url=quick.url("/words.mp4"), title="Words"
        )

        async def fetched() -> bool:
            return (await neighbour.asset(asset.uid)).status is not AssetStatus.PULLING

        await until(fetched, what="the other tenant's pull is through")
        assert await full(), "the slow ones are still at it"


async def test_a_pull_ends_with_the_video_it_is_for(studio: Studio) -> None:
    work = pulls(studio, studio.platform.outbound)
    go = asyncio.Event()

    async def halting(request: Request, writer: asyncio.StreamWriter) -> None:
        if request.method == "HEAD":
            writer.write(reply(content_length=str(len(WHOLE))))
            return
        writer.write(reply(body=WHOLE[: PART + 1], content_length=str(len(WHOLE))))
        await writer.drain()
        await go.wait()
        writer.write(WHOLE[PART + 1 :])

    async with serving(halting) as server:
        asset, file = await begun(studio, server)
        running = asyncio.create_task(work.run(file))
        row = (await studio.rows("SELECT key, upload_id FROM files WHERE num = :n", n=file))[0]

        async def halfway() -> bool:
            return bool(await studio.services.store.list_parts(row.key, row.upload_id))

        await until(halfway, what="the first part is there")
        await studio.services.assets.delete(studio.caller, asset.uid)
        go.set()
        await running
    ended = (await studio.rows("SELECT status, error FROM files WHERE num = :n", n=file))[0]
    assert (ended.status, ended.error) == ("error", "the video was deleted")
