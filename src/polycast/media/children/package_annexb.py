"""H.264 between start codes (ITU-T H.264 Annex B) and with lengths (ISO/IEC 14496-15 §5.3.4.2)."""

import re
import struct

_START = re.compile(rb"\x00\x00\x01")
_DELIMITER, _FILLER, _SPS, _PPS = 9, 12, 7, 8


def units(data: bytes) -> list[bytes]:
    """The NAL units of a byte stream, without start codes and trailing zeros."""
    starts = [m.end() for m in _START.finditer(data)]
    if not starts:
        return []
    ends = [s - 3 for s in starts[1:]] + [len(data)]
    # a unit never ends with a zero byte (§7.4.1): zeros belong to the next start code or are padding
    return [u for a, b in zip(starts, ends, strict=True) if (u := data[a:b].rstrip(b"\x00"))]


def length_prefixed(data: bytes) -> bytes:
    """An access unit in the form of MP4; delimiters and filler stay behind, parameter sets remain."""
    out: list[bytes] = []
    for unit in units(data):
        if unit[0] & 0x1F not in {_DELIMITER, _FILLER}:
            out += (struct.pack(">I", len(unit)), unit)
    return b"".join(out)
