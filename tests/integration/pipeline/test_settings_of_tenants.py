"""What a tenant switches changes the making: early play, originals, MP4 files, quota, retention."""

from pathlib import Path

import av
import pytest

from polycast.domain.errors import Conflict, NotFound, QuotaExceeded
from polycast.domain.states import AssetStatus, OutputStatus
from tests.support.media import Media
from tests.support.studio import Studio


async def change(studio: Studio, **settings: object) -> None:
    await studio.services.tenants.update(studio.caller, settings=settings)


@pytest.mark.parametrize("clip", ["tall", "tall_vp9"])
async def test_without_early_play_nothing_is_shown_before_all_is(
    studio: Studio, media: Media, clip: str
) -> None:
    await change(studio, early_play=False)
    asset = await studio.make(await studio.upload(media.clip(clip)))
    async with studio.working():
        asset = await studio.settled(asset.uid)
        await studio.quiet()
    assert asset.status is AssetStatus.AVAILABLE
    states = await studio.rows(
        "SELECT number, state, published_at FROM generations WHERE state <> 'failed' ORDER BY number"
    )
    assert [row.state for row in states] == ["retired", "published"]
    assert states[0].published_at == states[1].published_at  # in one step
    events = await studio.events(asset.uid)
    assert events.index("asset.available") < events.index("generation.published")
    assert events.count("generation.published") == 2
    await studio.check_whole(asset)
    await studio.clear()
    await studio.check_books()


async def test_originals_go_when_nothing_needs_them(studio: Studio, media: Media) -> None:
    await change(studio, keep_original=False)
    file = await studio.upload(media.clip("tall"))
    first = await studio.make(file)
    second = await studio.make(file)  # two assets share the file
    async with studio.working("package", "encode"):
        await studio.settled(first.uid)
        await studio.settled(second.uid)
        await studio.clear()
        # the pictures are not made yet: the file is still needed
        assert (await studio.services.files.get(studio.caller, file.uid)).uid == file.uid
    async with studio.working("pictures"):
        await studio.quiet()
    await studio.clear()
    with pytest.raises(NotFound):
        await studio.services.files.get(studio.caller, file.uid)
    asset = await studio.asset(first.uid)
    assert asset.status is AssetStatus.AVAILABLE
    assert {"poster", "frame"} <= {a.kind for a in asset.attachments}
    await studio.check_whole(asset)
    with pytest.raises(Conflict):
        await studio.services.outputs.add(studio.caller, asset.uid, "mp4")
    await studio.clear()
    await studio.check_books()


async def test_no_output_is_larger_than_what_is_enabled(studio: Studio, media: Media) -> None:
    """Presets that have none of the enabled sizes included."""
    await change(studio, resolutions=["240p"])
    asset = await studio.make(await studio.upload(media.clip("tall")))
    async with studio.working():
        await studio.settled(asset.uid)
        for preset in ("mp4", "dash_hls_hevc"):
            await studio.services.outputs.add(studio.caller, asset.uid, preset, name=preset)
        asset = await studio.settled(asset.uid)
        await studio.quiet()
    assert {o.status for o in asset.outputs} == {OutputStatus.AVAILABLE}
    heights = await studio.rows("SELECT DISTINCT height FROM tracks WHERE kind = 'video'")
    assert [row.height for row in heights] == [240]
    (download,) = (o for o in asset.outputs if o.preset == "mp4")
    path = studio.services.store.local_path(download.key or "")
    assert path is not None
    with av.open(str(path)) as container:
        assert container.streams.video[0].height == 240


async def test_mp4_files_follow_the_source(studio: Studio, media: Media) -> None:
    await change(studio, mp4_fallback=True)
    asset = await studio.make(await studio.upload(media.clip("tall")))
    other = await studio.upload(media.clip("h264_no_b"))
    async with studio.working():
        await studio.settled(asset.uid)
        await studio.quiet()
        made = {a.label: a.size for a in (await studio.asset(asset.uid)).attachments if a.kind == "mp4"}
        assert set(made) == {"240p", "360p"}
        await studio.attach(asset.uid, other)
        await studio.settled(asset.uid)
        await studio.quiet()
    made = {a.label: a.size for a in (await studio.asset(asset.uid)).attachments if a.kind == "mp4"}
    assert set(made) == {"180p"}
    await studio.clear()
    await studio.check_books()


async def test_what_follows_is_made_of_what_is_published(studio: Studio, media: Media) -> None:
    """Also where it was asked for by an earlier film, and waited until that one was replaced."""
    await change(studio, mp4_fallback=True)
    asset = await studio.make(await studio.upload(media.clip("tall")))
    other = await studio.upload(media.clip("h264_no_b"))
    async with studio.working("package", "encode"):
        await studio.settled(asset.uid)
        await studio.attach(asset.uid, other)
        await studio.settled(asset.uid)
    async with studio.working("pictures"):
        await studio.quiet()
    asset = await studio.asset(asset.uid)
    assert asset.generation is not None
    tracks = asset.generation.tracks
    assert {t.rendition for t in tracks if t.kind == "iframe"} == {
        t.name for t in tracks if t.kind == "video"
    }
    assert {a.label for a in asset.attachments if a.kind == "mp4"} == {"180p"}
    await studio.clear()
    await studio.check_books()


async def test_nothing_follows_a_deletion(studio: Studio, media: Media) -> None:
    await change(studio, mp4_fallback=True)
    asset = await studio.make(await studio.upload(media.clip("tall")))
    async with studio.working("package", "encode"):
        await studio.settled(asset.uid)
    waiting = (
        "SELECT DISTINCT task_name FROM procrastinate_jobs WHERE status = 'todo' AND queue_name = 'pictures'"
    )
    assert {row.task_name for row in await studio.rows(waiting)} == {"pictures", "iframes", "mp4_fallback"}
    await studio.services.assets.delete(studio.caller, asset.uid)
    assert await studio.rows(waiting) == []


async def test_an_mp4_file_has_the_sound_that_players_take_by_themselves(
    studio: Studio, media: Media, tmp_path: Path
) -> None:
    await change(studio, mp4_fallback=True)
    file = await studio.upload(media.clip("languages"))
    asset = await studio.make(file)
    async with studio.working():
        await studio.settled(asset.uid)
        await studio.quiet()
        # the second one is what its listeners shall hear
        await studio.execute("UPDATE tracks SET is_default = (language = 'de') WHERE kind = 'audio'")
        await studio.execute("DELETE FROM attachments WHERE kind = 'mp4'")
        (row,) = await studio.rows("SELECT num FROM outputs")
        async with studio.services.db.transaction() as tx:
            await studio.services.jobs.enqueue(tx, "mp4_fallback", {"output": row.num})
        await studio.quiet()
    (made,) = [a for a in (await studio.asset(asset.uid)).attachments if a.kind == "mp4"]
    target = tmp_path / "play.mp4"
    target.write_bytes(await studio.services.store.get(made.key))
    info = await studio.platform.media.probe(target)
    assert [a.language for a in info.audio] == ["de"]


async def test_quota_is_of_what_is_stored_and_announced(studio: Studio, media: Media) -> None:
    size = media.clip("tall").stat().st_size
    await studio.execute("UPDATE tenants SET quota_bytes = :n", n=size * 2)
    open_upload = await studio.services.uploads.start(studio.caller, name="a.mp4", size=size)
    with pytest.raises(QuotaExceeded):
        await studio.upload(b"x" * (size + 1))
    await studio.services.uploads.cancel(studio.caller, open_upload.file.uid, remove=True)
    await studio.upload(b"x" * (size + 1))
    with pytest.raises(QuotaExceeded):
        await studio.services.uploads.start(studio.caller, name="b.mp4", size=size)


async def test_the_installations_quota_and_retention_hold_for_all(
    database_url: str, tmp_path: object, media: Media
) -> None:
    from pathlib import Path

    data = Path(str(tmp_path)) / "data"
    async with Studio.open(database_url, data, quota_bytes=1000, retention_days=3) as studio:
        with pytest.raises(QuotaExceeded):
            await studio.services.uploads.start(studio.caller, name="a.mp4", size=1001)
        asset = await studio.services.assets.create(studio.caller, title="old")
        young = await studio.services.assets.create(studio.caller, title="young")
        await studio.execute(
            "UPDATE assets SET created_at = now() - interval '4 days' WHERE num = :n", n=asset.num
        )
        await studio.services.upkeep.run()
        with pytest.raises(NotFound):
            await studio.asset(asset.uid)
        assert (await studio.asset(young.uid)).title == "young"


async def test_further_outputs_come_and_go(studio: Studio, media: Media) -> None:
    asset = await studio.make(await studio.upload(media.clip("tall")))
    async with studio.working():
        await studio.settled(asset.uid)
        await studio.services.outputs.add(studio.caller, asset.uid, "mp4", name="file")
        await studio.services.outputs.add(studio.caller, asset.uid, "audio_only", name="sound")
        asset = await studio.settled(asset.uid)
        await studio.quiet()
        assert {o.name: o.status for o in asset.outputs} == dict.fromkeys(
            ("main", "file", "sound"), OutputStatus.AVAILABLE
        )
        await studio.clear()
        await studio.check_books()
        await studio.services.outputs.remove(studio.caller, asset.uid, "file")
        await studio.services.outputs.remove(studio.caller, asset.uid, "sound")
    await studio.clear()
    await studio.check_books()
    await studio.check_whole(await studio.asset(asset.uid))
