"""Audio: in step with the picture, whole, cut on the same grid, whatever the source's clock does."""

from itertools import pairwise
from pathlib import Path

import av
import pytest

from polycast.domain.presets import Preset
from polycast.domain.tracks import TrackLog
from polycast.media.assemble import assemble_audio
from polycast.media.audio import AudioPiece
from polycast.media.grid import plan_grid
from polycast.media.grid_shape import Grid
from polycast.media.ladder import plan_ladder
from polycast.media.toolkit import MediaToolkit
from tests.integration.media.encode_clips import FFMPEG, facts, make, run_ffmpeg, sound_starts, whole

X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "25")
AAC_FRAME_S = 1024 / 48_000
BEEP = "aevalsrc='if(gte(t\\,2)\\,0.5*sin(2*PI*997*t)\\,0)':s=48000"
"""Silence for two seconds, then a tone."""


async def encode(
    source: Path, tmp_path: Path, *, channels: int = 2
) -> tuple[Grid, TrackLog, Path, list[AudioPiece]]:
    out = tmp_path / "out"
    out.mkdir()
    toolkit = MediaToolkit(ffmpeg=FFMPEG, work_root=out)
    prepared = await toolkit.prepare_source(source, facts(source), out)
    ladder = plan_ladder(prepared.info, Preset("audio", "", "stream"))
    grid = plan_grid(prepared.info, prepared.frames, target_s=1.0)
    pieces: list[AudioPiece] = []
    assert ladder.audio[0].channels == channels
    encoded = await toolkit.encode_audio(
        prepared.path, prepared.info, grid, ladder.audio[0], out, on_piece=pieces.append
    )
    log = assemble_audio(ladder.audio[0], encoded)
    assert [p.segment for p in pieces] == list(encoded.segments)
    assert not list(out.glob("*.encoding"))
    return grid, log, whole(out / ladder.audio[0].name, log), pieces


def on_grid(grid: Grid, log: TrackLog) -> None:
    starts = [s.start / log.header.timescale for s in log.segments]
    assert starts[0] == grid.starts[0] / grid.timescale
    for start, boundary in zip(starts, grid.starts, strict=False):
        assert 0 <= start - boundary / grid.timescale < AAC_FRAME_S + 1e-6
    assert all(a.end == b.start for a, b in pairwise(log.segments))


@pytest.mark.parametrize(
    ("name", "args"),
    {
        "aac in mp4": ("s.mp4", ("-c:a", "aac")),
        "opus in webm": ("s.mkv", ("-c:a", "libopus")),
        "pcm 44.1 in mov": ("s.mov", ("-c:a", "pcm_s16le", "-ar", "44100")),
        "mp2 in ts": ("s.ts", ("-c:a", "mp2")),
        "aac in ts": ("s.ts", ("-c:a", "aac")),
    }.items(),
)
async def test_sound_is_in_step_with_the_picture(
    name: str, args: tuple[str, tuple[str, ...]], tmp_path: Path
) -> None:
    source = make(tmp_path / args[0], *X264, *args[1], "-ac", "2", audio=BEEP)
    grid, log, path, _ = await encode(source, tmp_path)
    on_grid(grid, log)
    assert sound_starts(path) == pytest.approx(2.0, abs=AAC_FRAME_S)
    assert abs(log.duration_s - 6.0) < 0.1
    assert log.header.codec == "mp4a.40.2"


@pytest.mark.parametrize("layout", ["5.1", "7.1", "quad"])
async def test_surround_is_mixed_to_stereo(layout: str, tmp_path: Path) -> None:
    source = make(
        tmp_path / "s.mkv", *X264, "-af", f"aformat=channel_layouts={layout}", "-c:a", "flac", audio="anoisesrc=r=48000"
    )  # fmt: skip
    grid, log, path, _ = await encode(source, tmp_path)
    on_grid(grid, log)
    assert log.header.channels == 2
    assert sound_starts(path) < AAC_FRAME_S


async def test_mono_stays_mono(tmp_path: Path) -> None:
    source = make(tmp_path / "s.mp4", *X264, "-c:a", "aac", "-ac", "1", audio=BEEP)
    _, log, _, _ = await encode(source, tmp_path, channels=1)
    assert log.header.channels == 1


async def test_the_init_segment_names_the_language(tmp_path: Path) -> None:
    source = make(tmp_path / "s.mkv", *X264, "-c:a", "flac", "-metadata:s:a:0", "language=ger")
    _, _, path, _ = await encode(source, tmp_path, channels=1)
    with av.open(str(path)) as container:
        assert container.streams.audio[0].language == "deu"


async def test_late_sound_is_led_in_by_silence(tmp_path: Path) -> None:
    make(tmp_path / "v.mp4", *X264, audio=None)
    run_ffmpeg(
        "-i", str(tmp_path / "v.mp4"), "-itsoffset", "1.5", "-f", "lavfi", "-i", "sine=d=2", "-map", "0:v", "-map", "1:a",
        "-c:v", "copy", "-c:a", "aac", str(tmp_path / "s.mp4"),
    )  # fmt: skip
    grid, log, path, _ = await encode(tmp_path / "s.mp4", tmp_path, channels=1)
    on_grid(grid, log)
    assert sound_starts(path) == pytest.approx(1.5, abs=2 * AAC_FRAME_S)
    assert abs(log.duration_s - 6.0) < 0.1  # silence to the end of the picture


async def test_sound_before_the_picture_is_dropped(tmp_path: Path) -> None:
    make(tmp_path / "v.mp4", *X264, audio=None)
    run_ffmpeg(
        "-f", "lavfi", "-i", f"{BEEP}:d=6", "-itsoffset", "0.5", "-i", str(tmp_path / "v.mp4"), "-map", "1:v",
        "-map", "0:a", "-c:v", "copy", "-c:a", "aac", str(tmp_path / "s.mkv"),
    )  # fmt: skip
    grid, log, path, _ = await encode(tmp_path / "s.mkv", tmp_path, channels=1)
    on_grid(grid, log)
    assert sound_starts(path) == pytest.approx(1.5, abs=2 * AAC_FRAME_S)


async def test_a_gap_in_the_sound_stays_a_gap(tmp_path: Path) -> None:
    make(tmp_path / "f.mkv", *X264, "-c:a", "pcm_s16le", audio=BEEP)
    # packets between 0.5 s and 1.5 s are lost
    run_ffmpeg(
        "-i", str(tmp_path / "f.mkv"), "-map", "0", "-c", "copy", "-bsf:a", "noise=drop=gt(pts*tb\\,0.5)*lt(pts*tb\\,1.5)",
        str(tmp_path / "s.mkv"),
    )  # fmt: skip
    grid, log, path, _ = await encode(tmp_path / "s.mkv", tmp_path, channels=1)
    on_grid(grid, log)
    assert sound_starts(path) == pytest.approx(2.0, abs=2 * AAC_FRAME_S)


async def test_sound_longer_than_the_picture_goes_on(tmp_path: Path) -> None:
    make(tmp_path / "v.mp4", *X264, audio=None, frames=75)
    run_ffmpeg(
        "-i", str(tmp_path / "v.mp4"), "-f", "lavfi", "-i", "sine=d=7.2", "-c:v", "copy", "-c:a", "aac",
        str(tmp_path / "s.mp4"),
    )  # fmt: skip
    grid, log, _, _ = await encode(tmp_path / "s.mp4", tmp_path, channels=1)
    on_grid(grid, log)
    assert abs(log.duration_s - 7.2) < 0.1
    assert max(s.duration for s in log.segments) / 48_000 < 1.6


async def test_audio_alone(tmp_path: Path) -> None:
    run_ffmpeg("-f", "lavfi", "-i", f"{BEEP}:d=5", "-ac", "2", "-c:a", "libmp3lame", str(tmp_path / "s.mp3"))
    grid, log, path, pieces = await encode(tmp_path / "s.mp3", tmp_path)
    assert grid.kind == "audio"
    on_grid(grid, log)
    assert len(pieces) == 5
    assert sound_starts(path) == pytest.approx(2.0, abs=3 * AAC_FRAME_S)
