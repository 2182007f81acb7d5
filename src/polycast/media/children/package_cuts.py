"""Where segments begin and when their samples are decoded: pure arithmetic on frame times."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from operator import sub

from polycast.media.grid_shape import HELD_FROM_S
from polycast.media.package_errors import NotPackageable


def plan_cuts(times: Sequence[int], end: int, target: int, limit: int) -> list[int]:
    """Choose segment starts among the times where one may start.

    Args:
        times: possible starts in ticks, ascending, the first is the start of the track.
        end: end of the track in ticks, behind the last time.
        target: wished length in ticks. limit: greatest length allowed.

    Returns:
        Indices into `times`, ascending, the first is 0.

    Raises:
        NotPackageable: two neighbours (or the last and the end) are further apart than `limit`.
    """
    cuts = [0]
    here = 0
    while end - times[here] > min(limit, target * 3 // 2):
        start = times[here]
        last = bisect_right(times, start + limit) - 1  # the furthest allowed
        if last == here:
            if end - start <= limit:
                break
            raise NotPackageable("the key frames are too far apart")
        near = bisect_left(times, start + target, here + 1)
        choices = [i for i in (near - 1, near) if here < i <= last] or [last]
        here = min(choices, key=lambda i: abs(times[i] - start - target))
        cuts.append(here)
    return cuts


def check_ends(picture_s: Fraction, sound_s: Iterable[Fraction]) -> None:
    """Hold the ends of the sound, in seconds of the presentation, against the picture's.

    Raises:
        NotPackageable: it goes on behind the picture for longer than players bear.
    """
    if max(sound_s, default=picture_s) - picture_s > HELD_FROM_S:
        raise NotPackageable("the sound goes on behind the picture")


def closed_starts(pts: Sequence[int], sync: Sequence[int]) -> list[int]:
    """The sync samples with nothing shown across them: all before earlier, all behind later.

    Args:
        pts: presentation times in decode order. sync: indices of sync samples, ascending.

    Returns:
        Those indices of `sync` at which the track can be cut without loss.
    """
    closed: list[int] = []
    shown_until: int | None = None
    bounds = [*sync, len(pts)]
    lows = [min(pts[a:b]) for a, b in pairwise(bounds)]
    # lowest time of everything from a group on: a later group may reach back over several
    for i in range(len(lows) - 2, -1, -1):
        lows[i] = min(lows[i], lows[i + 1])
    for i, index in enumerate(sync):
        if lows[i] == pts[index] and (shown_until is None or shown_until < pts[index]):
            closed.append(index)
        top = max(pts[index : bounds[i + 1]])
        shown_until = top if shown_until is None else max(shown_until, top)
    return closed


@dataclass(slots=True)
class DecodeClock:
    """Gives the samples of closed segments decode times, one unbroken timeline over all segments.

    The n-th decoded sample gets the n-th presentation time less a delay just long enough that nothing is
    shown before it is decoded. No decode time of the source is used (they are often broken), none of ours
    is negative, and no composition offset is: libavformat shifts a whole track late by the largest
    negative offset it meets, 66 ms against the audio with two B-frames. Where the timeline has no room for
    the delay (at zero, or where the delay grows) the first decode times are spread closer together.

    Attributes:
        at: decode time at which the next segment begins, in ticks.
        delay: in ticks, as long as any segment needed so far.
    """

    at: int = 0
    delay: int = 0

    def segment(self, pts: "array[int]", end: int) -> "tuple[array[int], list[int] | None]":
        """The next segment: presentation times in decode order, and where the one behind it begins.

        Returns:
            Durations, and presentation minus decode time per sample (None when all are zero).

        Raises:
            NotPackageable: two samples share a time, or one lies behind `end`.
        """
        shown = sorted(pts)
        self.delay = max(self.delay, *map(sub, shown, pts))
        decode = [t - self.delay for t in shown]
        if decode[0] < self.at:
            # the first sample whose own time leaves at least a tick for each one before it
            free = next((i for i, t in enumerate(decode) if t >= self.at + i and i), len(decode))
            stop = decode[free] if free < len(decode) else end - self.delay
            decode[:free] = [self.at + (stop - self.at) * i // free for i in range(free)]
        decode.append(max(end - self.delay, decode[-1] + 1))
        durations = list(map(sub, decode[1:], decode))
        offsets = list(map(sub, pts, decode))
        if min(durations) <= 0 or min(offsets) < 0 or max(durations) >= 1 << 32 or end <= shown[-1]:
            raise NotPackageable("the frame times are not strictly rising")
        self.at = decode[-1]
        return array("I", durations), offsets if any(offsets) else None


def target_duration(durations: Iterable[int], timescale: int) -> int:
    """EXT-X-TARGETDURATION: the longest, rounded half up to whole seconds, at least 1."""
    return max(1, int(max(durations, default=0) / timescale + 0.5))


def to_ticks(seconds: Fraction, timescale: int) -> int:
    """Nearest tick."""
    return round(seconds * timescale)
