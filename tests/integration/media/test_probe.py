"""Real children probe real files: what is told of each kind, and what hostile ones give."""

import random
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from polycast.domain.errors import Encrypted, LimitExceeded, MediaError, NoPlayableTracks, Unreadable
from polycast.domain.media import SourceInfo, VideoTrack
from polycast.domain.presets import PRESETS
from polycast.media.package import NotPackageable
from polycast.media.selection import TrackSelection
from polycast.media.streamable import LadderCap, NotStreamable, Reason, Streamable, streamable
from polycast.media.toolkit import MediaToolkit
from tests.support.media import SAMPLES, Clip, Media, _run

CAP = LadderCap.of(PRESETS["dash_hls_1080p"])


def main_video(info: SourceInfo) -> VideoTrack:
    assert info.main_video is not None
    return info.main_video


async def test_an_mp4_is_described_completely(media: Media, toolkit: MediaToolkit) -> None:
    info = await toolkit.probe(media.clip("h264_long"))
    video, (audio,) = main_video(info), info.audio
    assert (video.id, video.codec, video.codec_string, video.profile) == (
        "video_1",
        "h264",
        "avc1.64000d",
        "High",
    )
    assert (video.width, video.height, video.display_width, video.display_height) == (320, 180, 320, 180)
    assert (video.pix_fmt, video.bit_depth, video.sar, video.rotation) == ("yuv420p", 8, Fraction(1), 0)
    assert video.frame_rate == video.nominal_rate == 30
    assert not video.variable_rate
    assert not video.interlaced
    assert (audio.id, audio.codec, audio.codec_string, audio.channels) == ("audio_1", "aac", "mp4a.40.2", 2)
    assert (audio.sample_rate, audio.layout) == (48_000, "stereo")
    assert info.duration_s == pytest.approx(10, abs=0.03)
    assert info.size_bytes == media.clip("h264_long").stat().st_size
    assert info.keyframes is not None
    assert info.keyframes.times_s == (0, 2, 4, 6, 8)
    assert (info.keyframes.max_gop_s, info.keyframes.closed) == (2.0, True)
    assert SourceInfo.from_json(info.to_json()) == info


FACTS: dict[str, dict[str, Any]] = {
    "hevc": {"codec": "hevc", "codec_string": "hvc1.1.6.L60.90"},
    "vp9": {"codec": "vp9", "codec_string": "vp09.00.10.08"},
    "av1": {"codec": "av1", "codec_string": "av01.0.00M.08"},
    "mpeg2": {"codec": "mpeg2video", "frame_rate": 25},
    "dv": {"codec": "dvvideo", "sar": Fraction(64, 45), "display_width": 1024, "display_height": 576},
    "prores": {"codec": "prores", "pix_fmt": "yuv422p10le", "bit_depth": 10},
    "h264_ts": {"codec": "h264", "codec_string": "avc1.64000d"},
    "rotated": {"width": 320, "height": 180, "display_width": 180, "display_height": 320, "rotation": 270},
    "rotated_mkv": {
        "width": 320,
        "height": 180,
        "display_width": 180,
        "display_height": 320,
        "rotation": 270,
    },
    "flipped": {"display_width": 320, "display_height": 180, "mirrored": True},
    "anamorphic": {"sar": Fraction(4, 3), "display_width": 320, "display_height": 180},
    "odd_size": {"width": 321, "height": 181},
    "interlaced": {"interlaced": True},
    "ten_bit": {"bit_depth": 10},
    "hdr": {"hdr": True, "transfer": "smpte2084", "color_primaries": "bt2020", "matrix": "bt2020nc"},
    "vfr": {"variable_rate": True, "frame_rate": 24},
    "rate_23.976": {"frame_rate": Fraction(24000, 1001)},
    "rate_60": {"frame_rate": 60},
    "still_png": {"still": True, "frame_rate": None, "codec": "png"},
    "still_jpg": {"still": True, "codec": "mjpeg"},
}


@pytest.mark.parametrize("name", FACTS)
async def test_what_is_special_about_a_source_is_seen(name: str, media: Media, toolkit: MediaToolkit) -> None:
    video = main_video(await toolkit.probe(media.clip(name)))
    assert {key: getattr(video, key) for key in FACTS[name]} == FACTS[name]


VERDICTS: dict[str, Streamable | NotStreamable] = {
    "h264": Streamable(certain=True), "no_audio": Streamable(certain=True), "audio_only": Streamable(certain=True),
    "portrait": Streamable(certain=True), "late_audio": NotStreamable(Reason.APART), "vfr": Streamable(certain=True),
    "h264_mkv": Streamable(certain=False), "h264_ts": Streamable(certain=False),
    "h264_fragmented": Streamable(certain=False),
    "open_gop": NotStreamable(Reason.OPEN_GOP), "long_gop": NotStreamable(Reason.LONG_GOP),
    "rotated": NotStreamable(Reason.ROTATED), "rotated_mkv": NotStreamable(Reason.ROTATED),
    "flipped": NotStreamable(Reason.ROTATED), "anamorphic": NotStreamable(Reason.ASPECT),
    "interlaced": NotStreamable(Reason.INTERLACED), "ten_bit": NotStreamable(Reason.PROFILE),
    "hevc": NotStreamable(Reason.VIDEO_CODEC), "vp9": NotStreamable(Reason.VIDEO_CODEC),
    "surround": NotStreamable(Reason.CHANNELS), "mp3": NotStreamable(Reason.AUDIO_CODEC),
    "still_png": NotStreamable(Reason.STILL),
}  # fmt: skip


@pytest.mark.parametrize("name", VERDICTS)
async def test_the_rule_over_real_facts(name: str, media: Media, toolkit: MediaToolkit) -> None:
    assert streamable(await toolkit.probe(media.clip(name)), CAP) == VERDICTS[name]


async def test_languages_and_titles(media: Media, toolkit: MediaToolkit) -> None:
    english, german = (await toolkit.probe(media.clip("languages"))).audio
    assert (english.language, german.language) == ("en", "de")
    assert (english.id, german.id, german.index) == ("audio_1", "audio_2", 2)


async def test_chapters_captions_and_cover(media: Media, toolkit: MediaToolkit) -> None:
    def make(path: Path) -> None:
        notes = path.with_suffix(".txt")
        notes.write_text(
            ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=2500\ntitle=Eins\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=2500\nEND=6000\ntitle=Zwei\n"
        )
        words = path.with_suffix(".srt")
        words.write_text("1\n00:00:01,000 --> 00:00:02,000\nHello\n")
        _run("-i", str(media.clip("h264")), "-i", str(words), "-i", str(notes), "-map", "0", "-map", "1", "-map_metadata", "2",
             "-c", "copy", "-metadata:s:s:0", "language=hrv", "-attach", str(media.clip("still_jpg")), "-metadata:s:t", "mimetype=image/jpeg",
             "-metadata:s:t", "filename=cover.jpg", str(path))  # fmt: skip

    info = await toolkit.probe(media.made("dressed.mkv", make))
    assert [(c.start_s, c.end_s, c.title) for c in info.chapters] == [(0, 2.5, "Eins"), (2.5, 6, "Zwei")]
    (caption,) = info.captions
    assert (caption.id, caption.language, caption.text) == ("captions_1", "hr", True)
    assert [v.attached_picture for v in info.video] == [False, True]
    assert main_video(info).codec == "h264"


async def test_a_recording_without_a_length_is_measured(media: Media, toolkit: MediaToolkit) -> None:
    def make(path: Path) -> None:
        # what a browser's MediaRecorder writes: a live stream without duration and cues
        _run("-i", str(media.clip("vp9")), "-c", "copy", "-live", "1", "-f", "webm", str(path))

    info = await toolkit.probe(media.made("recorded.webm", make))
    assert info.duration_s == pytest.approx(4, abs=0.05)


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("empty.mp4", Unreadable), ("text.mp4", Unreadable), ("playlist.mp4", Unreadable), ("concat.mp4", Unreadable),
        ("sdp.mp4", Unreadable), ("manifest.mp4", Unreadable), ("truncated", Unreadable), ("encrypted", Encrypted),
        ("scrambled_ts", Encrypted), ("huge_png", (LimitExceeded, NoPlayableTracks)),
    ],
)  # fmt: skip
async def test_what_cannot_be_played_is_refused_by_name(
    name: str, error: type[MediaError], media: Media, toolkit: MediaToolkit
) -> None:
    with pytest.raises(error):
        await toolkit.probe(media.clip(name))


@pytest.mark.parametrize("start", ["0.4", "600"])
async def test_a_late_start_is_no_part_of_the_length(start: str, media: Media, toolkit: MediaToolkit) -> None:
    """Matroska may count its length from 0, whatever the time of its first packet."""
    clip = media.made(
        f"from-{start}.mkv",
        lambda path: _run(
            "-i", str(media.clip("tall_vp9")), "-c", "copy", "-output_ts_offset", start, str(path)
        ),
    )
    info = await toolkit.probe(clip)
    assert info.start_s == pytest.approx(float(start), abs=0.1)
    assert info.duration_s == pytest.approx(4, abs=0.5)
    assert info.video[0].duration_s == pytest.approx(4, abs=0.5)


async def test_a_bare_video_stream_is_told_what_it_lacks(media: Media, toolkit: MediaToolkit) -> None:
    """Its first bytes, 00 00 00 01, look like an MP4 box of an absurd size."""
    clip = Clip(suffix=".h264", seconds=1, audio=(), output=("-f", "h264"))
    with pytest.raises(Unreadable, match="container"):
        await toolkit.probe(media.make("bare.h264", clip))


async def test_a_playlist_with_another_name_reads_no_local_file(
    tmp_path: Path, toolkit: MediaToolkit
) -> None:
    (tmp_path / "secret.ts").write_bytes(b"\x47" * 188 * 40)
    listing = tmp_path / "clip.mp4"
    listing.write_text("\n\n#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nsecret.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(Unreadable, match="playlist"):
        await toolkit.probe(listing)


async def test_too_large_a_picture_and_too_many_tracks_are_refused(
    media: Media, toolkit: MediaToolkit
) -> None:
    def wide(path: Path) -> None:
        _run("-f", "lavfi", "-i", "color=black:s=16400x16", "-frames:v", "1", "-c:v", "ffv1", str(path))

    def many(path: Path) -> None:
        maps = [m for _ in range(33) for m in ("-map", "0:a")]
        _run("-i", str(media.clip("audio_only")), *maps, "-t", "0.2", "-c", "copy", str(path))

    with pytest.raises(LimitExceeded, match="16384"):
        await toolkit.probe(media.made("wide.mkv", wide))
    with pytest.raises(LimitExceeded, match="32"):
        await toolkit.probe(media.made("many.mkv", many))


async def test_a_file_that_is_gone_is_our_error(tmp_path: Path, toolkit: MediaToolkit) -> None:
    with pytest.raises(FileNotFoundError):
        await toolkit.probe(tmp_path / "nothing.mp4")


@pytest.mark.parametrize("name", [p.name for p in SAMPLES.iterdir() if p.suffix != ".md"])
async def test_samples_from_the_field(name: str, toolkit: MediaToolkit) -> None:
    info = await toolkit.probe(SAMPLES / name)
    assert info.duration_s > 0.9
    assert info.video or info.audio


def _damage(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.randrange(1, 40)):
        data[rng.randrange(len(data))] = rng.randrange(256)


def _damage_head(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.randrange(1, 10)):
        data[rng.randrange(min(len(data), 6000))] = rng.choice((0, 0x7F, 0x80, 0xFF))


@pytest.mark.parametrize("damage", [_damage, _damage_head])
@pytest.mark.parametrize("name", ["h264", "h264_mkv", "h264_ts", "h264_fragmented"])
async def test_damaged_files_give_a_value_or_a_media_error(
    name: str,
    damage: Callable[[bytearray, random.Random], None],
    media: Media,
    toolkit: MediaToolkit,
    tmp_path: Path,
) -> None:
    rng = random.Random(f"{name}{damage.__name__}")
    path, out = tmp_path / "damaged.mp4", tmp_path / "out"
    out.mkdir()
    for _ in range(6):
        data = bytearray(media.clip(name).read_bytes())
        damage(data, rng)
        path.write_bytes(data)
        try:
            info = await toolkit.probe(path)
            await toolkit.package(path, out, TrackSelection.everything(info), info)
        except (MediaError, NotPackageable):
            continue
