"""The parts of an MPD that we write, as values (ISO/IEC 23009-1 clause 5). Times in seconds unless in ticks."""

from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A property by scheme and value (5.8.2): roles, channel configurations, thumbnails, colour, protection."""

    element: str
    scheme: str
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """S of a SegmentTimeline (5.3.9.6): `count` segments of `duration` ticks; `start` where it is not implied."""

    duration: int
    count: int = 1
    start: int | None = None


@dataclass(frozen=True, slots=True)
class SegmentTemplate:
    """5.3.9.4; ticks of `timescale`. Either a timeline or a constant `duration`."""

    media: str
    timescale: int
    initialization: str | None = None
    start_number: int = 1
    presentation_time_offset: int = 0
    duration: int | None = None
    timeline: tuple[Run, ...] | None = None


@dataclass(frozen=True, slots=True)
class Representation:
    """5.3.5; `base_url` for a single resource (a WebVTT file), else a template."""

    id: str
    bandwidth: int
    codecs: str | None = None
    width: int = 0
    height: int = 0
    frame_rate: Fraction | None = None
    sample_rate: int = 0
    descriptors: tuple[Descriptor, ...] = ()
    template: SegmentTemplate | None = None
    base_url: str | None = None


@dataclass(frozen=True, slots=True)
class AdaptationSet:
    """5.3.3: representations a player may switch between.

    Attributes:
        aligned: segment boundaries agree over all representations.
        sap: 1 when every segment starts with a closed key frame, None to say nothing (5.3.3.2).
    """

    id: int
    content_type: str
    mime_type: str
    representations: tuple[Representation, ...]
    language: str | None = None
    label: str | None = None
    aligned: bool = False
    sap: int | None = None
    descriptors: tuple[Descriptor, ...] = ()


@dataclass(frozen=True, slots=True)
class Manifest:
    """An MPD of one period that starts at 0.

    Attributes:
        duration_s: of the presentation; None in a dynamic one whose end is unknown.
        availability_start: makes it dynamic: when second 0 of the presentation became available.
        publish_time: when this version was made, dynamic only.
        update_s: how long a player may wait before it reloads, dynamic only.
        utc_timing: URL of a clock for dynamic manifests (5.8.5.7), None to leave it out.
    """

    adaptation_sets: tuple[AdaptationSet, ...]
    min_buffer_s: float
    duration_s: Fraction | None = None
    availability_start: datetime | None = None
    publish_time: datetime | None = None
    update_s: float | None = None
    suggested_delay_s: float | None = None
    utc_timing: str | None = None
