"""What cannot be made ends, says why in words for its owner, and leaves nothing behind."""

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from polycast.domain.errors import ChildFailed, Conflict, Invalid
from polycast.domain.states import AssetStatus, OutputStatus
from polycast.jobs.registry import Args
from polycast.jobs.retry import Backoff, Retry
from polycast.media.package import PackagedTrack
from polycast.media.toolkit import MediaToolkit
from polycast.services.pipeline.process import Process
from tests.support.meddling import at_point
from tests.support.media import Media
from tests.support.studio import Studio
from tests.support.waiting import until


def _destroy(studio: Studio, key: str) -> None:
    """The bytes of an object become noise, as on a dying disk; its key and length stay."""
    path = studio.services.store.local_path(key)
    assert path is not None
    path.write_bytes(b"\x00" * path.stat().st_size)


async def test_the_ladder_fails_and_the_first_generation_plays_on(studio: Studio, media: Media) -> None:
    studio.impatient()
    file = await studio.upload(media.clip("tall"))
    asset = await studio.make(file)
    async with studio.working("package"):
        await until(lambda: _status(studio, asset.uid, AssetStatus.AVAILABLE), timeout_s=30)
        await until(lambda: studio.rows("SELECT 1 FROM chunk_jobs"), timeout_s=30)
        _destroy(studio, file.key)
        async with studio.working("encode"):
            asset = await studio.settled(asset.uid)
    assert asset.status is AssetStatus.AVAILABLE
    assert asset.main_output is not None
    assert asset.main_output.status is OutputStatus.ERROR
    assert asset.main_output.error
    assert "ffmpeg" not in asset.main_output.error
    assert str(studio.platform.settings.data) not in asset.main_output.error
    await studio.check_whole(asset)
    assert await studio.rows("SELECT 1 FROM chunk_jobs") == []
    assert (await studio.events(asset.uid))[-1] == "output.failed"
    await _after_a_day(studio)
    await studio.check_books()


class Stumbling(MediaToolkit):
    """A toolkit whose cutter breaks over every file."""

    async def package(self, *args: Any, **more: Any) -> list[PackagedTrack]:
        raise ChildFailed("package", "exit", returncode=70)


async def test_a_file_that_the_cutter_stumbles_over_is_encoded(studio: Studio, media: Media) -> None:
    own = studio.platform.media
    stumbling = Stumbling(**{field.name: getattr(own, field.name) for field in fields(own)})
    services = studio.services
    process = Process(services.db, studio.platform.workspace, stumbling, services.jobs)

    async def run(args: Args) -> None:
        await process.run(args["output"])

    services.jobs.register("stumble", run, queue="package", retry=Retry(backoff=Backoff(first_s=0.01)))
    asset = await studio.make(await studio.upload(media.clip("h264_no_b")))
    await studio.execute(
        "UPDATE procrastinate_jobs SET task_name = 'stumble' WHERE task_name = 'process_output'"
    )
    async with studio.working():
        asset = await studio.settled(asset.uid)
        await studio.quiet()
    assert (asset.status, asset.error) == (AssetStatus.AVAILABLE, None)
    assert [code for name, code, _ in await studio.job_failures()] == ["child_failed"]
    assert asset.generation is not None
    assert [t.name for t in asset.generation.tracks if t.kind == "video"] == ["180p"]
    await studio.check_whole(asset)


async def test_a_growing_generation_that_cannot_be_finished_is_an_error(
    database_url: str, tmp_path: Path, media: Media
) -> None:
    async with Studio.open(
        database_url, tmp_path / "data", chunk_s=1.0, segment_s=1.0, encode_workers=1
    ) as studio:
        studio.impatient()
        asset = await studio.make(await studio.upload(media.clip("tall_vp9")))
        async with studio.working("package"):
            await until(lambda: studio.rows("SELECT 1 FROM chunk_jobs"), timeout_s=30)
            keys = [
                row.key for row in await studio.rows("SELECT DISTINCT plan->>'key' AS key FROM generations")
            ]

            async def destroy() -> None:
                _destroy(studio, keys[0])

            # sound and the first chunk of the first rung are made, the rest finds noise
            async with at_point("chunk.done", destroy) as seen, studio.working("encode"):
                asset = await studio.settled(asset.uid)
            assert "chunk.done" in seen
        assert asset.status is AssetStatus.ERROR
        assert asset.error
        assert asset.generation is None
        events = await studio.events(asset.uid)
        assert events[-2:] == ["output.failed", "asset.failed"]
        await _after_a_day(studio)
        await studio.check_books()
        # a new file mends it
        good = await studio.upload(media.clip("h264_no_b"))
        async with studio.working():
            await studio.attach(asset.uid, good)
            await until(lambda: _status(studio, asset.uid, AssetStatus.AVAILABLE), timeout_s=30)
            asset = await studio.settled(asset.uid)
            await studio.quiet()
        await studio.check_whole(asset)
        assert asset.error is None


async def test_the_source_is_deleted_while_it_is_encoded(studio: Studio, media: Media) -> None:
    file = await studio.upload(media.clip("tall"))
    asset = await studio.make(file)
    await studio.services.files.delete(studio.caller, file.uid)
    async with studio.working():
        asset = await studio.settled(asset.uid)
        await studio.quiet()
    assert asset.status is AssetStatus.ERROR
    assert asset.error == "the source file was deleted before it was processed"
    await _after_a_day(studio)
    await studio.check_books()


async def test_parts_that_do_not_fit_together_end_the_output(studio: Studio, media: Media) -> None:
    """An assembly that can never succeed must not leave the output in processing for ever."""
    studio.impatient()
    asset = await studio.make(await studio.upload(media.clip("tall_vp9")))
    async with studio.working("package", "pictures"):
        await until(lambda: studio.rows("SELECT 1 FROM chunk_jobs"), timeout_s=30)
        await studio.execute("UPDATE generations SET plan = jsonb_set(plan, '{grid,starts}', '[0, 1, 2]')")
        async with studio.working("encode"):
            asset = await studio.settled(asset.uid)
    assert asset.main_output is not None
    assert asset.main_output.status is OutputStatus.ERROR
    await _after_a_day(studio)
    await studio.check_books()


async def test_deleting_ends_the_encoder(studio: Studio, media: Media) -> None:
    """No child works on for an asset that is gone."""
    import psutil

    asset = await studio.make(
        await studio.upload(
            media.clip("open_gop"),
        ),
        preset="dash_hls_av1",
    )

    def encoders() -> list[psutil.Process]:
        found = []
        for child in psutil.Process().children(recursive=True):
            with suppress(psutil.NoSuchProcess):  # ended since it was listed
                if "ffmpeg" in child.name():
                    found.append(child)
        return found

    async with studio.working():
        await until(encoders, timeout_s=40, what="an encoder runs")
        await studio.services.assets.delete(studio.caller, asset.uid, with_files=True)
        await until(lambda: not encoders(), timeout_s=5, what="the encoder has died")
        await studio.quiet()
    await studio.clear()
    await studio.check_books()


async def test_audio_of_two_files_has_names_of_its_own(studio: Studio, media: Media) -> None:
    """A film with sound, and a second language in another file: no track takes the other's folder."""
    film = await studio.upload(media.clip("tall"))
    sound = await studio.upload(media.clip("mp3"))
    asset = await studio.make(film, sound)
    async with studio.working():
        asset = await studio.settled(asset.uid)
        await studio.quiet()
    assert asset.generation is not None
    audio = [t for t in asset.generation.tracks if t.kind == "audio"]
    assert len(audio) == 2
    assert len({t.name for t in audio}) == 2
    assert sum(t.is_default for t in audio) == 1
    await studio.check_whole(asset)
    await studio.clear()
    await studio.check_books()


async def test_a_completion_that_is_refused_can_be_mended(studio: Studio) -> None:
    """What is missing is named; the upload stays open, and goes through once it is there."""
    uploads = studio.services.uploads
    upload = await uploads.start(studio.caller, name="a.mp4", size=7 * 1024 * 1024, part_size=5 * 1024 * 1024)

    async def put(number: int, size: int) -> tuple[int, str]:
        async def body() -> AsyncIterator[bytes]:
            yield b"x" * size

        url = await uploads.part_url(studio.caller, upload.file, number, "http://test")
        return number, (await uploads.put_part(url.rpartition("/")[2], body(), size)).etag

    first = await put(1, 5 * 1024 * 1024)
    with pytest.raises(Invalid, match="2 parts, 1 were named"):
        await uploads.complete(studio.caller, upload.file.uid, [first])
    short = await put(2, 1024)
    with pytest.raises(Invalid, match="declared"):
        await uploads.complete(studio.caller, upload.file.uid, [first, short])
    rest = await put(2, 2 * 1024 * 1024)
    done = await uploads.complete(studio.caller, upload.file.uid, [rest, first])
    assert done.size == 7 * 1024 * 1024
    assert (await uploads.complete(studio.caller, upload.file.uid, [first, rest])).size == done.size
    with pytest.raises(Conflict):
        await uploads.cancel(studio.caller, upload.file.uid, remove=True)
    assert await studio.events(upload.file.uid) == ["file.started", "file.completed"]


async def _status(studio: Studio, uid: UUID, status: AssetStatus) -> bool:
    return (await studio.asset(uid)).status is status


async def _after_a_day(studio: Studio) -> None:
    """Failed and retired generations have been kept long enough."""
    await studio.execute(
        "UPDATE generations SET retired_at = retired_at - interval '2 days', "
        "updated_at = updated_at - interval '2 days'"
    )
    await studio.clear()
