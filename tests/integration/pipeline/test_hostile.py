"""Hostile and broken files through the whole path: refused in plain words, nothing read, nothing left."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from polycast.domain.errors import Invalid
from polycast.domain.states import AssetStatus
from polycast.storage.local_uploads import LocalUploads
from tests.support.media import Media
from tests.support.studio import Studio

REFUSED = {
    "truncated": "",  # its index was at the end
    "text.mp4": "",
    "playlist.mp4": "",
    "concat.mp4": "",
    "sdp.mp4": "",
    "manifest.mp4": "",
    "huge_png": "",
    "encrypted": "encrypted",
    "scrambled_ts": "",
}


@pytest.mark.parametrize("name", REFUSED)
async def test_refused(studio: Studio, media: Media, name: str) -> None:
    """The upload is accepted as bytes; what is made of it ends as an error its owner can read."""
    file = await studio.upload(media.clip(name))
    asset = await studio.make(file)
    async with studio.working():
        asset = await studio.settled(asset.uid)
        await studio.quiet()
    assert asset.status is AssetStatus.ERROR
    assert asset.error
    assert REFUSED[name] in asset.error.lower()
    for word in ("root:", "/etc/passwd", "Traceback", "ffmpeg", str(studio.platform.settings.data)):
        assert word not in asset.error
    assert await studio.job_failures() == []  # known at once, not after three tries
    assert (await studio.events(asset.uid))[-2:] == ["output.failed", "asset.failed"]
    async for info in studio.services.store.list("media/"):
        raise AssertionError(f"something was made of it: {info.key}")
    await studio.clear()
    await studio.check_books()


async def test_nothing_is_no_upload(studio: Studio) -> None:
    with pytest.raises(Invalid):
        await studio.services.uploads.start(studio.caller, name="empty.mp4", size=0)


async def test_a_file_cut_off_in_the_middle_plays_as_far_as_it_goes(studio: Studio, media: Media) -> None:
    asset = await studio.make(await studio.upload(media.clip("truncated_faststart")))
    async with studio.working():
        asset = await studio.settled(asset.uid)
        await studio.quiet()
    if asset.status is AssetStatus.AVAILABLE:
        await studio.check_whole(asset)
    else:
        assert asset.error
    await studio.clear()
    await studio.check_books()


async def test_a_file_that_crashes_the_encoder(database_url: str, tmp_path: Path, media: Media) -> None:
    """The program dies each time: tried again, then given up in words; the worker lives and serves others."""
    deadly = tmp_path / "ffmpeg"
    deadly.write_text("#!/bin/sh\nkill -SEGV $$\n")
    deadly.chmod(0o755)
    async with Studio.open(database_url, tmp_path / "data", ffmpeg=str(deadly), sandbox="off") as studio:
        studio.impatient()
        bad = await studio.make(await studio.upload(media.clip("vp9")))
        good = await studio.make(await studio.upload(media.clip("h264_no_b")))
        async with studio.working():
            bad = await studio.settled(bad.uid)
            good = await studio.settled(good.uid)
            await studio.quiet()
        assert bad.status is AssetStatus.ERROR
        assert bad.error == "a program that works on the file crashed or took too long, several times"
        tries = [failure for failure in await studio.job_failures() if failure[0] == "encode_chunk"]
        assert len(tries) >= 3
        assert {code for _, code, _ in tries} == {"child_failed"}
        assert good.status is AssetStatus.AVAILABLE
        await studio.check_whole(good)


async def test_ten_gigabytes_are_announced_and_only_the_ends_come(studio: Studio) -> None:
    """Completing names what is missing; no disk is taken for what never came; the rest goes in time."""
    gigabytes, part = 10 * 1024**3, 16 * 1024**2
    uploads = studio.services.uploads
    upload = await uploads.start(studio.caller, name="film.mp4", size=gigabytes, part_size=part)
    assert upload.plan is not None
    last = upload.plan.parts_count
    etags: dict[int, str] = {}
    for number in (1, last):
        size = part if number == 1 else upload.plan.last_part_size

        async def body(size: int = size) -> AsyncIterator[bytes]:
            for _ in range(size // 65536):
                yield bytes(65536)

        url = await uploads.part_url(studio.caller, upload.file, number, "http://test")
        etags[number] = (await uploads.put_part(url.rpartition("/")[2], body(), size)).etag
    named = [(n, etags.get(n, etags[1])) for n in range(1, last + 1)]
    with pytest.raises(Invalid, match="part 2 was not uploaded"):
        await uploads.complete(studio.caller, upload.file.uid, named)
    with pytest.raises(Invalid, match="part 2 is missing"):
        await uploads.complete(studio.caller, upload.file.uid, list(etags.items()))
    assert _on_disk(studio) < 3 * part
    await studio.execute("UPDATE files SET expires_at = now() - interval '1 second'")
    await studio.clear()
    assert await studio.rows("SELECT 1 FROM files") == []
    assert _on_disk(studio) < 1024 * 1024
    assert (await studio.events(upload.file.uid))[-1] == "file.expired"
    await studio.check_books()


@pytest.mark.slow
async def test_a_thousand_files_do_not_hold_up_anothers_one(studio: Studio, media: Media) -> None:
    """The other tenant's video stands behind a few jobs, however many wait."""
    other = await studio.neighbour("Two")
    tiny = await studio.upload(media.clip("text.mp4"))
    for _ in range(1000):
        await studio.make(tiny)
    one = await other.make(await other.upload(media.clip("h264_no_b")))
    async with studio.working("package", "encode"):
        one = await other.settled(one.uid)
    assert one.status is AssetStatus.AVAILABLE
    order = await studio.rows("SELECT subject_uid FROM events WHERE type = 'asset.processing' ORDER BY num")
    assert [row.subject_uid for row in order].index(one.uid) <= 5


def _on_disk(studio: Studio) -> int:
    """Bytes of blocks that the store's folder really takes."""
    store = studio.services.store
    assert isinstance(store, LocalUploads)
    folder = store._layout.root
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())
