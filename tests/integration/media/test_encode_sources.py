"""Every kind of source comes out whole: frame numbers are read back from what was encoded in chunks."""

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Literal

import av
import pytest
from structlog.testing import capture_logs

from polycast.domain.presets import Preset, Rung
from polycast.domain.tracks import TrackLog
from polycast.media.assemble import assemble_audio, assemble_video
from polycast.media.chunks import plan_chunks
from polycast.media.grid import plan_grid
from polycast.media.grid_shape import Grid
from polycast.media.ladder import Ladder, plan_ladder
from polycast.media.toolkit import MediaToolkit
from tests.integration.media.encode_clips import FFMPEG, decode, facts, make, run_ffmpeg, whole

PRESET = Preset("test", "two rungs", "stream", (Rung(72, 300_000, 28), Rung(108, 500_000, 26)))
X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
AAC = ("-c:a", "aac")


@dataclass
class Made:
    grid: Grid
    ladder: Ladder
    video: list[TrackLog]
    audio: list[TrackLog]
    out: Path
    progress: list[float] = field(default_factory=list)
    retries: list[str] = field(default_factory=list)

    def file(self, log: TrackLog, name: str) -> Path:
        return whole(self.out / name, log)


async def encode(
    source: Path, tmp_path: Path, *, target_s: float = 1.0, preset: Preset = PRESET, **changes: object
) -> Made:
    out = tmp_path / "out"
    out.mkdir()
    toolkit = MediaToolkit(ffmpeg=FFMPEG, work_root=out)
    prepared = await toolkit.prepare_source(source, facts(source, **changes), out)
    ladder = plan_ladder(prepared.info, preset)
    multiple = max((r.every for r in ladder.renditions), default=1)
    grid = plan_grid(prepared.info, prepared.frames, target_s=target_s, multiple=multiple)
    progress: list[float] = []
    with capture_logs() as logs:
        chunks = [
            await toolkit.encode_chunk(
                prepared.path,
                prepared.info,
                chunk,
                ladder.renditions,
                out,
                speed="first",
                on_progress=progress.append,
            )
            for chunk in plan_chunks(grid, 2.0, first_s=1.0)
        ]
    video = [
        assemble_video(r, grid, [c[i] for c in chunks]) for i, r in enumerate(ladder.renditions) if chunks
    ]
    audio = [
        assemble_audio(a, await toolkit.encode_audio(prepared.path, prepared.info, grid, a, out))
        for a in ladder.audio
    ]
    retries = [str(entry["reason"]) for entry in logs if entry["event"] == "chunk_not_as_planned"]
    return Made(grid, ladder, video, audio, out, progress, retries)


def prove(made: Made, numbers: list[int], *, rate: Fraction | None = None) -> None:
    """All renditions hold these frames in order, on the grid, decodable without a break."""
    assert made.video
    assert not made.retries
    starts = [[s.start for s in log.segments] for log in made.video]
    assert all(s == list(made.grid.starts) for s in starts)
    for rendition, log in zip(made.ladder.renditions, made.video, strict=True):
        decoded = decode(made.file(log, rendition.name))
        assert decoded.numbers == numbers
        assert (decoded.width, decoded.height) == (rendition.width, rendition.height)
        assert decoded.pix_fmt == "yuv420p"
        assert all(a < b for a, b in pairwise(decoded.dts))
        assert decoded.times[0] == Fraction(made.grid.starts[0], made.grid.timescale)
        if rate is not None:
            assert decoded.times == [n / rate for n in range(len(numbers))]
        assert sum(s.samples for s in log.segments) == len(numbers)
        assert log.segments[-1].end == made.grid.end


Maker = Callable[[Path], Path]

STEADY: dict[str, tuple[str, Maker]] = {
    "h264 closed": ("25", lambda d: make(d / "s.mp4", *X264, "-g", "30", "-bf", "2", "-sc_threshold", "0", *AAC)),
    "h264 open GOP": ("30000/1001", lambda d: make(
        d / "s.mp4", "-c:v", "libx264", "-preset", "veryfast", "-g", "20", "-bf", "3", "-pix_fmt", "yuv420p",
        "-x264-params", "open-gop=1:scenecut=0:b-adapt=0", *AAC, rate="30000/1001")),
    "one key frame": ("25", lambda d: make(d / "s.mkv", *X264, "-g", "999", *AAC)),
    "film in mkv": ("24000/1001", lambda d: make(d / "s.mkv", *X264, "-g", "30", *AAC, rate="24000/1001")),
    "vp9": ("30", lambda d: make(
        d / "s.webm", "-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "40",
        "-c:a", "libopus", rate="30")),
    "hevc 50": ("50", lambda d: make(
        d / "s.mp4", "-c:v", "libx265", "-preset", "ultrafast", "-x265-params",
        "keyint=40:open-gop=1:log-level=none:pools=1", "-tag:v", "hvc1", "-pix_fmt", "yuv420p", *AAC, rate="50")),
    "av1": ("25", lambda d: make(d / "s.mp4", "-c:v", "libsvtav1", "-preset", "12", "-g", "40", *AAC)),
    "60": ("60", lambda d: make(d / "s.mp4", *X264, "-g", "50", *AAC, rate="60", frames=300)),
    "prores": ("25", lambda d: make(d / "s.mov", "-c:v", "prores_ks", "-profile:v", "2", "-c:a", "pcm_s16le")),
    "mpeg2 ts": ("25", lambda d: make(d / "s.ts", "-c:v", "mpeg2video", "-q:v", "3", "-bf", "2", "-g", "15", "-c:a", "mp2")),
    "h264 ts": ("30000/1001", lambda d: make(
        d / "s.ts", *X264, "-g", "30", "-bf", "2", *AAC, rate="30000/1001")),
    "avi": ("25", lambda d: make(d / "s.avi", "-c:v", "mpeg4", "-q:v", "4", "-bf", "2", "-c:a", "mp3", audio=None)),
    "flv": ("25", lambda d: make(d / "s.flv", *X264, "-g", "40", *AAC, "-ar", "44100")),
    "ten bit": ("25", lambda d: make(
        d / "s.mp4", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p10le", *AAC)),
    "4:4:4 full range": ("25", lambda d: make(
        d / "s.mp4", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuvj444p", *AAC)),
    "no audio": ("25", lambda d: make(d / "s.mp4", *X264, audio=None)),
    "late timestamps": ("25", lambda d: make(d / "s.mp4", *X264, *AAC, "-output_ts_offset", "7.3")),
}  # fmt: skip


@pytest.mark.parametrize("name", STEADY)
async def test_steady_sources_keep_every_frame(name: str, tmp_path: Path) -> None:
    rate, maker = STEADY[name]
    source = maker(tmp_path)
    made = await encode(source, tmp_path)
    assert made.grid.kind == "steady"
    prove(made, list(range(made.grid.end * Fraction(rate) // made.grid.timescale)), rate=Fraction(rate))
    assert sum(made.grid.counts) in (150, 300)
    assert made.progress[-1] == 1.0
    for log in made.audio:
        assert log.segments[0].start == 0
        assert abs(log.duration_s - made.grid.duration_s) < 0.1


async def test_variable_rate_keeps_every_frame_at_its_own_time(tmp_path: Path) -> None:
    # two of three frames, and a stretch at half speed: no steady rate fits
    source = make(
        tmp_path / "s.mp4", *X264, *AAC, "-g", "25", "-bf", "2", "-fps_mode", "vfr", "-enc_time_base", "1:90000",
        rate="30", frames=180, more="select=not(eq(mod(n\\,3)\\,1)),settb=1/90000,setpts=PTS+if(gt(T\\,3)\\,(T-3)/TB)",
    )  # fmt: skip
    before = decode(source)
    made = await encode(source, tmp_path)
    assert made.grid.kind == "variable"
    prove(made, [n for n in range(180) if n % 3 != 1])
    for log in made.video:
        after = decode(made.file(log, f"{min(log.header.width, log.header.height)}p"))
        assert after.times == [t - before.times[0] for t in before.times]


async def test_screen_recording_with_long_stills(tmp_path: Path) -> None:
    source = make(
        tmp_path / "s.mkv", *X264, "-fps_mode", "vfr", rate="10", frames=60, audio=None,
        more="select=lt(n\\,4)+eq(n\\,37)+gt(n\\,52)",
    )  # fmt: skip
    made = await encode(source, tmp_path)
    prove(made, [0, 1, 2, 3, 37, *range(53, 60)])


async def test_dropped_frames_are_filled_where_the_rate_is_steady(tmp_path: Path) -> None:
    source = make(
        tmp_path / "s.mp4",
        *X264,
        "-g",
        "40",
        "-fps_mode",
        "vfr",
        audio=None,
        more="select=not(eq(n\\,30)+eq(n\\,77))",
    )
    made = await encode(source, tmp_path)
    assert made.grid.kind == "steady"
    prove(made, [n if n not in (30, 77) else n - 1 for n in range(150)], rate=Fraction(25))


async def test_interlaced_becomes_progressive(tmp_path: Path) -> None:
    source = make(
        tmp_path / "s.ts", "-c:v", "mpeg2video", "-q:v", "2", "-flags", "+ilme+ildct", "-g", "12", "-bf", "2",
        "-c:a", "mp2", rate="25", size=(192, 144), more="setfield=tff",
    )  # fmt: skip
    made = await encode(source, tmp_path, interlaced=True)
    prove(made, list(range(150)), rate=Fraction(25))


async def test_hdr_becomes_sdr(tmp_path: Path) -> None:
    source = make(
        tmp_path / "s.mp4", "-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p10le",
        "-x265-params", "keyint=50:log-level=none:pools=1:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc",
        frames=60, audio=None,
        more="format=yuv420p10le,setparams=color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc:range=tv",
    )  # fmt: skip
    made = await encode(
        source,
        tmp_path,
        hdr=True,
        transfer="smpte2084",
        matrix="bt2020nc",
        color_primaries="bt2020",
        bit_depth=10,
    )
    prove(made, list(range(60)), rate=Fraction(25))
    with av.open(str(made.file(made.video[-1], "108p"))) as container:
        frame = next(container.decode(video=0))
        assert (frame.color_trc, frame.color_primaries, frame.colorspace) == (1, 1, 1)  # all BT.709


@pytest.mark.parametrize(("size", "points"), [((320, 180), (6, 6, 6)), ((1280, 720), (1, 1, 1))])
async def test_all_rungs_say_what_the_colours_of_their_source_are_taken_for(
    size: tuple[int, int], points: tuple[int, int, int], tmp_path: Path
) -> None:
    source = make(tmp_path / "s.mp4", *X264, *AAC, size=size, frames=10)
    made = await encode(source, tmp_path)
    for rendition, log in zip(made.ladder.renditions, made.video, strict=True):
        path = made.file(log, rendition.name)
        assert b"colrnclx" in path.read_bytes()[:2000]
        with av.open(str(path)) as container:
            frame = next(container.decode(video=0))
            assert (frame.color_primaries, frame.color_trc, frame.colorspace) == points


async def test_rotated_phone_video_comes_out_upright(tmp_path: Path) -> None:
    upright = make(tmp_path / "u.mp4", *X264, *AAC, size=(108, 192), more="transpose=cclock")
    source = tmp_path / "s.mp4"
    run_ffmpeg("-display_rotation:v:0", "270", "-i", str(upright), "-c", "copy", str(source))
    made = await encode(source, tmp_path, rotation=270, display_width=108, display_height=192)
    assert made.ladder.renditions[-1].width == 108
    prove(made, list(range(150)), rate=Fraction(25))


async def test_portrait(tmp_path: Path) -> None:
    made = await encode(make(tmp_path / "s.mp4", *X264, size=(108, 192)), tmp_path)
    assert [(r.width, r.height) for r in made.ladder.renditions] == [(72, 128), (108, 192)]
    prove(made, list(range(150)), rate=Fraction(25))


async def test_odd_size(tmp_path: Path) -> None:
    source = make(tmp_path / "s.webm", "-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8",
                  size=(187, 105), audio=None)  # fmt: skip
    made = await encode(source, tmp_path)
    assert (made.ladder.renditions[-1].width, made.ladder.renditions[-1].height) == (186, 104)
    prove(made, list(range(150)), rate=Fraction(25))


async def test_anamorphic_source_gets_square_pixels(tmp_path: Path) -> None:
    source = make(tmp_path / "s.mp4", *X264, size=(144, 108), more="setsar=4/3")
    made = await encode(source, tmp_path, sar=Fraction(4, 3), display_width=192, display_height=108)
    prove(made, list(range(150)), rate=Fraction(25))
    with av.open(str(made.file(made.video[-1], "108p"))) as container:
        assert container.streams.video[0].sample_aspect_ratio in (None, 1)


@pytest.mark.parametrize("rate", ["50", "60000/1001"])
async def test_capped_rate_keeps_every_second_frame(rate: str, tmp_path: Path) -> None:
    preset = Preset("test", "", "stream", (Rung(72, 300_000, 28, max_frame_rate=30), Rung(108, 500_000, 26)))
    made = await encode(make(tmp_path / "s.mp4", *X264, *AAC, rate=rate, frames=240), tmp_path, preset=preset)
    small = decode(made.file(made.video[0], "72p"))
    assert small.numbers == list(range(0, 240, 2))
    assert small.times == [n / Fraction(rate) for n in range(0, 240, 2)]
    assert decode(made.file(made.video[1], "108p")).numbers == list(range(240))
    assert [s.start for s in made.video[0].segments] == [s.start for s in made.video[1].segments]


@pytest.mark.parametrize("codec", ["hevc", "av1"])
async def test_other_codecs(codec: Literal["hevc", "av1"], tmp_path: Path) -> None:
    preset = Preset("test", "", "stream", (Rung(72, 300_000, 32), Rung(108, 500_000, 30)), video_codec=codec)
    made = await encode(make(tmp_path / "s.mp4", *X264, *AAC), tmp_path, preset=preset)
    prove(made, list(range(150)), rate=Fraction(25))


@pytest.mark.parametrize("codec", ["hevc", "av1"])
async def test_other_codecs_at_variable_rate(codec: Literal["hevc", "av1"], tmp_path: Path) -> None:
    preset = Preset("test", "", "stream", (Rung(72, 300_000, 32),), video_codec=codec)
    source = make(
        tmp_path / "s.mp4", *X264, "-fps_mode", "vfr", frames=120, more="select=not(eq(mod(n\\,3)\\,1))"
    )
    made = await encode(source, tmp_path, preset=preset)
    prove(made, [n for n in range(120) if n % 3 != 1])


async def test_still_picture_becomes_a_short_clip(tmp_path: Path) -> None:
    make(tmp_path / "c.mkv", *X264, frames=8, audio=None)
    run_ffmpeg("-ss", "0.2", "-i", str(tmp_path / "c.mkv"), "-frames:v", "1", str(tmp_path / "s.png"))
    made = await encode(tmp_path / "s.png", tmp_path, still=True)
    prove(made, [5] * 50, rate=Fraction(10))


async def test_timestamps_of_a_broken_transport_stream_are_mended(tmp_path: Path) -> None:
    """Two recordings in one file: the clock jumps back in the middle, as after an encoder's restart."""
    first = make(tmp_path / "a.ts", *X264, *AAC, "-g", "25", "-bf", "2", frames=75)
    second = make(
        tmp_path / "b.ts", *X264, *AAC, "-g", "25", "-bf", "2", "-output_ts_offset", "5000", frames=75
    )
    third = make(tmp_path / "c.ts", *X264, *AAC, "-g", "25", "-bf", "2", frames=50)
    source = tmp_path / "s.ts"
    source.write_bytes(first.read_bytes() + second.read_bytes() + third.read_bytes())
    made = await encode(source, tmp_path)
    assert not made.retries
    assert abs(made.grid.duration_s - 8) < 0.4
    decoded = decode(made.file(made.video[0], "72p"))
    wanted = [*range(75), *range(75), *range(50)]
    assert [
        n for n, before in zip(decoded.numbers, [-1, *decoded.numbers], strict=False) if n != before
    ] == wanted
    assert abs(made.audio[0].duration_s - made.grid.duration_s) < 0.5
