"""What only shows in long or large sources, shown with small ones."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest

from polycast.domain.errors import ChildFailed
from polycast.domain.presets import Preset, Rung
from polycast.media.grid_shape import Cut, Grid
from polycast.media.ladder import plan_ladder
from polycast.media.mp4 import mp4_output
from polycast.media.toolkit import MediaToolkit
from polycast.media.toolkit_runner import ToolLimits
from tests.integration.media.encode_clips import facts, sound_starts
from tests.support.media import FFMPEG, Media, _run, decoded

FRAMES = 900_000
SMALL = Preset("small", "", "download", (Rung(108, 300_000, 26),))


def _many_frames(target: Path) -> None:
    """An hour of tiny key frames whose clock has run for two days: their times alone are 20 MB of text."""
    piece = target.with_name("piece.mov")
    _run(
        "-f",
        "lavfi",
        "-i",
        "color=s=16x16:r=240",
        "-frames:v",
        "1000",
        "-c:v",
        "mpeg4",
        "-g",
        "1",
        str(piece),
    )
    _run(
        "-stream_loop", str(FRAMES // 1000 - 1), "-i", str(piece), "-c", "copy", "-output_ts_offset", "172800",
        "-video_track_timescale", "90000", str(target),
    )  # fmt: skip


@pytest.mark.slow
async def test_all_frames_of_a_long_source_are_listed(
    media: Media, toolkit: MediaToolkit, tmp_path: Path
) -> None:
    source = media.made("many-frames.mov", _many_frames)
    heard: list[int] = []
    prepared = await toolkit.prepare_source(source, facts(source), tmp_path, on_progress=heard.append)
    frames = prepared.frames
    assert frames is not None
    assert len(frames.pts) == len(frames.keys) == FRAMES
    assert frames.pts[0] == 172_800 / frames.time_base
    assert all(a < b for a, b in pairwise(frames.pts))
    assert heard == sorted(heard)
    assert heard[-1] == FRAMES


async def test_sound_with_more_boundaries_than_an_argument_holds(
    toolkit: MediaToolkit, tmp_path: Path
) -> None:
    """As of twelve hours: here the boundaries are close together, and the sound is short."""
    source = tmp_path / "s.wav"
    _run("-f", "lavfi", "-i", "aevalsrc='if(gte(t\\,2)\\,0.5*sin(2*PI*997*t)\\,0)':s=48000:d=24", str(source))
    info = facts(source)
    count = 24_000
    grid = Grid("audio", 1000, tuple(range(count)), count, Fraction(0), None, (0,) * count, (Cut(),) * count)
    out = tmp_path / "out"
    out.mkdir()
    rendition = plan_ladder(info, Preset("audio", "", "stream")).audio[0]
    encoded = await toolkit.encode_audio(source, info, grid, rendition, out)
    assert all(a.end == b.start for a, b in pairwise(encoded.segments))
    assert encoded.segments[0].start == 0
    assert encoded.segments[-1].end / encoded.timescale == pytest.approx(24, abs=0.05)
    whole = tmp_path / "whole.mp4"
    names = [encoded.init.object, *(s.object for s in encoded.segments)]
    whole.write_bytes(b"".join((out / rendition.name / name).read_bytes() for name in names))
    assert sound_starts(whole) == pytest.approx(2, abs=0.022)


async def test_a_copy_may_be_as_large_as_its_source(media: Media, tmp_path: Path) -> None:
    """Transport streams are copied before they are encoded; what bounds other files does not bound that one."""
    source = media.clip("h264_ts")
    strict = MediaToolkit(ffmpeg=FFMPEG, work_root=tmp_path, limits=ToolLimits(file_bytes=20_000))
    assert source.stat().st_size > 20_000
    prepared = await strict.prepare_source(source, await strict.probe(source), tmp_path)
    assert prepared.path.stat().st_size > 20_000
    assert prepared.frames is not None
    assert len(prepared.frames.pts) == 180


async def test_a_download_gets_the_time_that_its_length_needs(media: Media, tmp_path: Path) -> None:
    source = media.clip("tall_vp9")
    hasty = MediaToolkit(ffmpeg=FFMPEG, work_root=tmp_path, limits=ToolLimits(cpu_s=0.01, file_bytes=1000))
    target = tmp_path / "d.mp4"
    await mp4_output(hasty, source, await hasty.probe(source), SMALL, target)
    assert [n for _, n in decoded(target)] == [n for _, n in decoded(source)]


async def test_a_download_that_passes_a_limit_does_not_blame_its_source(media: Media, tmp_path: Path) -> None:
    source = media.clip("long_gop")
    hasty = MediaToolkit(ffmpeg=FFMPEG, work_root=tmp_path, limits=ToolLimits(wall_s=0.01))
    info = await hasty.probe(source)
    video = info.main_video
    assert video is not None
    # as if there were next to nothing to do
    info = replace(info, duration_s=0.001, video=(replace(video, duration_s=0.001),), audio=())
    with pytest.raises(ChildFailed) as failed:
        await mp4_output(hasty, source, info, SMALL, tmp_path / "d.mp4")
    assert failed.value.reason == "timeout"


@pytest.mark.parametrize("name", ["h264_ts", "h264_ts_late", "h264_ts_wrapped", "tall_ts_film"])
async def test_a_copy_keeps_every_tick(
    name: str, media: Media, toolkit: MediaToolkit, tmp_path: Path
) -> None:
    """The distances between the frames of a transport stream, to 1/90000 s."""
    source = media.clip(name)
    info = await toolkit.probe(source)
    prepared = await toolkit.prepare_source(source, replace(info, audio=()), tmp_path, exact=True)
    frames = prepared.frames
    assert frames is not None
    assert frames.time_base == Fraction(1, 90_000)
    times = [time for time, _ in decoded(source)]
    ticks = [round((time - times[0]) * 90_000) for time in times]
    assert [pts - frames.pts[0] for pts in frames.pts] == ticks
    assert [n for _, n in decoded(prepared.path)] == [n for _, n in decoded(source)]
