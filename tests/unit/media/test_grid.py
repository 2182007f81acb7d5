from bisect import bisect_right
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from polycast.domain.errors import NoPlayableTracks
from polycast.domain.media import AudioTrack, SourceInfo, VideoTrack
from polycast.domain.tracks import Segment, TrackHeader, TrackLog
from polycast.media.chunks import Chunk, plan_chunks
from polycast.media.grid import plan_grid, steady_timescale
from polycast.media.grid_frames import FrameIndex, find_lattice
from polycast.media.grid_shape import Grid, moved

RATES = [Fraction(24000, 1001), Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(30), Fraction(50),
         Fraction(60000, 1001), Fraction(60), Fraction(10), Fraction(15)]  # fmt: skip


def video(**changes: object) -> VideoTrack:
    return VideoTrack("video_1", 0, "h264", 640, 360, 640, 360, **changes)  # type: ignore[arg-type]


def info(track: VideoTrack | None = None, *audio: AudioTrack) -> SourceInfo:
    return SourceInfo("mov", 60, 0, 1, video=(track or video(),), audio=audio)


def steady(rate: Fraction, count: int, time_base: Fraction, *, start: int = 0, gop: int = 50) -> FrameIndex:
    pts = tuple(start + round(i / rate / time_base) for i in range(count))
    return FrameIndex(time_base, pts, pts[::gop], round(1 / rate / time_base))


def invariants(grid: Grid, frames: FrameIndex) -> None:
    bounds = grid.boundaries
    assert all(a < b for a, b in pairwise(bounds))
    assert len(grid.starts) == len(grid.counts) == len(grid.cuts)
    assert all(c > 0 for c in grid.counts)
    assert grid.origin_s == frames.seconds(frames.pts[0])
    assert grid.cuts[0].source_s is None and grid.cuts[0].seek_s is None
    times = [frames.seconds(p) for p in frames.pts]
    for cut, start in zip(grid.cuts[1:], grid.starts[1:], strict=True):
        assert cut.source_s is not None
        first = bisect_right(times, cut.source_s)
        # the first frame behind the cut is shown where the segment starts, within container rounding
        shown = times[first] - grid.origin_s + Fraction(grid.starts[0], grid.timescale)
        # (or, where the place is a hole, up to one frame later)
        assert abs(shown - Fraction(start, grid.timescale)) < Fraction(1, 10)
        assert times[first - 1] < cut.source_s < times[first]


@given(
    rate=st.sampled_from(RATES),
    count=st.integers(2, 3000),
    time_base=st.sampled_from(
        [Fraction(1, 1000), Fraction(1, 90_000), Fraction(1, 12_800), Fraction(1, 1_000_000)]
    ),
    start=st.integers(-1000, 10**9),
    target=st.floats(1, 6),
    multiple=st.sampled_from([1, 2, 4]),
)
def test_steady_grid(
    rate: Fraction, count: int, time_base: Fraction, start: int, target: float, multiple: int
) -> None:
    frames = steady(rate, count, time_base, start=start)
    # from a few frames in whole milliseconds, neighbouring rates cannot be told apart
    assume(count > 100 or time_base < Fraction(1, 1000))
    grid = plan_grid(
        info(video(nominal_rate=rate, frame_rate=rate)), frames, target_s=target, multiple=multiple
    )
    invariants(grid, frames)
    assert (grid.kind, grid.rate) == ("steady", rate)
    step = grid.timescale / rate
    assert step.denominator == 1
    assert sum(grid.counts) == count
    assert all(s == step * sum(grid.counts[:i]) for i, s in enumerate(grid.starts))
    assert all(n % multiple == 0 for n in grid.counts[:-1])
    for a, b in pairwise(grid.boundaries):
        assert (b - a) / grid.timescale <= 6 + multiple / rate
    for count_of in grid.counts[:-1]:
        assert abs(count_of / rate - target) <= multiple / rate


def test_rates_are_found_in_whole_milliseconds() -> None:
    """Matroska rounds; a wrong guess of the probe does not matter."""
    for rate in RATES:
        frames = steady(rate, 3000, Fraction(1, 1000))
        lattice = find_lattice(frames, video(nominal_rate=Fraction(359, 12), frame_rate=Fraction(1000, 33)))
        assert lattice is not None and lattice.rate == rate and not lattice.holes


def test_holes_are_places_without_frames() -> None:
    whole = steady(Fraction(25), 500, Fraction(1, 90_000))
    frames = FrameIndex(
        whole.time_base, tuple(p for i, p in enumerate(whole.pts) if i not in (7, 100, 101)), (0,), 3600
    )
    grid = plan_grid(info(video(nominal_rate=Fraction(25))), frames)
    assert grid.kind == "steady" and grid.has_holes and not grid.exact
    assert sum(grid.counts) == 500
    invariants(grid, frames)


def test_a_hole_near_the_end_of_a_short_source_does_not_bend_its_rate() -> None:
    frames = steady(Fraction(30), 123, Fraction(1, 15360))
    pts = [p for i, p in enumerate(frames.pts) if i != 121]
    lattice = find_lattice(replace(frames, pts=pts), video(nominal_rate=Fraction(30)))
    assert lattice is not None
    assert lattice.rate == 30
    assert lattice.holes == 1


def test_timescales_hold_whole_frames() -> None:
    assert steady_timescale(Fraction(25)) == steady_timescale(Fraction(30000, 1001)) == 90_000
    assert steady_timescale(Fraction(24000, 1001)) == 24_000
    assert steady_timescale(Fraction(60000, 1001)) == 60_000
    assert steady_timescale(Fraction(7)) == 10_003


@given(
    gaps=st.lists(st.integers(1, 400), min_size=1, max_size=400),
    time_base=st.sampled_from([Fraction(1, 1000), Fraction(1, 600), Fraction(1, 15_360)]),
    start=st.integers(0, 10**6),
)
def test_variable_grid(gaps: list[int], time_base: Fraction, start: int) -> None:
    pts = [start]
    for gap in gaps:
        pts.append(pts[-1] + gap)
    frames = FrameIndex(time_base, tuple(pts), (start,), 40)
    grid = plan_grid(info(video(variable_rate=True)), frames, target_s=2.0)
    invariants(grid, frames)
    if grid.kind == "variable":
        assert sum(grid.counts) == len(pts)
        scaled = {round((p - start) * time_base * grid.timescale) for p in pts}
        assert set(grid.starts) <= scaled
        for n, (a, b) in zip(grid.counts, pairwise(grid.boundaries), strict=True):
            assert (b - a) / grid.timescale <= 2.0 + 1e-9 or n == 1


def log_of(timescale: int, starts: list[int], end: int) -> TrackLog:
    bounds = [*starts, end]
    segments = tuple(Segment(a, b - a, 1, f"{a}.m4s", "") for a, b in pairwise(bounds))
    return TrackLog(TrackHeader("video", "avc1.64001e", timescale, 1, 1, 4), segments)


def test_a_served_source_sets_the_grid() -> None:
    rate = Fraction(30000, 1001)
    frames = steady(rate, 300, Fraction(1, 30_000), start=2002)
    # irregular key frames; its video begins 512 ticks behind its audio
    starts = [512 + i * 1001 for i in (0, 100, 131, 260)]
    grid = plan_grid(info(video(nominal_rate=rate)), frames, log_of(30_000, starts, 512 + 300 * 1001))
    invariants(grid, frames)
    assert grid.starts == tuple(starts)
    assert grid.counts == (100, 31, 129, 40)
    assert (grid.kind, grid.rate, grid.end) == ("steady", rate, 512 + 300 * 1001)


def test_a_served_source_of_uneven_rate() -> None:
    pts = (0, 10, 55, 60, 200, 333, 334)
    frames = FrameIndex(Fraction(1, 1000), pts, (0, 60), 66)
    grid = plan_grid(info(), frames, log_of(1000, [0, 60], 400))
    assert (grid.kind, grid.starts, grid.counts, grid.end) == ("variable", (0, 60), (3, 4), 400)
    with pytest.raises(ValueError, match="does not begin on a frame"):
        plan_grid(info(), frames, log_of(1000, [0, 70], 400))


def test_still_and_audio() -> None:
    sound = AudioTrack("audio_1", 1, "aac", 48_000, 2, start_s=0.25, duration_s=12.25)
    still = plan_grid(info(video(still=True)), None)
    assert (still.kind, still.counts, still.duration_s) == ("still", (40, 10), 5.0)
    slide = plan_grid(info(video(still=True), sound), None)
    assert slide.counts == (40, 40, 40, 2) and slide.origin_s == Fraction(1, 4)
    alone = plan_grid(SourceInfo("mp3", 12.5, 0.25, 1, audio=(sound,)), None)
    assert (alone.kind, alone.timescale, alone.end, len(alone.starts)) == ("audio", 48_000, 588_000, 4)
    assert plan_chunks(alone) == []
    with pytest.raises(NoPlayableTracks):
        plan_grid(SourceInfo("mp3", 1, 0, 1), None)


@given(
    rate=st.sampled_from(RATES), count=st.integers(2, 20_000), segment=st.floats(1, 6), target=st.floats(0.5, 60),
    first=st.floats(0.5, 10),
)  # fmt: skip
def test_chunks_cover_the_grid(
    rate: Fraction, count: int, segment: float, target: float, first: float
) -> None:
    frames = steady(rate, count, Fraction(1, 90_000))
    grid = plan_grid(info(video(nominal_rate=rate)), frames, target_s=segment)
    chunks = plan_chunks(grid, target, first_s=first)
    numbers = [n for chunk in chunks for n in chunk.segments]
    assert numbers == list(range(1, len(grid.starts) + 1))
    assert [s for c in chunks for s in c.starts] == list(grid.starts)
    assert [n for c in chunks for n in c.counts] == list(grid.counts)
    assert [c.number for c in chunks] == list(range(len(chunks)))
    for a, b in pairwise(chunks):
        assert a.end == b.starts[0]
        assert a.to_s == b.from_s is not None
    assert chunks[0].from_s is None and chunks[-1].to_s is None
    assert chunks[-1].end == grid.end
    assert chunks[0].duration_s <= first or len(chunks[0].starts) == 1
    for chunk in chunks[1:-1]:
        assert chunk.duration_s <= target + 1e-9 or len(chunk.starts) == 1
    for chunk in chunks:
        assert Chunk.from_json(chunk.to_json()) == chunk


def test_decoding_begins_at_the_key_frame_before_a_chunk() -> None:
    frames = steady(Fraction(25), 1000, Fraction(1, 12_800), gop=60)
    chunks = plan_chunks(plan_grid(info(video(nominal_rate=Fraction(25))), frames), 8.0)
    keys = [frames.seconds(k) for k in frames.keys]
    for chunk in chunks[2:]:
        assert chunk.seek_s is not None and chunk.from_s is not None
        # ffmpeg goes 3/23 s back from there
        reached = max(k for k in keys if k <= chunk.seek_s - Fraction(3, 23))
        assert reached == max(k for k in keys if k <= chunk.from_s + Fraction(1, 25))
    dense = steady(Fraction(25), 1000, Fraction(1, 12_800), gop=1)
    for chunk in plan_chunks(plan_grid(info(video(nominal_rate=Fraction(25))), dense), 8.0)[1:]:
        assert chunk.seek_s is not None and chunk.from_s is not None
        assert chunk.seek_s <= chunk.from_s + Fraction(1, 50)  # never behind the first frame


LEADS = [Fraction(5, 2), Fraction(601, 100), Fraction(21)]


@pytest.mark.parametrize("lead", LEADS)
@pytest.mark.parametrize("multiple", [1, 2])
def test_the_first_picture_is_held_from_where_the_sound_begins(lead: Fraction, multiple: int) -> None:
    frames = steady(Fraction(25), 500, Fraction(1, 1000), start=30_000)
    sound_s = float(30 - lead)
    grid = plan_grid(info(video(nominal_rate=Fraction(25))), frames, multiple=multiple, sound_s=sound_s)
    late = grid.starts[grid.held]
    assert grid.held > 0
    assert grid.starts[0] == 0
    # less than a frame (of every rendition) more than is needed
    assert 0 <= Fraction(late, grid.timescale) - lead < Fraction(multiple, 25)
    assert grid.origin_s == 30 - Fraction(late, grid.timescale)
    assert sum(grid.counts) == 500 + Fraction(late, grid.timescale) * 25
    assert all(n % multiple == 0 for n in grid.counts[:-1])
    assert max(b - a for a, b in pairwise(grid.boundaries)) <= 5 * grid.timescale
    chunks = plan_chunks(grid, 8.0)
    assert [s for c in chunks for s in c.starts] == list(grid.starts)
    assert [c.held for c in chunks] == sorted((c.held for c in chunks), reverse=True)
    for chunk in chunks:
        assert chunk.held == (chunk.end <= late)
        assert (chunk.origin_s, chunk.origin_ticks) == (Fraction(30), late)
        assert Chunk.from_json(chunk.to_json()) == chunk
    first = next(c for c in chunks if not c.held)
    assert (first.starts[0], first.from_s, first.seek_s) == (late, None, None)


@pytest.mark.parametrize(("own_s", "others_s", "length_s"), [(50, 20, 40), (45, 45, 45), (None, 20, 30)])
def test_sound_of_other_files_is_heard_from_where_the_first_picture_is_held(
    own_s: float | None, others_s: float, length_s: float
) -> None:
    """Own sound from 10 s, pictures from 20 s to 40 s."""
    frames = steady(Fraction(25), 500, Fraction(1, 1000), start=20_000)
    grid = plan_grid(
        info(video(nominal_rate=Fraction(25))), frames, sound_s=10.0, sound_end_s=own_s, others_s=others_s
    )
    assert grid.starts[grid.held] == 10 * grid.timescale
    assert grid.duration_s == pytest.approx(length_s, abs=0.04)
    assert grid.boundaries == tuple(sorted(set(grid.boundaries)))


@pytest.mark.parametrize("lead", LEADS)
def test_a_picture_of_uneven_rate_is_held_once_a_segment(lead: Fraction) -> None:
    pts = tuple(30_000 + t for t in (0, 10, 55, 60, 200, 333, 900, 1500))
    frames = FrameIndex(Fraction(1, 1000), pts, pts[:1], 66)
    grid = plan_grid(info(video(variable_rate=True)), frames, target_s=4.0, sound_s=float(30 - lead))
    late = grid.starts[grid.held]
    assert grid.kind == "variable"
    assert grid.counts[: grid.held] == (1,) * grid.held
    assert 0 <= Fraction(late, grid.timescale) - lead < Fraction(1, 1000)
    assert grid.origin_s == 30 - Fraction(late, grid.timescale)
    steps = {b - a for a, b in pairwise(grid.starts[: grid.held + 1])}
    assert len(steps) == 1 and steps.pop() <= 4 * grid.timescale


@pytest.mark.parametrize("sound_s", [None, 29.0, 29.5, 30.0, 35.0])
def test_a_short_lead_of_the_sound_changes_nothing(sound_s: float | None) -> None:
    frames = steady(Fraction(25), 500, Fraction(1, 1000), start=30_000)
    source = info(video(nominal_rate=Fraction(25)))
    assert plan_grid(source, frames, sound_s=sound_s) == plan_grid(source, frames)


def test_a_grid_is_moved_as_a_whole() -> None:
    grid = plan_grid(info(video(nominal_rate=Fraction(25))), steady(Fraction(25), 500, Fraction(1, 1000)))
    there = moved(grid, Fraction(1, 8))
    assert there.starts == tuple(s + 11_250 for s in grid.starts)
    assert (there.duration_s, there.counts) == (grid.duration_s, grid.counts)
    assert moved(there, Fraction(0)) == grid
