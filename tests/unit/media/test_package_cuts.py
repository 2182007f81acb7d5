"""Where segments begin, and the decode timeline over them."""

from array import array
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polycast.media.children.package_cuts import (
    DecodeClock,
    closed_starts,
    plan_cuts,
    target_duration,
)
from polycast.media.package_errors import NotPackageable

SECOND = 1000


def test_segments_are_as_near_to_the_target_as_key_frames_allow() -> None:
    assert plan_cuts([0, 2000, 4000, 6000, 8000], 10_000, 4000, 6000) == [0, 2]
    assert plan_cuts([0, 2500, 5000, 7500], 10_000, 4000, 6000) == [0, 2]
    assert plan_cuts([0, 1000, 5900], 11_000, 4000, 6000) == [0, 2]


def test_a_short_source_is_one_segment() -> None:
    assert plan_cuts([0, 2000], 6000, 4000, 6000) == [0]


@pytest.mark.parametrize(("times", "end"), [([0, 6500], 8000), ([0, 2000], 8500), ([0], 6001)])
def test_a_gap_over_the_limit_refuses_the_source(times: list[int], end: int) -> None:
    with pytest.raises(NotPackageable):
        plan_cuts(times, end, 4000, 6000)


@given(st.lists(st.integers(1, 6000), min_size=1, max_size=200))
def test_no_segment_is_over_the_limit_and_none_is_empty(steps: list[int]) -> None:
    times = [0]
    for step in steps:
        times.append(times[-1] + step)
    end = times.pop()
    cuts = plan_cuts(times, end, 4000, 6000)
    edges = [times[i] for i in cuts] + [end]
    assert edges[0] == 0
    assert all(0 < b - a <= 6000 for a, b in pairwise(edges))


def test_a_group_whose_frames_are_shown_before_its_key_frame_is_open() -> None:
    # decode order: I0 P3 B1 B2 | I6 B4 B5 P9 (B4 and B5 are shown before I6) | I10
    pts = [0, 3, 1, 2, 6, 4, 5, 9, 10]
    assert closed_starts(pts, [0, 4, 8]) == [0, 8]


def test_a_frame_shown_after_the_next_key_frame_makes_that_one_unusable() -> None:
    assert closed_starts([0, 5, 1, 4, 6], [0, 3]) == [0]


def groups() -> st.SearchStrategy[list[list[int]]]:
    """Closed groups of pictures: shuffles of rising times that keep the key frame first."""
    size = st.integers(1, 12)
    return st.lists(size.flatmap(lambda n: st.permutations(range(1, n + 1))), min_size=1, max_size=6)


@given(groups(), st.integers(20, 3000))
def test_decode_times_rise_strictly_and_never_pass_the_presentation(
    groups: list[list[int]], frame: int
) -> None:
    clock, start, last = DecodeClock(), 0, -1
    for group in groups:
        pts = array("q", [start, *(start + i * frame for i in group)])
        end = start + (len(group) + 1) * frame
        base = clock.at
        durations, offsets = clock.segment(pts, end)
        decode = base
        for i, duration in enumerate(durations):
            assert decode > last
            assert decode + (offsets[i] if offsets else 0) == pts[i], "the presentation time moved"
            assert decode <= pts[i]
            last, decode = decode, decode + duration
        assert decode == clock.at, "the next segment does not begin where this one ends"
        start = end


def test_the_first_decode_time_is_that_of_the_presentation() -> None:
    clock = DecodeClock()
    durations, offsets = clock.segment(array("q", [0, 3000, 1000, 2000]), 4000)
    assert offsets is not None
    assert offsets[0] == 0
    assert list(durations) == [500, 500, 1000, 1000]


@pytest.mark.parametrize("pts", [[0, 0], [0, 10, 10], [0, 50]])
def test_equal_times_and_times_behind_the_end_are_refused(pts: list[int]) -> None:
    with pytest.raises(NotPackageable):
        DecodeClock().segment(array("q", pts), 50)


def test_target_duration_is_rounded_half_up() -> None:
    assert target_duration([4499, 4500], SECOND) == 5
    assert target_duration([4499], SECOND) == 4
    assert target_duration([], SECOND) == 1
