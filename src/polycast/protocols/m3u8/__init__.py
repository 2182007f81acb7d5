"""HLS playlists as typed values (RFC 8216bis): `render()` gives text, `parse` gives the value back.

One file per group of tags; `primitives` below them. All parsers raise PlaylistError and nothing else.
"""

from polycast.protocols.errors import PlaylistError
from polycast.protocols.m3u8.keys import Key
from polycast.protocols.m3u8.lines import tag_lines
from polycast.protocols.m3u8.lowlatency import (
    Part,
    PartInf,
    PreloadHint,
    RenditionReport,
    ServerControl,
    Skip,
)
from polycast.protocols.m3u8.media import EVENT, VOD, MediaPlaylist
from polycast.protocols.m3u8.media_parser import parse_media
from polycast.protocols.m3u8.multivariant import MultivariantPlaylist
from polycast.protocols.m3u8.primitives import ByteRange, Resolution
from polycast.protocols.m3u8.rendition import AUDIO, CLOSED_CAPTIONS, SUBTITLES, Rendition
from polycast.protocols.m3u8.segment import Map, MediaSegment, Start
from polycast.protocols.m3u8.variant import NO_CAPTIONS, IFrameVariant, Variant

__all__ = [
    "AUDIO",
    "CLOSED_CAPTIONS",
    "EVENT",
    "NO_CAPTIONS",
    "SUBTITLES",
    "VOD",
    "ByteRange",
    "IFrameVariant",
    "Key",
    "Map",
    "MediaPlaylist",
    "MediaSegment",
    "MultivariantPlaylist",
    "Part",
    "PartInf",
    "PlaylistError",
    "PreloadHint",
    "Rendition",
    "RenditionReport",
    "Resolution",
    "ServerControl",
    "Skip",
    "Start",
    "Variant",
    "parse",
    "parse_media",
]


def parse(text: str | bytes) -> MultivariantPlaylist | MediaPlaylist:
    """Read a playlist of either sort.

    Raises:
        PlaylistError: it is neither, or broken.
    """
    multivariant = {"EXT-X-STREAM-INF", "EXT-X-I-FRAME-STREAM-INF", "EXT-X-MEDIA"}
    if any(tag in multivariant for tag, _ in tag_lines(text)):
        return MultivariantPlaylist.parse(text)
    return parse_media(text)
