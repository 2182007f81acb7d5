"""The media playlist: reading (RFC 8216bis 4.4.3, 4.4.4)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from polycast.protocols.errors import PlaylistError
from polycast.protocols.m3u8.keys import NONE, Key
from polycast.protocols.m3u8.lines import tag_lines
from polycast.protocols.m3u8.lowlatency import (
    Part,
    PartInf,
    PreloadHint,
    RenditionReport,
    ServerControl,
    Skip,
)
from polycast.protocols.m3u8.media import MediaPlaylist
from polycast.protocols.m3u8.primitives import ByteRange, parse_date, parse_decimal, parse_integer
from polycast.protocols.m3u8.segment import Map, MediaSegment, Start

_VALUES: dict[str, tuple[str, Callable[[str], Any]]] = {
    "EXT-X-TARGETDURATION": ("target_duration", parse_integer),
    "EXT-X-VERSION": ("version", parse_integer),
    "EXT-X-MEDIA-SEQUENCE": ("media_sequence", parse_integer),
    "EXT-X-DISCONTINUITY-SEQUENCE": ("discontinuity_sequence", parse_integer),
    "EXT-X-PLAYLIST-TYPE": ("playlist_type", str.strip),
    "EXT-X-START": ("start", Start.parse),
    "EXT-X-SERVER-CONTROL": ("server_control", ServerControl.parse),
    "EXT-X-PART-INF": ("part_inf", PartInf.parse),
    "EXT-X-SKIP": ("skip", Skip.parse),
}
_FLAGS = {
    "EXT-X-ENDLIST": "ended",
    "EXT-X-I-FRAMES-ONLY": "i_frames_only",
    "EXT-X-INDEPENDENT-SEGMENTS": "independent_segments",
}


def parse_media(text: str | bytes) -> MediaPlaylist:
    """Read a media playlist; unknown tags are ignored (6.3.1).

    Raises:
        PlaylistError: broken, over a cap, or a multivariant playlist.
    """
    state = _State()
    for tag, value in tag_lines(text):
        state.take(tag, value)
    return state.finish()


@dataclass(slots=True)
class _State:
    values: dict[str, Any] = field(default_factory=dict)
    segments: list[MediaSegment] = field(default_factory=list)
    hints: list[PreloadHint] = field(default_factory=list)
    reports: list[RenditionReport] = field(default_factory=list)
    # in force until changed
    keys: tuple[Key, ...] = ()
    keys_open: bool = False
    map: Map | None = None
    # of the next segment only
    extinf: tuple[float, str] | None = None
    byte_range: ByteRange | None = None
    date: datetime | None = None
    discontinuity: bool = False
    gap: bool = False
    parts: list[Part] = field(default_factory=list)

    def take(self, tag: str, value: str) -> None:
        if tag in _VALUES:
            name, read = _VALUES[tag]
            if name in self.values:
                raise PlaylistError(f"{tag} occurs twice")
            self.values[name] = read(value)
        elif tag in _FLAGS:
            self.values[_FLAGS[tag]] = True
        elif tag == "EXT-X-KEY":
            self._key(Key.parse(value))
        elif tag in ("EXT-X-STREAM-INF", "EXT-X-MEDIA", "EXT-X-I-FRAME-STREAM-INF"):
            raise PlaylistError("this is a multivariant playlist")
        else:
            self._segment_tag(tag, value)

    def _segment_tag(self, tag: str, value: str) -> None:
        if tag == "":
            self._segment(value)
        elif tag == "EXTINF":
            seconds, _, title = value.partition(",")
            self.extinf = (parse_decimal(seconds), title)
            if self.extinf[0] < 0:
                raise PlaylistError("negative duration")
        elif tag == "EXT-X-BYTERANGE":
            self.byte_range = ByteRange.parse(value)
        elif tag == "EXT-X-MAP":
            self.map = Map.parse(value)
        elif tag == "EXT-X-DISCONTINUITY":
            self.discontinuity = True
        elif tag == "EXT-X-GAP":
            self.gap = True
        elif tag == "EXT-X-PROGRAM-DATE-TIME":
            self.date = parse_date(value)
        elif tag == "EXT-X-PART":
            self.parts.append(Part.parse(value))
        elif tag == "EXT-X-PRELOAD-HINT":
            self.hints.append(PreloadHint.parse(value))
        elif tag == "EXT-X-RENDITION-REPORT":
            self.reports.append(RenditionReport.parse(value))

    def _key(self, key: Key) -> None:
        # several KEY tags in a row are alternatives for the same segments (4.4.4.4)
        if key.method == NONE:
            self.keys = ()
        else:
            self.keys = (*self.keys, key) if self.keys_open else (key,)
        self.keys_open = True

    def _segment(self, uri: str) -> None:
        if self.extinf is None:
            raise PlaylistError("segment without EXTINF")
        self.segments.append(
            MediaSegment(
                uri=uri,
                duration=self.extinf[0],
                title=self.extinf[1],
                byte_range=self.byte_range,
                discontinuity=self.discontinuity,
                gap=self.gap,
                program_date_time=self.date,
                keys=self.keys,
                map=self.map,
                parts=tuple(self.parts),
            )
        )
        self.extinf = self.byte_range = self.date = None
        self.discontinuity = self.gap = self.keys_open = False
        self.parts = []

    def finish(self) -> MediaPlaylist:
        if "target_duration" not in self.values:
            raise PlaylistError("EXT-X-TARGETDURATION is required")
        return MediaPlaylist(
            segments=tuple(self.segments),
            trailing_parts=tuple(self.parts),
            preload_hints=tuple(self.hints),
            rendition_reports=tuple(self.reports),
            **self.values,
        )
