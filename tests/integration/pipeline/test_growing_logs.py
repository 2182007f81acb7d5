"""The log of a growing track has a name of its own, so that who comes late cannot spoil a complete one."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.media import Media
from tests.support.studio import Studio


@pytest.mark.parametrize("clip", ["tall", "tall_vp9"])
async def test_a_late_writer_cuts_nothing_off(
    database_url: str, tmp_path: Path, media: Media, clip: str
) -> None:
    """A worker that was thought dead wakes up and writes what it knew, after all was published."""
    async with Studio.open(database_url, tmp_path / "data", chunk_s=1.0, segment_s=1.0) as studio:
        asset = await studio.make(await studio.upload(media.clip(clip)))
        async with studio.working():
            asset = await studio.settled(asset.uid)
            await studio.quiet()
        await studio.clear()
        left = [info.key async for info in studio.services.store.list("") if "growing" in info.key]
        assert left == []
        assert asset.generation is not None
        for track in asset.generation.tracks:
            prefix, log = await studio.log_of(asset, track)
            late = replace(log, segments=log.segments[:1], complete=False)
            await studio.platform.workspace.put_log(prefix, late, durable=False)
            seen = await studio.services.playback.logs.get(asset.uid, track.folder, track.name)
            assert (seen.complete, len(seen.segments)) == (True, len(log.segments))
        await studio.check_whole(asset)
