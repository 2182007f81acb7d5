"""Downloads are decoded from end to end: every frame, in order, with sound beside it; the index in front."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import av
import pytest

from polycast.domain.errors import IntegrityError, Unreadable
from polycast.domain.media import SourceInfo
from polycast.domain.presets import PRESETS, Preset, Rung
from polycast.media.iframes import iframe_log
from polycast.media.mp4 import mp4_from_tracks, mp4_output
from polycast.media.mp4_check import read_written
from polycast.media.mp4_command import plan_mp4
from polycast.media.package import PackagedTrack
from polycast.media.selection import TrackSelection
from polycast.media.toolkit import MediaToolkit
from polycast.protocols import hls
from tests.integration.media.probed import Probed
from tests.support.media import Media, _run, decoded, frame_number

PRESET = PRESETS["mp4"]
SMALL = Preset("small", "", "download", (Rung(108, 300_000, 26),))


@pytest.fixture
def probed(media: Media, toolkit: MediaToolkit) -> Probed:
    return Probed(media, toolkit)


def sound_s(path: Path, track: int = 0) -> tuple[float, float]:
    """(start, end) of the decoded sound."""
    times = []
    with av.open(str(path)) as container:
        for frame in container.decode(container.streams.audio[track]):
            assert frame.pts is not None
            assert frame.time_base is not None
            times.append((float(frame.pts * frame.time_base), frame.samples / frame.sample_rate))
    return times[0][0], times[-1][0] + times[-1][1]


def packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(p) for p in container.demux(video=0) if p.size]


@pytest.mark.parametrize(
    "name", ["h264", "h264_moov_at_end", "h264_fragmented", "h264_mkv", "rotated", "anamorphic"]
)
async def test_what_fits_is_copied_packet_for_packet(
    name: str, probed: Probed, toolkit: MediaToolkit, tmp_path: Path
) -> None:
    source, info = await probed(name)
    assert plan_mp4(info, PRESET).copies_all
    told: list[float] = []
    written = await mp4_output(toolkit, source, info, PRESET, tmp_path / "d.mp4", on_progress=told.append)
    assert written.faststart
    assert [n for _, n in decoded(tmp_path / "d.mp4")] == [n for _, n in decoded(source)]
    if name != "h264_mkv":  # Matroska leaves the parameter sets in the packets as they are
        assert packets(tmp_path / "d.mp4") == packets(source)
    assert told[-1] == 1.0
    assert told == sorted(told)
    again = await toolkit.probe(tmp_path / "d.mp4")
    assert again.main_video is not None
    assert info.main_video is not None
    assert (again.main_video.display_width, again.main_video.display_height) == (
        info.main_video.display_width,
        info.main_video.display_height,
    )


@pytest.mark.parametrize("name", ["h264", "open_gop", "vp9"])
async def test_players_need_not_guess_the_colours(
    name: str, probed: Probed, toolkit: MediaToolkit, tmp_path: Path
) -> None:
    source, info = await probed(name)
    await mp4_output(toolkit, source, info, PRESET, tmp_path / "d.mp4")
    made = (await toolkit.probe(tmp_path / "d.mp4")).main_video
    assert made is not None
    assert (made.color_primaries, made.transfer, made.matrix) == ("smpte170m",) * 3


def _png_that_names_a_matrix(path: Path) -> None:
    _run("-f", "lavfi", "-i", "color=red:s=320x180:r=5:d=1", "-vf", "format=rgb24", "-color_primaries", "bt709",
         "-color_trc", "bt709", "-c:v", "png", "-movflags", "+write_colr", str(path))  # fmt: skip
    data = path.read_bytes()
    start = data.index(b"colrncl") + len(b"colrnclx")
    path.write_bytes(data[:start] + bytes([0, 6, 0, 1, 0, 6]) + data[start + 6 :])


def _rgb_of_wide_primaries(path: Path) -> None:
    filters = "format=bgr0,setparams=color_primaries=bt2020"
    _run("-f", "lavfi", "-i", "color=red:s=320x180:r=5:d=1", "-vf", filters, "-c:v", "ffv1", str(path))


@pytest.mark.parametrize(
    ("name", "make", "said", "luma"),
    [
        # of pure red: 16 + 219 times 0.2126, or 0.2627
        ("png.mov", _png_that_names_a_matrix, ("smpte170m", "bt709", "bt709"), 62.6),
        ("ffv1.mkv", _rgb_of_wide_primaries, ("bt2020", "bt2020-10", "bt2020nc"), 73.5),
    ],
)
async def test_rgb_is_converted_by_the_matrix_that_is_said(
    name: str,
    make: Callable[[Path], None],
    said: tuple[str, str, str],
    luma: float,
    media: Media,
    toolkit: MediaToolkit,
    tmp_path: Path,
) -> None:
    source = media.made(f"red-rgb-{name}", make)
    await mp4_output(toolkit, source, await toolkit.probe(source), PRESET, tmp_path / "d.mp4")
    made = (await toolkit.probe(tmp_path / "d.mp4")).main_video
    assert made is not None
    assert (made.color_primaries, made.transfer, made.matrix) == said
    with av.open(str(tmp_path / "d.mp4")) as container:
        plane = next(container.decode(video=0)).planes[0]
    assert bytes(plane)[plane.line_size * 90 + 160] == pytest.approx(luma, abs=2)


@pytest.mark.parametrize(
    "name",
    ["h264_ts", "vp9", "hevc", "hdr", "ten_bit", "interlaced", "mpeg2", "prores", "odd_size", "vfr", "no_audio",
     "surround", "rate_23.976", "open_gop", "late_audio"],
)  # fmt: skip
async def test_what_does_not_fit_is_encoded_whole(
    name: str, probed: Probed, toolkit: MediaToolkit, tmp_path: Path
) -> None:
    source, info = await probed(name)
    out = tmp_path / "d.mp4"
    told: list[float] = []
    await mp4_output(toolkit, source, info, SMALL, out, on_progress=told.append)
    made = await toolkit.probe(out)
    video = made.main_video
    assert video is not None
    assert (video.codec, video.pix_fmt, video.hdr, video.rotation) == ("h264", "yuv420p", False, 0)
    assert min(video.width, video.height) == 108
    assert [n for _, n in decoded(out)] == [n for _, n in decoded(source)]
    assert len(told) >= 1
    if info.audio:
        first = next(decoded(source))[0] - info.start_s
        start, end = sound_s(out)
        assert next(decoded(out))[0] == pytest.approx(first, abs=0.05)
        assert end == pytest.approx(sound_s(source)[1] - info.start_s, abs=0.08)
        assert start <= 0.6
        assert made.audio[0].channels <= 2


async def test_a_still_picture_and_sound_alone_become_files(
    probed: Probed, toolkit: MediaToolkit, tmp_path: Path
) -> None:
    for name in ("still_png", "still_jpg"):
        source, info = await probed(name)
        await mp4_output(toolkit, source, info, PRESET, tmp_path / "s.mp4")
        numbers = [n for _, n in decoded(tmp_path / "s.mp4")]
        assert set(numbers) == {0}
        assert len(numbers) == 50
    for name in ("audio_only", "mp3", "h264"):
        source, info = await probed(name)
        written = await mp4_output(toolkit, source, info, PRESET, tmp_path / "a.m4a")
        assert [t.kind for t in written.tracks] == ["audio"]
        assert sound_s(tmp_path / "a.m4a")[1] == pytest.approx(6, abs=0.1)
        with (tmp_path / "a.m4a").open("rb") as file:
            assert file.read(12)[4:] == b"ftypM4A "


async def test_languages_and_captions_come_along(
    probed: Probed, media: Media, toolkit: MediaToolkit, tmp_path: Path
) -> None:
    srt = tmp_path / "c.srt"
    srt.write_text("1\n00:00:01,000 --> 00:00:02,000\nhello\n")
    clip = media.made(
        "languages-captions.mp4",
        lambda path: _run("-i", str(media.clip("languages")), "-i", str(srt), "-map", "0", "-map", "1", "-c", "copy",
                          "-c:s", "mov_text", str(path)),
    )  # fmt: skip
    info = await toolkit.probe(clip)
    await mp4_output(toolkit, clip, info, PRESET, tmp_path / "d.mp4", captions=[c.id for c in info.captions])
    made = await toolkit.probe(tmp_path / "d.mp4")
    assert [a.language for a in made.audio] == [a.language for a in info.audio]
    assert len(made.captions) == 1
    fewer = replace(info, audio=info.audio[1:])
    await mp4_output(toolkit, clip, fewer, PRESET, tmp_path / "e.mp4")
    assert len((await toolkit.probe(tmp_path / "e.mp4")).audio) == 1


async def test_a_source_that_lies_about_its_length_is_an_error(
    probed: Probed, toolkit: MediaToolkit, tmp_path: Path
) -> None:
    source, info = await probed("truncated_faststart")
    with pytest.raises(Unreadable):
        await mp4_output(toolkit, source, info, SMALL, tmp_path / "d.mp4")
    junk = tmp_path / "junk.mp4"
    junk.write_bytes(b"\0" * 4096)
    with pytest.raises(Unreadable):
        await mp4_output(toolkit, junk, SourceInfo.from_json(info.to_json()), SMALL, tmp_path / "d.mp4")


async def packaged(
    name: str, probed: Probed, toolkit: MediaToolkit, tmp_path: Path
) -> tuple[Path, list[PackagedTrack]]:
    source, info = await probed(name)
    out = tmp_path / "cmaf"
    out.mkdir()
    return source, await toolkit.package(source, out, TrackSelection.everything(info), info, target_s=2.0)


def joined(track: PackagedTrack, target: Path) -> Path:
    assert track.log.header.init is not None
    names = [track.log.header.init.object, *(s.object for s in track.log.segments)]
    target.write_bytes(b"".join((track.folder / name).read_bytes() for name in names))
    return target


@pytest.mark.parametrize("name", ["h264", "h264_ts", "h264_deep_b", "late_audio", "mono"])
async def test_published_tracks_are_joined_without_loss(
    name: str, probed: Probed, toolkit: MediaToolkit, tmp_path: Path
) -> None:
    source, (video, audio) = await packaged(name, probed, toolkit, tmp_path)
    parts = joined(video, tmp_path / "v.mp4"), joined(audio, tmp_path / "a.mp4")
    out = tmp_path / "play.mp4"
    written = await mp4_from_tracks(toolkit, *parts, out)
    assert written.faststart
    assert [t.samples for t in written.tracks] == [
        sum(s.samples for s in t.log.segments) for t in (video, audio)
    ]
    there = list(decoded(out))
    wanted = list(decoded(source))
    assert [n for _, n in there] == [n for _, n in wanted]
    # sound keeps its place beside the picture: within one audio frame
    frame_s = 1024 / 44_100

    def gap(path: Path, frames: list[tuple[float, int]]) -> float:
        return sound_s(path)[0] - frames[0][0]

    assert gap(out, there) == pytest.approx(gap(source, wanted), abs=frame_s)
    silent = await mp4_from_tracks(toolkit, parts[0], None, tmp_path / "silent.mp4")
    assert [t.kind for t in silent.tracks] == ["video"]
    sound = await mp4_from_tracks(toolkit, None, parts[1], tmp_path / "sound.m4a")
    assert [t.kind for t in sound.tracks] == ["audio"]


async def test_a_track_that_is_cut_off_is_never_joined(
    probed: Probed, toolkit: MediaToolkit, tmp_path: Path
) -> None:
    _, (video, _) = await packaged("h264", probed, toolkit, tmp_path)
    whole = joined(video, tmp_path / "v.mp4")
    data = whole.read_bytes()
    whole.write_bytes(data[: len(data) - 100])
    with pytest.raises(IntegrityError):
        await mp4_from_tracks(toolkit, whole, None, tmp_path / "o.mp4")
    whole.write_bytes(data)
    with pytest.raises(IntegrityError):
        read_written(whole)  # fragments are no finished file
    with pytest.raises(IntegrityError):
        await mp4_from_tracks(toolkit, None, None, tmp_path / "o.mp4")


async def test_each_iframe_range_decodes_to_its_key_frame(
    probed: Probed, toolkit: MediaToolkit, tmp_path: Path
) -> None:
    _, (video, _) = await packaged("h264", probed, toolkit, tmp_path)

    async def read(name: str, offset: int, size: int) -> bytes:
        return (video.folder / name).read_bytes()[offset : offset + size]

    log = await iframe_log(read, video.log)
    assert log.header.kind == "iframe"
    assert len(log.segments) == len(video.log.segments)
    assert sum(s.duration for s in log.segments) == sum(s.duration for s in video.log.segments)
    init = (video.folder / "init.mp4").read_bytes()
    for picture, whole in zip(log.segments, video.log.segments, strict=True):
        assert picture.size < whole.size
        part = tmp_path / "part.mp4"
        part.write_bytes(init + (video.folder / picture.object).read_bytes()[: picture.size])
        with av.open(str(part)) as container:
            frames = list(container.decode(video=0))
        assert [frame_number(f) for f in frames] == [round(picture.start / log.header.timescale * 30)]
    text = hls.media_playlist(
        log, segment_uri=lambda _, s: s.object, init_uri="init.mp4", byte_ranges=True
    ).render()
    assert "#EXT-X-I-FRAMES-ONLY" in text
    assert text.count("#EXT-X-BYTERANGE") == len(log.segments)
    assert log.header.bandwidth > 0
    (video.folder / log.segments[0].object).write_bytes(b"\0" * 400)
    with pytest.raises(IntegrityError):
        await iframe_log(read, video.log)
