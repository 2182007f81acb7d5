"""The media playlist: rendering (RFC 8216bis 4.4.3, 4.4.4). `media_parser` reads it."""

from collections.abc import Iterator
from dataclasses import dataclass

from polycast.protocols.m3u8.keys import NONE, Key
from polycast.protocols.m3u8.lowlatency import (
    Part,
    PartInf,
    PreloadHint,
    RenditionReport,
    ServerControl,
    Skip,
)
from polycast.protocols.m3u8.primitives import clean, render_date, render_decimal, render_uri
from polycast.protocols.m3u8.segment import Map, MediaSegment, Start

VOD = "VOD"
EVENT = "EVENT"


@dataclass(frozen=True, slots=True)
class MediaPlaylist:
    """Segments of one track and what holds for all of them.

    Attributes:
        target_duration: seconds; no EXTINF, rounded to the nearest integer, is longer (4.4.3.1).
        media_sequence: number of the first segment (4.4.3.2).
        playlist_type: VOD, EVENT, or None for a sliding window (4.4.3.5).
        ended: nothing will be added (EXT-X-ENDLIST, 4.4.3.4).
        trailing_parts: parts of the segment that is not complete yet; low latency only.
        version: EXT-X-VERSION to announce; the version its features need is announced when that is higher.
    """

    target_duration: int
    segments: tuple[MediaSegment, ...] = ()
    media_sequence: int = 0
    discontinuity_sequence: int = 0
    playlist_type: str | None = None
    ended: bool = False
    i_frames_only: bool = False
    independent_segments: bool = False
    start: Start | None = None
    server_control: ServerControl | None = None
    part_inf: PartInf | None = None
    skip: Skip | None = None
    trailing_parts: tuple[Part, ...] = ()
    preload_hints: tuple[PreloadHint, ...] = ()
    rendition_reports: tuple[RenditionReport, ...] = ()
    version: int = 1

    def render(self) -> str:
        """The playlist as text, lines ended by a line feed."""
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        yield "#EXTM3U"
        if (version := self.needed_version) > 1:
            yield f"#EXT-X-VERSION:{version}"
        yield f"#EXT-X-TARGETDURATION:{self.target_duration}"
        if self.server_control:
            yield f"#EXT-X-SERVER-CONTROL:{self.server_control.render()}"
        if self.part_inf:
            yield f"#EXT-X-PART-INF:{self.part_inf.render()}"
        yield f"#EXT-X-MEDIA-SEQUENCE:{self.media_sequence}"
        if self.discontinuity_sequence:
            yield f"#EXT-X-DISCONTINUITY-SEQUENCE:{self.discontinuity_sequence}"
        if self.playlist_type:
            yield f"#EXT-X-PLAYLIST-TYPE:{self.playlist_type}"
        if self.i_frames_only:
            yield "#EXT-X-I-FRAMES-ONLY"
        if self.independent_segments:
            yield "#EXT-X-INDEPENDENT-SEGMENTS"
        if self.start:
            yield f"#EXT-X-START:{self.start.render()}"
        if self.skip:
            yield f"#EXT-X-SKIP:{self.skip.render()}"
        yield from self._segment_lines()
        yield from (f"#EXT-X-PART:{part.render()}" for part in self.trailing_parts)
        yield from (f"#EXT-X-PRELOAD-HINT:{hint.render()}" for hint in self.preload_hints)
        yield from (f"#EXT-X-RENDITION-REPORT:{report.render()}" for report in self.rendition_reports)
        if self.ended:
            yield "#EXT-X-ENDLIST"

    def _segment_lines(self) -> Iterator[str]:
        keys: tuple[Key, ...] = ()
        current_map: Map | None = None
        for segment in self.segments:
            if segment.discontinuity:
                yield "#EXT-X-DISCONTINUITY"
            if segment.keys != keys:
                keys = segment.keys
                yield from (f"#EXT-X-KEY:{key.render()}" for key in keys or (Key(NONE),))
            if segment.map is not None and segment.map != current_map:
                current_map = segment.map
                yield f"#EXT-X-MAP:{current_map.render()}"
            if segment.program_date_time:
                yield f"#EXT-X-PROGRAM-DATE-TIME:{render_date(segment.program_date_time)}"
            if segment.gap:
                yield "#EXT-X-GAP"
            yield from (f"#EXT-X-PART:{part.render()}" for part in segment.parts)
            yield f"#EXTINF:{render_decimal(segment.duration)},{clean(segment.title)}"
            if segment.byte_range:
                yield f"#EXT-X-BYTERANGE:{segment.byte_range.render()}"
            yield render_uri(segment.uri)

    @property
    def needed_version(self) -> int:
        """The lowest protocol version that has all its features, `version` at least (section 8)."""
        needs = {self.version}
        if self.skip:
            needs.add(9)
        if self.i_frames_only:
            needs.add(4)
        for segment in self.segments:
            if segment.duration != int(segment.duration):
                needs.add(3)
            if segment.byte_range:
                needs.add(4)
            if segment.map:
                needs.add(5 if self.i_frames_only else 6)
            needs.update(key.version for key in segment.keys)
        return max(needs)
