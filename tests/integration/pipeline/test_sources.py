"""Every kind of source goes through the whole pipeline once; what is published is decoded again."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from polycast.domain.assets import Asset
from polycast.domain.states import AssetStatus, OutputStatus
from tests.support.media import Media, decoded
from tests.support.studio import Studio


@dataclass(frozen=True)
class Expected:
    """What must come out.

    Attributes:
        size: of the largest rendition, None for sound alone.
        frames: None: those that the source has, read from it; else so many from 0. audio: number of tracks.
        exact: each picture of the source comes out once, in order.
        as_is: the source itself is one of the renditions.
    """

    size: tuple[int, int] | None = (320, 180)
    audio: int = 1
    frames: int | None = None
    exact: bool = True
    as_is: bool = False


SOURCES = {
    "h264": Expected(as_is=True),
    "h264_moov_at_end": Expected(as_is=True),
    "h264_ts": Expected(as_is=True),
    "tall_ts": Expected(size=(640, 360), as_is=True),
    "tall_ts_film": Expected(size=(640, 360), as_is=True),
    "languages": Expected(audio=2, as_is=True),
    "no_audio": Expected(audio=0, as_is=True),
    "rate_23.976": Expected(as_is=True),
    "rate_60": Expected(as_is=True),
    "vfr": Expected(as_is=True),
    "broken_ts": Expected(exact=False),
    "open_gop": Expected(),
    "portrait": Expected(size=(180, 320), as_is=True),
    "rotated": Expected(size=(180, 320), frames=180),
    "odd_size": Expected(size=(320, 180)),
    "interlaced": Expected(),
    "ten_bit": Expected(),
    "hdr": Expected(),
    "hevc": Expected(),
    "vp9": Expected(),
    "av1": Expected(),
    "mpeg2": Expected(),
    "prores": Expected(),
    "mono": Expected(as_is=True),
    "surround": Expected(as_is=False),
    "audio_only": Expected(size=None),
    "mp3": Expected(size=None),
    "still_png": Expected(audio=0, exact=False),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SOURCES)
async def test_source(studio: Studio, media: Media, name: str) -> None:
    """The source is uploaded, probed, packaged or encoded, published; all its pictures come out."""
    clip, expected = media.clip(name), SOURCES[name]
    asset = await studio.make(await studio.upload(clip))
    async with studio.working():
        asset = await studio.settled(asset.uid)
        await studio.quiet()
    asset = await studio.asset(asset.uid)
    assert (asset.status, asset.error) == (AssetStatus.AVAILABLE, None)
    assert [o.status for o in asset.outputs] == [OutputStatus.AVAILABLE]
    assert await studio.job_failures() == []
    await studio.check_whole(asset)
    await _check_tracks(studio, asset, clip, expected)
    await studio.clear()
    await studio.check_books()


async def _check_tracks(studio: Studio, asset: Asset, clip: Path, expected: Expected) -> None:
    assert asset.generation is not None
    video = [t for t in asset.generation.tracks if t.kind == "video"]
    audio = [t for t in asset.generation.tracks if t.kind == "audio"]
    winding = {t.rendition for t in asset.generation.tracks if t.kind == "iframe"}
    assert winding == {t.name for t in video}
    assert len(audio) == expected.audio
    assert sum(t.is_default for t in audio) == min(1, len(audio))
    assert any(t.name == "source" for t in video) == expected.as_is
    for track in audio:
        assert await studio.seconds(asset, track) == pytest.approx((asset.duration_ms or 0) / 1000, abs=0.15)
    if expected.size is None:
        assert video == []
        return
    assert (video[0].width, video[0].height) == expected.size
    numbers: list[int] = []
    if expected.frames is not None:
        numbers = list(range(expected.frames))
    elif expected.exact:
        numbers = [number for _, number in decoded(clip)]
    for track in video:
        found = await studio.frames(asset, track)
        if expected.exact:
            assert found == numbers, track.name
        else:
            assert found
