"""Byte ranges (RFC 9110 section 14): pure decisions over header values. Conditions are in `conditional`."""

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

MAX_HEADER: Final = 2048
MAX_RANGES: Final = 16
"""Many small or overlapping ranges are an attack (14.2, 17.15): with more, the header is ignored."""

_SPEC: Final = re.compile(r"(?:([0-9]{1,19})-([0-9]{1,19})?|-([0-9]{1,19}))\Z")


@dataclass(frozen=True, slots=True)
class ByteSpan:
    """Bytes `start` to `end` of a representation, `end` not included."""

    start: int
    end: int

    @property
    def length(self) -> int:
        return self.end - self.start

    def content_range(self, size: int) -> str:
        """Content-Range of a 206 (14.4)."""
        return f"bytes {self.start}-{self.end - 1}/{size}"


class Unsatisfiable(Enum):
    """No range overlaps the representation: answer 416 with `unsatisfied_content_range`."""

    UNSATISFIABLE = "unsatisfiable"


UNSATISFIABLE: Final = Unsatisfiable.UNSATISFIABLE


def parse_range(header: str | None, size: int) -> list[ByteSpan] | Unsatisfiable | None:
    """What a Range header asks of a representation of `size` bytes.

    Returns:
        Spans in the order asked, at least one, clipped to the size, ranges beyond it left out; `UNSATISFIABLE`;
        or None: no header, another unit, broken, or too many ranges, which all mean "answer with everything"
        (14.2: a server may ignore the field, and must when the unit is unknown).
    """
    if not header or len(header) > MAX_HEADER:
        return None
    unit, equals, spec = header.partition("=")
    # the unit is a token without case (14.1)
    if not equals or unit.strip().lower() != "bytes":
        return None
    asked = [part.strip(" \t") for part in spec.split(",")]
    # a recipient of a list must accept empty elements (5.6.1.2)
    asked = [part for part in asked if part]
    if not asked or len(asked) > MAX_RANGES:
        return None
    spans: list[ByteSpan] = []
    for part in asked:
        match = _SPEC.match(part)
        if match is None or (match[2] is not None and int(match[2]) < int(match[1])):
            return None
        span = _span(match, size)
        if span is not None:
            spans.append(span)
        elif match[3] is not None and int(match[3]):
            # the end of nothing: satisfiable (14.1.2), yet no Content-Range can say so
            return None
    return spans or UNSATISFIABLE


def single_range(header: str | None, size: int) -> ByteSpan | Unsatisfiable | None:
    """As `parse_range` for servers without multipart/byteranges: several ranges are ignored unless they join.

    Ranges that touch or overlap are answered as the one they make together (15.3.7.2 allows coalescing).
    """
    spans = parse_range(header, size)
    if spans is None or isinstance(spans, Unsatisfiable):
        return spans
    spans = sorted(spans, key=lambda span: span.start)
    joined = spans[0]
    for span in spans[1:]:
        if span.start > joined.end:
            return None
        joined = ByteSpan(joined.start, max(joined.end, span.end))
    return joined


def unsatisfied_content_range(size: int) -> str:
    """Content-Range of a 416 (15.5.17)."""
    return f"bytes */{size}"


def _span(match: re.Match[str], size: int) -> ByteSpan | None:
    """The bytes of one range-spec, None when it lies beyond the end (14.1.2)."""
    if match[3] is not None:
        suffix = int(match[3])
        return ByteSpan(max(0, size - suffix), size) if suffix and size else None
    start = int(match[1])
    if start >= size:
        return None
    end = size if match[2] is None else min(int(match[2]) + 1, size)
    return ByteSpan(start, end)
