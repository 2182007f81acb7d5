"""What a server says of a resource, and what is needed to go on with it later."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import httpx


@dataclass(frozen=True, slots=True)
class Source:
    """Which state of a resource bytes are of.

    Attributes:
        size: bytes, None if the server does not say.
        validator: for If-Range (RFC 9110 13.1.5), '' if the resource cannot be recognised.
        ranges: the server gives parts of it.
    """

    size: int | None
    validator: str
    ranges: bool

    @property
    def resumable(self) -> bool:
        """Whether a body that broke off can be gone on with."""
        return self.ranges and self.validator != ""

    @classmethod
    def of(cls, answer: httpx.Response) -> "Source":
        """As an answer with the resource, or a part of it, says."""
        etag = answer.headers.get("etag", "")
        # If-Range takes no weak etag; a date is only strong if old enough, which most media are
        validator = etag if etag.startswith('"') else answer.headers.get("last-modified", "")
        return cls(total_size(answer), validator, takes_ranges(answer))

    def to_json(self) -> dict[str, Any]:
        """For `from_json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> "Source":
        """As `to_json` wrote it."""
        return cls(kept["size"], kept["validator"], kept["ranges"])


def takes_ranges(answer: httpx.Response) -> bool:
    """Whether the server gives parts of the resource."""
    return answer.status_code == 206 or answer.headers.get("accept-ranges", "").lower() == "bytes"


def total_size(answer: httpx.Response) -> int | None:
    """Bytes of the whole resource (RFC 9110 8.6, 14.4); None where the server does not say."""
    if answer.status_code in {206, 416}:
        return _number(answer.headers.get("content-range", "").rpartition("/")[2])
    if answer.headers.get("content-encoding", "identity") != "identity":
        return None
    return _number(answer.headers.get("content-length", ""))


def range_start(answer: httpx.Response) -> int | None:
    """Where a part of a resource begins, in bytes; None where the answer does not say."""
    unit, _, rest = answer.headers.get("content-range", "").partition(" ")
    return _number(rest.partition("-")[0]) if unit.lower() == "bytes" else None


def media_type(answer: httpx.Response) -> str:
    """Without parameters, in lower case; '' where the answer does not say."""
    value: str = answer.headers.get("content-type", "")
    return value.split(";", maxsplit=1)[0].strip().lower()


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
