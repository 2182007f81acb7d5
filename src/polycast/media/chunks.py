"""Chunks: the pieces of a source that are encoded apart, each a whole number of segments. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import gcd
from typing import Any

from polycast.media.grid_shape import Grid, Kind

TAIL_FRAMES = 20
"""The look-ahead of x264's `faster`; x265 and SVT-AV1 look about as far."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """One piece, complete: with the source and the renditions it is all that an encoder needs.

    Attributes:
        number: from 0, in order of time; first_segment: number of its first segment, counted from 1.
        starts, end: ticks of the grid; counts: frames expected in each segment.
        origin_s, origin_ticks: this source time is shown at this tick.
        from_s, to_s: source seconds to begin and stop at; None: the start, the end of the source.
        seek_s, deeper_s: where to begin decoding, and where when that was not enough; None: at the start.
        multiple: of a steady grid, every segment but the last of all has a multiple of so many frames; the
            same in all chunks.
        exact: the frame counts are certain; fill: places without a frame are to be filled.
        held: all its frames are the first picture at or behind `from_s`, shown before its time or on behind it.
    """

    number: int
    first_segment: int
    kind: Kind
    timescale: int
    starts: tuple[int, ...]
    end: int
    counts: tuple[int, ...]
    rate: Fraction | None
    origin_s: Fraction
    origin_ticks: int
    from_s: Fraction | None = None
    to_s: Fraction | None = None
    seek_s: Fraction | None = None
    deeper_s: Fraction | None = None
    multiple: int = 1
    exact: bool = True
    fill: bool = False
    held: bool = False

    @property
    def duration_s(self) -> float:
        return (self.end - self.starts[0]) / self.timescale

    @property
    def frames(self) -> int:
        return sum(self.counts)

    @property
    def tail(self) -> int:
        """Frames that are encoded behind the end and thrown away, about a second's; 0 at the end of the source.

        An encoder plans its bits some frames ahead. At the end of its input it sees nothing, saves where it
        need not, and the last pictures before a joint would show it (measured: up to 12 VMAF at the cap).
        """
        if self.to_s is None or self.kind == "still":
            return 0
        return min(TAIL_FRAMES, int(self.rate)) if self.rate is not None else TAIL_FRAMES

    @property
    def tail_s(self) -> Fraction:
        """Length of the tail; tracks of uneven rate get a fixed one."""
        if not self.tail:
            return Fraction(0)
        return self.tail / self.rate if self.rate is not None else Fraction(4, 5)

    @property
    def segments(self) -> range:
        """Numbers of its segments."""
        return range(self.first_segment, self.first_segment + len(self.starts))

    def to_json(self) -> dict[str, Any]:
        """For a job's payload."""
        return {
            name: str(value) if isinstance(value, Fraction) else list(value) if isinstance(value, tuple) else value
            for name in self.__slots__
            for value in (getattr(self, name),)
        }  # fmt: skip

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Chunk":
        values = {name: data[name] for name in cls.__slots__ if name in data}
        for name in ("rate", "origin_s", "from_s", "to_s", "seek_s", "deeper_s"):
            values[name] = None if values[name] is None else Fraction(values[name])
        for name in ("starts", "counts"):
            values[name] = tuple(values[name])
        return cls(**values)


def plan_chunks(grid: Grid, target_s: float = 24.0, *, first_s: float = 4.0) -> list[Chunk]:
    """Cut a grid into chunks.

    Args:
        target_s: wished length, > 0; a chunk is the segments that fit into it, at least one.
        first_s: wished length of the first chunk, which something waits for.

    Returns:
        Chunks in order without gap or overlap, covering the grid, with joints where the first frame's time is and
        where the last one's ends.
        A chunk of less than a third of the target at the end is joined to the one before it, unless that is the
        first or is held. Audio alone: no chunk.
    """
    if grid.kind == "audio":
        return []
    bounds = grid.boundaries
    real = len(grid.starts) - grid.held_on
    cuts = [0]
    while cuts[-1] < len(grid.starts):
        limit = (first_s if len(cuts) == 1 else target_s) * grid.timescale + bounds[cuts[-1]]
        following = cuts[-1] + 1
        # what is held before the first frame's time and behind the last one's has chunks of its own
        stop = next(at for at in (grid.held, real, len(grid.starts)) if following <= at)
        while following < stop and bounds[following + 1] <= limit:
            following += 1
        cuts.append(following)
    is_short = (grid.end - bounds[cuts[-2]]) * 3 < target_s * grid.timescale
    if len(cuts) > 3 and is_short and cuts[-2] not in (grid.held, real):
        cuts.pop(-2)
    return [_chunk(grid, number, a, b) for number, (a, b) in enumerate(pairwise(cuts))]


def _chunk(grid: Grid, number: int, first: int, stop: int) -> Chunk:
    real = len(grid.starts) - grid.held_on
    is_last, is_held = stop >= real, first < grid.held or first >= real
    cut = grid.cuts[first]
    lead = Fraction(grid.starts[grid.held] - grid.starts[0], grid.timescale)
    return Chunk(
        number=number,
        first_segment=first + 1,
        kind=grid.kind,
        timescale=grid.timescale,
        starts=grid.starts[first:stop],
        end=grid.boundaries[stop],
        counts=grid.counts[first:stop],
        rate=grid.rate,
        origin_s=grid.origin_s + lead,
        origin_ticks=grid.starts[grid.held],
        from_s=cut.source_s,
        to_s=None if is_last or is_held else grid.cuts[stop].source_s,
        seek_s=cut.seek_s,
        deeper_s=cut.deeper_s,
        exact=grid.exact,
        fill=grid.has_holes,
        held=is_held,
        multiple=gcd(*grid.counts[:-1]) or 1,
    )
