"""Somebody deletes the asset, or replaces its source, exactly between two steps of its making."""

from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest

from polycast.bootstrap import build_platform, running
from polycast.domain.assets import AssetSource
from polycast.domain.errors import NotFound
from polycast.domain.files import File
from polycast.domain.states import AssetStatus, OutputStatus
from tests.support.media import Media, decoded
from tests.support.meddling import at_point
from tests.support.studio import Studio
from tests.support.waiting import until

_STEPS = [
    ("tall", "process.begun"),
    ("tall", "process.packaged"),
    ("tall", "process.planned"),
    ("tall", "process.done"),
    ("tall", "chunk.kept"),
    ("tall", "assemble.logs"),
    ("tall", "assemble.published"),
    ("tall", "pictures.kept"),
    ("tall_vp9", "process.prepared"),
    ("tall_vp9", "chunk.claimed"),
    ("tall_vp9", "chunk.encoded"),
    ("tall_vp9", "chunk.kept"),
    ("tall_vp9", "chunk.done"),
    ("tall_vp9", "assemble.logs"),
]


def elsewhere(studio: Studio, action: Callable[[Studio], Awaitable[object]]) -> Callable[[], Awaitable[None]]:
    """`action` on a platform with connections of its own, as another process has."""

    async def run() -> None:
        settings = studio.platform.settings
        async with running(build_platform(settings, settings.database_url)) as platform:
            await action(Studio(platform, studio.tenant))

    return run


@pytest.mark.slow
@pytest.mark.parametrize(("clip", "point"), _STEPS)
async def test_deleted_between_two_steps(studio: Studio, media: Media, clip: str, point: str) -> None:
    """Nothing of the asset is left, whatever its jobs were just writing."""
    asset = await studio.make(await studio.upload(media.clip(clip)))

    async def delete(other: Studio) -> None:
        await other.services.assets.delete(other.caller, asset.uid, with_files=True)
        await other.clear()  # what is there now is cleared before the step goes on

    with at_point(point, elsewhere(studio, delete)) as seen:
        async with studio.working():
            await until(lambda: point in seen, timeout_s=40, what=point)
            await studio.quiet()
    with pytest.raises(NotFound):
        await studio.asset(asset.uid)
    assert await studio.job_failures() == []
    await studio.execute("DELETE FROM garbage WHERE not_before > now()")  # the second round must not be needed
    await studio.clear()
    assert [info.key async for info in studio.services.store.list("")] == []
    await studio.check_books()


@pytest.mark.slow
@pytest.mark.parametrize(("clip", "point"), _STEPS)
async def test_replaced_between_two_steps(studio: Studio, media: Media, clip: str, point: str) -> None:
    """The new source is what plays in the end, all of it, and nothing of the old one is published after it."""
    old = await studio.upload(media.clip(clip))
    new = await studio.upload(media.clip("h264_no_b"))
    asset = await studio.make(old)

    async def replace(other: Studio) -> None:
        await attach(other, asset.uid, new)

    with at_point(point, elsewhere(studio, replace)) as seen:
        async with studio.working():
            await until(lambda: point in seen, timeout_s=40, what=point)
            await studio.quiet()
            asset = await studio.settled(asset.uid)
    assert (asset.status, asset.error) == (AssetStatus.AVAILABLE, None)
    assert [o.status for o in asset.outputs] == [OutputStatus.AVAILABLE]
    assert await studio.job_failures() == []
    await studio.check_whole(asset)
    assert asset.generation is not None
    wanted = [number for _, number in decoded(media.clip("h264_no_b"))]
    for track in asset.generation.tracks:
        if track.kind == "video":
            assert await studio.frames(asset, track) == wanted
    await studio.execute("UPDATE generations SET retired_at = retired_at - interval '2 days', updated_at = updated_at - interval '2 days'")
    await studio.clear()
    states = await studio.rows("SELECT state FROM generations")
    assert {row.state for row in states} == {"published"}
    await studio.check_books()


async def attach(studio: Studio, uid: UUID, file: File) -> None:
    """Replace the source of an asset."""
    async with studio.services.db.transaction() as tx:
        num = (await studio.asset(uid)).num
        await studio.services.assets.attach(
            tx, studio.caller, num, uid, [AssetSource(file.uid, auto_audio=True)]
        )
