"""What a segment grid is, and how a laid one is moved in time. Pure."""

from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import accumulate
from math import ceil
from typing import Literal

from polycast.domain.tracks import TrackLog

HELD_FROM_S = Fraction(1)
"""Sound that begins no more than this before the first picture is left out; sound that ends no more than this behind
the last one may be: players end, or stall, where the picture does."""

Kind = Literal["steady", "variable", "still", "audio"]


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a segment begins in the source.

    Attributes:
        source_s: source seconds between the last frame before it and its first frame; None: at the start.
        seek_s: where to ask a demuxer for the last key frame at or before its first frame, in source seconds;
            None: decode from the start.
        deeper_s: the same for the key frame before that one, should the nearest not do.
    """

    source_s: Fraction | None = None
    seek_s: Fraction | None = None
    deeper_s: Fraction | None = None


@dataclass(frozen=True, slots=True)
class Grid:
    """Boundaries of all segments.

    Attributes:
        kind: steady (each frame lasts 1/rate), variable, still (one picture shown long) or audio (no video).
        timescale: ticks a second.
        starts: of the segments in ticks, ascending; segment n (numbered from 1) begins at `starts[n - 1]`.
        end: of the last segment in ticks.
        origin_s: source time in seconds that is shown at tick `starts[0]`.
        rate: frames a second; None for variable and audio.
        counts: frames that the source has in each segment; zeros for audio.
        cuts: where each segment begins in the source.
        exact: `counts` are of frames that really exist, so that an encode may be held against them.
        has_holes: places without a frame are filled by repeating the one before (steady only).
        held: so many first segments show the first picture before its time, because the sound begins earlier.
        held_on: so many last segments show the last picture on, because the sound ends later.
    """

    kind: Kind
    timescale: int
    starts: tuple[int, ...]
    end: int
    origin_s: Fraction
    rate: Fraction | None
    counts: tuple[int, ...]
    cuts: tuple[Cut, ...]
    exact: bool = True
    has_holes: bool = False
    held: int = 0
    held_on: int = 0

    @property
    def duration_s(self) -> float:
        return (self.end - self.starts[0]) / self.timescale

    @property
    def boundaries(self) -> tuple[int, ...]:
        """Starts and the end: one more than there are segments."""
        return (*self.starts, self.end)


def sound_grid(log: TrackLog) -> Grid:
    """The grid of sound that is encoded for a packaged track: as long, with its boundaries, source time 0 at its
    start."""
    starts = tuple(s.start for s in log.segments)
    return Grid("audio", log.header.timescale, starts, log.segments[-1].end, Fraction(0), None,
                (0,) * len(starts), (Cut(),) * len(starts))  # fmt: skip


def moved(grid: Grid, start_s: Fraction) -> Grid:
    """The same grid with its first segment at this time, rounded to a tick, in place of 0."""
    ticks = rounded(start_s * grid.timescale) - grid.starts[0]
    return replace(grid, starts=tuple(s + ticks for s in grid.starts), end=grid.end + ticks)


def held(grid: Grid, lead: Fraction, target_s: float, multiple: int) -> Grid:
    """`grid`, behind segments that show its first picture for `lead` seconds (less than a frame more)."""
    counts, bounds = _showing_one(grid, lead, target_s, multiple)
    return replace(
        grid,
        starts=(*bounds[:-1], *(start + bounds[-1] for start in grid.starts)),
        end=grid.end + bounds[-1],
        origin_s=grid.origin_s - Fraction(bounds[-1], grid.timescale),
        counts=(*counts, *grid.counts),
        cuts=(*(Cut() for _ in counts), *grid.cuts),
        held=len(counts),
    )


def held_on(grid: Grid, rest: Fraction, last: Cut, target_s: float) -> Grid:
    """`grid`, followed by segments that show its last picture, which is at `last`, for `rest` seconds.

    What was the last segment may be of any number of frames: renditions of every n-th frame may be uneven for it.
    """
    counts, bounds = _showing_one(grid, rest, target_s, 1)
    return replace(
        grid,
        starts=(*grid.starts, *(grid.end + bound for bound in bounds[:-1])),
        end=grid.end + bounds[-1],
        counts=(*grid.counts, *counts),
        cuts=(*grid.cuts, *(last for _ in counts)),
        held_on=len(counts),
    )


def _showing_one(
    grid: Grid, length: Fraction, target_s: float, multiple: int
) -> tuple[tuple[int, ...], list[int]]:
    """Frames of each segment, and bounds of all from 0, where one picture is shown."""
    if grid.rate is not None:
        step = int(grid.timescale / grid.rate)
        frames = -(-ceil(length * grid.rate) // multiple) * multiple
        per = max(1, round(target_s * grid.rate / multiple)) * multiple
        counts = tuple(min(per, frames - at) for at in range(0, frames, per))
    else:
        # one frame a segment, all of one length
        counts = (1,) * ceil(length / Fraction(target_s))
        step = ceil(length * grid.timescale / len(counts))
    return counts, list(accumulate((count * step for count in counts), initial=0))


def rounded(value: Fraction) -> int:
    """The nearest whole number; a half goes up."""
    return (2 * value.numerator + value.denominator) // (2 * value.denominator)
