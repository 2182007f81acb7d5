"""Sources in a remote store: chunk jobs read pieces of them, counted in bytes at the store's door."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from polycast.domain.assets import Asset
from polycast.domain.errors import Unreadable
from polycast.domain.states import AssetStatus
from polycast.jobs.registry import Args
from polycast.media.encode_slice import Slice
from polycast.media.toolkit import MediaToolkit
from polycast.services.pipeline.process import Process
from tests.support.counting_proxy import CountingProxy, counting
from tests.support.media import Clip, Media, decoded
from tests.support.s3 import s3_server
from tests.support.studio import Studio
from tests.support.waiting import until

pytestmark = pytest.mark.timeout(120)
MIB = 1 << 20
X264 = ("libx264", "-preset", "veryfast")
PADDING = 12 * MIB
"""beside so much everything else that is read is little"""


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with s3_server() as found:
        yield found


@asynccontextmanager
async def on_s3(url: str, data: Path, endpoint: str) -> AsyncIterator[tuple[Studio, CountingProxy]]:
    """A studio whose store is a bucket of its own, chunks of a second, and a count of what is read of it."""
    bucket = data.parent.name.replace("_", "-").lower()[:60]
    async with httpx.AsyncClient() as client:
        (await client.put(f"{endpoint}/{bucket}")).raise_for_status()
    async with counting(endpoint) as proxy:
        settings = {
            "store": f"s3://{bucket}/media",
            "s3_endpoint": proxy.url,
            "s3_access_key": "test",
            "s3_secret_key": "test",
            "chunk_s": 1.0,
            "segment_s": 1.0,
            "stop_grace_s": 0.0,
        }
        async with Studio.open(url, data, **settings) as studio:
            yield studio, proxy


def film(media: Media) -> Path:
    """Ten seconds that have to be encoded, in a large file."""

    def make(target: Path) -> None:
        # a box that means nothing (ISO/IEC 14496-12, 8.1.2)
        box = PADDING.to_bytes(4, "big") + b"free" + bytes(PADDING - 8)
        target.write_bytes(media.clip("open_gop").read_bytes() + box)

    return media.made("large_open_gop.mp4", make)


async def check_made(studio: Studio, asset: Asset, clip: Path) -> None:
    """All pictures came out, once and in order, and nothing but the media is left in the bucket."""
    assert (asset.status, asset.error) == (AssetStatus.AVAILABLE, None)
    assert await studio.job_failures() == []
    await studio.check_whole(asset)
    assert asset.generation is not None
    wanted = [number for _, number in decoded(clip)]
    for track in asset.generation.tracks:
        if track.kind == "video":
            assert await studio.frames(asset, track) == wanted
    await studio.clear()
    await studio.check_books()


async def test_chunks_read_pieces(database_url: str, tmp_path: Path, media: Media, endpoint: str) -> None:
    """The file is read by what needs all of it: planning, sound and pictures; seven chunks add next to nothing."""
    async with on_s3(database_url, tmp_path / "data", endpoint) as (studio, proxy):
        asset = await studio.make(await studio.upload(film(media)))
        before = proxy.sent_bytes
        async with studio.working():
            asset = await studio.settled(asset.uid)
            await studio.quiet()
        files = (proxy.sent_bytes - before) / film(media).stat().st_size
        chunks = await studio.rows("SELECT max((plan->>'chunks')::int) AS n FROM generations")
        assert chunks[0].n == 7
        assert 2.9 < files < 3.5
        await check_made(studio, asset, film(media))


_TALL = Clip(size=(640, 360), rate="15", seconds=8, video=(*X264, "-g", "15", "-bf", "2", "-flags", "+cgop"))
LONGER = {
    # packaged as it is, with a ladder above
    "as_is": _TALL,
    # encoded, with a first rung below the ladder
    "open_gop": replace(
        _TALL, video=(*X264, "-g", "20", "-bf", "2", "-x264-params", "open-gop=1:scenecut=0")
    ),
    # encoded from a copy that is made first
    "copied": replace(
        _TALL, suffix=".ts", rate="25", video=("mpeg2video", "-q:v", "4", "-g", "12", "-bf", "2")
    ),
}
"""Clips of two rungs and five chunks"""


@pytest.mark.parametrize("name", LONGER)
async def test_each_rung_reads_the_same_pieces(
    database_url: str, tmp_path: Path, media: Media, endpoint: str, name: str
) -> None:
    clip = media.make(f"longer_{name}{LONGER[name].suffix}", LONGER[name])
    async with on_s3(database_url, tmp_path / "data", endpoint) as (studio, _):
        asset = await studio.make(await studio.upload(clip))
        async with studio.working("package", "pictures"):
            await until(lambda: _all_cut(studio), timeout_s=40)
            rows = await studio.rows("SELECT args->>'slice' AS key FROM chunk_jobs WHERE kind <> 'audio'")
            slices = {row.key for row in rows}
            assert len(slices) == 5
            assert len(rows) == (5 if name == "as_is" else 10)
            assert all(slices)
            async with studio.working("encode"):
                asset = await studio.settled(asset.uid)
                await studio.quiet()
        await check_made(studio, asset, clip)


async def _all_cut(studio: Studio) -> bool:
    rows = await studio.rows("SELECT state, count(*) AS n FROM chunk_jobs WHERE kind <> 'audio' GROUP BY 1")
    return [row.state for row in rows] == ["held"]


async def test_cutting_goes_on_where_it_was_stopped(
    database_url: str, tmp_path: Path, media: Media, endpoint: str
) -> None:
    async with on_s3(database_url, tmp_path / "data", endpoint) as (studio, _):
        asset = await studio.make(await studio.upload(media.clip("open_gop")))

        async def states() -> set[str]:
            return {
                row.state
                for row in await studio.rows("SELECT DISTINCT state FROM chunk_jobs WHERE kind = 'first'")
            }

        async def half() -> bool:
            return await states() == {"held", "uncut"}

        async with studio.working("package"):
            await until(half, timeout_s=30, what="some slices are there, others not")
        assert await half(), "the worker was to be stopped in between"
        async with studio.working():
            asset = await studio.settled(asset.uid)
            await studio.quiet()
        await check_made(studio, asset, media.clip("open_gop"))


class Blunt(MediaToolkit):
    """A toolkit that cannot cut."""

    async def cut_slice(self, *args: Any, **more: Any) -> Slice:
        raise Unreadable("the video's packets cannot be copied")


async def test_what_cannot_be_cut_is_encoded_from_the_whole(
    database_url: str, tmp_path: Path, media: Media, endpoint: str
) -> None:
    async with on_s3(database_url, tmp_path / "data", endpoint) as (studio, _):
        own, services = studio.platform.media, studio.services
        blunt = Blunt(**{field.name: getattr(own, field.name) for field in fields(own)})
        process = Process(
            services.db, studio.platform.workspace, blunt, services.jobs, chunk_s=1.0, segment_s=1.0
        )

        async def run(args: Args) -> None:
            await process.run(args["output"])

        services.jobs.register("blunt", run, queue="package")
        clip = media.make("longer_open_gop.mp4", LONGER["open_gop"])
        asset = await studio.make(await studio.upload(clip))
        await studio.execute(
            "UPDATE procrastinate_jobs SET task_name = 'blunt' WHERE task_name = 'process_output'"
        )
        async with studio.working("package", "pictures"):
            await until(lambda: _all_cut(studio), timeout_s=40)
            assert await studio.rows("SELECT 1 FROM chunk_jobs WHERE args ? 'slice'") == []
            async with studio.working("encode"):
                asset = await studio.settled(asset.uid)
                await studio.quiet()
        await check_made(studio, asset, clip)
