"""Filters that the lists of files and assets share, and the statements they become."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from polycast.db.reader import Reader
from polycast.domain.errors import Invalid
from polycast.domain.paging import PageRequest, grams

_METADATA_SORT = re.compile(r"metadata\.([A-Za-z0-9_ -]{1,64})", re.IGNORECASE)

# keys of metadata keep the case they were sent in, names of orders have none: the key of just this case wins, and
# spares the search for another one
_MEMBER: LiteralString = (
    "lower(coalesce(metadata ->> %(member)s::text, (SELECT m.value FROM jsonb_each_text(metadata) m "
    "WHERE lower(m.key) = lower(%(member)s::text) AND m.value IS NOT NULL ORDER BY m.key LIMIT 1)))"
)


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


COMMON: dict[str, LiteralString] = {
    "ids": "uid = ANY(%(ids)s)",
    "statuses": "status = ANY(%(statuses)s)",
    "tags": "tags @> %(tags)s::varchar[]",
    "attributes": "attributes @> %(attributes)s::varchar[]",
    "created_from": "created_at >= %(created_from)s",
    "created_to": "created_at <= %(created_to)s",
    "updated_from": "updated_at >= %(updated_from)s",
    "updated_to": "updated_at <= %(updated_to)s",
    # the index narrows to rows that carry all trigrams; the few left are compared exactly
    "grams": "grams @> %(grams)s::varchar[]",
}
"""Name of a value -> the condition it is given for; all that `given` finds, but for `query`, which each list
compares with texts of its own."""


def searched(*texts: LiteralString) -> LiteralString:
    """The condition of `query` on some texts of a row."""
    return "(" + " OR ".join(f"{text} ILIKE %(query)s ESCAPE '/'" for text in texts) + ")"


def given(chosen: ListFilter) -> dict[str, Any]:
    """The values of a filter by the names of their conditions; what is not asked for is left out."""
    values: dict[str, Any] = {}
    if chosen.ids is not None:
        values["ids"] = list(chosen.ids)
    for name in ("statuses", "tags", "attributes"):
        if words := getattr(chosen, name):
            values[name] = [str(word) for word in words]
    for name in ("created_from", "created_to", "updated_from", "updated_to"):
        if (moment := getattr(chosen, name)) is not None:
            values[name] = moment
    if chosen.query:
        if needed := grams(chosen.query):
            values["grams"] = needed
        escaped = re.sub("[/%_]", r"/\g<0>", chosen.query)
        values["query"] = f"%{escaped}%"
    return values


@dataclass(frozen=True, slots=True)
class Listing:
    """A table whose rows are listed: by which conditions, in which orders.

    Attributes:
        conditions: name of a value -> the condition it is given for.
        sorts: name of an order in lower case -> the expression sorted by.
        nullable: expressions of these that may be NULL.
    """

    table: LiteralString
    conditions: Mapping[str, LiteralString]
    sorts: Mapping[str, LiteralString]
    nullable: Collection[LiteralString] = ()

    async def page(
        self, reader: Reader, values: Mapping[str, Any], page: PageRequest
    ) -> tuple[int, list[int]]:
        """How many rows meet the conditions that `values` are for, and the numbers of those on a page.

        Only numbers, so that all a page far back walks over is the index. PostgreSQL prepares one statement
        for each combination of filters that is in use.

        Raises:
            Invalid: the list has no such order.
        """
        chosen = {name: self.conditions[name] for name in values}
        order, member = self._order(page.sort, descending=page.descending)
        rows = f"FROM {self.table} WHERE {' AND '.join(chosen.values())}"
        total = await reader.one(f"SELECT count(*) {rows}", values)
        found = await reader.all(
            f"SELECT num {rows} ORDER BY {order} LIMIT %(limit)s OFFSET %(offset)s",
            {**values, "limit": page.limit, "offset": page.offset, "member": member},
        )
        return total[0] if total else 0, [num for (num,) in found]

    def _order(self, sort: str | None, *, descending: bool) -> tuple[LiteralString, str | None]:
        member = None
        if sort is None:
            expression: LiteralString = "created_at"
        elif (known := self.sorts.get(sort.lower())) is not None:
            expression = known
        elif match := _METADATA_SORT.fullmatch(sort):
            expression, member = _MEMBER, match[1]
        else:
            raise Invalid(f"the list cannot be sorted by {sort}", field="sort")
        if not descending:
            # NULLS LAST is what ascending means anyway
            return f"{expression}, num", member
        # said where there are no NULLs, it would keep PostgreSQL from walking the index backwards
        last = " NULLS LAST" if member is not None or expression in self.nullable else ""
        return f"{expression} DESC{last}, num DESC", member


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
