from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from polycast.domain.errors import NoPlayableTracks
from polycast.domain.media import AudioTrack, SourceInfo, VideoTrack
from polycast.domain.presets import PRESETS
from polycast.media.chunks import Chunk
from polycast.media.command import chunk_args
from polycast.media.command_audio import audio_args
from polycast.media.command_filters import filter_graph
from polycast.media.grid import plan_grid
from polycast.media.ladder import Rendition, plan_ladder

VIDEO = VideoTrack("video_1", 3, "h264", 1280, 720, 1280, 720, pix_fmt="yuv420p", frame_rate=Fraction(25))
AUDIO = AudioTrack("audio_1", 1, "aac", 44_100, 6, start_s=0.0, duration_s=20.0)
INFO = SourceInfo("mov,mp4", 20, 0, 1, video=(VIDEO,), audio=(AUDIO,))
RUNGS = plan_ladder(INFO, PRESETS["dash_hls_720p"]).renditions
CHUNK = Chunk(
    number=1, first_segment=2, kind="steady", timescale=90_000, starts=(360_000, 720_000), end=1_080_000,
    counts=(100, 100), rate=Fraction(25), origin_s=Fraction(1, 3), origin_ticks=0, from_s=Fraction(4), to_s=Fraction(12),
    seek_s=Fraction(7, 2), deeper_s=Fraction(3, 2), multiple=100,
)  # fmt: skip


def args(
    chunk: Chunk = CHUNK,
    rungs: tuple[Rendition, ...] = RUNGS,
    *,
    deeper: bool = False,
    info: SourceInfo = INFO,
) -> list[str]:
    files = [Path(f"/out/{r.name}.mp4") for r in rungs]
    return chunk_args(Path("/in/-i evil:name.mp4"), info, chunk, rungs, files, threads=2, deeper=deeper)


def value(command: list[str], flag: str) -> str:
    return command[command.index(flag) + 1]


def test_one_decode_feeds_all_renditions() -> None:
    command = args()
    assert command.count("-i") == 1
    assert command.count("-c:v") == len(RUNGS) == 4
    graph = value(command, "-filter_complex")
    assert (
        graph.startswith("[0:3]trim=start=4.000000:end=12.800000,") and ",split=4[s0][s1][s2][s3];" in graph
    )
    for i, rung in enumerate(RUNGS):
        assert f"scale={rung.width}:{rung.height}:" in graph
        assert f"file:/out/{rung.name}.mp4" in command and f"[o{i}]" in command


def test_times_are_of_the_grid() -> None:
    command = args()
    assert value(command, "-force_key_frames") == "8.000000,12.000000"
    assert value(command, "-ss") == "3.500000"
    assert value(args(deeper=True), "-ss") == "1.500000"
    assert "-ss" not in args(replace(CHUNK, seek_s=None))
    assert value(command, "-video_track_timescale") == "90000"
    assert "setpts=round(PTS-(1/3)/TB)" in value(command, "-filter_complex")
    assert "-copyts" in command[: command.index("-i")]
    first = args(replace(CHUNK, starts=(0, 360_000), from_s=None))
    assert "max(DTS" in value(first, "-bsf:v") and "max(DTS" not in value(command, "-bsf:v")


def test_file_names_are_never_options_or_protocols() -> None:
    command = args()
    assert value(command, "-i") == "file:/in/-i evil:name.mp4"
    assert "-protocol_whitelist" in command[: command.index("-i")]


def test_cap_and_level_are_those_announced() -> None:
    command = args(rungs=RUNGS[-1:])
    assert value(command, "-maxrate") == str(RUNGS[-1].maxrate_bps)
    assert value(command, "-level") == "3.1" and RUNGS[-1].codec_string == "avc1.64001f"


@pytest.mark.parametrize(("preset", "flag", "words"), [
    ("dash_hls_hevc", "-x265-params", ("open-gop=0", "scenecut=0", "level-idc=3.1", "pools=2")),
    ("dash_hls_av1", "-svtav1-params", ("scd=0", "level=31", "lp=2")),
])  # fmt: skip
def test_private_settings(preset: str, flag: str, words: tuple[str, ...]) -> None:
    rung = plan_ladder(INFO, PRESETS[preset]).renditions[-1:]
    settings = value(args(rungs=rung), flag).split(":")
    assert set(words) <= set(settings)


def test_uneven_frames_are_not_reordered() -> None:
    """Decode times of reordered frames at uneven distances could not rise across joints."""
    uneven = replace(CHUNK, kind="variable", rate=None)
    assert value(args(uneven), "-bf") == "0"
    assert "-bf" not in args()
    assert "NEXT_PTS" in value(args(uneven), "-bsf:v")


def graph(chunk: Chunk = CHUNK, rungs: tuple[Rendition, ...] = RUNGS[-1:], **video: object) -> str:
    return filter_graph(replace(VIDEO, **video), chunk, rungs)  # type: ignore[arg-type]


def test_sources_that_need_more() -> None:
    interlaced = graph(interlaced=True)
    assert (
        interlaced.index("trim=start=3.75") < interlaced.index("bwdif") < interlaced.index("trim=start=4.0")
    )
    tones = graph(hdr=True, transfer="arib-std-b67")
    assert (
        "tin=arib-std-b67" in tones and "tonemap" in tones and tones.index("tonemap") < tones.index("split")
    )
    assert "tonemap" not in graph()
    assert "out_color_matrix=bt709" in graph(pix_fmt="gbrp") and "out_color_matrix" not in graph()
    assert "fps=25:start_time=4.000000" in graph(replace(CHUNK, fill=True))
    assert "loop=loop=199" in graph(replace(CHUNK, kind="still"))


def test_no_text_of_a_source_reaches_a_filter() -> None:
    evil = "x[0:0]movie=/etc/passwd"
    assert "passwd" not in graph(
        hdr=True, transfer=evil, matrix=evil, color_primaries=evil, pix_fmt=evil, title=evil, color_range=evil
    )


def test_fewer_frames_by_place_or_by_time() -> None:
    half = replace(RUNGS[0], every=2, max_rate=Fraction(15))
    assert "select=not(mod(round((pts-360000)/3600)\\,2))" in graph(rungs=(half,))
    # segments of an odd number of frames start on a frame all the same
    odd = graph(replace(CHUNK, counts=(101, 99), starts=(360_000, 723_600), multiple=1), (half,))
    assert "gte(pts\\,723600)*lt(prev_pts\\,723600)" in odd
    assert "gte(t-prev_selected_t\\,0.063333)" in graph(replace(CHUNK, kind="variable", rate=None), (half,))


def test_no_video_no_command() -> None:
    with pytest.raises(NoPlayableTracks):
        args(info=SourceInfo("mp3", 1, 0, 1, audio=(AUDIO,)))


def test_audio_is_cut_on_the_grid_and_goes_on_behind_it() -> None:
    still = SourceInfo("png_pipe", 0, 0, 1, video=(replace(VIDEO, still=True),))
    grid = plan_grid(still, None, target_s=2.0)
    rendition = plan_ladder(INFO, PRESETS["dash_hls_720p"]).audio[0]
    command = audio_args(Path("/in/s.mp4"), grid, rendition, Path("/out"), 10.0)
    assert value(command, "-segment_times") == "2,4,5,7"
    assert "channel_layouts=stereo" in value(command, "-filter_complex")
    assert value(command, "-bsf:a") == "noise=drop=lt(pts\\,0)"


MAX_ARGUMENT = 131_071
"""Linux: 32 pages less the end of the string."""


@pytest.mark.parametrize("step", [90_000, 180_000, 360_360])
@pytest.mark.parametrize("even", [True, False])
def test_a_day_of_sound_fits_on_a_command_line(step: int, even: bool) -> None:
    count = 86_400 * 90_000 // step
    starts = tuple(step * i + (0 if even else i % 7) for i in range(count))
    grid = replace(
        plan_grid(replace(INFO, video=()), None), timescale=90_000, starts=starts, end=step * count
    )
    rendition = plan_ladder(INFO, PRESETS["dash_hls_720p"]).audio[0]
    command = audio_args(Path("/in/s.mp4"), grid, rendition, Path("/out"), 86_400.0)
    assert max(map(len, command)) <= MAX_ARGUMENT
    assert float(value(command, "-segment_time")) == pytest.approx(step / 90_000, abs=0.001)


def test_the_boundaries_are_kept_as_long_as_they_fit() -> None:
    source = SourceInfo("mp3", 36_000, 0, 1, audio=(replace(AUDIO, duration_s=36_000.0),))
    rendition = plan_ladder(INFO, PRESETS["dash_hls_720p"]).audio[0]
    command = audio_args(Path("/in/s.mp4"), plan_grid(source, None), rendition, Path("/out"), 36_000.0)
    assert value(command, "-segment_times").split(",")[-1] == "35996"


def test_a_held_picture_is_the_first_one_alone() -> None:
    held = replace(CHUNK, held=True, from_s=None, to_s=None, seek_s=None)
    assert "trim=end_frame=1,loop=loop=199:size=1,settb=1/90000,setpts=N*3600+360000" in graph(held)
    assert graph(held, interlaced=True).index("bwdif") < graph(held, interlaced=True).index("loop")
    half = replace(RUNGS[0], every=2, max_rate=Fraction(15))
    assert "select=not(mod(round((pts-360000)/3600)\\,2))" in graph(held, (half,))
