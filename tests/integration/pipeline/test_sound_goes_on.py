"""Packaging as it is where sound may go on behind the picture: what is planned or shown is not taken back."""

from pathlib import Path

import pytest

from polycast.domain.states import AssetStatus
from tests.support.meddling import at_point
from tests.support.media import Media, _run
from tests.support.studio import Studio


async def test_what_was_planned_as_it_is_stays_so(studio: Studio, media: Media) -> None:
    """The job dies behind its first plan, and finds a longer sound than before when it is repeated."""

    def beep(seconds: int) -> Path:
        return media.made(
            f"beep-{seconds}.m4a",
            lambda path: _run("-f", "lavfi", "-i", f"sine=d={seconds}", "-c:a", "aac", str(path)),
        )

    studio.impatient()
    sound = await studio.upload(beep(4))
    asset = await studio.make(await studio.upload(media.clip("tall")), sound)

    async def die() -> None:
        await studio.services.store.put(sound.key, beep(20).read_bytes())
        raise ConnectionError

    with pytest.raises(ConnectionError):
        async with at_point("process.planned", die), studio.working():
            asset = await studio.settled(asset.uid)
            await studio.quiet()
    assert (asset.status, asset.error) == (AssetStatus.AVAILABLE, None)
    steps = await studio.rows("SELECT plan->>'step' AS step, state FROM generations ORDER BY num")
    assert [row.step for row in steps] == ["as_is", "ladder"]


@pytest.mark.parametrize(("clip", "state"), [("h264_long", "growing"), ("h264_fragmented", "building")])
async def test_only_what_tables_tell_in_advance_is_shown_while_it_is_packaged(
    studio: Studio, media: Media, clip: str, state: str
) -> None:
    """Where the sound of fragments ends is known when all is read: what was shown might be withdrawn."""
    asset = await studio.make(await studio.upload(media.clip(clip)))
    states: list[str] = []

    async def look() -> None:
        states.extend(row.state for row in await studio.rows("SELECT state FROM generations"))

    async with at_point("process.packaged", look), studio.working():
        asset = await studio.settled(asset.uid)
    assert (asset.status, states) == (AssetStatus.AVAILABLE, [state])
