"""The bit rates that manifests announce, from what segments weigh (RFC 8216bis 4.4.6.2)."""

from collections.abc import Sequence
from typing import NamedTuple

from polycast.domain.tracks import Segment, SegmentFlag


class Bandwidth(NamedTuple):
    """Bits a second: `peak` for BANDWIDTH, `average` for AVERAGE-BANDWIDTH."""

    peak: int
    average: int


def measure(segments: Sequence[Segment], *, timescale: int, target_s: float) -> Bandwidth:
    """Peak and average bit rate of a track, rounded up; (0, 0) without media.

    The peak is "the largest bit rate of any contiguous set of segments whose total duration is between 0.5
    and 1.5 times the target duration": a short last segment alone says nothing. When no set has such a
    length, it is the largest rate of any segment. Gaps weigh nothing and are left out.
    """
    media = [s for s in segments if s.duration > 0 and not s.flags & SegmentFlag.GAP]
    if not media:
        return Bandwidth(0, 0)
    low, high = 0.5 * target_s * timescale, 1.5 * target_s * timescale
    peak = 0
    for first in range(len(media)):
        size = ticks = 0
        for last in range(first, len(media)):
            size += media[last].size
            ticks += media[last].duration
            if ticks > high:
                break
            if ticks >= low:
                peak = max(peak, _rate(size, ticks, timescale))
    if not peak:
        peak = max(_rate(s.size, s.duration, timescale) for s in media)
    average = _rate(sum(s.size for s in media), sum(s.duration for s in media), timescale)
    return Bandwidth(max(peak, average), average)


def _rate(size: int, ticks: int, timescale: int) -> int:
    return -(-size * 8 * timescale // ticks)
