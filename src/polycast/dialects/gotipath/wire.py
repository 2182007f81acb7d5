"""How Gotipath writes things: envelopes, three kinds of dates, two of durations, sizes in words."""

from datetime import UTC, datetime
from typing import Any, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from polycast.domain.errors import NotFound
from polycast.domain.ids import parse_uid

T = TypeVar("T")
UNSET = "0001-01-01T00:00:00Z"
"""the zero of Go's time, where something has not happened yet"""
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB", "EB")


class Envelope(BaseModel, Generic[T]):
    """Every answer outside /uploads/."""

    message: str
    result: T
    success: Literal[True] = True


class Tree(BaseModel, Generic[T]):
    """Collections alone put their array one level deeper."""

    data: list[T]


class Body(BaseModel):
    """A request body: members that are not known are ignored."""

    model_config = ConfigDict(extra="ignore")

    def given(self, name: str) -> bool:
        """Whether the caller sent the member, be it null."""
        return name in self.model_fields_set


def moment(value: datetime | None) -> str:
    """Form (a): RFC 3339 with milliseconds and a numeric offset, which is always that of UTC."""
    return value.astimezone(UTC).isoformat(timespec="milliseconds") if value else UNSET


def second(value: datetime | None) -> str:
    """Form (b): RFC 3339 in whole seconds with Z."""
    return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if value else UNSET


def day(value: datetime | None) -> str:
    """Form (c): 05-Feb-2023, in English whatever the locale."""
    if value is None:
        return "01-Jan-0001"
    value = value.astimezone(UTC)
    return f"{value.day:02}-{_MONTHS[value.month - 1]}-{value.year:04}"


def go_duration(seconds: int) -> str:
    """As Go prints whole seconds: 48s, 2m5s, 1h0m5s."""
    hours, rest = divmod(seconds, 3600)
    minutes, left = divmod(rest, 60)
    if hours:
        return f"{hours}h{minutes}m{left}s"
    return f"{minutes}m{left}s" if minutes else f"{left}s"


def clock(seconds: int) -> str:
    """02:05; from an hour on 1:02:05."""
    hours, rest = divmod(seconds, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes:02}:{left:02}"


def human_size(size: int) -> str:
    """Bytes in words, powers of 1000: 0 B, 9.6 MB, 96 MB."""
    if size < 10:
        return f"{size} B"
    value, unit = float(size), 0
    while value >= 999.5 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.1f} {_UNITS[unit]}" if value < 9.95 else f"{value:.0f} {_UNITS[unit]}"


def uid(text: str, kind: str) -> UUID:
    """An id of a path or body; what is no UUID cannot exist.

    Raises:
        NotFound: it is none.
    """
    value = parse_uid(text)
    if value is None:
        raise NotFound(kind, "".join(ch for ch in text[:64] if ch.isprintable()))
    return value


def optional_uid(text: str | None, kind: str) -> UUID | str | None:
    """An id where "" means none: None stays None, "" stays "". Raises NotFound as `uid`."""
    return text if not text else uid(text, kind)


def example(**values: Any) -> dict[str, Any]:
    """Marks an example of a model in the OpenAPI document."""
    return {"examples": [values]}
