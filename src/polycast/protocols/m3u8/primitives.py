"""Values inside tags: attribute lists, quoted strings, decimals, byte ranges, dates, URIs (RFC 8216bis 4.2).

Rendering is where hostile names meet the format: a quoted string cannot hold a quotation mark or a line
break and has no escape for them, so `quoted` replaces; a URI has one, so `uri` escapes.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

from polycast.protocols.errors import PlaylistError

# the two sorts of value share no character with what follows them: no backtracking on hostile lines
_ATTRIBUTE: Final = re.compile(r'([A-Z0-9-]+)=("[^"\r\n]*"\s*|[^",\s][^",]*)(?:,\s*|$)')
_DECIMAL: Final = re.compile(r"-?[0-9]{1,19}(?:\.[0-9]{0,19})?\Z")
_INTEGER: Final = re.compile(r"[0-9]{1,20}\Z")
_RESOLUTION: Final = re.compile(r"([0-9]{1,6})x([0-9]{1,6})\Z")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\u0085\u2028\u2029]+")
_URI_SAFE: Final = ":/?#[]@!$&'()*+,;=%~"


@dataclass(frozen=True, slots=True)
class ByteRange:
    """`length[@offset]`; without offset the range follows the previous one of the same resource."""

    length: int
    offset: int | None = None

    @classmethod
    def parse(cls, text: str) -> "ByteRange":
        length, at, offset = text.strip().partition("@")
        return cls(parse_integer(length), parse_integer(offset) if at else None)

    def render(self) -> str:
        return str(self.length) if self.offset is None else f"{self.length}@{self.offset}"


@dataclass(frozen=True, slots=True)
class Resolution:
    width: int
    height: int

    @classmethod
    def parse(cls, text: str) -> "Resolution":
        match = _RESOLUTION.match(text)
        if not match:
            raise PlaylistError("not a resolution")
        return cls(int(match[1]), int(match[2]))

    def render(self) -> str:
        return f"{self.width}x{self.height}"


class Attributes:
    """A parsed attribute list with typed access; unknown attributes are kept and ignored (4.2, 6.3.1)."""

    def __init__(self, values: Mapping[str, tuple[str, bool]]) -> None:
        self._values = values

    @classmethod
    def parse(cls, text: str) -> "Attributes":
        """Raises PlaylistError on a broken list or a name that occurs twice."""
        values: dict[str, tuple[str, bool]] = {}
        position, text = 0, text.strip()
        while position < len(text):
            match = _ATTRIBUTE.match(text, position)
            if not match:
                raise PlaylistError("broken attribute list")
            name, raw = match[1], match[2]
            if name in values:
                raise PlaylistError(f"attribute {name} occurs twice")
            is_quoted = raw.startswith('"')
            values[name] = (raw.rstrip()[1:-1] if is_quoted else raw.strip(), is_quoted)
            position = match.end()
        return cls(values)

    def quoted(self, name: str) -> str | None:
        """A quoted string, or None when absent."""
        return self._get(name, is_quoted=True)

    def enum(self, name: str) -> str | None:
        """An enumerated string or other unquoted text, or None when absent."""
        return self._get(name, is_quoted=False)

    def needed(self, value: str | None, name: str) -> str:
        """The value of an attribute that the RFC requires."""
        if not value:
            raise PlaylistError(f"attribute {name} is required")
        return value

    def yes(self, name: str) -> bool:
        return self.enum(name) == "YES"

    def integer(self, name: str) -> int | None:
        raw = self.enum(name)
        return None if raw is None else parse_integer(raw)

    def decimal(self, name: str) -> float | None:
        raw = self.enum(name)
        return None if raw is None else parse_decimal(raw)

    def resolution(self, name: str) -> Resolution | None:
        raw = self.enum(name)
        return None if raw is None else Resolution.parse(raw)

    def byte_range(self, name: str) -> ByteRange | None:
        raw = self.quoted(name)
        return None if raw is None else ByteRange.parse(raw)

    def is_quoted(self, name: str) -> bool:
        return name in self._values and self._values[name][1]

    def _get(self, name: str, *, is_quoted: bool) -> str | None:
        if name not in self._values:
            return None
        value, was_quoted = self._values[name]
        if was_quoted != is_quoted:
            raise PlaylistError(f"attribute {name} is {'not ' if is_quoted else ''}a quoted string")
        return value


class AttributeWriter:
    """Builds an attribute list in call order; None leaves an attribute out."""

    def __init__(self) -> None:
        self._parts: list[str] = []

    def plain(self, name: str, value: str | int | None) -> "AttributeWriter":
        if value is not None:
            self._parts.append(f"{name}={value}")
        return self

    def quoted(self, name: str, value: str | None) -> "AttributeWriter":
        return self.plain(name, None if value is None else f'"{clean(value)}"')

    def uri(self, name: str, value: str | None) -> "AttributeWriter":
        return self.plain(name, None if value is None else f'"{render_uri(value)}"')

    def decimal(self, name: str, value: float | None, digits: int = 6) -> "AttributeWriter":
        return self.plain(name, None if value is None else render_decimal(value, digits))

    def yes(self, name: str, value: bool) -> "AttributeWriter":
        return self.plain(name, "YES" if value else None)

    def render(self) -> str:
        return ",".join(self._parts)


def clean(value: str) -> str:
    """Text that may stand in a quoted string: line breaks and controls become a space, `"` becomes `'`."""
    text = _CONTROL.sub(" ", value).replace('"', "'")
    return text.encode("utf-8", "replace").decode("utf-8")


def render_uri(value: str) -> str:
    """A URI that is one line, holds no quotation mark and cannot be taken for a tag; others are escaped."""
    if not value:
        raise PlaylistError("empty URI")
    text = quote(value.encode("utf-8", "replace"), safe=_URI_SAFE)
    return "%23" + text[1:] if text.startswith("#") else text


def render_decimal(value: float, digits: int = 6) -> str:
    """A decimal without exponent and without trailing zeros."""
    if not -1e15 < value < 1e15:
        raise PlaylistError("number out of range")
    text = f"{value:.{digits}f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def parse_decimal(text: str) -> float:
    text = text.strip(" \t")
    if not _DECIMAL.match(text):
        raise PlaylistError("not a decimal number")
    return float(text)


def parse_integer(text: str) -> int:
    text = text.strip(" \t")
    if not _INTEGER.match(text):
        raise PlaylistError("not a decimal integer")
    value = int(text)
    if value >= 2**64:
        raise PlaylistError("integer over 64 bits")
    return value


def render_date(value: datetime) -> str:
    """ISO 8601 in UTC with milliseconds (4.4.4.6)."""
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_date(text: str) -> datetime:
    try:
        value = datetime.fromisoformat(text.strip())
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise PlaylistError("not a date") from error
