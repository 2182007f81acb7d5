"""What a picture file says of itself: format and size, read from its first bytes. Pure.

Read before any decoder runs, so that a header of 65 535 x 65 535 costs nothing. Formats: PNG (ISO/IEC 15948),
JPEG (ITU-T T.81), WebP (RFC 9649), GIF89a. Everything else, SVG above all, which may carry scripts, is none.
"""

import struct
from dataclasses import dataclass
from typing import Literal

ImageFormat = Literal["png", "jpeg", "webp", "gif"]

CONTENT_TYPES: dict[ImageFormat, str] = {
    "png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp", "gif": "image/gif",
}  # fmt: skip

HEADER_BYTES = 4 << 20
"""Enough to pass the largest profile and Exif segments in front of a JPEG's frame header."""

_SOF = frozenset({0xC0, 0xC1, 0xC2})  # baseline, extended, progressive: what browsers show
_SOF_OTHER = frozenset(range(0xC3, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ALONE = frozenset({0x01, *range(0xD0, 0xD8)})


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """Size in pixels as stored; `animated` where the header tells."""

    format: ImageFormat
    width: int
    height: int
    animated: bool = False


def read_header(data: bytes) -> ImageHeader | None:
    """The header, None when this is no picture of the four formats or it is cut off."""
    try:
        if data.startswith(b"\x89PNG\r\n\x1a\n"):
            return _png(data)
        if data.startswith(b"\xff\xd8\xff"):
            return _jpeg(data)
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return _webp(data)
        if data[:6] in (b"GIF87a", b"GIF89a"):
            width, height = struct.unpack_from("<HH", data, 6)
            return _sized("gif", width, height)
    except (struct.error, IndexError):
        return None
    return None


def _png(data: bytes) -> ImageHeader | None:
    if data[12:16] != b"IHDR":
        return None
    width, height = struct.unpack_from(">II", data, 16)
    # acTL of an animated PNG stands before the first IDAT, as a rule right behind the header
    return _sized("png", width, height, animated=b"acTL" in data[33:4096])


def _jpeg(data: bytes) -> ImageHeader | None:
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
        elif marker in _ALONE:
            at += 2
        elif marker in _SOF:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return _sized("jpeg", width, height)
        elif marker in _SOF_OTHER or marker in (0xD9, 0xDA):
            return None
        else:
            (length,) = struct.unpack_from(">H", data, at + 2)
            if length < 2:
                return None
            at += 2 + length
    return None


def _webp(data: bytes) -> ImageHeader | None:
    kind = data[12:16]
    if kind == b"VP8X":
        width = 1 + int.from_bytes(data[24:27], "little")
        height = 1 + int.from_bytes(data[27:30], "little")
        return _sized("webp", width, height, animated=bool(data[20] & 0x02)) if len(data) >= 30 else None
    if kind == b"VP8L" and data[20] == 0x2F:
        (bits,) = struct.unpack_from("<I", data, 21)
        return _sized("webp", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    if kind == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", data, 26)
        return _sized("webp", width & 0x3FFF, height & 0x3FFF)
    return None


def _sized(kind: ImageFormat, width: int, height: int, *, animated: bool = False) -> ImageHeader | None:
    return ImageHeader(kind, width, height, animated) if width and height else None
