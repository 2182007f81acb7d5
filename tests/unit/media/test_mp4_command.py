"""What of a source is copied into a download, and what encoded."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from polycast.domain.errors import NoPlayableTracks
from polycast.domain.media import AudioTrack, CaptionTrack, SourceInfo, VideoTrack
from polycast.domain.presets import PRESETS
from polycast.media.encode_source import copy_limits
from polycast.media.mp4_command import join_args, mp4_args, plan_beside, plan_mp4, without_copies
from polycast.media.mp4_limits import work_limits
from polycast.media.toolkit_runner import ToolLimits

MP4 = PRESETS["mp4"]
VIDEO = VideoTrack(
    "video_1", 0, "h264", width=1280, height=720, display_width=1280, display_height=720, pix_fmt="yuv420p",
    frame_rate=Fraction(25), bitrate_bps=2_000_000, duration_s=10,
)  # fmt: skip
AUDIO = AudioTrack(
    "audio_1", 1, "aac", 48_000, 2, profile="LC", bitrate_bps=128_000, duration_s=10, language="deu"
)
INFO = SourceInfo("mov,mp4,m4a", 10, 0, 3_000_000, video=(VIDEO,), audio=(AUDIO,))


def with_video(**changes: object) -> SourceInfo:
    return replace(INFO, video=(replace(VIDEO, **changes),))  # type: ignore[arg-type]


def test_what_fits_is_copied() -> None:
    assert plan_mp4(INFO, MP4).copies_all
    assert plan_mp4(with_video(rotation=90, display_width=720, display_height=1280), MP4).copies_all


@pytest.mark.parametrize(
    "changes",
    [
        {"codec": "hevc"}, {"hdr": True}, {"interlaced": True}, {"pix_fmt": "yuv422p"}, {"bit_depth": 10},
        {"bitrate_bps": 9_000_000}, {"width": 1281}, {"frame_rate": Fraction(120)}, {"still": True},
        {"display_width": 3840, "display_height": 2160},
    ],
)  # fmt: skip
def test_other_video_is_encoded_beside_the_same_sound(changes: dict[str, object]) -> None:
    plan = plan_mp4(with_video(**changes), MP4)
    assert plan.video is not None
    assert max(plan.video.width, plan.video.height) <= 1920
    assert plan.audio[0][1] is None


@pytest.mark.parametrize(
    "changes", [{"codec": "opus"}, {"channels": 6}, {"profile": "HE-AAC"}, {"bitrate_bps": 500_000}]
)
def test_other_sound_is_encoded_beside_the_same_video(changes: dict[str, object]) -> None:
    plan = plan_mp4(replace(INFO, audio=(replace(AUDIO, **changes),)), MP4)  # type: ignore[arg-type]
    assert plan.video is None
    made = plan.audio[0][1]
    assert made is not None
    assert made.channels <= 2


@pytest.mark.parametrize("changes", [{"container": "mpegts"}, {"edit_lists": 1}])
def test_clocks_that_cannot_be_trusted_are_not_copied(changes: dict[str, object]) -> None:
    plan = plan_mp4(replace(INFO, **changes), MP4)  # type: ignore[arg-type]
    assert plan.video is not None
    assert plan.audio[0][1] is not None


def test_nothing_left_is_an_error() -> None:
    with pytest.raises(NoPlayableTracks):
        plan_mp4(replace(INFO, video=(), audio=()), MP4)


def test_no_text_of_the_source_reaches_the_command() -> None:
    evil = "x:'];movie=/etc/passwd[a]"
    info = replace(
        INFO,
        video=(replace(VIDEO, codec=evil, title=evil, language=evil, transfer=evil, pix_fmt=evil, hdr=True),),
        audio=(replace(AUDIO, codec=evil, title=evil, language=evil),),
        captions=(CaptionTrack("captions_1", 2, "mov_text", language=evil, title=evil),),
    )
    plan = plan_mp4(info, MP4, captions=["captions_1"])
    args = mp4_args(Path("/w/-in.mp4"), plan, Path("/w/out.mp4"))
    assert not any("movie" in a or "passwd" in a for a in args)
    assert "language=und" in args
    assert args[args.index("-i") + 1] == "file:/w/-in.mp4"
    assert args[-1] == "file:/w/out.mp4"


def test_every_input_is_opened_with_the_white_lists() -> None:
    args = join_args(Path("/w/v.mp4"), [Path("/w/a.mp4"), Path("/w/b.mp4")], Path("/w/o.mp4"))
    assert args.count("-i") == args.count("-protocol_whitelist") == args.count("-format_whitelist") == 3
    assert [args[i + 1] for i, a in enumerate(args) if a == "-map"] == ["0:v:0", "1:a:0", "2:a:0"]


def test_joined_tracks_say_their_language() -> None:
    args = join_args(Path("/w/v.mp4"), [Path("/w/a.mp4")], Path("/w/o.mp4"), languages=["de"])
    assert args[args.index("-metadata:s:a:0") + 1] == "language=deu"


def test_sound_of_other_files_stands_behind_the_own() -> None:
    other = plan_beside(Path("/w/b.mp3"), SourceInfo("mp3", 12, 0.5, 1_000, audio=(replace(AUDIO, codec="mp3", index=0),)), MP4)  # fmt: skip
    plan = replace(plan_mp4(INFO, MP4), beside=(other,))
    assert (plan.tracks, plan.copies_all, plan.copies_any) == (3, False, True)
    args = mp4_args(Path("/w/a.mp4"), plan, Path("/w/o.mp4"))
    assert [args[i + 1] for i, a in enumerate(args) if a == "-i"] == ["file:/w/a.mp4", "file:/w/b.mp3"]
    assert args.count("-i") == args.count("-protocol_whitelist") == args.count("-format_whitelist")
    assert [args[i + 1] for i, a in enumerate(args) if a == "-map"] == ["0:0", "0:1", "1:0"]
    assert args[args.index("-c:a:0") + 1] == "copy"
    assert args[args.index("-c:a:1") + 1] == "aac"


def test_sound_stands_in_the_order_asked_for_when_all_is_encoded_too() -> None:
    beside = plan_beside(Path("/w/b.mp4"), SourceInfo("mp4", 12, 0, 1_000, audio=(AUDIO,)), MP4)
    plan = replace(plan_mp4(INFO, MP4), beside=(beside,), order=((1, "audio_1"), (0, "audio_1")))
    for each in (plan, without_copies(plan, INFO, MP4)):
        args = mp4_args(Path("/w/a.mp4"), each, Path("/w/o.mp4"))
        assert [args[i + 1] for i, a in enumerate(args) if a == "-map"] == ["0:0", "1:1", "0:1"]
        assert args[args.index("-disposition:a:0") + 1] == "+default"


def test_the_limits_of_a_whole_file_are_by_its_length() -> None:
    limits = ToolLimits()
    short = work_limits(limits, INFO, plan_mp4(INFO, MP4), 10.0)
    assert (short.cpu_s, short.wall_s, short.file_bytes) == (limits.cpu_s, limits.wall_s, limits.file_bytes)
    # three hours of 2160p50 with tone mapping, at 10 seconds of CPU a second and more
    film = with_video(width=3840, height=2160, display_width=3840, display_height=2160, hdr=True, frame_rate=Fraction(50))  # fmt: skip
    long = work_limits(limits, film, plan_mp4(film, MP4), 10_800.0)
    assert long.cpu_s > 10_800 * 30
    assert long.wall_s > long.cpu_s
    large = replace(INFO, size_bytes=200 << 30)
    copied = work_limits(limits, large, plan_mp4(large, MP4), 10_800.0)
    assert copied.file_bytes > 200 << 30
    assert copied.stall_s > 20_000
    assert copy_limits(limits, 200 << 30).file_bytes > 200 << 30
