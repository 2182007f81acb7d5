"""The track log: the one record of what a track consists of, for VOD and live alike.

All manifests are rendered from it. There is never a database row per segment.
"""

from dataclasses import dataclass
from enum import IntFlag
from typing import Literal

TrackKind = Literal["video", "audio", "text", "iframe"]


class SegmentFlag(IntFlag):
    """Bits of `Segment.flags`."""

    NONE = 0
    INDEPENDENT = 1
    """starts with a key frame"""
    DISCONTINUITY = 2
    """timestamps or encoding change before it (RFC 8216bis 4.4.4.3)"""
    GAP = 4
    """the media is missing (RFC 8216bis 4.4.4.7)"""


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """Bytes inside a stored object; `object` is relative to the folder of the track."""

    object: str
    offset: int
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class TrackHeader:
    """What does not change along a track.

    Attributes:
        codec: as in RFC 6381, for example `avc1.64001f`; for text `wvtt`.
        timescale: ticks a second of all starts and durations in the log.
        frame_rate: "num/den", video only.
        bandwidth: peak over one segment in bit/s (HLS BANDWIDTH, DASH bandwidth).
        target_duration_s: no segment is longer, rounded to the nearest second (EXT-X-TARGETDURATION).
        video_range: SDR, PQ or HLG (HLS VIDEO-RANGE); empty for other kinds.
        offset: media time at the start of the presentation in ticks (MPD presentationTimeOffset).
    """

    kind: TrackKind
    codec: str
    timescale: int
    bandwidth: int
    average_bandwidth: int
    target_duration_s: int
    init: ObjectRef | None = None
    width: int = 0
    height: int = 0
    frame_rate: str | None = None
    sample_rate: int = 0
    channels: int = 0
    video_range: str = ""
    language: str | None = None
    label: str | None = None
    offset: int = 0
    version: int = 1


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment: times in ticks of the header's timescale, `object` relative to the track's folder."""

    start: int
    duration: int
    size: int
    object: str
    sha256: str
    offset: int = 0
    samples: int = 0
    flags: int = SegmentFlag.INDEPENDENT
    wall_clock_us: int | None = None

    @property
    def end(self) -> int:
        return self.start + self.duration


@dataclass(frozen=True, slots=True)
class TrackLog:
    """A track: header, the epoch it was written in, its segments in order, whether more will come."""

    header: TrackHeader
    segments: tuple[Segment, ...]
    epoch: int = 0
    complete: bool = True

    @property
    def duration_s(self) -> float:
        """Seconds from the first start to the last end; 0.0 for an empty log."""
        if not self.segments:
            return 0.0
        return (self.segments[-1].end - self.segments[0].start) / self.header.timescale
