"""From the segments of all chunks to track logs: the proof that a rendition is whole. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from polycast.domain.errors import IntegrityError
from polycast.domain.tracks import Segment, TrackHeader, TrackLog
from polycast.media.encode_split import EncodedChunk
from polycast.media.grid_shape import Grid
from polycast.media.ladder import AudioRendition, Rendition


def assemble_video(
    rendition: Rendition, grid: Grid, chunks: Sequence[EncodedChunk], *, complete: bool = True
) -> TrackLog:
    """The track log of a video rendition.

    Args:
        chunks: of this rendition, any order; with `complete` all of them, else the first ones without a hole.

    Raises:
        IntegrityError: a chunk is missing or there twice, init segments differ, segments do not join, or
            frames are missing. A log is never made of what is not proven.
    """
    ordered = _ordered(rendition.name, chunks)
    segments = _joined(rendition.name, ordered)
    if complete and len(segments) != len(grid.starts):
        raise IntegrityError(f"{rendition.name}: {len(segments)} of {len(grid.starts)} segments")
    for segment, (start, following) in zip(segments, pairwise(grid.boundaries), strict=False):
        # a damaged source may lack the first frames of a segment, never a whole one
        if not start <= segment.start < following:
            raise IntegrityError(f"{rendition.name}: a segment at {segment.start}, planned {start}")
    rate = _rate(rendition, grid)
    rates = _rates(segments, ordered[0].timescale)
    longest_s = Fraction(max(b - a for a, b in pairwise(grid.boundaries)), grid.timescale)
    return TrackLog(
        header=TrackHeader(
            kind="video",
            codec=ordered[0].codec,
            timescale=ordered[0].timescale,
            bandwidth=rates.peak,
            average_bandwidth=rates.average,
            target_duration_s=max(rates.target_duration_s, _target_s(longest_s)),
            init=ordered[0].init,
            width=rendition.width,
            height=rendition.height,
            frame_rate=f"{rate.numerator}/{rate.denominator}" if rate is not None else None,
            video_range="SDR",
        ),
        segments=segments,
        complete=complete,
    )


def assemble_audio(
    rendition: AudioRendition,
    encoded: EncodedChunk,
    *,
    complete: bool = True,
    longest_s: Fraction = Fraction(0),
) -> TrackLog:
    """The track log of an audio rendition.

    Args:
        longest_s: of all segments planned, those to come included (`audio.longest_s`).

    Raises:
        IntegrityError: segments do not join.
    """
    segments = _joined(rendition.name, [encoded])
    rates = _rates(segments, encoded.timescale)
    return TrackLog(
        header=TrackHeader(
            kind="audio",
            codec=encoded.codec,
            timescale=encoded.timescale,
            bandwidth=rates.peak,
            average_bandwidth=rates.average,
            target_duration_s=max(rates.target_duration_s, _target_s(longest_s)),
            init=encoded.init,
            sample_rate=rendition.sample_rate,
            channels=rendition.channels,
            language=rendition.language,
            label=rendition.title,
        ),
        segments=segments,
        complete=complete,
    )


def _ordered(name: str, chunks: Sequence[EncodedChunk]) -> list[EncodedChunk]:
    ordered = sorted(chunks, key=lambda c: c.chunk)
    if [c.chunk for c in ordered] != list(range(len(ordered))) or not ordered:
        raise IntegrityError(f"{name}: chunks {[c.chunk for c in ordered]} are not a whole row from 0")
    first = ordered[0]
    for chunk in ordered[1:]:
        if (chunk.init.sha256, chunk.codec, chunk.timescale) != (
            first.init.sha256,
            first.codec,
            first.timescale,
        ):
            raise IntegrityError(f"{name}: chunk {chunk.chunk} needs another init segment than chunk 0")
    return ordered


def _joined(name: str, chunks: Sequence[EncodedChunk]) -> tuple[Segment, ...]:
    """All segments, each ending where the next begins."""
    segments = [segment for chunk in chunks for segment in chunk.segments]
    for i, (a, b) in enumerate(pairwise(segments)):
        if b.start <= a.start:
            raise IntegrityError(f"{name}: segment {i + 2} starts at {b.start}, not after {a.start}")
        # Only damaged sources have a difference here, of frames that could not be decoded: the picture before
        # stays on screen, and so says the log.
        segments[i] = replace(a, duration=b.start - a.start)
    if len({s.object for s in segments}) != len(segments):
        raise IntegrityError(f"{name}: two segments share one object")
    return tuple(segments)


class _Rates(NamedTuple):
    peak: int
    average: int
    target_duration_s: int


def _target_s(seconds: Fraction) -> int:
    """As EXT-X-TARGETDURATION. What a growing playlist says must hold for segments still to come: it may never
    change (RFC 8216 6.2.1)."""
    return max(1, int(seconds + Fraction(1, 2)))


def _rates(segments: Sequence[Segment], timescale: int) -> _Rates:
    """What a playlist says of a row of segments (RFC 8216 4.3.4.2 and 4.3.3.1)."""
    ticks = max(1, sum(s.duration for s in segments))
    average = -(-sum(s.size for s in segments) * 8 * timescale // ticks)
    longest = max(s.duration for s in segments)
    target = _target_s(Fraction(longest, timescale))
    return _Rates(max(average, _peak(segments, timescale, longest)), average, target)


def _peak(segments: Sequence[Segment], timescale: int, longest: int) -> int:
    """The highest rate of any row of segments that lasts half the target duration to one and a half."""
    peak = 0
    for first in range(len(segments)):
        size = duration = 0
        for last in range(first, len(segments)):
            segment = segments[last]
            size, duration = size + segment.size, duration + segment.duration
            if 2 * duration > 3 * longest:
                break
            if 2 * duration >= longest:
                peak = max(peak, -(-size * 8 * timescale // duration))
    return peak


def _rate(rendition: Rendition, grid: Grid) -> Fraction | None:
    if grid.rate is None:
        return None
    return grid.rate / rendition.every if grid.kind == "steady" else grid.rate
