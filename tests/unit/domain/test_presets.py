"""Presets inside the sizes that a tenant allows."""

import pytest

from polycast.domain.presets import PRESETS


@pytest.mark.parametrize(
    ("preset", "allowed", "expected"),
    [
        ("dash_hls_1080p", [], [240, 360, 480, 720, 1080]),
        ("dash_hls_1080p", ["720p", "240p"], [240, 720]),
        ("dash_hls_1080p", ["2160p", "360p"], [360]),
        # none of its own: whatever is smaller than the largest that is allowed
        ("dash_hls_720p", ["1440p"], [240, 360, 480, 720]),
        ("mp4", ["2160p"], [1080]),
        # or as large as that
        ("mp4", ["240p", "720p"], [720]),
        ("mp4_720p", ["480p"], [480]),
        ("dash_hls_hevc", ["240p"], [240]),
        ("dash_hls_av1", ["240p", "1440p"], [360, 480, 720, 1080]),
        ("audio_only", ["240p"], []),
        ("mp4", ["no such size"], [1080]),
    ],
)
def test_no_rung_is_larger_than_all_that_are_allowed(
    preset: str, allowed: list[str], expected: list[int]
) -> None:
    assert [rung.short_side for rung in PRESETS[preset].limited_to(allowed).rungs] == expected


def test_a_smaller_rung_needs_fewer_bits_but_more_for_each_pixel() -> None:
    full = PRESETS["mp4"].rungs[0]
    (small,) = PRESETS["mp4"].limited_to(["480p"]).rungs
    assert small.max_bitrate_bps < full.max_bitrate_bps
    assert small.max_bitrate_bps / 480**2 > full.max_bitrate_bps / 1080**2
