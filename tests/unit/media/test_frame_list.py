"""Lists of millions of frames pass from child to parent in lines that are never long."""

import json
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from polycast.domain.media import SourceInfo, VideoTrack
from polycast.media.frame_list import FRAMES_A_PIECE, FrameList, cut
from polycast.media.grid import plan_grid
from polycast.media.grid_frames import FrameIndex

LONGEST_LINE = 1 << 20


def passed(pts: list[int], keys: set[int]) -> FrameList:
    listed = FrameList()
    for piece in cut(pts, keys):
        line = json.dumps(piece, separators=(",", ":"))
        assert len(line) < LONGEST_LINE
        listed.add(json.loads(line))
    return listed


@given(st.sets(st.integers(-(10**12), 10**12), min_size=1))
def test_a_list_survives_the_way(times: set[int]) -> None:
    pts = sorted(times)
    keys = set(pts[::3])
    listed = passed(pts, keys)
    assert list(listed.pts) == pts
    assert list(listed.keys) == sorted(keys)


def test_pieces_join_where_they_were_cut() -> None:
    pts = [7 * n for n in range(2 * FRAMES_A_PIECE + 1)]
    listed = passed(pts, {pts[FRAMES_A_PIECE], pts[-1]})
    assert list(listed.pts) == pts
    assert list(listed.keys) == [pts[FRAMES_A_PIECE], pts[-1]]


def test_nine_hours_at_60_frames_a_second_of_key_frames_alone() -> None:
    """Two million frames with the clock of a transport stream that has run for a day."""
    start = 86_400 * 90_000
    pts = list(range(start, start + 2_000_000 * 1500, 1500))
    listed = passed(pts, set(pts))
    assert list(listed.pts) == list(listed.keys) == pts
    frames = FrameIndex(Fraction(1, 90_000), listed.pts, listed.keys, 1500)
    video = VideoTrack("video_1", 0, "mjpeg", 640, 360, 640, 360, nominal_rate=Fraction(60))
    grid = plan_grid(SourceInfo("mov", 33_333, 0, 1, video=(video,)), frames)
    assert (grid.kind, grid.rate, len(grid.starts)) == ("steady", Fraction(60), 8334)
    assert sum(grid.counts) == 2_000_000
