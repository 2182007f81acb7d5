"""Where the key frames are: from the container's own index, without reading the media."""

from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

from polycast.domain.media import KeyframeIndex
from polycast.media.children.mp4_boxes import Malformed
from polycast.media.children.mp4_tables import Mp4Track, timeline
from polycast.media.children.package_cuts import closed_starts

KEYFRAME_CAP = 200_000
"""Longer indices (an intra-only day) are thinned out: enough to seek, and it fits a database row."""


@dataclass(frozen=True, slots=True)
class VideoTimes:
    """What the sample tables say of a video track."""

    keyframes: KeyframeIndex
    frames: int
    nominal: Fraction | None
    """of the most common distance between frames"""
    average: Fraction | None
    variable: bool


def from_tables(track: Mp4Track) -> VideoTimes | None:
    """From MP4's tables, edit list applied; None when they are broken or in fragments."""
    try:
        samples = track.samples()
    except Malformed:
        return None
    line = timeline(track)
    origin = line.origin if line else 0
    delay = float(line.delay_s) if line else 0.0
    scale, count = track.timescale, len(samples.pts)
    shown = array("q", sorted(samples.pts))
    steps = Counter(b - a for a, b in pairwise(shown))
    common, _ = steps.most_common(1)[0] if steps else (samples.durations[0], 1)
    end = shown[-1] + (samples.durations[-1] or common)
    sync = samples.sync if samples.sync is not None else array("I", range(count))
    times = [(samples.pts[i] - origin) / scale + delay for i in sync]
    closed = len(closed_starts(samples.pts, sync)) == len(sync) if sync else None
    keyframes = _index(times, (end - origin) / scale + delay, closed)
    # one tick either way is rounding of a rate that the timescale cannot express
    odd = sum(n for step, n in steps.items() if abs(step - common) > max(1, common // 50))
    variable = odd > max(1, count // 200)
    span = end - shown[0]
    average = Fraction(count * scale, span) if span > 0 else None
    nominal = _standard(Fraction(scale, common)) if common > 0 else None
    if not variable and nominal and average and abs(average / nominal - 1) < Fraction(1, 500):
        average = nominal
    return VideoTimes(
        keyframes, count, nominal, average.limit_denominator(100_000) if average else None, variable
    )


def from_entries(stream: Any, end_s: float) -> KeyframeIndex | None:
    """From the index of another container (Matroska's cues, AVI's idx1), None when it has none.

    Cues name some key frames, not all: `max_gop_s` is then too long, never too short.
    """
    base = stream.time_base
    if not base:
        return None
    entries = stream.index_entries
    times = [float(e.timestamp * base) for e in entries if e.is_keyframe and not e.is_discard]
    times = sorted(set(times))
    if len(times) < 2 and not (times and end_s - times[0] < 10):
        return None
    return _index(times, end_s, None)


def _index(times: Iterable[float], end_s: float, closed: bool | None) -> KeyframeIndex:
    ascending = sorted(times)
    gaps = [b - a for a, b in pairwise([*ascending, max(end_s, ascending[-1])])] if ascending else []
    step = len(ascending) // KEYFRAME_CAP + 1
    return KeyframeIndex(
        times_s=tuple(round(t, 6) for t in ascending[::step]),
        max_gop_s=round(max(gaps), 6) if gaps else None,
        closed=closed,
    )


def _standard(rate: Fraction) -> Fraction:
    """The broadcast rate that a rounded one means: 29.97 in a timescale of 1000 is 30000/1001."""
    for number in (24, 25, 30, 48, 50, 60, 120):
        for exact in (Fraction(number), Fraction(number * 1000, 1001)):
            if abs(rate / exact - 1) < Fraction(1, 4000):
                return exact
    return rate.limit_denominator(100_000)
