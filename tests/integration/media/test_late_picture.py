"""A picture that begins long after the sound or ends long before it: its first or last frame is held."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest

from polycast.domain.presets import Preset, Rung
from polycast.media.assemble import assemble_audio, assemble_video
from polycast.media.chunks import plan_chunks
from polycast.media.grid import plan_grid
from polycast.media.ladder import plan_ladder
from polycast.media.package import NotPackageable
from polycast.media.selection import TrackSelection
from polycast.media.toolkit import MediaToolkit
from tests.integration.media.encode_clips import decode, make, run_ffmpeg, sound_starts, whole

PRESET = Preset("test", "", "stream", (Rung(72, 300_000, 28, max_frame_rate=30), Rung(108, 500_000, 26)))
BEEP = "aevalsrc='if(gte(t\\,2)\\,0.5*sin(2*PI*997*t)\\,0)':s=48000"
X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "25")


def _late(tmp_path: Path, video: Path, lead_s: float) -> Path:
    source = tmp_path / "s.mkv"
    run_ffmpeg(
        "-f", "lavfi", "-i", f"{BEEP}:d=8", "-itsoffset", str(lead_s), "-i", str(video), "-map", "1:v", "-map", "0:a",
        "-c:v", "copy", "-c:a", "aac", str(source),
    )  # fmt: skip
    return source


@pytest.mark.parametrize("rate", ["25", "50", "uneven"])
async def test_the_first_picture_is_held(rate: str, toolkit: MediaToolkit, tmp_path: Path) -> None:
    more = ("-fps_mode", "vfr") if rate == "uneven" else ()
    select = "select=not(eq(mod(n\\,3)\\,1))" if rate == "uneven" else ""
    frames = 200 if rate == "50" else 100
    video = make(
        tmp_path / "v.mkv", *X264, *more, rate="50" if rate == "50" else "25", frames=frames, audio=None, more=select
    )  # fmt: skip
    source = _late(tmp_path, video, 2.5)
    info = await toolkit.probe(source)
    prepared = await toolkit.prepare_source(source, info, tmp_path)
    ladder = plan_ladder(prepared.info, PRESET)
    every = max(r.every for r in ladder.renditions)
    grid = plan_grid(
        prepared.info, prepared.frames, target_s=1.0, multiple=every, sound_s=prepared.info.audio[0].start_s
    )
    out = tmp_path / "out"
    out.mkdir()
    chunks = [
        await toolkit.encode_chunk(prepared.path, prepared.info, c, ladder.renditions, out, speed="first")
        for c in plan_chunks(grid, 2.0)
    ]
    for i, rendition in enumerate(ladder.renditions):
        log = assemble_video(rendition, grid, [c[i] for c in chunks])
        assert [s.start for s in log.segments] == list(grid.starts)
        shown = decode(whole(out / rendition.name, log))
        numbers = [n for n in range(frames) if rate != "uneven" or n % 3 != 1][:: rendition.every]
        held = len(shown.numbers) - len(numbers)
        assert shown.numbers == [0] * held + numbers
        assert shown.times[0] == 0
        assert float(shown.times[held]) == pytest.approx(2.5, abs=0.045)
        assert all(a < b for a, b in pairwise(shown.times))
        assert all(a < b for a, b in pairwise(shown.dts))
        if rate != "uneven":
            step = rendition.every / Fraction(rate)
            assert shown.times == [n * step for n in range(len(shown.times))]
    (sound,) = ladder.audio
    encoded = await toolkit.encode_audio(prepared.path, prepared.info, grid, sound, out)
    log = assemble_audio(sound, encoded)
    assert log.segments[0].start == 0
    assert sound_starts(whole(out / sound.name, log)) == pytest.approx(2.0, abs=0.045)


async def test_an_interlaced_picture_is_held_woven(toolkit: MediaToolkit, tmp_path: Path) -> None:
    video = make(
        tmp_path / "v.mkv", *X264, "-x264-params", "tff=1", frames=50, audio=None, more="setfield=tff"
    )
    source = _late(tmp_path, video, 1.5)
    info = await toolkit.probe(source)
    assert info.main_video is not None and info.main_video.interlaced
    prepared = await toolkit.prepare_source(source, info, tmp_path)
    grid = plan_grid(prepared.info, prepared.frames, sound_s=0.0)
    rendition = plan_ladder(info, PRESET).renditions[0]
    chunks = [
        (await toolkit.encode_chunk(prepared.path, prepared.info, c, [rendition], tmp_path, speed="first"))[0]
        for c in plan_chunks(grid)
    ]
    shown = decode(whole(tmp_path / rendition.name, assemble_video(rendition, grid, chunks)))
    assert shown.numbers == [0] * 38 + list(range(50))


async def test_a_slice_of_what_is_held_has_the_first_picture_alone(
    toolkit: MediaToolkit, tmp_path: Path
) -> None:
    video = make(tmp_path / "v.mkv", *X264, frames=250, audio=None)
    source = _late(tmp_path, video, 1.5)
    prepared = await toolkit.prepare_source(source, await toolkit.probe(source), tmp_path)
    grid = plan_grid(prepared.info, prepared.frames, target_s=1.0, sound_s=0.0)
    rendition = plan_ladder(prepared.info, PRESET).renditions[0]
    chunks = []
    for chunk in plan_chunks(grid, 2.0):
        piece = await toolkit.cut_slice(prepared, chunk, tmp_path / f"slice-{chunk.number}")
        if chunk.held:
            assert piece.path.stat().st_size < source.stat().st_size / 2
        chunks += await toolkit.encode_chunk(
            piece.path, piece.info, piece.chunk, [rendition], tmp_path, speed="first"
        )
    shown = decode(whole(tmp_path / rendition.name, assemble_video(rendition, grid, chunks)))
    assert shown.numbers == [0] * 38 + list(range(250))


@pytest.mark.parametrize("rate", ["25", "50", "uneven", "interlaced"])
async def test_the_last_picture_is_held(rate: str, toolkit: MediaToolkit, tmp_path: Path) -> None:
    more = {"uneven": ("-fps_mode", "vfr"), "interlaced": ("-x264-params", "tff=1")}.get(rate, ())
    change = {"uneven": "select=not(eq(mod(n\\,3)\\,1))", "interlaced": "setfield=tff"}.get(rate, "")
    frames = 100 if rate == "50" else 50
    video = make(
        tmp_path / "v.mkv", *X264, *more, rate="50" if rate == "50" else "25", frames=frames, audio=None, more=change
    )  # fmt: skip
    source = _late(tmp_path, video, 0)
    info = await toolkit.probe(source)
    prepared = await toolkit.prepare_source(source, info, tmp_path)
    ladder = plan_ladder(prepared.info, PRESET)
    grid = plan_grid(prepared.info, prepared.frames, target_s=1.0, sound_end_s=8.0)
    chunks = []
    for chunk in plan_chunks(grid, 2.0):
        piece = await toolkit.cut_slice(prepared, chunk, tmp_path / f"slice-{chunk.number}")
        for path, facts, part in (
            (piece.path, piece.info, piece.chunk),
            (prepared.path, prepared.info, chunk),
        ):
            made = await toolkit.encode_chunk(path, facts, part, ladder.renditions, tmp_path, speed="first")
        chunks.append(made)
    for i, rendition in enumerate(ladder.renditions):
        log = assemble_video(rendition, grid, [c[i] for c in chunks])
        shown = decode(whole(tmp_path / rendition.name, log))
        numbers = [n for n in range(frames) if rate != "uneven" or n % 3 != 1]
        numbers = numbers[:: rendition.every] if rate == "50" else numbers
        assert shown.numbers[: len(numbers)] == numbers
        assert set(shown.numbers[len(numbers) :]) == {frames - 1 if rate != "uneven" else numbers[-1]}
        assert log.duration_s == pytest.approx(8.0, abs=0.05)
        assert max(s.duration for s in log.segments) <= 1.1 * grid.timescale
        assert all(a < b for a, b in pairwise(shown.times))
        assert all(a < b for a, b in pairwise(shown.dts))


async def test_a_last_picture_that_cannot_be_decoded_is_the_one_before(
    toolkit: MediaToolkit, tmp_path: Path
) -> None:
    video = make(tmp_path / "v.mkv", *X264, frames=60, audio=None)
    source = _late(tmp_path, video, 0)
    prepared = await toolkit.prepare_source(source, await toolkit.probe(source), tmp_path)
    grid = plan_grid(prepared.info, prepared.frames, target_s=2.0, sound_end_s=8.0)
    chunk = replace(plan_chunks(grid, 2.0)[-1], from_s=Fraction(3))
    rendition = plan_ladder(prepared.info, PRESET).renditions[0]
    await toolkit.encode_chunk(prepared.path, prepared.info, chunk, [rendition], tmp_path, speed="first")


async def test_what_would_end_before_its_sound_is_not_packaged(toolkit: MediaToolkit, tmp_path: Path) -> None:
    video = make(tmp_path / "v.mkv", *X264, frames=60, audio=None)
    source = _late(tmp_path, video, 0)
    info = await toolkit.probe(source)
    (tmp_path / "out").mkdir()
    with pytest.raises(NotPackageable):
        await toolkit.package(source, tmp_path / "out", TrackSelection.everything(info), info)
