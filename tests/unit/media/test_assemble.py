from dataclasses import replace
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polycast.domain.errors import IntegrityError
from polycast.domain.tracks import ObjectRef, Segment
from polycast.media.assemble import assemble_video
from polycast.media.encode_split import EncodedChunk
from polycast.media.grid import Cut, Grid
from polycast.media.ladder import Rendition

RENDITION = Rendition("360p", "h264", "libx264", "avc1.64001e", 30, 640, 360, 24, 900_000, 1_800_000)
INIT = ObjectRef("init.mp4", 0, 700, "aa")


def grid(count: int, segment: int = 100) -> Grid:
    starts = tuple(range(0, count * segment, segment))
    return Grid(
        "steady", 25, starts, count * segment, Fraction(0), Fraction(25), (segment,) * count, (Cut(),) * count
    )


def chunk(number: int, first: int, count: int, *, size: int = 1000, segment: int = 100) -> EncodedChunk:
    segments = tuple(
        Segment((first + i) * segment, segment, size, f"{first + i + 1}.m4s", "bb", samples=segment)
        for i in range(count)
    )
    return EncodedChunk("360p", number, "avc1.64001e", 25, INIT, segments)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.randoms())
def test_chunks_in_any_order_make_one_log(sizes: list[int], random: Random) -> None:
    chunks, first = [], 0
    for number, size in enumerate(sizes):
        chunks.append(chunk(number, first, size))
        first += size
    shuffled = list(chunks)
    random.shuffle(shuffled)
    log = assemble_video(RENDITION, grid(first), shuffled)
    assert log.complete and len(log.segments) == first
    assert [s.start for s in log.segments] == list(range(0, first * 100, 100))
    assert log.duration_s == first * 4
    assert (log.header.bandwidth, log.header.average_bandwidth) == (2000, 2000)
    assert (log.header.target_duration_s, log.header.frame_rate, log.header.video_range) == (4, "25/1", "SDR")


def test_the_peak_is_of_half_a_target_duration_at_least() -> None:
    """A key frame alone in a short last segment is no bitrate (RFC 8216bis 4.4.6.2)."""
    whole = chunk(0, 0, 3)
    tiny = replace(whole.segments[2], duration=1, size=900)
    log = assemble_video(
        RENDITION, replace(grid(3), end=201), [replace(whole, segments=(*whole.segments[:2], tiny))]
    )
    assert log.header.bandwidth < 4000


@pytest.mark.parametrize(
    "chunks",
    [
        [],
        [chunk(0, 0, 2)],
        [chunk(0, 0, 2), chunk(2, 2, 1)],
        [chunk(0, 0, 2), chunk(1, 1, 2)],
        [chunk(0, 0, 2), chunk(0, 0, 2)],
        [chunk(0, 0, 2), replace(chunk(1, 2, 1), init=replace(INIT, sha256="cc"))],
        [chunk(0, 0, 2), replace(chunk(1, 2, 1), codec="avc1.64001f")],
        [chunk(0, 0, 1), chunk(1, 1, 1), chunk(2, 3, 1)],
        [chunk(0, 0, 4)],
    ],
)
def test_nothing_unproven_becomes_a_log(chunks: list[EncodedChunk]) -> None:
    with pytest.raises(IntegrityError):
        assemble_video(RENDITION, grid(3), chunks)


def test_a_growing_log_is_the_first_chunks() -> None:
    log = assemble_video(RENDITION, grid(5), [chunk(0, 0, 2)], complete=False)
    assert not log.complete and len(log.segments) == 2


def test_frames_that_could_not_be_decoded_leave_no_gap() -> None:
    damaged = chunk(0, 0, 3)
    second = replace(damaged.segments[1], start=110, duration=90)
    log = assemble_video(
        RENDITION, grid(3), [replace(damaged, segments=(damaged.segments[0], second, damaged.segments[2]))]
    )
    assert [(s.start, s.duration) for s in log.segments] == [(0, 110), (110, 90), (200, 100)]
