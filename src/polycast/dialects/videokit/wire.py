"""How Video Kit writes things: names in any case, lists by commas, answers in camelCase, dates with Z."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, model_validator
from pydantic.alias_generators import to_camel

from polycast.domain.errors import Invalid, NotFound
from polycast.domain.ids import parse_uid
from polycast.domain.paging import Page, PageRequest

MAX_PAGE = 1000
MAX_INT64 = 2**63 - 1
_DAY_CHARS = len("2026-03-04")
_BETWEEN_PAIRS = re.compile(r",(?=[^,]*=)")


class Wire(BaseModel):
    """A request body: properties are read without regard to case, unknown ones ignored."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="ignore", coerce_numbers_to_str=False
    )

    @model_validator(mode="before")
    @classmethod
    def _any_case(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        known = {str(f.alias or name).lower(): str(f.alias or name) for name, f in cls.model_fields.items()}
        return {known.get(str(k).lower(), k): v for k, v in data.items()}


def date(value: datetime | None) -> str | None:
    """ISO 8601 in UTC with milliseconds and Z."""
    if value is None:
        return None
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def compact(values: Mapping[str, Any]) -> dict[str, Any]:
    """Without members that are None: the vendor leaves out what is not set."""
    return {k: v for k, v in values.items() if v is not None}


def page_of(page: Page[Any], items: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The Page object of all lists."""
    return {
        "items": list(items),
        "pageCount": page.page_count,
        "pageSize": page.request.limit,
        "totalCount": page.total,
        "pageNumber": page.request.page,
        "hasMore": page.has_more,
    }


def uid(text: str, kind: str) -> UUID:
    """A path's id; what is no UUID cannot exist, so the answer is 404.

    Raises:
        NotFound: it is none.
    """
    value = parse_uid(text)
    if value is None:
        raise NotFound(kind, text[:64])
    return value


def uids(texts: list[str], field: str) -> list[UUID] | None:
    """Ids of a filter; None without any, rubbish ones match nothing."""
    if not texts:
        return None
    return [value for text in split(texts) if (value := parse_uid(text)) is not None]


def split(values: Iterable[str]) -> list[str]:
    """Array parameters: repeated keys, commas, or both."""
    return [word.strip() for value in values for word in value.split(",") if word.strip()]


def pairs(values: Iterable[str]) -> list[str]:
    """Attributes of a filter; a comma that no `key=` follows is part of a value (`city=Paris, France`)."""
    return words(
        pair for value in values for part in _BETWEEN_PAIRS.split(value) if (pair := part.strip(" ,"))
    )


def words(values: Iterable[str]) -> list[str]:
    """`[key]=value` and `key=value` both mean the latter."""
    out = []
    for value in values:
        if value.startswith("[") and "]=" in value:
            value = value[1:].replace("]=", "=", 1)  # noqa: PLW2901 - the same thing, plainly
        out.append(value)
    return out


def attributes(values: Iterable[str] | None) -> list[str] | None:
    """Attributes of a body, as `key=value`; None stays None.

    Raises:
        Invalid: one has no key.
    """
    if values is None:
        return None
    pairs = words(values)
    if any(not pair.partition("=")[1] or not pair.partition("=")[0].strip() for pair in pairs):
        raise Invalid("attributes are written key=value", field="attributes")
    return pairs


def enumerated(values: Iterable[str], known: Mapping[str, str], field: str) -> list[str]:
    """Wire names to domain words, without regard to case.

    Raises:
        Invalid: an unknown name.
    """
    table = {k.lower(): v for k, v in known.items()}
    try:
        return [table[v.lower()] for v in split(values)]
    except KeyError as error:
        raise Invalid(f"{field} must be one of {', '.join(known)}", field=field) from error


def moment(text: str | None, field: str, *, upper: bool = False) -> datetime | None:
    """A date-time of a filter or body, in UTC; without a zone it is UTC.

    Args:
        upper: an upper bound. Answers show milliseconds while rows have microseconds, so that a bound
            copied from an answer means its whole millisecond, and a bare day the whole day.

    Raises:
        Invalid: not a date-time, or not one of the years 1 to 9999 in UTC.
    """
    if not text:
        return None
    # in a query a plus sign arrives as a blank unless the client encoded it
    cleaned = text.replace(" ", "+") if "T" in text else text
    try:
        value = datetime.fromisoformat(cleaned)
        value = value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
        if upper and len(cleaned) <= _DAY_CHARS:
            return value + timedelta(days=1, microseconds=-1)
        return value.replace(microsecond=value.microsecond // 1000 * 1000 + 999) if upper else value
    except (ValueError, OverflowError) as error:
        raise Invalid(f"{field} must be a date-time", field=field) from error


async def paging(
    limit: int = Query(100, ge=1, le=MAX_PAGE, description="Page size."),
    page: int = Query(1, ge=1, description="Page, from 1."),
    sort: str | None = Query(None, description="Field to order by."),
    desc: bool = Query(False, description="Descending."),
) -> PageRequest:
    """The four parameters of all lists."""
    return PageRequest(limit=limit, page=page, sort=sort or None, descending=desc, max_limit=MAX_PAGE)
