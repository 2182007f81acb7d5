"""Which status and headers a stored object is answered with (RFC 9110 sections 13 to 15): pure."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from starlette.types import Scope

from polycast.delivery.answers import Headers
from polycast.protocols.conditional import ETag, Outcome, http_date, if_range_holds, preconditions
from polycast.protocols.range import ByteSpan, Unsatisfiable, single_range, unsatisfied_content_range

_CONDITIONS: Final = {
    b"if-match": "if_match",
    b"if-none-match": "if_none_match",
    b"if-modified-since": "if_modified_since",
    b"if-unmodified-since": "if_unmodified_since",
}
_RANGE: Final = {b"range": "range", b"if-range": "if_range"}
_ACCEPTS: Final = (b"accept-ranges", b"bytes")


@dataclass(frozen=True, slots=True)
class Seen:
    """A stored object as it is: `modified` in seconds since 1970."""

    size: int
    etag: ETag
    modified: float


@dataclass(frozen=True, slots=True)
class Answer:
    """`span`: the bytes to send, None for an answer without content."""

    status: int
    headers: Headers
    span: ByteSpan | None = None


def answer_for(scope: Scope, seen: Seen, extra: Headers, media_type: str) -> Answer:
    """200, 206, 304, 412 or 416 for a GET or HEAD of an object.

    Several ranges are answered as the one they make together, or with everything when they do not touch.
    """
    headers = [
        (b"etag", seen.etag.render().encode("latin-1")),
        (b"last-modified", _date(int(seen.modified))),
        _ACCEPTS,
        *extra,
    ]
    conditions, ranges = _asked(scope)
    modified = datetime.fromtimestamp(seen.modified, UTC) if conditions or ranges else None
    if conditions:
        outcome = preconditions(
            etag=seen.etag,
            modified=modified,
            if_match=conditions.get("if_match"),
            if_none_match=conditions.get("if_none_match"),
            if_modified_since=conditions.get("if_modified_since"),
            if_unmodified_since=conditions.get("if_unmodified_since"),
        )
        if outcome is Outcome.NOT_MODIFIED:
            return Answer(304, headers)
        if outcome is Outcome.FAILED:
            return Answer(412, [*_uncached(headers), (b"content-length", b"0")])
    span: ByteSpan | Unsatisfiable | None = None
    # a Range means something for GET only (14.2)
    if (
        "range" in ranges
        and scope["method"] == "GET"
        and if_range_holds(ranges.get("if_range"), etag=seen.etag, modified=modified)
    ):
        span = single_range(ranges["range"], seen.size)
    if isinstance(span, Unsatisfiable):
        unsatisfied = unsatisfied_content_range(seen.size).encode()
        return Answer(416, [*_uncached(headers), (b"content-range", unsatisfied), (b"content-length", b"0")])
    headers.append((b"content-type", media_type.encode()))
    if span is None:
        headers.append((b"content-length", b"%d" % seen.size))
        return Answer(200, headers, ByteSpan(0, seen.size))
    headers.append((b"content-length", b"%d" % span.length))
    headers.append((b"content-range", span.content_range(seen.size).encode()))
    return Answer(206, headers, span)


def _uncached(headers: Headers) -> Headers:
    """For refusals: how long the object may be kept must not hold for them (RFC 9111 section 3)."""
    return [*((n, v) for n, v in headers if n != b"cache-control"), (b"cache-control", b"no-store")]


def _asked(scope: Scope) -> tuple[dict[str, str], dict[str, str]]:
    """Conditional and range fields; ASGI gives names in lower case. Repeated ones are one list (5.3)."""
    conditions: dict[str, str] = {}
    ranges: dict[str, str] = {}
    for name, value in scope["headers"]:
        if (field := _CONDITIONS.get(name)) is not None:
            text = value.decode("latin-1")
            conditions[field] = f"{conditions[field]}, {text}" if field in conditions else text
        elif (field := _RANGE.get(name)) is not None:
            text = value.decode("latin-1")
            ranges[field] = f"{ranges[field]}, {text}" if field in ranges else text
    return conditions, ranges


@lru_cache(maxsize=4096)
def _date(seconds: int) -> bytes:
    return http_date(datetime.fromtimestamp(seconds, UTC)).encode()
