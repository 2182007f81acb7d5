"""Chunk jobs whose workers die, or are thought dead: given up in the end, and no late word counts."""

from dataclasses import replace
from pathlib import Path

from polycast.domain.states import AssetStatus, OutputStatus
from polycast.jobs.retry import Retry
from polycast.services import crashpoints
from polycast.services.pipeline.chunks import CHUNK_JOB
from tests.support.media import Media
from tests.support.studio import Studio
from tests.support.waiting import until


async def test_a_chunk_that_always_loses_its_worker_is_given_up(studio: Studio, media: Media) -> None:
    """Its output fails, and the jobs of all its other chunks with it; nobody waits for anybody."""
    types = studio.services.jobs.types
    types[CHUNK_JOB] = replace(types[CHUNK_JOB], retry=Retry(max_lost=1))
    asset = await studio.make(await studio.upload(media.clip("tall_vp9")))
    async with studio.working("package"):
        await until(lambda: studio.rows("SELECT 1 FROM chunk_jobs"), timeout_s=30)
        assert await studio.platform.dispatcher.dispatch() > 1
        # all that is left of a worker that was killed in the middle of it
        await studio.execute(
            "UPDATE procrastinate_jobs SET status = 'doing' WHERE task_name = 'encode_chunk'"
        )
        asset = await studio.settled(asset.uid, timeout_s=8)
        running = "SELECT 1 FROM procrastinate_jobs WHERE task_name = 'encode_chunk' AND status IN ('todo', 'doing')"

        async def ended() -> bool:
            return not await studio.rows(running)

        await until(ended, timeout_s=8, what="the other chunks' jobs have ended")
    assert asset.status is AssetStatus.ERROR
    assert asset.error == "the processing was interrupted several times"
    assert await studio.rows("SELECT 1 FROM chunk_jobs") == []


async def test_a_try_that_was_taken_over_has_no_say(database_url: str, tmp_path: Path, media: Media) -> None:
    """It finds that there is nothing to encode, long after another worker took its place: that one goes on."""
    # one at a time: only the first try at a picture finds that
    async with Studio.open(database_url, tmp_path / "data", encode_workers=1) as studio:
        asset = await studio.make(await studio.upload(media.clip("tall_vp9")))
        struck: list[str] = []

        async def hook(point: str) -> None:
            tried = "SELECT 1 FROM chunk_jobs WHERE kind = 'first' AND attempts > 0"
            if point == "chunk.claimed" and not struck and await studio.rows(tried):
                struck.append(point)
                await studio.execute("UPDATE chunk_jobs SET attempts = attempts + 1 WHERE attempts > 0")
                await studio.execute(
                    "UPDATE generations SET plan = plan || jsonb_build_object('key', plan->>'was')"
                )

        disarm = crashpoints.arm(hook)
        try:
            async with studio.working("package", "pictures"):
                await until(lambda: studio.rows("SELECT 1 FROM chunk_jobs"), timeout_s=30)
                await studio.execute(
                    "UPDATE generations SET plan = plan || jsonb_build_object('was', plan->>'key', 'key', null)"
                )
                async with studio.working("encode"):
                    asset = await studio.settled(asset.uid)
                    await studio.quiet()
        finally:
            disarm()
        assert struck
        assert (asset.status, asset.error) == (AssetStatus.AVAILABLE, None)
        assert [o.status for o in asset.outputs] == [OutputStatus.AVAILABLE]
        await studio.check_whole(asset)
