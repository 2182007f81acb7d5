"""Which pictures are taken, at which times and sizes."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polycast.domain.media import SourceInfo, VideoTrack
from polycast.media.children.picture_choice import best, score
from polycast.media.picture_plan import (
    MAX_TILES,
    fit,
    frame_times,
    plan_preview,
    plan_storyboard,
    poster_times,
    span_s,
)

VIDEO = VideoTrack(
    "video_1", 0, "h264", width=1920, height=1080, display_width=1920, display_height=1080, duration_s=60
)


@given(st.floats(0, 200_000))
def test_a_storyboard_covers_the_video_with_few_tiles(length_s: float) -> None:
    plan = plan_storyboard(length_s, VIDEO)
    assert 1 <= plan.count <= MAX_TILES
    assert plan.times[0] == 0
    assert len(plan.times) == plan.count
    if length_s >= 1:
        assert plan.times[-1] < length_s
        assert length_s - plan.times[-1] <= plan.interval_s * 1.5 + 1e-6
    assert (plan.tile_w, plan.tile_h) == (160, 90)


@pytest.mark.parametrize(
    ("length_s", "interval_s", "count"),
    [(0, 0.5, 1), (10, 0.5, 20), (60, 0.5, 120), (600, 4, 150), (10_800, 90, 120)],
)
def test_intervals_are_round(length_s: float, interval_s: float, count: int) -> None:
    plan = plan_storyboard(length_s, VIDEO)
    assert (plan.interval_s, plan.count) == (interval_s, count)


def test_a_portrait_tile_is_as_tall_as_a_landscape_one_is_wide() -> None:
    plan = plan_storyboard(10, replace(VIDEO, display_width=1080, display_height=1920))
    assert (plan.tile_w, plan.tile_h) == (90, 160)


@given(st.integers(1, 16384), st.integers(1, 16384), st.integers(2, 4096))
def test_fit_is_even_and_never_enlarges(width: int, height: int, side: int) -> None:
    w, h = fit(width, height, side)
    assert w % 2 == h % 2 == 0
    assert max(w, h) <= max(2, side + 1)
    assert w <= width + 1
    assert h <= height + 1


@given(st.floats(0, 100_000), st.integers(1, 60))
def test_times_lie_inside_and_rise(length_s: float, count: int) -> None:
    for times in (poster_times(length_s), frame_times(length_s, count), list(plan_preview(length_s).times)):
        assert times == sorted(times)
        assert all(0 <= t <= length_s for t in times)


def test_the_span_is_that_of_the_pictures() -> None:
    info = SourceInfo("mp4", duration_s=70, start_s=1, size_bytes=1, video=(VIDEO,))
    assert span_s(info, replace(VIDEO, start_s=1.5)) == 60.5
    assert span_s(info, replace(VIDEO, duration_s=0)) == 70
    assert span_s(info, replace(VIDEO, still=True)) == 0


def test_detail_beats_flat_and_dark_pictures() -> None:
    width = 64
    flat, black = bytes([120]) * width * 36, bytes([16]) * width * 36
    rich = bytes((x * 7 + y * 13) % 200 + 30 for y in range(36) for x in range(width))
    dark = bytes(v // 12 for v in rich)
    assert score(b"", width) == score(flat, width) == score(black, width) == 0
    assert score(dark, width) < score(rich, width) / 3
    assert best([0.1, 2.9, 3.0, 1.0]) == 1
    assert best([0.1, 1.0, 3.0, 2.9]) == 2
    with pytest.raises(ValueError, match="choose"):
        best([])
