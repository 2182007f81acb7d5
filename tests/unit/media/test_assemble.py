import time
from dataclasses import replace
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polycast.domain.errors import IntegrityError
from polycast.domain.media import AudioTrack, SourceInfo
from polycast.domain.tracks import ObjectRef, Segment
from polycast.media.assemble import assemble_audio, assemble_video
from polycast.media.audio import longest_s
from polycast.media.encode_split import EncodedChunk
from polycast.media.grid_shape import Cut, Grid
from polycast.media.ladder import AudioRendition, Rendition
from tests.support.waiting import STRETCH

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


def slides(lengths: list[int]) -> tuple[Grid, list[EncodedChunk]]:
    """A grid of segments of these lengths in seconds, one chunk a segment."""
    starts = tuple(25 * sum(lengths[:i]) for i in range(len(lengths)))
    laid = Grid("variable", 25, starts, 25 * sum(lengths), Fraction(0), None, (1,) * len(lengths),
                (Cut(),) * len(lengths))  # fmt: skip
    chunks = [
        EncodedChunk(
            "360p", n, "avc1.64001e", 25, INIT, (Segment(start, 25 * length, 1000, f"{n}.m4s", "bb"),)
        )
        for n, (start, length) in enumerate(zip(starts, lengths, strict=True))
    ]
    return laid, chunks


def test_the_target_duration_never_changes_while_a_log_grows() -> None:
    """A slide that is shown for long comes late; the playlist has promised it from the start (RFC 8216 6.2.1)."""
    laid, chunks = slides([4, 4, 12, 3])
    targets = {
        assemble_video(RENDITION, laid, chunks[:n], complete=n == 4).header.target_duration_s
        for n in range(1, 5)
    }
    assert targets == {12}


def test_the_target_duration_of_sound_is_that_of_its_longest_segment() -> None:
    laid, _ = slides([4, 4, 12, 3])
    sound = AudioTrack("audio_1", 1, "aac", 48_000, 2, start_s=0.0, duration_s=24.0)
    rendition = AudioRendition("audio_1", 1, 2, 128_000)
    planned = longest_s(SourceInfo("mov", 24, 0, 1, audio=(sound,)), laid, rendition)
    assert 12 < planned < 12.1
    begun = EncodedChunk("audio_1", 0, "mp4a.40.2", 48_000, INIT, (Segment(0, 192_512, 9000, "1.m4s", "bb"),))
    log = assemble_audio(rendition, begun, complete=False, longest_s=planned)
    assert log.header.target_duration_s == 12
    # behind the picture it goes on, and what is left over makes the last segment longer
    longer = replace(sound, duration_s=28.9)
    assert longest_s(SourceInfo("mov", 29, 0, 1, audio=(longer,)), slides([4] * 5)[0], rendition) > 4.8


def test_two_days_of_segments_are_assembled_at_once() -> None:
    count = 43_200
    began = time.process_time()
    log = assemble_video(RENDITION, grid(count), [chunk(0, 0, count)])
    assert len(log.segments) == count
    assert log.header.bandwidth == 2000
    assert time.process_time() - began < 8 * STRETCH
