"""Filters that the lists of files and assets share, turned into SQL once."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, FromClause, Text, UnaryExpression, cast, func, or_

from polycast.domain.errors import Invalid
from polycast.domain.paging import grams

_METADATA_SORT = re.compile(r"metadata\.([A-Za-z0-9_ -]{1,64})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ListFilter:
    """What lists of files and assets can be narrowed by; all that is given must match.

    Attributes:
        query: found as a substring, without case, of uid, title or names, and metadata values.
        tags, attributes: every one must be there; attributes are `key=value`.
    """

    ids: Sequence[UUID] | None = None
    query: str = ""
    statuses: Sequence[str] = ()
    tags: Sequence[str] = ()
    attributes: Sequence[str] = ()
    created_from: datetime | None = None
    created_to: datetime | None = None
    updated_from: datetime | None = None
    updated_to: datetime | None = None
    extra: dict[str, Any] = field(default_factory=dict)


def conditions(table: FromClause, chosen: ListFilter, searched: Sequence[Any]) -> list[ColumnElement[bool]]:
    """The WHERE of a filter; `searched` are the text expressions that `query` is compared with."""
    c = table.c
    where: list[ColumnElement[bool]] = []
    if chosen.ids is not None:
        where.append(c.uid.in_(chosen.ids))
    if chosen.statuses:
        where.append(c.status.in_(chosen.statuses))
    if chosen.tags:
        where.append(c.tags.contains(list(chosen.tags)))
    if chosen.attributes:
        where.append(c.attributes.contains(list(chosen.attributes)))
    for column, start, end in (
        (c.created_at, chosen.created_from, chosen.created_to),
        (c.updated_at, chosen.updated_from, chosen.updated_to),
    ):
        if start is not None:
            where.append(column >= start)
        if end is not None:
            where.append(column <= end)
    if chosen.query:
        # the index narrows to rows that carry all trigrams; the few left are compared exactly
        needed = grams(chosen.query)
        if needed:
            where.append(c.grams.contains(needed))
        where.append(or_(*(text.icontains(chosen.query, autoescape=True) for text in searched)))
    return where


def ordering(
    table: FromClause, sort: str | None, sorts: dict[str, Any], *, descending: bool
) -> list[UnaryExpression[Any]]:
    """The ORDER BY of a list: a known name, or `Metadata.<Key>` for a member of the metadata.

    Raises:
        Invalid: the name is not known.
    """
    c = table.c
    expression: Any
    if sort is None:
        expression = c.created_at
    elif (known := sorts.get(sort.lower())) is not None:
        expression = known
    elif match := _METADATA_SORT.fullmatch(sort):
        expression = func.lower(c.metadata[match[1]].astext)
    else:
        raise Invalid(f"the list cannot be sorted by {sort}", field="sort")
    if not descending:
        # NULLS LAST is what ascending means anyway
        return [expression.asc(), c.num.asc()]
    # said where there are no NULLs, it would keep PostgreSQL from walking the index backwards
    may_be_null = getattr(expression, "nullable", sort is not None and sort.lower() not in sorts)
    last = expression.desc().nulls_last() if may_be_null else expression.desc()
    return [last, c.num.desc()]


def metadata_text(table: FromClause) -> ColumnElement[str]:
    """The metadata of a row as text, for the exact comparison behind the trigram index."""
    return cast(table.c.metadata, Text)


def flat(metadata: dict[str, Any]) -> str:
    """The searchable text of a metadata map, in the form PostgreSQL casts it to, values included."""
    parts: list[str] = []

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            for key, item in value.items():
                parts.append(str(key))
                walk(item)
        elif isinstance(value, list):
            for item in value:
                walk(item)
        elif value is not None:
            parts.append(str(value))

    walk(metadata)
    return "\n".join(parts)
