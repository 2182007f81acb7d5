"""EXT-X-MEDIA: alternative renditions (RFC 8216bis 4.4.6.1)."""

from dataclasses import dataclass

from polycast.protocols.errors import PlaylistError
from polycast.protocols.m3u8.primitives import Attributes, AttributeWriter

AUDIO = "AUDIO"
SUBTITLES = "SUBTITLES"
CLOSED_CAPTIONS = "CLOSED-CAPTIONS"
VIDEO = "VIDEO"


@dataclass(frozen=True, slots=True)
class Rendition:
    """One rendition of a group.

    Attributes:
        name: shown to people; unique within its group (4.4.6.1.1).
        uri: its media playlist; None when the media is inside the variant itself.
        channels: "2", "6", "16/JOC".
        characteristics: uniform type identifiers such as `public.accessibility.describes-video`.
        instream_id: CC1 to CC4, SERVICE1 to SERVICE63; closed captions only, and required there.
    """

    type: str
    group_id: str
    name: str
    uri: str | None = None
    language: str | None = None
    assoc_language: str | None = None
    default: bool = False
    autoselect: bool = False
    forced: bool = False
    channels: str | None = None
    characteristics: tuple[str, ...] = ()
    instream_id: str | None = None

    @classmethod
    def parse(cls, text: str) -> "Rendition":
        a = Attributes.parse(text)
        kind = a.needed(a.enum("TYPE"), "TYPE")
        uri = a.quoted("URI")
        if kind == SUBTITLES and not uri:
            raise PlaylistError("attribute URI is required")
        characteristics = a.quoted("CHARACTERISTICS")
        return cls(
            type=kind,
            group_id=a.needed(a.quoted("GROUP-ID"), "GROUP-ID"),
            name=a.needed(a.quoted("NAME"), "NAME"),
            uri=uri,
            language=a.quoted("LANGUAGE"),
            assoc_language=a.quoted("ASSOC-LANGUAGE"),
            default=a.yes("DEFAULT"),
            autoselect=a.yes("AUTOSELECT"),
            forced=a.yes("FORCED"),
            channels=a.quoted("CHANNELS"),
            characteristics=tuple(characteristics.split(",")) if characteristics else (),
            instream_id=a.quoted("INSTREAM-ID"),
        )

    def render(self) -> str:
        w = AttributeWriter().plain("TYPE", self.type)
        w.quoted("GROUP-ID", self.group_id).quoted("NAME", self.name)
        w.quoted("LANGUAGE", self.language).quoted("ASSOC-LANGUAGE", self.assoc_language)
        # DEFAULT=YES requires AUTOSELECT=YES where it is given (4.4.6.1)
        w.yes("DEFAULT", self.default).yes("AUTOSELECT", self.autoselect or self.default)
        w.yes("FORCED", self.forced).quoted("INSTREAM-ID", self.instream_id)
        w.quoted("CHANNELS", self.channels)
        w.quoted("CHARACTERISTICS", ",".join(self.characteristics) or None)
        return w.uri("URI", self.uri).render()

    @property
    def version(self) -> int:
        """4 since the tag came with protocol version 4; SERVICE ids need 7 (section 8)."""
        return 7 if self.instream_id and self.instream_id.startswith("SERVICE") else 4
