"""Find and walk the boxes of an MP4 or MOV source (ISO/IEC 14496-12 §4.2), bounded and without FFmpeg.

Only what the packager and the keyframe index need; the wire formats we *serve* live in
`polycast.protocols.isobmff`. Anything that does not fit raises `Malformed`, never IndexError or struct.error.
"""

import os
import struct
from collections.abc import Iterator

MOOV_CAP_BYTES = 256 << 20
"""A day of 60 fps video with audio needs about 200 MB of tables; more is an attack."""
TOP_LEVEL_CAP = 4096


class Malformed(Exception):
    """The boxes contradict themselves or use a feature that we leave to FFmpeg."""


def boxes(data: memoryview, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Boxes between two positions as (type, payload start, payload end).

    Raises:
        Malformed: a box is shorter than its header or reaches over its parent.
    """
    while end - start >= 8:
        size, kind = struct.unpack_from(">I4s", data, start)
        body = start + 8
        if size == 1:
            if end - start < 16:
                raise Malformed("cut box header")
            size = struct.unpack_from(">Q", data, body)[0]
            body += 8
        elif size == 0:  # to the end of the parent
            size = end - start
        if size < body - start or size > end - start:
            raise Malformed(f"box {kind!r} has an impossible size")
        yield kind, body, start + size
        start += size


def child(data: memoryview, span: tuple[int, int], *path: bytes) -> tuple[int, int] | None:
    """Payload span of the first box at `path` below `span`, None when absent."""
    for kind in path:
        found = next(((a, b) for k, a, b in boxes(data, *span) if k == kind), None)
        if found is None:
            return None
        span = found
    return span


def need(data: memoryview, span: tuple[int, int], *path: bytes) -> tuple[int, int]:
    """As `child`, but the box must be there.

    Raises:
        Malformed: it is absent.
    """
    found = child(data, span, *path)
    if found is None:
        raise Malformed(f"no {b'/'.join(path)!r} box")
    return found


def unpack(data: memoryview, form: str, span: tuple[int, int], skip: int = 0) -> tuple[int, ...]:
    """`struct.unpack_from` inside a payload.

    Raises:
        Malformed: the payload is too short.
    """
    if span[0] + skip + struct.calcsize(form) > span[1]:
        raise Malformed("box too short")
    return struct.unpack_from(form, data, span[0] + skip)


def read_moov(fd: int, file_size: int) -> memoryview | None:
    """The payload of the `moov` box, read in one go wherever it lies; None when the file has none.

    Raises:
        Malformed: it is over the cap, cut off, or the walk to it makes no sense.
    """
    position = 0
    for _ in range(TOP_LEVEL_CAP):
        if position >= file_size:
            return None  # what looks like boxes of any length is another format, such as bare H.264
        head = os.pread(fd, 16, position)
        if len(head) < 8:
            return None
        size, kind = struct.unpack_from(">I4s", head)
        header = 8
        if size == 1 and len(head) == 16:
            size, header = struct.unpack_from(">Q", head, 8)[0], 16
        elif size == 0:
            size = file_size - position
        if size < header:
            raise Malformed("impossible top-level box")
        if kind == b"moov":
            if size > MOOV_CAP_BYTES or position + size > file_size:
                raise Malformed("moov over the cap or cut off")
            body = os.pread(fd, size - header, position + header)
            return memoryview(body)
        position += size
    return None
