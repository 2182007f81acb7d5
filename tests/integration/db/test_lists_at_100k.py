"""Lists and searches read little with 100 000 assets in one tenant, exact totals included.

What is judged is how a statement is carried out, not how long it takes: which tables it walks through, and how
many pages of 8 KiB it touches. Run with `-s` to see plan and time of every statement;
docs/decisions/0040-lists-at-100k.md keeps one such run.
"""

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, LiteralString
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from sqlalchemy import event, text

from polycast.db.engine import Database
from polycast.db.reader import Reader, Values
from polycast.domain.access import Caller, Role
from polycast.domain.paging import PageRequest
from polycast.jobs.queue import JobQueue
from polycast.services.assets import AssetFilter, Assets
from polycast.services.files import Files
from polycast.services.filters import ListFilter
from polycast.services.originals import drop_belongings
from polycast.services.tenants import Tenants
from polycast.services.vault import Vault
from tests.integration.db.many_rows import BEGIN, fill
from tests.support.postgres import RunPostgres

ROWS = 100_000
FOUND = 0.25
"""share of the table's pages that a statement may touch whose answer an index leads to"""
ONCE = 1.1
"""what no index can answer reads the rows, but once: two letters anywhere in a text, an order by any member of
the metadata"""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@dataclass(frozen=True, slots=True)
class Filled:
    db: Database
    caller: Caller
    known: UUID
    pages: dict[str, int]
    """of each table"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def filled(postgres: RunPostgres) -> AsyncIterator[Filled]:
    url = postgres.create()
    db = Database(url)
    tenants = Tenants(db, Vault(b"k" * 32))
    owner = await tenants.create_organization("Big")
    big = (await tenants.create(owner, "Big")).ref
    small = (await tenants.create(owner, "Small")).ref
    known = await fill(db, {big: ROWS, small: 1000})
    async with db.connect() as tx:
        sizes = await tx.execute(
            text("SELECT relname, relpages FROM pg_class WHERE relname IN ('assets', 'files')")
        )
        pages = {row.relname: row.relpages for row in sizes}
    yield Filled(db, Caller(big, Role.ADMIN, "test"), known, pages)
    await db.dispose()
    postgres.drop(url)


def _page(page: int = 1, sort: str | None = None, *, desc: bool = False) -> PageRequest:
    return PageRequest(limit=100, page=page, sort=sort, descending=desc)


VOD = AssetFilter(kinds=["vod"], with_file=True)
CASES: dict[str, tuple[PageRequest, ListFilter, AssetFilter, float]] = {
    "first page": (_page(), ListFilter(), VOD, FOUND),
    "newest first": (_page(desc=True), ListFilter(), VOD, FOUND),
    "last changed first": (_page(sort="lastModificationDate", desc=True), ListFilter(), VOD, FOUND),
    "by title": (_page(sort="Metadata.Title"), ListFilter(), VOD, FOUND),
    "by title, descending": (_page(sort="Metadata.Title", desc=True), ListFilter(), VOD, FOUND),
    "by id": (_page(sort="Id"), ListFilter(), VOD, FOUND),
    "longest first": (_page(sort="durationMilliseconds", desc=True), ListFilter(), VOD, ONCE),
    "page 900": (_page(900, desc=True), ListFilter(), VOD, FOUND),
    "one status": (_page(desc=True), ListFilter(statuses=["error"]), VOD, FOUND),
    "tag": (_page(desc=True), ListFilter(tags=["tag7"]), VOD, FOUND),
    "two tags": (_page(desc=True), ListFilter(tags=["tag7", "river"]), VOD, FOUND),
    "attribute": (_page(), ListFilter(attributes=["region=77"]), VOD, FOUND),
    "one day": (
        _page(),
        ListFilter(created_from=BEGIN + timedelta(hours=5), created_to=BEGIN + timedelta(hours=6)),
        VOD,
        FOUND,
    ),
    "word": (_page(desc=True), ListFilter(query="falcon mea"), VOD, FOUND),
    "common word": (_page(desc=True), ListFilter(query="falcon"), VOD, ONCE),
    "two letters": (_page(desc=True), ListFilter(query="fa"), VOD, ONCE),
    "by a member of the metadata": (_page(sort="Metadata.Number"), ListFilter(), VOD, ONCE),
    "duration": (
        _page(),
        ListFilter(),
        AssetFilter(kinds=["vod"], with_file=True, duration_from=5000, duration_to=50_000),
        ONCE,
    ),
}


class _Watched(Reader):
    """Remembers what it was asked."""

    def __init__(self, url: str) -> None:
        super().__init__(url, size=1, patience_s=60, connect={})
        self.seen: list[tuple[str, Values]] = []

    async def all(self, statement: LiteralString, values: Values) -> list[tuple[Any, ...]]:
        self.seen.append((statement, values))
        return await super().all(statement, values)


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from _nodes(below)


async def _judged(filled: Filled, name: str, work: Any, table: str, share: float) -> Any:
    """What the list answers, when each of its statements reads no more than it may.

    Args:
        share: of the pages of `table` that a statement may touch; below 1 none walks through the table, nor sorts
            a large part of it.
    """
    watched = _Watched(filled.db.url)
    filled.db.reader = watched
    try:
        answer = await work()
    finally:
        await watched.dispose()
    most = filled.pages[table] * share
    for statement, parameters in watched.seen:
        async with filled.db.connect() as tx:
            explain = f"EXPLAIN (ANALYZE, TIMING OFF, BUFFERS, FORMAT JSON) {statement}"
            [found] = (await tx.exec_driver_sql(explain, parameters)).scalars()
        shown = json.dumps(found[0], indent=1)
        print(f"\n## {name}: {found[0]['Execution Time']:.1f} ms\n{shown}")
        plan = found[0]["Plan"]
        assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] <= most, shown
        for node in _nodes(plan):
            assert node.get("Sort Space Type") != "Disk", shown
            if share < 1:
                assert not (node["Node Type"] == "Seq Scan" and node["Relation Name"] == table), shown
                if node["Node Type"] == "Sort":
                    assert node["Plans"][0]["Actual Rows"] < ROWS * share, shown
    return answer


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", CASES)
async def test_assets(filled: Filled, name: str) -> None:
    page, chosen, more, share = CASES[name]
    assets = Assets(filled.db, JobQueue(filled.db.engine.url.render_as_string(False), filled.db.transaction))
    found = await _judged(
        filled, name, lambda: assets.list(filled.caller, page, chosen, more), "assets", share
    )
    assert found.items
    if name in ("first page", "newest first", "by title", "page 900"):
        assert found.total == ROWS


@pytest.mark.asyncio(loop_scope="module")
async def test_one_asset(filled: Filled) -> None:
    assets = Assets(filled.db, JobQueue(filled.db.engine.url.render_as_string(False), filled.db.transaction))
    chosen = ListFilter(query=str(filled.known)[:18])
    found = await _judged(
        filled, "part of an id", lambda: assets.list(filled.caller, _page(), chosen, VOD), "assets", FOUND
    )
    assert [a.uid for a in found.items] == [filled.known]
    more = AssetFilter(kinds=["vod"], file=found.items[0].sources[0].file_uid)
    found = await _judged(
        filled,
        "of one file",
        lambda: assets.list(filled.caller, _page(), ListFilter(), more),
        "assets",
        FOUND,
    )
    assert [a.uid for a in found.items] == [filled.known]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("name", "page", "chosen", "kind", "share"),
    [
        ("files, newest first", _page(desc=True), ListFilter(), None, FOUND),
        ("files, largest first", _page(sort="FileSize", desc=True), ListFilter(), None, ONCE),
        ("files, by friendly name", _page(sort="Metadata.FriendlyName"), ListFilter(), None, ONCE),
        ("videos among files", _page(), ListFilter(statuses=["completed"]), "video", ONCE),
        ("files, word", _page(), ListFilter(query="harbour 777"), None, FOUND),
    ],
)
async def test_files(
    filled: Filled, name: str, page: PageRequest, chosen: ListFilter, kind: str | None, share: float
) -> None:
    files = Files(filled.db)
    found = await _judged(
        filled, name, lambda: files.list(filled.caller, page, chosen, kind=kind), "files", share
    )
    assert found.items


@pytest.mark.asyncio(loop_scope="module")
async def test_what_goes_with_an_asset_is_found_by_indexes(filled: Filled) -> None:
    asked: list[tuple[str, Any]] = []

    def watch(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_more: Any) -> None:
        if "FROM files" in statement:
            asked.append((statement, parameters))

    event.listen(filled.db.engine.sync_engine, "before_cursor_execute", watch)
    uid = uuid4()  # nothing goes: later tests find all that is there
    async with filled.db.transaction() as tx:
        await drop_belongings(tx, filled.caller.tenant.num, 1, uid, with_sources=True)
        await tx.rollback()
    event.remove(filled.db.engine.sync_engine, "before_cursor_execute", watch)
    assert any("intent ->>" in statement for statement, _ in asked)
    async with filled.db.connect() as tx:
        for statement, parameters in asked:
            rows = await tx.exec_driver_sql(f"EXPLAIN {statement}", parameters)
            plan = "\n".join(str(row[0]) for row in rows)
            assert ("ix_files_intent_asset" in plan) is ("intent ->>" in statement), plan
            assert "Seq Scan on files" not in plan
