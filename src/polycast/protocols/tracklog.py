"""The stored form of a track log: JSON lines, so that a growing track is an append.

    {"v":1,"epoch":0,"kind":"video",...}                                         header
    [start,duration,size,object,offset,sha256,samples,flags,wall_clock_us]       one line a segment
    {"end":true}                                                                 only when complete

Every whole line ends with a line feed. A process killed while appending leaves a last line without one:
`loads` ignores it, and whoever appends next must first truncate to `whole_length`.
"""

import json
from dataclasses import fields
from typing import Any, Final, get_args

from polycast.domain.tracks import ObjectRef, Segment, TrackHeader, TrackKind, TrackLog
from polycast.protocols.errors import TrackLogError

MAX_BYTES: Final = 256 * 1024 * 1024
"""Fourteen days of two-second segments are about 90 MB."""
MAX_LINE: Final = 64 * 1024
_MAX_INT: Final = 2**63 - 1
_END: Final = b'{"end":true}\n'
_FIELDS: Final = 9


def dumps(log: TrackLog) -> bytes:
    """The whole log as stored; `loads` gives an equal value back."""
    parts = [dump_header(log.header, epoch=log.epoch)]
    parts.extend(dump_segment(segment) for segment in log.segments)
    if log.complete:
        parts.append(_END)
    return b"".join(parts)


def dump_header(header: TrackHeader, *, epoch: int = 0) -> bytes:
    """The first line; members that have their default value are left out."""
    line: dict[str, Any] = {"v": header.version, "epoch": epoch}
    for field in fields(header):
        value = getattr(header, field.name)
        if field.name == "version" or value == field.default:
            continue
        if isinstance(value, ObjectRef):
            value = [value.object, value.offset, value.size, value.sha256]
        line[field.name] = value
    return _line(line)


def dump_segment(segment: Segment) -> bytes:
    """One line to append; the caller writes it in one call, after the object it names is stored."""
    return _line(
        [
            segment.start, segment.duration, segment.size, segment.object, segment.offset,
            segment.sha256, segment.samples, int(segment.flags), segment.wall_clock_us,
        ]
    )  # fmt: skip


def dump_end() -> bytes:
    """The last line of a complete log."""
    return _END


def whole_length(data: bytes) -> int:
    """Bytes up to the end of the last whole line; what is behind it was torn off by a crash."""
    return data.rfind(b"\n") + 1


def loads(data: bytes, *, max_bytes: int = MAX_BYTES, hashes: bool = True) -> TrackLog:
    """Read a stored log.

    Args:
        data: the object's bytes; a last line without line feed is ignored.
        max_bytes: refuse more than this.
        hashes: False leaves those of segments out: a third of the memory, which only checks of bytes need.

    Raises:
        TrackLogError: too long, no header, a line that is not of this format, or lines after the end.
    """
    if len(data) > max_bytes:
        raise TrackLogError(f"track log of {len(data)} bytes is over the limit of {max_bytes}")
    lines = data[: whole_length(data)].split(b"\n")[:-1]
    if not lines:
        raise TrackLogError("track log has no header")
    header, epoch = _header(_decode(lines[0], 1))
    segments: list[Segment] = []
    complete = False
    for number, raw in enumerate(lines[1:], start=2):
        if complete:
            raise TrackLogError(f"track log line {number}: something follows the end")
        value = _decode(raw, number)
        if isinstance(value, list):
            segments.append(_segment(value, number, hashes=hashes))
        elif value == {"end": True}:
            complete = True
        else:
            raise TrackLogError(f"track log line {number}: neither segment nor end")
    return TrackLog(header=header, segments=tuple(segments), epoch=epoch, complete=complete)


def _line(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=True).encode("ascii") + b"\n"


def _decode(raw: bytes, number: int) -> Any:
    if len(raw) > MAX_LINE:
        raise TrackLogError(f"track log line {number} is over {MAX_LINE} bytes")
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise TrackLogError(f"track log line {number} is not JSON") from error


def _header(value: Any) -> tuple[TrackHeader, int]:
    if not isinstance(value, dict) or value.get("v") != 1:
        raise TrackLogError("track log line 1: not a header of version 1")
    if value.get("kind") not in get_args(TrackKind):
        raise TrackLogError("track log line 1: unknown kind")
    members: dict[str, Any] = {}
    for field in fields(TrackHeader):
        if field.name not in value or field.name == "version":
            continue
        raw = value[field.name]
        if field.name == "init":
            members["init"] = _object_ref(raw)
        elif field.name == "offset":
            members["offset"] = _signed(raw, 1)
        elif field.type is int:
            members[field.name] = _count(raw, 1)
        elif isinstance(raw, str) or (raw is None and field.default is None):
            members[field.name] = raw
        else:
            raise TrackLogError(f"track log line 1: {field.name} has the wrong type")
    try:
        header = TrackHeader(**members)
    except TypeError as error:
        raise TrackLogError("track log line 1: a member is missing") from error
    if header.timescale < 1:
        raise TrackLogError("track log line 1: timescale must be positive")
    return header, _count(value.get("epoch", 0), 1)


def _object_ref(raw: Any) -> ObjectRef | None:
    if raw is None:
        return None
    if not isinstance(raw, list) or len(raw) != 4:
        raise TrackLogError("track log line 1: init is not an object reference")
    return ObjectRef(_key(raw[0], 1), _count(raw[1], 1), _count(raw[2], 1), _hash(raw[3], 1))


def _segment(value: list[Any], number: int, *, hashes: bool) -> Segment:
    # more members than we know were written by a later release: the known ones keep their places
    if len(value) < _FIELDS:
        raise TrackLogError(f"track log line {number}: a segment has {_FIELDS} members")
    start, duration, size, key, offset, sha256, samples, flags, wall = value[:_FIELDS]
    checked = _hash(sha256, number)
    return Segment(
        start=_signed(start, number),
        duration=_count(duration, number),
        size=_count(size, number),
        object=_key(key, number),
        offset=_count(offset, number),
        sha256=checked if hashes else "",
        samples=_count(samples, number),
        flags=_count(flags, number),
        wall_clock_us=None if wall is None else _signed(wall, number),
    )


def _signed(value: Any, number: int) -> int:
    # `type`, not isinstance: JSON's true would pass for 1
    if type(value) is not int or abs(value) > _MAX_INT:
        raise TrackLogError(f"track log line {number}: not a 64-bit integer")
    return value


def _count(value: Any, number: int) -> int:
    if _signed(value, number) < 0:
        raise TrackLogError(f"track log line {number}: negative number")
    return int(value)


def _key(value: Any, number: int) -> str:
    """An object name below the track's folder: never a way out of it."""
    if not isinstance(value, str) or any(part in ("", ".", "..") for part in value.split("/")):
        raise TrackLogError(f"track log line {number}: not a relative object name")
    return value


def _hash(value: Any, number: int) -> str:
    if not isinstance(value, str):
        raise TrackLogError(f"track log line {number}: hash is not text")
    return value
