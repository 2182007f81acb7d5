"""Pages of lists, and the text search that all lists share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from polycast.domain.errors import Invalid

T = TypeVar("T")
U = TypeVar("U")

MAX_OFFSET = 10_000_000


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which page: `page` from 1, `limit` rows each, by `sort` (a name the list knows) maybe descending."""

    limit: int = 100
    page: int = 1
    sort: str | None = None
    descending: bool = False
    max_limit: int = 1000

    def __post_init__(self) -> None:
        if not 1 <= self.limit <= self.max_limit:
            raise Invalid(f"limit must be 1 to {self.max_limit}", field="limit")
        if self.page < 1:
            raise Invalid("page must be 1 or more", field="page")
        if self.offset > MAX_OFFSET:
            raise Invalid(f"page reaches at most {MAX_OFFSET} rows far", field="page")

    @property
    def offset(self) -> int:
        return (self.page - 1) * self.limit


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list, with the exact number of all matches."""

    items: Sequence[T]
    total: int
    request: PageRequest

    @property
    def page_count(self) -> int:
        return -(-self.total // self.request.limit)

    @property
    def has_more(self) -> bool:
        return self.request.page < self.page_count

    def map(self, change: "Callable[[T], U]") -> "Page[U]":
        """The same page with every item changed."""
        return Page([change(item) for item in self.items], self.total, self.request)


def grams(*texts: str) -> list[str]:
    """The distinct trigrams of some texts, folded, for an index that finds substrings.

    PostgreSQL's own pg_trgm does not come with the embedded server, so the rows carry their trigrams
    and a GIN index over them answers `@>`; the few rows left are compared exactly.
    """
    found: set[str] = set()
    for value in texts:
        folded = value.casefold()
        found.update(folded[i : i + 3] for i in range(len(folded) - 2))
    return sorted(found)
