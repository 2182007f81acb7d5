"""The rule of what plays as it is."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from polycast.domain.errors import NoPlayableTracks
from polycast.domain.media import AudioTrack, KeyframeIndex, SourceInfo, VideoTrack
from polycast.domain.presets import PRESETS
from polycast.media.selection import AudioChoice, TrackSelection
from polycast.media.streamable import LadderCap, NotStreamable, Reason, Streamable, streamable

CAP = LadderCap.of(PRESETS["dash_hls_1080p"])
VIDEO = VideoTrack(
    id="video_1", index=0, codec="h264", width=1920, height=1080, display_width=1920, display_height=1080,
    profile="High", pix_fmt="yuv420p", frame_rate=Fraction(30), bitrate_bps=5_000_000, duration_s=60,
)  # fmt: skip
AUDIO = AudioTrack(id="audio_1", index=1, codec="aac", sample_rate=48_000, channels=2, profile="LC")
INFO = SourceInfo(
    container="mov,mp4,m4a,3gp,3g2,mj2", duration_s=60, start_s=0, size_bytes=40_000_000, video=(VIDEO,),
    audio=(AUDIO,), keyframes=KeyframeIndex((0.0, 2.0), 2.0, True),
)  # fmt: skip


def test_an_ordinary_file_is_streamable() -> None:
    assert streamable(INFO, CAP) == Streamable(certain=True)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"codec": "hevc"}, Reason.VIDEO_CODEC),
        ({"profile": "High 10"}, Reason.PROFILE),
        ({"pix_fmt": "yuv422p"}, Reason.PIXEL_FORMAT),
        ({"bit_depth": 10}, Reason.PIXEL_FORMAT),
        ({"hdr": True}, Reason.HDR),
        ({"interlaced": True}, Reason.INTERLACED),
        ({"rotation": 90}, Reason.ROTATED),
        ({"sar": Fraction(4, 3)}, Reason.ASPECT),
        ({"width": 1919}, Reason.SIZE),
        ({"width": 3840, "height": 2160, "display_width": 3840, "display_height": 2160}, Reason.SIZE),
        ({"bitrate_bps": 6_500_001}, Reason.BITRATE),
        ({"display_width": 640, "display_height": 360, "width": 640, "height": 360}, Reason.BITRATE),
        ({"frame_rate": Fraction(120)}, Reason.FRAME_RATE),
        ({"still": True}, Reason.STILL),
    ],
)
def test_each_property_of_the_picture_counts(change: dict[str, Any], reason: Reason) -> None:
    info = replace(INFO, video=(replace(VIDEO, **change),))
    assert streamable(info, CAP) == NotStreamable(reason)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"audio": (replace(AUDIO, codec="mp3"),)}, Reason.AUDIO_CODEC),
        ({"audio": (replace(AUDIO, channels=6),)}, Reason.CHANNELS),
        ({"edit_lists": 2}, Reason.EDIT_LIST),
        ({"audio": (AUDIO, replace(AUDIO, id="audio_2", start_s=2.0))}, Reason.APART),
        ({"video": (replace(VIDEO, start_s=2.0),)}, Reason.APART),
        ({"audio": (replace(AUDIO, duration_s=50.0),)}, Reason.APART),
        ({"container": "avi"}, Reason.CONTAINER),
        ({"keyframes": KeyframeIndex((0.0,), 2.0, False)}, Reason.OPEN_GOP),
        ({"keyframes": KeyframeIndex((0.0,), 6.2, True)}, Reason.LONG_GOP),
        ({"video": (), "audio": ()}, Reason.NOTHING),
    ],
)
def test_the_rest_of_the_file_counts(change: dict[str, Any], reason: Reason) -> None:
    assert streamable(replace(INFO, **change), CAP) == NotStreamable(reason)


def test_silence_and_sound_alone_are_streamable() -> None:
    assert streamable(replace(INFO, audio=()), CAP) == Streamable(certain=True)
    assert streamable(replace(INFO, video=(), keyframes=None), CAP) == Streamable(certain=True)


def test_without_an_index_only_packaging_shows_it() -> None:
    assert streamable(replace(INFO, keyframes=None), CAP) == Streamable(certain=False)
    # Matroska's cues may leave key frames out
    assert streamable(replace(INFO, keyframes=KeyframeIndex((0.0,), 9.0)), CAP) == Streamable(certain=False)


def test_key_frames_every_six_seconds_at_29_97_pass() -> None:
    assert isinstance(
        streamable(replace(INFO, keyframes=KeyframeIndex((0.0,), 6.006, True)), CAP), Streamable
    )


def test_an_unknown_bitrate_is_judged_by_the_size_of_the_file() -> None:
    info = replace(INFO, video=(replace(VIDEO, bitrate_bps=None),), bitrate_bps=9_000_000)
    assert streamable(info, CAP) == NotStreamable(Reason.BITRATE)


def test_only_selected_tracks_are_judged() -> None:
    info = replace(INFO, audio=(AUDIO, replace(AUDIO, id="audio_2", index=2, codec="mp3")))
    assert streamable(info, CAP) == NotStreamable(Reason.AUDIO_CODEC)
    chosen = TrackSelection("video_1", (AudioChoice("audio_1", language="hr"),))
    assert streamable(info, CAP, chosen) == Streamable(certain=True)


def test_a_track_that_is_not_there_is_named() -> None:
    with pytest.raises(NoPlayableTracks, match="audio_9"):
        streamable(INFO, CAP, TrackSelection("video_1", (AudioChoice("audio_9"),)))
    with pytest.raises(NoPlayableTracks, match="video_2"):
        streamable(INFO, CAP, TrackSelection("video_2"))


def test_a_portrait_is_judged_by_its_short_side() -> None:
    tall = replace(VIDEO, width=1080, height=1920, display_width=1080, display_height=1920)
    assert isinstance(streamable(replace(INFO, video=(tall,)), CAP), Streamable)
