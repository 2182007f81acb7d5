"""Segments as runs of equal ones (ISO/IEC 23009-1 5.3.9.6)."""

from collections.abc import Sequence
from itertools import pairwise

from polycast.domain.tracks import Segment, TrackHeader, TrackLog
from polycast.protocols.mpd.model import Run


def runs(segments: Sequence[Segment]) -> tuple[Run, ...]:
    """The timeline: consecutive segments of one duration are one run; a start is written only at a jump."""
    result: list[Run] = []
    expected: int | None = None
    for segment in segments:
        if segment.start == expected and result and result[-1].duration == segment.duration:
            last = result[-1]
            result[-1] = Run(last.duration, last.count + 1, last.start)
        else:
            result.append(Run(segment.duration, 1, None if segment.start == expected else segment.start))
        expected = segment.end
    return tuple(result)


def aligned(logs: Sequence[TrackLog]) -> bool:
    """Whether segment boundaries agree; logs that still grow are compared as far as they all go."""
    return all(_same_boundaries(a, b) for a, b in pairwise(logs))


def _same_boundaries(a: TrackLog, b: TrackLog) -> bool:
    if a.complete and b.complete and len(a.segments) != len(b.segments):
        return False
    # the end of the last one may differ by a sample or two: only boundaries between segments count
    return all(
        abs(_position_ms(x.start, a.header) - _position_ms(y.start, b.header)) <= 1
        for x, y in zip(a.segments, b.segments, strict=False)
    )


def _position_ms(ticks: int, header: TrackHeader) -> int:
    """Presentation time in whole milliseconds: two timescales can round one instant differently."""
    return (ticks - header.offset) * 1000 // header.timescale
