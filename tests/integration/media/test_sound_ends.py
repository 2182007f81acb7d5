"""Where sound behind the last picture ends is measured: what a header or a clock says counts for nothing."""

from pathlib import Path

import pytest

from polycast.media.grid import plan_grid
from polycast.media.package import NotPackageable
from polycast.media.selection import TrackSelection
from polycast.media.toolkit import MediaToolkit
from tests.integration.media.encode_clips import make, run_ffmpeg

X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "25")
JUMP = "setts=ts=if(gte(N\\,200)\\,TS+3600/TB\\,TS)"


def _jumps(tmp_path: Path) -> Path:
    """A recording whose clock goes on an hour later in the middle."""
    codecs = ("-c:v", "mpeg2video", "-c:a", "mp2", "-f", "mpegts")
    source = tmp_path / "s.ts"
    with source.open("wb") as whole:
        for start in ("0", "3600"):
            part = make(tmp_path / "part.ts", *codecs, "-output_ts_offset", start, frames=75)
            whole.write(part.read_bytes())
    return source


def _subtitled(tmp_path: Path) -> Path:
    """The length of the file is that of its subtitles, and Matroska tells no other."""
    text, film = tmp_path / "s.srt", make(tmp_path / "v.mkv", *X264, "-c:a", "aac", frames=75)
    text.write_text("1\n00:00:01,000 --> 00:00:30,000\nText\n")
    run_ffmpeg("-i", str(film), "-i", str(text), "-map", "0", "-map", "1", "-c", "copy", "-c:s", "srt",
               str(tmp_path / "s.mkv"))  # fmt: skip
    return tmp_path / "s.mkv"


def _hollow(tmp_path: Path) -> Path:
    """The last packets of the sound say that they are heard an hour later."""
    film = make(tmp_path / "v.mkv", *X264, "-c:a", "aac", frames=125)
    run_ffmpeg("-i", str(film), "-c", "copy", "-bsf:a", JUMP, str(tmp_path / "s.mkv"))
    return tmp_path / "s.mkv"


@pytest.mark.parametrize("made", [_jumps, _subtitled, _hollow])
async def test_nothing_is_held_for_sound_that_is_not_there(
    made: object, toolkit: MediaToolkit, tmp_path: Path
) -> None:
    assert callable(made)
    source: Path = made(tmp_path)
    info = await toolkit.probe(source)
    assert max(a.start_s + a.duration_s for a in info.audio) > 20
    prepared = await toolkit.prepare_source(source, info, tmp_path)
    grid = plan_grid(prepared.info, prepared.frames, sound_end_s=prepared.sound_end_s)
    assert grid.held_on == 0
    assert grid.duration_s < 8


@pytest.mark.parametrize("kind", ["mkv", "mp4", "ts", "flv"])
async def test_sound_is_followed_to_its_end(kind: str, toolkit: MediaToolkit, tmp_path: Path) -> None:
    film = make(tmp_path / "v.mkv", *X264, audio=None, frames=75)
    source = tmp_path / f"s.{kind}"
    run_ffmpeg("-i", str(film), "-f", "lavfi", "-i", "sine=d=9", "-c:v", "copy", "-c:a", "aac", str(source))
    info = await toolkit.probe(source)
    prepared = await toolkit.prepare_source(source, info, tmp_path)
    start = prepared.info.main_video.start_s if prepared.info.main_video else 0.0
    assert prepared.sound_end_s - start == pytest.approx(9, abs=0.1)
    assert await toolkit.sound_end(source, info, info.start_s + 5) - info.start_s == pytest.approx(9, abs=0.1)
    assert await toolkit.sound_end(source, info, info.start_s + 12) == info.start_s + 12


async def test_mp4_whose_sound_goes_on_is_refused_before_anything_is_shown(
    toolkit: MediaToolkit, tmp_path: Path
) -> None:
    film = make(tmp_path / "v.mp4", *X264, audio=None, frames=75)
    source, events = tmp_path / "s.mp4", list[object]()
    run_ffmpeg("-i", str(film), "-f", "lavfi", "-i", "sine=d=9", "-c:v", "copy", "-c:a", "aac", str(source))
    info = await toolkit.probe(source)
    (tmp_path / "out").mkdir()
    with pytest.raises(NotPackageable):
        await toolkit.package(
            source, tmp_path / "out", TrackSelection.everything(info), info, on_event=events.append
        )
    assert events == []
