"""Conditional requests (RFC 9110 sections 8.8.3 and 13): entity tags, dates, preconditions, If-Range."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from enum import Enum
from typing import Final, Literal

MAX_HEADER: Final = 8192

_ETAG: Final = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')


@dataclass(frozen=True, slots=True)
class ETag:
    """An entity tag (8.8.3)."""

    tag: str
    weak: bool = False

    def render(self) -> str:
        return f'W/"{self.tag}"' if self.weak else f'"{self.tag}"'

    def strongly_equals(self, other: "ETag") -> bool:
        """Both strong and alike (8.8.3.2)."""
        return not self.weak and not other.weak and self.tag == other.tag

    def weakly_equals(self, other: "ETag") -> bool:
        """Alike, weak or not (8.8.3.2)."""
        return self.tag == other.tag


def parse_etags(header: str) -> list[ETag] | Literal["*"] | None:
    """The value of If-Match or If-None-Match: tags, "*", or None when it is broken."""
    text = header.strip(" \t")
    if text == "*":
        return "*"
    if len(text) > MAX_HEADER:
        return None
    tags: list[ETag] = []
    position = 0
    while position < len(text):
        if text[position] in ", \t":
            position += 1
            continue
        match = _ETAG.match(text, position)
        if match is None:
            return None
        tags.append(ETag(match[2], weak=match[1] is not None))
        position = match.end()
    return tags or None


def parse_http_date(value: str | None) -> datetime | None:
    """An HTTP date (5.6.7), or None when it is none."""
    if not value or len(value) > 64:
        return None
    try:
        date = parsedate_to_datetime(value)
        return date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def http_date(value: datetime) -> str:
    """IMF-fixdate (5.6.7); parts of a second are dropped."""
    return format_datetime(value.astimezone(UTC).replace(microsecond=0), usegmt=True)


class Outcome(Enum):
    """What the preconditions of a request say (13.2.2)."""

    PROCEED = "proceed"
    NOT_MODIFIED = "not modified"
    """304; only for GET and HEAD"""
    FAILED = "precondition failed"
    """412"""


def preconditions(
    *,
    etag: ETag | None,
    modified: datetime | None,
    if_match: str | None = None,
    if_unmodified_since: str | None = None,
    if_none_match: str | None = None,
    if_modified_since: str | None = None,
    safe: bool = True,
) -> Outcome:
    """Judge conditional headers in the order of 13.2.2; broken values are ignored.

    Args:
        etag, modified: of the representation as it is; both None when it does not exist.
        safe: the method is GET or HEAD.
    """
    exists = etag is not None or modified is not None
    if if_match is not None:
        tags = parse_etags(if_match)
        if tags is not None and not (exists if tags == "*" else _any(tags, etag, strong=True)):
            return Outcome.FAILED
    elif _newer(modified, if_unmodified_since) is True:
        return Outcome.FAILED
    if if_none_match is not None:
        tags = parse_etags(if_none_match)
        if tags is not None and (exists if tags == "*" else _any(tags, etag, strong=False)):
            return Outcome.NOT_MODIFIED if safe else Outcome.FAILED
    elif safe and _newer(modified, if_modified_since) is False:
        return Outcome.NOT_MODIFIED
    return Outcome.PROCEED


def if_range_holds(value: str | None, *, etag: ETag | None, modified: datetime | None) -> bool:
    """Whether a Range may be answered although If-Range is present (13.1.5); True without the field.

    A tag must match strongly; a date must be the very one, and the representation old enough that the date
    is a strong validator is taken for granted, since stored objects never change in place.
    """
    if value is None:
        return True
    text = value.strip(" \t")
    if text.startswith(('"', "W/")):
        tags = parse_etags(text)
        return (
            etag is not None and isinstance(tags, list) and len(tags) == 1 and tags[0].strongly_equals(etag)
        )
    date = parse_http_date(text)
    return date is not None and modified is not None and modified.replace(microsecond=0) == date


def _any(tags: list[ETag], etag: ETag | None, *, strong: bool) -> bool:
    if etag is None:
        return False
    return any(t.strongly_equals(etag) if strong else t.weakly_equals(etag) for t in tags)


def _newer(modified: datetime | None, header: str | None) -> bool | None:
    """Whether it changed after the date of a header, None when that cannot be said."""
    since = parse_http_date(header)
    return None if modified is None or since is None else modified.replace(microsecond=0) > since
