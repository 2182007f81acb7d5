"""Low latency: parts, hints, reports, skips, server control (RFC 8216bis 4.4.3.7, 4.4.3.8, 4.4.4.9, 4.4.5)."""

from dataclasses import dataclass

from polycast.protocols.errors import PlaylistError
from polycast.protocols.m3u8.primitives import Attributes, AttributeWriter, ByteRange


def _needed(value: float | None, name: str) -> float:
    if value is None:
        raise PlaylistError(f"attribute {name} is required")
    return value


@dataclass(frozen=True, slots=True)
class Part:
    """EXT-X-PART (4.4.4.9); duration in seconds."""

    uri: str
    duration: float
    independent: bool = False
    byte_range: ByteRange | None = None
    gap: bool = False

    @classmethod
    def parse(cls, text: str) -> "Part":
        a = Attributes.parse(text)
        return cls(
            uri=a.needed(a.quoted("URI"), "URI"),
            duration=_needed(a.decimal("DURATION"), "DURATION"),
            independent=a.yes("INDEPENDENT"),
            byte_range=a.byte_range("BYTERANGE"),
            gap=a.yes("GAP"),
        )

    def render(self) -> str:
        w = AttributeWriter().decimal("DURATION", self.duration).uri("URI", self.uri)
        w.quoted("BYTERANGE", self.byte_range.render() if self.byte_range else None)
        return w.yes("INDEPENDENT", self.independent).yes("GAP", self.gap).render()


@dataclass(frozen=True, slots=True)
class ServerControl:
    """EXT-X-SERVER-CONTROL (4.4.3.8); seconds."""

    can_block_reload: bool = False
    can_skip_until: float | None = None
    can_skip_dateranges: bool = False
    hold_back: float | None = None
    part_hold_back: float | None = None

    @classmethod
    def parse(cls, text: str) -> "ServerControl":
        a = Attributes.parse(text)
        return cls(
            can_block_reload=a.yes("CAN-BLOCK-RELOAD"),
            can_skip_until=a.decimal("CAN-SKIP-UNTIL"),
            can_skip_dateranges=a.yes("CAN-SKIP-DATERANGES"),
            hold_back=a.decimal("HOLD-BACK"),
            part_hold_back=a.decimal("PART-HOLD-BACK"),
        )

    def render(self) -> str:
        w = AttributeWriter().yes("CAN-BLOCK-RELOAD", self.can_block_reload)
        w.decimal("CAN-SKIP-UNTIL", self.can_skip_until).yes("CAN-SKIP-DATERANGES", self.can_skip_dateranges)
        return w.decimal("HOLD-BACK", self.hold_back).decimal("PART-HOLD-BACK", self.part_hold_back).render()


@dataclass(frozen=True, slots=True)
class PartInf:
    """EXT-X-PART-INF (4.4.3.7): the longest part in seconds."""

    part_target: float

    @classmethod
    def parse(cls, text: str) -> "PartInf":
        return cls(_needed(Attributes.parse(text).decimal("PART-TARGET"), "PART-TARGET"))

    def render(self) -> str:
        return AttributeWriter().decimal("PART-TARGET", self.part_target).render()


@dataclass(frozen=True, slots=True)
class PreloadHint:
    """EXT-X-PRELOAD-HINT (4.4.5.3): what to ask for before it exists; type PART or MAP."""

    type: str
    uri: str
    start: int | None = None
    length: int | None = None

    @classmethod
    def parse(cls, text: str) -> "PreloadHint":
        a = Attributes.parse(text)
        return cls(
            type=a.needed(a.enum("TYPE"), "TYPE"),
            uri=a.needed(a.quoted("URI"), "URI"),
            start=a.integer("BYTERANGE-START"),
            length=a.integer("BYTERANGE-LENGTH"),
        )

    def render(self) -> str:
        w = AttributeWriter().plain("TYPE", self.type).uri("URI", self.uri)
        return w.plain("BYTERANGE-START", self.start).plain("BYTERANGE-LENGTH", self.length).render()


@dataclass(frozen=True, slots=True)
class RenditionReport:
    """EXT-X-RENDITION-REPORT (4.4.5.4): how far another playlist has come."""

    uri: str
    last_msn: int | None = None
    last_part: int | None = None

    @classmethod
    def parse(cls, text: str) -> "RenditionReport":
        a = Attributes.parse(text)
        return cls(a.needed(a.quoted("URI"), "URI"), a.integer("LAST-MSN"), a.integer("LAST-PART"))

    def render(self) -> str:
        w = AttributeWriter().uri("URI", self.uri)
        return w.plain("LAST-MSN", self.last_msn).plain("LAST-PART", self.last_part).render()


@dataclass(frozen=True, slots=True)
class Skip:
    """EXT-X-SKIP (4.4.5.2): segments left out of a delta update."""

    skipped_segments: int

    @classmethod
    def parse(cls, text: str) -> "Skip":
        value = Attributes.parse(text).integer("SKIPPED-SEGMENTS")
        if value is None:
            raise PlaylistError("attribute SKIPPED-SEGMENTS is required")
        return cls(value)

    def render(self) -> str:
        return AttributeWriter().plain("SKIPPED-SEGMENTS", self.skipped_segments).render()
