from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polycast.domain.errors import LimitExceeded, NoPlayableTracks
from polycast.domain.media import AudioTrack, SourceInfo, VideoTrack
from polycast.domain.presets import PRESETS, Preset, Rung
from polycast.media.ladder import plan_ladder
from polycast.media.ladder_levels import av1_level, avc_level, codec_string, hevc_level

H264 = PRESETS["dash_hls_1080p"]


def source(width: int, height: int, *, audio: int = 1, **video: object) -> SourceInfo:
    values: dict[str, object] = {
        "display_width": width,
        "display_height": height,
        "frame_rate": Fraction(25),
        "nominal_rate": Fraction(25),
        **video,
    }
    track = VideoTrack("video_1", 0, "h264", width, height, **values)  # type: ignore[arg-type]
    sounds = tuple(
        AudioTrack(f"audio_{i + 1}", i + 1, "aac", 48_000, 2, language=("en", "de")[i % 2])
        for i in range(audio)
    )
    return SourceInfo("mov,mp4", 60.0, 0.0, 1_000_000, video=(track,), audio=sounds)


def sizes(info: SourceInfo, preset: Preset = H264, *, as_is: bool = False) -> list[tuple[str, int, int]]:
    return [(r.name, r.width, r.height) for r in plan_ladder(info, preset, as_is=as_is).renditions]


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        (1920, 1080, [("240p", 426, 240), ("360p", 640, 360), ("480p", 854, 480), ("720p", 1280, 720), ("1080p", 1920, 1080)]),
        (3840, 2160, [("240p", 426, 240), ("360p", 640, 360), ("480p", 854, 480), ("720p", 1280, 720), ("1080p", 1920, 1080)]),
        (1280, 720, [("240p", 426, 240), ("360p", 640, 360), ("480p", 854, 480), ("720p", 1280, 720)]),
        # cinema: as wide as the class, not as high
        (1920, 804, [("240p", 426, 178), ("360p", 640, 268), ("480p", 854, 358), ("720p", 1280, 536), ("1080p", 1920, 804)]),
        # portrait stands on its short side
        (720, 1280, [("240p", 240, 426), ("360p", 360, 640), ("480p", 480, 854), ("720p", 720, 1280)]),
        # 4:3
        (640, 480, [("240p", 320, 240), ("360p", 480, 360), ("480p", 640, 480)]),
        # between two rungs: much larger than 720p, so its own size is offered
        (1600, 1000, [("240p", 384, 240), ("360p", 576, 360), ("480p", 768, 480), ("720p", 1152, 720), ("1000p", 1600, 1000)]),
        # a little larger than 720p: not worth a rung
        (1290, 726, [("240p", 426, 240), ("360p", 640, 360), ("480p", 852, 480), ("720p", 1280, 720)]),
        # below all rungs: one, of its own size, made even
        (187, 105, [("104p", 186, 104)]),
        (1, 1, [("2p", 2, 2)]),
    ],
)  # fmt: skip
def test_sizes(width: int, height: int, expected: list[tuple[str, int, int]]) -> None:
    assert sizes(source(width, height)) == expected


def test_display_size_counts_not_coded_size() -> None:
    """PAL widescreen: 720x576 coded, 1024x576 shown; a phone: 1920x1080 coded, shown upright."""
    assert sizes(source(720, 576, display_width=1024, display_height=576))[-1] == ("576p", 1024, 576)
    assert sizes(source(1920, 1080, display_width=1080, display_height=1920, rotation=90))[-1] == (
        "1080p",
        1080,
        1920,
    )


def test_a_served_source_is_not_encoded_again() -> None:
    assert [s[0] for s in sizes(source(1280, 720), as_is=True)] == ["240p", "360p", "480p"]
    assert [s[0] for s in sizes(source(1290, 726), as_is=True)] == ["240p", "360p", "480p"]
    assert sizes(source(320, 180), as_is=True) == []


@given(
    width=st.integers(1, 8192),
    height=st.integers(1, 8192),
    preset=st.sampled_from([p for p in PRESETS.values() if p.rungs]),
    rate=st.sampled_from([Fraction(24000, 1001), Fraction(25), Fraction(60), Fraction(120), None]),
)
def test_never_upscaled_even_and_ascending(
    width: int, height: int, preset: Preset, rate: Fraction | None
) -> None:
    ladder = plan_ladder(source(width, height, frame_rate=rate, nominal_rate=rate), preset)
    assert ladder.renditions
    pixels = [r.pixels for r in ladder.renditions]
    assert pixels == sorted(set(pixels))
    assert len({r.name for r in ladder.renditions}) == len(pixels)
    for r in ladder.renditions:
        assert r.width % 2 == r.height % 2 == 0
        assert r.width <= max(2, width) and r.height <= max(2, height)
        # the aspect is that of the source as near as even sides allow
        assert abs(r.width * height - r.height * width) <= width + height or min(r.width, r.height) == 2
        assert 0 < r.maxrate_bps <= max(rung.max_bitrate_bps for rung in preset.rungs)
    assert ladder.first in ladder.renditions
    assert len(ladder.rest) == len(pixels) - 1


def test_first_rung_is_near_360p() -> None:
    first = plan_ladder(source(1920, 1080), H264).first
    assert first is not None and first.name == "360p"
    small = plan_ladder(source(1920, 1080), PRESETS["mp4"]).first
    assert small is not None and small.name == "1080p"


def test_bits_follow_the_source() -> None:
    rich = plan_ladder(source(1280, 720, bitrate_bps=8_000_000), H264).renditions[-1]
    poor = plan_ladder(source(1280, 720, bitrate_bps=1_000_000), H264).renditions[-1]
    assert rich.maxrate_bps == 3_500_000
    assert poor.maxrate_bps == 1_500_000
    vp9 = plan_ladder(
        SourceInfo("webm", 1, 0, 1, video=(VideoTrack("video_1", 0, "vp9", 1280, 720, 1280, 720,
                   frame_rate=Fraction(25), bitrate_bps=1_000_000),)), H264).renditions[-1]  # fmt: skip
    assert vp9.maxrate_bps == 2_400_000


@pytest.mark.parametrize(
    ("rate", "variable", "every", "max_rate"),
    [
        (Fraction(25), False, 1, None),
        (Fraction(60), False, 1, None),
        (Fraction(60000, 1001), False, 1, None),
        (Fraction(120), False, 2, 60),
        (Fraction(100), False, 2, 60),
        (Fraction(240), False, 4, 60),
        (Fraction(30), True, 1, None),
        (Fraction(90), True, 1, 60),
    ],
)
def test_frame_rate_cap(rate: Fraction, variable: bool, every: int, max_rate: int | None) -> None:
    rendition = plan_ladder(
        source(640, 360, frame_rate=rate, nominal_rate=rate, variable_rate=variable), H264
    ).renditions[-1]
    assert (rendition.every, rendition.max_rate) == (every, max_rate)


def test_audio_tracks() -> None:
    ladder = plan_ladder(source(640, 360, audio=3), H264)
    assert [(a.name, a.index, a.language, a.channels) for a in ladder.audio] == [
        ("audio_1", 1, "en", 2), ("audio_2", 2, "de", 2), ("audio_3", 3, "en", 2),
    ]  # fmt: skip
    assert [
        a.name for a in plan_ladder(source(640, 360, audio=3), H264, audio_tracks=("audio_2",)).audio
    ] == ["audio_2"]
    assert plan_ladder(source(640, 360), PRESETS["audio_only"]).renditions == ()


def test_nothing_to_do_is_an_error() -> None:
    with pytest.raises(NoPlayableTracks):
        plan_ladder(SourceInfo("mov", 1, 0, 1), H264)
    with pytest.raises(NoPlayableTracks):
        plan_ladder(source(640, 360, audio=0), PRESETS["audio_only"])
    cover = VideoTrack("video_1", 0, "mjpeg", 500, 500, 500, 500, attached_picture=True)
    with pytest.raises(NoPlayableTracks):
        plan_ladder(SourceInfo("mp3", 1, 0, 1, video=(cover,)), H264)


@pytest.mark.parametrize(
    ("width", "height", "rate", "avc", "hevc", "av1"),
    [
        (426, 240, 25, "avc1.640015", "hvc1.1.6.L60.90", "av01.0.00M.08"),
        (640, 360, 30, "avc1.64001e", "hvc1.1.6.L63.90", "av01.0.01M.08"),
        (1280, 720, 30, "avc1.64001f", "hvc1.1.6.L93.90", "av01.0.05M.08"),
        (1920, 1080, 30, "avc1.640028", "hvc1.1.6.L120.90", "av01.0.08M.08"),
        (1920, 1080, 60, "avc1.64002a", "hvc1.1.6.L123.90", "av01.0.09M.08"),
        (3840, 2160, 60, "avc1.640034", "hvc1.1.6.L153.90", "av01.0.13M.08"),
    ],
)
def test_codec_strings(width: int, height: int, rate: float, avc: str, hevc: str, av1: str) -> None:
    assert codec_string("h264", avc_level(width, height, rate, 400_000)) == avc
    assert codec_string("hevc", hevc_level(width, height, rate, 400_000)) == hevc
    assert codec_string("av1", av1_level(width, height, rate, 400_000)) == av1


def test_too_large_for_any_level() -> None:
    with pytest.raises(LimitExceeded):
        avc_level(65_535, 65_535, 25, 1)
    with pytest.raises(LimitExceeded):
        plan_ladder(source(65_534, 65_534), Preset("x", "", "stream", (Rung(65_534, 9, 20),)))
