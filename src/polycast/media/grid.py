"""The segment grid: the one set of boundaries that all renditions, audio and chunks keep to. Pure.

Presentation time 0 is the first video frame (the first sample where there is no video, or where the sound begins
long before it). The grid counts
in ticks of one time scale in which every frame of the source has a whole number, so that nothing is ever
rounded twice.
"""

from bisect import bisect_left, bisect_right
from fractions import Fraction
from itertools import pairwise

from polycast.domain.errors import NoPlayableTracks
from polycast.domain.media import SourceInfo
from polycast.domain.tracks import TrackLog
from polycast.media.grid_frames import FrameIndex, Lattice, find_lattice
from polycast.media.grid_shape import HELD_FROM_S, Cut, Grid, held, held_on, rounded
from polycast.media.ladder import STILL_DURATION_S, STILL_RATE

MAX_SEGMENT_S = 6.0
"""Regular grids never have a longer segment; a source that shows one frame for longer may."""

_SEEK_BACK = Fraction(3, 23) + Fraction(1, 1000)


class OffGrid(ValueError):
    """A packaged track does not begin its segments on frames of the source."""


def plan_grid(
    info: SourceInfo,
    frames: FrameIndex | None,
    as_is: TrackLog | None = None,
    *,
    target_s: float = 4.0,
    multiple: int = 1,
    sound_s: float | None = None,
    sound_end_s: float | None = None,
    others_s: float = 0.0,
) -> Grid:
    """Lay the grid of a source. Slow for long ones (a second per million frames): call it in a thread.

    Args:
        frames: of the main video track; None for audio alone and for stills.
        as_is: the packaged source track where it is served itself: its boundaries are the grid's.
        target_s: wished length of a segment, 1 to 6 seconds; regular grids come within one frame of it.
        multiple: steady sources get segments of a multiple of so many frames, so that a rendition with every
            n-th frame starts each segment on a frame of its own.
        sound_s: where the sound that goes with the video begins, in source seconds. When that is more than a
            second before the first frame, time 0 is there, and the first picture is held until its time.
        sound_end_s: where it ends, in source seconds. When that is more than a second behind the video, the last
            picture is held until there.
        others_s: how long sound of other files is heard, from the start of the presentation; likewise.

    Raises:
        NoPlayableTracks: neither video nor audio.
        OffGrid: `as_is` does not begin its segments on frames of this source.
    """
    target_s = min(max(target_s, 1.0), MAX_SEGMENT_S)
    video = info.main_video
    if video is None:
        if not info.audio:
            raise NoPlayableTracks("the file has neither video nor audio")
        return _audio_grid(info, target_s)
    if video.still or frames is None or (len(frames.pts) == 1 and as_is is None):
        return _still_grid(info, target_s)
    lattice = find_lattice(frames, video)
    if as_is is not None:
        return _passthrough_grid(frames, lattice, as_is)
    if lattice is not None:
        grid = _steady_grid(frames, lattice, target_s, multiple)
    else:
        grid = _variable_grid(frames, target_s)
    lead = grid.origin_s - _exactly(sound_s) if sound_s is not None else Fraction(0)
    if lead > HELD_FROM_S:
        grid = held(grid, lead, target_s, multiple)
    own = _exactly(sound_end_s) - grid.origin_s if sound_end_s is not None else Fraction(0)
    rest = max(own, _exactly(others_s)) - Fraction(grid.end, grid.timescale)
    if rest > HELD_FROM_S:
        # where packets are not frames, the last ones may not be there
        last = max(0, len(frames.pts) - (1 if frames.exact else 4))
        grid = held_on(grid, rest, _cut(frames, last), target_s)
    return grid


def _exactly(seconds: float) -> Fraction:
    return Fraction(seconds).limit_denominator(1_000_000)


def _audio_grid(info: SourceInfo, target_s: float) -> Grid:
    timescale = 48_000
    start = min(a.start_s for a in info.audio)
    end = max([a.start_s + a.duration_s for a in info.audio if a.duration_s] or [start + info.duration_s])
    ticks = max(1, round((end - start) * timescale))
    starts = tuple(range(0, ticks, round(target_s * timescale)))
    return Grid("audio", timescale, starts, ticks, Fraction(start).limit_denominator(1_000_000), None,
                (0,) * len(starts), (Cut(),) * len(starts))  # fmt: skip


def _still_grid(info: SourceInfo, target_s: float) -> Grid:
    audio = [a for a in info.audio if a.duration_s]
    length = max([STILL_DURATION_S, *(a.duration_s for a in audio)]) if audio else STILL_DURATION_S
    start = min((a.start_s for a in audio), default=0.0)
    total = max(1, round(length * STILL_RATE))
    per = max(1, int(target_s * STILL_RATE))
    step = 90_000 // int(STILL_RATE)
    counts = tuple(min(per, total - first) for first in range(0, total, per))
    return Grid("still", 90_000, tuple(range(0, total * step, per * step)), total * step,
                Fraction(start).limit_denominator(1_000_000), STILL_RATE, counts, (Cut(),) * len(counts))  # fmt: skip


def _steady_grid(frames: FrameIndex, lattice: Lattice, target_s: float, multiple: int) -> Grid:
    rate, total = lattice.rate, lattice.places[-1] + 1
    timescale = steady_timescale(rate)
    step = int(timescale / rate)
    # to the nearest: 29.97 frames a second give segments of 120 frames, not 119
    per = max(1, round(target_s * rate / multiple)) * multiple
    firsts = list(range(0, total, per))
    if (
        len(firsts) > 1
        and (total - firsts[-1]) / rate < 1
        and (per + total - firsts[-1]) / rate <= MAX_SEGMENT_S
    ):
        firsts.pop()  # a last segment of a few frames is a request for nothing
    bounds = [*firsts, total]
    origin = frames.seconds(frames.pts[0])
    return Grid(
        kind="steady",
        timescale=timescale,
        starts=tuple(f * step for f in firsts),
        end=total * step,
        origin_s=origin,
        rate=rate,
        # places, not frames: holes are filled
        counts=tuple(b - a for a, b in pairwise(bounds)),
        cuts=tuple(_cut(frames, bisect_left(lattice.places, f)) for f in firsts),
        exact=frames.exact and not lattice.holes,
        has_holes=lattice.holes > 0,
    )


def steady_timescale(rate: Fraction) -> int:
    """90 000 where a frame is a whole number of its ticks, else the rate's numerator raised to 10 000 or more."""
    if (90_000 / rate).denominator == 1:
        return 90_000
    scale = rate.numerator
    return scale if scale >= 10_000 else scale * -(-10_000 // scale)


def _variable_grid(frames: FrameIndex, target_s: float) -> Grid:
    timescale = _variable_timescale(frames.time_base)
    to_ticks = frames.time_base * timescale
    target = max(1, int(target_s / frames.time_base))
    total = len(frames.pts)
    firsts = [0]
    while True:
        # the last frame that keeps the segment within the target, but at least the next frame
        reach = bisect_right(frames.pts, frames.pts[firsts[-1]] + target) - 1
        following = max(reach, firsts[-1] + 1)
        if following >= total or (frames.pts[-1] + frames.last_duration - frames.pts[firsts[-1]]) <= target:
            break
        firsts.append(following)
    return _on_frames(frames, firsts, timescale, to_ticks, 0)


def _variable_timescale(time_base: Fraction) -> int:
    """A scale in which the source's own ticks are whole, between 10 000 and 1 000 000 where there is one."""
    if (90_000 * time_base).denominator == 1:
        return 90_000
    den = time_base.denominator
    return den * -(-10_000 // den) if den <= 1_000_000 else 90_000


def _passthrough_grid(frames: FrameIndex, lattice: Lattice | None, as_is: TrackLog) -> Grid:
    timescale = as_is.header.timescale
    starts = tuple(s.start for s in as_is.segments)
    end = as_is.segments[-1].end
    base = starts[0]
    to_ticks = frames.time_base * timescale
    first_pts, count = frames.pts[0], len(frames.pts)

    def shown(pts: int) -> int:
        return base + rounded((pts - first_pts) * to_ticks)

    firsts = []
    for start in starts:
        # packagers round as we do, or by one tick otherwise
        i = bisect_left(frames.pts, start - 1, key=shown)
        if i == count or abs(shown(frames.pts[i]) - start) > 1:
            raise OffGrid(f"the passthrough segment at tick {start} does not begin on a frame")
        firsts.append(i)
    steady = (
        lattice is not None
        and not lattice.holes
        and (timescale / lattice.rate).denominator == 1
        and all(lattice.places[i] * int(timescale / lattice.rate) + base == s
                for i, s in zip(firsts, starts, strict=True))
    )  # fmt: skip
    bounds = [*firsts, count]
    return Grid(
        kind="steady" if steady else "variable",
        timescale=timescale,
        starts=starts,
        end=end,
        origin_s=frames.seconds(frames.pts[0]),
        rate=lattice.rate if steady and lattice is not None else None,
        counts=tuple(b - a for a, b in pairwise(bounds)),
        cuts=tuple(_cut(frames, i) for i in firsts),
        exact=frames.exact,
    )


def _on_frames(frames: FrameIndex, firsts: list[int], timescale: int, to_ticks: Fraction, base: int) -> Grid:
    first_pts = frames.pts[0]
    bounds = [*firsts, len(frames.pts)]
    last = base + rounded((frames.pts[-1] - first_pts) * to_ticks)
    last_ticks = max(1, rounded(frames.last_duration * to_ticks))
    return Grid(
        kind="variable",
        timescale=timescale,
        starts=tuple(base + rounded((frames.pts[i] - first_pts) * to_ticks) for i in firsts),
        end=last + last_ticks,
        origin_s=frames.seconds(first_pts),
        rate=None,
        counts=tuple(b - a for a, b in pairwise(bounds)),
        cuts=tuple(_cut(frames, i) for i in firsts),
        exact=frames.exact,
    )


def _cut(frames: FrameIndex, i: int) -> Cut:
    """How to begin at frame `i`: half-way between it and the frame before, so that no rounding can miss it."""
    if i == 0:
        return Cut()
    middle = frames.seconds(frames.pts[i - 1] + frames.pts[i]) / 2
    key = bisect_right(frames.keys, frames.pts[i]) - 1
    return Cut(source_s=middle, seek_s=_seek(frames, key), deeper_s=_seek(frames, key - 1))


def _seek(frames: FrameIndex, key: int) -> Fraction | None:
    if key <= 0:
        return None
    at = frames.seconds(frames.keys[key])
    following = frames.seconds(frames.keys[key + 1]) - at if key + 1 < len(frames.keys) else None
    # Where pictures are reordered ffmpeg seeks 3/23 s before the time it was asked for, and would begin a
    # whole group of pictures early; where key frames are dense, early is cheap and late would lose frames.
    return at + _SEEK_BACK if following is None or following > 2 * _SEEK_BACK else at
