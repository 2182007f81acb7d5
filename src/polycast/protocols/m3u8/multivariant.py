"""The multivariant playlist (RFC 8216bis 4.4.6)."""

from dataclasses import dataclass, field

from polycast.protocols.errors import PlaylistError
from polycast.protocols.m3u8.keys import Key
from polycast.protocols.m3u8.lines import tag_lines
from polycast.protocols.m3u8.primitives import parse_integer, render_uri
from polycast.protocols.m3u8.rendition import Rendition
from polycast.protocols.m3u8.segment import Start
from polycast.protocols.m3u8.variant import IFrameVariant, Variant


@dataclass(frozen=True, slots=True)
class MultivariantPlaylist:
    """Variants, renditions and what holds for all of them.

    Attributes:
        version: EXT-X-VERSION to announce; the version its features need is announced when that is higher.
    """

    variants: tuple[Variant, ...]
    renditions: tuple[Rendition, ...] = ()
    iframes: tuple[IFrameVariant, ...] = ()
    session_keys: tuple[Key, ...] = ()
    independent_segments: bool = False
    start: Start | None = None
    version: int = 1

    def render(self) -> str:
        """The playlist as text, lines ended by a line feed."""
        lines = ["#EXTM3U"]
        if (version := self.needed_version) > 1:
            lines.append(f"#EXT-X-VERSION:{version}")
        if self.independent_segments:
            lines.append("#EXT-X-INDEPENDENT-SEGMENTS")
        if self.start:
            lines.append(f"#EXT-X-START:{self.start.render()}")
        lines.extend(f"#EXT-X-SESSION-KEY:{key.render()}" for key in self.session_keys)
        lines.extend(f"#EXT-X-MEDIA:{rendition.render()}" for rendition in self.renditions)
        for variant in self.variants:
            lines.append(f"#EXT-X-STREAM-INF:{variant.render()}")
            lines.append(render_uri(variant.uri))
        lines.extend(f"#EXT-X-I-FRAME-STREAM-INF:{iframe.render()}" for iframe in self.iframes)
        return "\n".join(lines) + "\n"

    @property
    def needed_version(self) -> int:
        """The lowest protocol version that has all its features, `version` at least (section 8)."""
        needs = [self.version, 4 if self.iframes else 1]
        needs.extend(key.version for key in self.session_keys)
        needs.extend(rendition.version for rendition in self.renditions)
        return max(needs)

    @classmethod
    def parse(cls, text: str | bytes) -> "MultivariantPlaylist":
        """Read one; unknown tags are ignored (6.3.1).

        Raises:
            PlaylistError: broken, over a cap, or a media playlist.
        """
        found = _Found()
        pending: str | None = None
        for tag, value in tag_lines(text):
            if pending is not None:
                # the URI must be the next line (4.4.6.2)
                if tag:
                    raise PlaylistError("EXT-X-STREAM-INF without URI")
                found.variants.append(Variant.parse(pending, value))
                pending = None
            elif tag == "EXT-X-STREAM-INF":
                pending = value
            else:
                found.take(tag, value)
        if pending is not None:
            raise PlaylistError("EXT-X-STREAM-INF without URI")
        return cls(
            variants=tuple(found.variants),
            renditions=tuple(found.renditions),
            iframes=tuple(found.iframes),
            session_keys=tuple(found.session_keys),
            independent_segments=found.independent_segments,
            start=found.start,
            version=found.version,
        )


@dataclass(slots=True)
class _Found:
    variants: list[Variant] = field(default_factory=list)
    renditions: list[Rendition] = field(default_factory=list)
    iframes: list[IFrameVariant] = field(default_factory=list)
    session_keys: list[Key] = field(default_factory=list)
    independent_segments: bool = False
    start: Start | None = None
    version: int = 1

    def take(self, tag: str, value: str) -> None:
        if tag == "EXT-X-MEDIA":
            self.renditions.append(Rendition.parse(value))
        elif tag == "EXT-X-I-FRAME-STREAM-INF":
            self.iframes.append(IFrameVariant.parse(value))
        elif tag == "EXT-X-SESSION-KEY":
            self.session_keys.append(Key.parse(value))
        elif tag == "EXT-X-VERSION":
            self.version = parse_integer(value)
        elif tag == "EXT-X-INDEPENDENT-SEGMENTS":
            self.independent_segments = True
        elif tag == "EXT-X-START":
            self.start = Start.parse(value)
        elif tag in ("EXTINF", "EXT-X-TARGETDURATION"):
            raise PlaylistError("this is a media playlist")
