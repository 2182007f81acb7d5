"""As-is packaging, decoded again: the frames, times and order of the source, nothing lost and nothing moved."""

import asyncio
import struct
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import av
import pytest

from polycast.domain.errors import IntegrityError, NoPlayableTracks
from polycast.domain.media import SourceInfo
from polycast.domain.tracks import SegmentFlag, TrackLog
from polycast.media.package import (
    NotPackageable,
    PackagedTrack,
    PackageEvent,
    SegmentWritten,
    TrackBegun,
    verify_package,
)
from polycast.media.selection import AudioChoice, TrackSelection
from polycast.media.toolkit import MediaToolkit
from polycast.protocols import tracklog
from polycast.protocols.isobmff import read_moof, read_moov, split_fragments
from tests.support.media import SAMPLES, Media, _run, decoded

FRAME_S = 1024 / 48_000


async def package(
    source: Path, out: Path, toolkit: MediaToolkit, selection: TrackSelection | None = None
) -> tuple[dict[str, PackagedTrack], SourceInfo]:
    info = await toolkit.probe(source)
    await asyncio.to_thread(out.mkdir, exist_ok=True)
    tracks = await toolkit.package(source, out, selection or TrackSelection.everything(info), info)
    for track in tracks:
        await verify_package(track.folder, track.log, hashes=True)
    return {t.id: t for t in tracks}, info


def whole(track: PackagedTrack) -> Path:
    """Init segment and all segments as one file."""
    target = track.folder / "whole.mp4"
    names = ["init.mp4", *(s.object for s in track.log.segments)]
    target.write_bytes(b"".join((track.folder / name).read_bytes() for name in names))
    return target


def source_frames(path: Path) -> list[tuple[float, int]]:
    frames = list(decoded(path))
    return [(time - frames[0][0], number) for time, number in frames]


def packets(path: Path) -> list[tuple[int, int, int]]:
    """(dts, pts, duration) of the only track."""
    with av.open(str(path)) as container:
        return [
            (p.dts, p.pts, p.duration or 0)
            for p in container.demux(container.streams[0])
            if p.dts is not None and p.pts is not None
        ]


VIDEO_CLIPS = [
    "h264", "h264_moov_at_end", "h264_fragmented", "h264_mkv", "h264_ts", "h264_ts_wrapped", "h264_flv", "h264_no_b", "h264_deep_b",
    "h264_long", "no_audio", "rate_23.976", "rate_29.97", "rate_50", "rate_60", "vfr", "portrait", "late_audio",
]  # fmt: skip


@pytest.mark.parametrize("name", VIDEO_CLIPS)
async def test_every_frame_comes_out_at_its_time(
    name: str, media: Media, toolkit: MediaToolkit, tmp_path: Path
) -> None:
    source = media.clip(name)
    tracks, _ = await package(source, tmp_path / "out", toolkit)
    video = tracks["video_1"]
    result, expected = list(decoded(whole(video))), source_frames(source)
    assert [n for _, n in result] == [n for _, n in expected]
    offset = result[0][0]
    assert offset <= 0.07, "the earliest track does not start at zero"
    # Matroska has milliseconds, FLV too; all others are exact to a tick
    slack = 0.0011 if name in {"h264_mkv", "h264_flv"} else 0.0001
    assert [t - offset for t, _ in result] == pytest.approx([t for t, _ in expected], abs=slack)


@pytest.mark.parametrize("name", VIDEO_CLIPS)
async def test_sound_and_picture_keep_their_distance(
    name: str, media: Media, toolkit: MediaToolkit, tmp_path: Path
) -> None:
    if name == "no_audio":
        pytest.skip("one track alone")
    source = media.clip(name)
    tracks, _ = await package(source, tmp_path / "out", toolkit)
    with av.open(str(source)) as container:
        starts = [float((s.start_time or 0) * (s.time_base or 0)) for s in container.streams]
    ours = [packets(whole(t))[0][1] / t.log.header.timescale for t in tracks.values()]
    assert min(ours) == 0
    # `start_time` of a track with priming is the first *audible* sample's, which may lie within a frame
    assert ours[1] - ours[0] == pytest.approx(starts[1] - starts[0], abs=FRAME_S)


@pytest.mark.parametrize("name", VIDEO_CLIPS)
async def test_times_rise_segments_join_and_the_log_is_true(
    name: str, media: Media, toolkit: MediaToolkit, tmp_path: Path
) -> None:
    tracks, info = await package(media.clip(name), tmp_path / "out", toolkit)
    for track in tracks.values():
        log, scale = track.log, track.log.header.timescale
        read = packets(whole(track))
        assert len(read) == sum(s.samples for s in log.segments) == track.source_samples - track.dropped
        assert all(b[0] > a[0] for a, b in pairwise(read)), "decode times do not rise"
        assert all(dts <= pts for dts, pts, _ in read)
        assert all(b.start == a.end for a, b in pairwise(log.segments))
        assert all(0 < s.duration <= 6.06 * scale for s in log.segments)
        assert tracklog.loads((track.folder / "log.jsonl").read_bytes()) == log
        assert log.complete
    ends = [t.log.segments[-1].end / t.log.header.timescale for t in tracks.values()]
    assert max(ends) == pytest.approx(info.duration_s, abs=0.1)


async def test_each_segment_stands_alone_and_is_where_the_log_says(
    media: Media, toolkit: MediaToolkit, tmp_path: Path
) -> None:
    tracks, _ = await package(media.clip("h264_long"), tmp_path / "out", toolkit)
    track = tracks["video_1"]
    init = (track.folder / "init.mp4").read_bytes()
    assert len(track.log.segments) == 2
    for segment in track.log.segments:
        alone = track.folder / "alone.mp4"
        alone.write_bytes(init + (track.folder / segment.object).read_bytes())
        frames = list(decoded(alone))
        start = segment.start / track.log.header.timescale
        assert len(frames) == segment.samples
        assert frames[0][0] == pytest.approx(start)
        assert frames[0][1] == round(start * 30)
        assert segment.flags == SegmentFlag.INDEPENDENT


async def test_audio_is_cut_where_the_picture_is(media: Media, toolkit: MediaToolkit, tmp_path: Path) -> None:
    tracks, _ = await package(media.clip("h264_long"), tmp_path / "out", toolkit)
    video, audio = tracks["video_1"].log, tracks["audio_1"].log
    for v, a in zip(video.segments, audio.segments, strict=True):
        assert a.start / audio.header.timescale == pytest.approx(
            v.start / video.header.timescale, abs=FRAME_S
        )


async def test_the_header_says_what_a_manifest_needs(
    media: Media, toolkit: MediaToolkit, tmp_path: Path
) -> None:
    selection = TrackSelection("video_1", (AudioChoice("audio_2", language="hr", label="Komentar"),))
    tracks, _ = await package(media.clip("languages"), tmp_path / "out", toolkit, selection)
    video, audio = tracks["video_1"].log.header, tracks["audio_2"].log.header
    assert (video.kind, video.codec, video.width, video.height) == ("video", "avc1.64000d", 320, 180)
    assert (video.frame_rate, video.video_range) == ("30/1", "SDR")
    assert (audio.kind, audio.codec, audio.sample_rate, audio.channels) == ("audio", "mp4a.40.2", 48_000, 2)
    assert (audio.language, audio.label) == ("hr", "Komentar")
    largest = max(s.size * 8 * video.timescale / s.duration for s in tracks["video_1"].log.segments)
    assert video.bandwidth == pytest.approx(largest, abs=2)
    assert 0 < video.average_bandwidth <= video.bandwidth
    init, fragments = split_fragments(whole(tracks["video_1"]).read_bytes())
    assert init.movie.tracks[0].edit_count == 0
    assert len(fragments) == len(tracks["video_1"].log.segments)


@pytest.mark.parametrize(
    ("suffix", "says", "points"),
    [
        (".mp4", "", (6, 6, 6)),
        (".ts", "", (6, 6, 6)),
        # what stands in the parameter sets alone
        (".mp4", "colour_primaries=1:transfer_characteristics=1:matrix_coefficients=1", (1, 1, 1)),
        (".mkv", "matrix_coefficients=1", (1, 1, 1)),
    ],
)
async def test_the_init_segment_says_what_the_colours_are(
    suffix: str, says: str, points: tuple[int, int, int], media: Media, toolkit: MediaToolkit, tmp_path: Path
) -> None:
    source = tmp_path / f"source{suffix}"
    bsf = ("-bsf:v", f"h264_metadata={says}") if says else ()
    _run("-i", str(media.clip("h264")), "-c", "copy", *bsf, "-movflags", "-write_colr", str(source))
    tracks, _ = await package(source, tmp_path / "out", toolkit)
    init = (tracks["video_1"].folder / "init.mp4").read_bytes()
    assert b"colrnclx" + struct.pack(">HHHB", *points, 0) in init


async def test_only_what_is_named_is_packaged(media: Media, toolkit: MediaToolkit, tmp_path: Path) -> None:
    tracks, _ = await package(media.clip("languages"), tmp_path / "out", toolkit, TrackSelection("video_1"))
    assert list(tracks) == ["video_1"]
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["video_1"]


async def test_nothing_named_and_unknown_names_are_refused(
    media: Media, toolkit: MediaToolkit, tmp_path: Path
) -> None:
    for selection in (TrackSelection(), TrackSelection("video_1", (AudioChoice("audio_7"),))):
        with pytest.raises(NoPlayableTracks):
            await package(media.clip("h264"), tmp_path / "out", toolkit, selection)


async def test_sound_alone_is_cut_by_the_clock(media: Media, toolkit: MediaToolkit, tmp_path: Path) -> None:
    def make(path: Path) -> None:
        _run("-f", "lavfi", "-t", "21", "-i", "sine=sample_rate=44100", "-c:a", "aac", str(path))

    tracks, _ = await package(media.made("long.m4a", make), tmp_path / "out", toolkit)
    log = tracks["audio_1"].log
    assert [round(s.duration / log.header.timescale) for s in log.segments] == [4, 4, 4, 4, 5]
    assert log.duration_s == pytest.approx(21, abs=0.03)


async def test_events_come_in_order_and_only_for_whole_files(
    media: Media, toolkit: MediaToolkit, tmp_path: Path
) -> None:
    source, out = media.clip("h264_long"), tmp_path / "out"
    out.mkdir()
    info = await toolkit.probe(source)
    events: list[PackageEvent] = []

    def seen(event: PackageEvent) -> None:
        events.append(event)
        folder = out / event.track
        if isinstance(event, SegmentWritten):
            data = (folder / event.segment.object).read_bytes()
            assert len(data) == event.segment.size
            assert len(read_moof(data).track.samples) == event.segment.samples
        else:
            assert read_moov((folder / "init.mp4").read_bytes()).tracks

    tracks = await toolkit.package(source, out, TrackSelection.everything(info), info, on_event=seen)
    assert [type(e) for e in events[:2]] == [TrackBegun, TrackBegun]
    for track in tracks:
        begun = next(e for e in events if isinstance(e, TrackBegun) and e.track == track.id)
        final = track.log.header
        assert replace(begun.header, bandwidth=0, average_bandwidth=0) == replace(
            final, bandwidth=0, average_bandwidth=0
        )
        # known from the tables before the first byte is written, and never promised too low
        assert final.bandwidth <= begun.header.bandwidth < final.bandwidth * 1.05
        written = [e.segment for e in events if isinstance(e, SegmentWritten) and e.track == track.id]
        assert tuple(written) == track.log.segments


@pytest.mark.parametrize(
    "name", ["open_gop", "long_gop", "rotated", "hevc", "vp9", "anamorphic", "truncated_faststart"]
)
async def test_what_must_be_encoded_is_refused_even_without_the_rule(
    name: str, media: Media, toolkit: MediaToolkit, tmp_path: Path
) -> None:
    with pytest.raises(NotPackageable):
        await package(media.clip(name), tmp_path / "out", toolkit)


async def test_an_open_group_without_an_index_is_found_while_reading(
    media: Media, toolkit: MediaToolkit, tmp_path: Path
) -> None:
    def make(path: Path) -> None:
        _run("-i", str(media.clip("open_gop")), "-c", "copy", str(path))

    with pytest.raises(NotPackageable):
        await package(media.made("open_gop.ts", make), tmp_path / "out", toolkit)


async def test_a_trimmed_source_is_encoded(media: Media, toolkit: MediaToolkit, tmp_path: Path) -> None:
    def make(path: Path) -> None:
        # a copy from the middle of a group: frames before the wished start remain, hidden by the edit list
        _run("-ss", "1", "-i", str(media.clip("h264")), "-c", "copy", str(path))

    source = media.made("trimmed.mp4", make)
    with pytest.raises(NotPackageable):
        await package(source, tmp_path / "out", toolkit)


@pytest.mark.parametrize("name", ["in1.mp4", "portrait.ts", "videotest.mp4"])
async def test_samples_from_the_field(name: str, toolkit: MediaToolkit, tmp_path: Path) -> None:
    tracks, _ = await package(SAMPLES / name, tmp_path / "out", toolkit)
    with av.open(str(SAMPLES / name)) as container:
        frames = sum(1 for _ in container.decode(video=0))
    with av.open(str(whole(tracks["video_1"]))) as container:
        assert sum(1 for _ in container.decode(video=0)) == frames


async def test_spoilt_files_do_not_pass_verification(
    media: Media, toolkit: MediaToolkit, tmp_path: Path
) -> None:
    tracks, _ = await package(media.clip("h264_long"), tmp_path / "out", toolkit)
    track = tracks["video_1"]
    first = track.folder / "1.m4s"
    good = first.read_bytes()

    async def refused(log: TrackLog, *, hashes: bool = False) -> None:
        with pytest.raises(IntegrityError):
            await verify_package(track.folder, log, hashes=hashes)

    first.write_bytes(good[:-1])
    await refused(track.log)
    first.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    await verify_package(track.folder, track.log)
    await refused(track.log, hashes=True)
    first.write_bytes(good)
    fewer = replace(track.log.segments[0], samples=track.log.segments[0].samples - 1)
    await refused(replace(track.log, segments=(fewer, *track.log.segments[1:])))
    first.unlink()
    await refused(track.log)
