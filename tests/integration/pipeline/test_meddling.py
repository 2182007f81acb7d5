"""Somebody deletes the asset, or replaces its source, exactly between two steps of its making."""

from uuid import UUID

import pytest

from polycast.domain.errors import NotFound
from polycast.domain.states import AssetStatus, OutputStatus
from tests.support.meddling import at_point
from tests.support.media import Media, decoded
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


async def _gone(studio: Studio, uid: UUID) -> bool:
    return not await studio.rows("SELECT 1 FROM assets WHERE uid = :uid", uid=uid)


@pytest.mark.slow
@pytest.mark.parametrize(("clip", "point"), _STEPS)
async def test_deleted_between_two_steps(studio: Studio, media: Media, clip: str, point: str) -> None:
    """Nothing of the asset is left, whatever its jobs were just writing."""
    asset = await studio.make(await studio.upload(media.clip(clip)))

    async def delete() -> None:
        await studio.services.assets.delete(studio.caller, asset.uid, with_files=True)
        await studio.clear()  # what is there now is cleared before the step goes on

    async with at_point(point, delete) as seen, studio.working():
        await until(lambda: _gone(studio, asset.uid), timeout_s=40, what=point)
        await studio.quiet()
    assert seen
    with pytest.raises(NotFound):
        await studio.asset(asset.uid)
    assert await studio.job_failures() == []
    await studio.execute(
        "DELETE FROM garbage WHERE not_before > now()"
    )  # the second round must not be needed
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

    async def replace() -> None:
        await studio.attach(asset.uid, new)

    async with at_point(point, replace) as seen, studio.working():
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
    await studio.execute(
        "UPDATE generations SET retired_at = retired_at - interval '2 days', "
        "updated_at = updated_at - interval '2 days'"
    )
    await studio.clear()
    states = await studio.rows("SELECT state FROM generations")
    assert {row.state for row in states} == {"published"}
    await studio.check_books()
