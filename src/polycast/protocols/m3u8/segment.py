"""Media segments with the tags that belong to them, EXT-X-MAP and EXT-X-START (RFC 8216bis 4.4.4, 4.4.2.2)."""

from dataclasses import dataclass
from datetime import datetime

from polycast.protocols.errors import PlaylistError
from polycast.protocols.m3u8.keys import Key
from polycast.protocols.m3u8.lowlatency import Part
from polycast.protocols.m3u8.primitives import Attributes, AttributeWriter, ByteRange


@dataclass(frozen=True, slots=True)
class Map:
    """The initialization section of the segments that follow (4.4.4.5)."""

    uri: str
    byte_range: ByteRange | None = None

    @classmethod
    def parse(cls, text: str) -> "Map":
        a = Attributes.parse(text)
        return cls(a.needed(a.quoted("URI"), "URI"), a.byte_range("BYTERANGE"))

    def render(self) -> str:
        w = AttributeWriter().uri("URI", self.uri)
        return w.quoted("BYTERANGE", self.byte_range.render() if self.byte_range else None).render()


@dataclass(frozen=True, slots=True)
class Start:
    """Where to begin (4.4.2.2): seconds from the start, negative from the end."""

    time_offset: float
    precise: bool = False

    @classmethod
    def parse(cls, text: str) -> "Start":
        a = Attributes.parse(text)
        offset = a.decimal("TIME-OFFSET")
        if offset is None:
            raise PlaylistError("attribute TIME-OFFSET is required")
        return cls(offset, a.yes("PRECISE"))

    def render(self) -> str:
        return (
            AttributeWriter().decimal("TIME-OFFSET", self.time_offset).yes("PRECISE", self.precise).render()
        )


@dataclass(frozen=True, slots=True)
class MediaSegment:
    """One segment.

    `keys` and `map` are those in force for it: rendering writes their tags only where they change.

    Attributes:
        duration: seconds, written with six decimals at most.
        byte_range: sub-range of the resource (4.4.4.2).
        discontinuity: timestamps or encoding change before it (4.4.4.3).
        gap: it is missing and must not be loaded (4.4.4.7).
        program_date_time: wall clock of its first sample, time zone aware (4.4.4.6).
        parts: its partial segments, low latency only (4.4.4.9).
    """

    uri: str
    duration: float
    title: str = ""
    byte_range: ByteRange | None = None
    discontinuity: bool = False
    gap: bool = False
    program_date_time: datetime | None = None
    keys: tuple[Key, ...] = ()
    map: Map | None = None
    parts: tuple[Part, ...] = ()
