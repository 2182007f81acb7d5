"""Lists and searches stay fast with 100 000 assets in one tenant, exact totals included.

Run with `-s` to see the plan of every statement; docs/decisions/0040-lists-at-100k.md keeps one such run.
"""

import json
import random
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncConnection

from polycast.db.engine import Database
from polycast.db.reader import Reader, Values
from polycast.domain.access import Caller, Role, TenantRef
from polycast.domain.paging import PageRequest, grams
from polycast.jobs.queue import JobQueue
from polycast.services.assets import AssetFilter, Assets
from polycast.services.files import Files
from polycast.services.filters import ListFilter
from polycast.services.originals import drop_belongings
from polycast.services.tenants import Tenants
from polycast.services.vault import Vault
from tests.support.postgres import RunPostgres
from tests.support.waiting import STRETCH

ROWS = 100_000
PAGE_S = 0.25
"""a page of 100 with its total, from the service; several times what an idle machine needs"""
SCAN_S = 1.5
"""what no index can answer: two letters anywhere in a text, or an order by any member of the metadata"""
WORDS = [
    "coast",
    "run",
    "harbour",
    "light",
    "stone",
    "river",
    "winter",
    "falcon",
    "market",
    "paper",
    "violet",
    "signal",
    "copper",
    "meadow",
]
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@dataclass(frozen=True, slots=True)
class Filled:
    db: Database
    caller: Caller
    known: UUID


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def filled(postgres: RunPostgres) -> AsyncIterator[Filled]:
    url = postgres.create()
    db = Database(url)
    tenants = Tenants(db, Vault(b"k" * 32))
    owner = await tenants.create_organization("Big")
    big = (await tenants.create(owner, "Big")).ref
    small = (await tenants.create(owner, "Small")).ref
    async with db.transaction() as tx:
        dropped = await _drop_trigram_indexes(tx)
    known = await _fill(db, big, ROWS)
    await _fill(db, small, 1000)
    async with db.transaction() as tx:
        await tx.execute(text("SET LOCAL statement_timeout = 0"))
        for statement in dropped:
            await tx.execute(text(statement))
    async with db.engine.connect() as connection:
        autocommit = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await autocommit.execute(text("VACUUM ANALYZE"))
    yield Filled(db, Caller(big, Role.ADMIN, "test"), known)
    await db.dispose()
    postgres.drop(url)


async def _drop_trigram_indexes(tx: AsyncConnection) -> list[str]:
    """Building them once is minutes faster than feeding them row by row; returns how to make them again."""
    found = await tx.execute(
        text("SELECT indexname, indexdef FROM pg_indexes WHERE indexname LIKE 'ix\\_%\\_grams'")
    )
    rows = list(found)
    for row in rows:
        await tx.execute(text(f"DROP INDEX {row.indexname}"))
    return [row.indexdef for row in rows]


async def _fill(db: Database, tenant: TenantRef, count: int) -> UUID:
    """Assets, their main output and source, and as many files, by COPY; returns the middle asset's uid."""
    rng = random.Random(count)  # the same rows in every run
    uids = [uuid4() for _ in range(count)]
    async with db.transaction() as tx:
        await tx.execute(text("SET LOCAL statement_timeout = 0"))
        raw = (await tx.get_raw_connection()).driver_connection
        assert raw is not None
        async with raw.cursor() as cursor:
            columns = "uid, tenant_num, title, metadata, tags, attributes, grams, status, preset, duration_ms, created_at, updated_at"
            async with cursor.copy(f"COPY assets ({columns}) FROM STDIN") as copy:
                for n, uid in enumerate(uids):
                    title = f"{' '.join(rng.sample(WORDS, 3))} {n}"
                    made = BEGIN + timedelta(seconds=n)
                    row = [
                        uid,
                        tenant.num,
                        title,
                        json.dumps({"Title": title, "Number": n}),
                        [f"tag{n % 50}", WORDS[n % len(WORDS)]],
                        [f"region={n % 1000}"],
                        grams(str(uid), title, json.dumps({"Number": n})),
                        ("available", "available", "available", "processing", "error")[n % 5],
                        ("hls", "dash_hls_1080p")[n % 2],
                        rng.randrange(10**7),
                        made,
                        made + timedelta(days=rng.randrange(30)),
                    ]
                    await copy.write_row(row)
            columns = "uid, tenant_num, name, original_name, key, status, size, kinds, grams, created_at"
            async with cursor.copy(f"COPY files ({columns}) FROM STDIN") as copy:
                for n in range(count):
                    uid, name = uuid4(), f"{rng.choice(WORDS)} {n}.mp4"
                    at = BEGIN + timedelta(seconds=n)
                    found = grams(str(uid), name)
                    await copy.write_row(
                        [uid, tenant.num, name, name, f"files/{uid}", "completed", n, ["video"], found, at]
                    )
        await tx.execute(
            text(
                "INSERT INTO outputs (asset_num, tenant_num, name, preset, kind, main, status)"
                " SELECT num, tenant_num, 'main', preset, 'stream', true, 'available' FROM assets"
                " WHERE tenant_num = :t"
            ),
            {"t": tenant.num},
        )
        await tx.execute(
            text(
                "INSERT INTO asset_sources (asset_num, position, file_num, file_uid)"
                " SELECT a.num, 0, f.num, f.uid FROM assets a JOIN files f"
                " ON f.tenant_num = a.tenant_num AND f.created_at = a.created_at WHERE a.tenant_num = :t"
            ),
            {"t": tenant.num},
        )
    return uids[count // 2]


def _page(page: int = 1, sort: str | None = None, *, desc: bool = False) -> PageRequest:
    return PageRequest(limit=100, page=page, sort=sort, descending=desc)


VOD = AssetFilter(kinds=["vod"], with_file=True)
CASES: dict[str, tuple[PageRequest, ListFilter, AssetFilter, float]] = {
    "first page": (_page(), ListFilter(), VOD, PAGE_S),
    "newest first": (_page(desc=True), ListFilter(), VOD, PAGE_S),
    "last changed first": (_page(sort="lastModificationDate", desc=True), ListFilter(), VOD, PAGE_S),
    "by title": (_page(sort="Metadata.Title"), ListFilter(), VOD, PAGE_S),
    "by title, descending": (_page(sort="Metadata.Title", desc=True), ListFilter(), VOD, PAGE_S),
    "by id": (_page(sort="Id"), ListFilter(), VOD, PAGE_S),
    "longest first": (_page(sort="durationMilliseconds", desc=True), ListFilter(), VOD, PAGE_S),
    "page 900": (_page(900, desc=True), ListFilter(), VOD, PAGE_S),
    "one status": (_page(desc=True), ListFilter(statuses=["error"]), VOD, PAGE_S),
    "tag": (_page(desc=True), ListFilter(tags=["tag7"]), VOD, PAGE_S),
    "two tags": (_page(desc=True), ListFilter(tags=["tag7", "river"]), VOD, PAGE_S),
    "attribute": (_page(), ListFilter(attributes=["region=77"]), VOD, PAGE_S),
    "one day": (
        _page(),
        ListFilter(created_from=BEGIN + timedelta(hours=5), created_to=BEGIN + timedelta(hours=6)),
        VOD,
        PAGE_S,
    ),
    "word": (_page(desc=True), ListFilter(query="falcon mea"), VOD, PAGE_S),
    "common word": (_page(desc=True), ListFilter(query="falcon"), VOD, SCAN_S),
    "two letters": (_page(desc=True), ListFilter(query="fa"), VOD, SCAN_S),
    "by a member of the metadata": (_page(sort="Metadata.Number"), ListFilter(), VOD, SCAN_S),
    "duration": (
        _page(),
        ListFilter(),
        AssetFilter(kinds=["vod"], with_file=True, duration_from=5000, duration_to=50_000),
        PAGE_S,
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


async def _timed(filled: Filled, name: str, work: Any) -> tuple[float, Any]:
    """The better of two runs, and its answer; with -s also the plans."""
    watched = _Watched(filled.db.url)
    filled.db.reader = watched
    best, answer = 1e9, None
    try:
        for _ in range(2):
            watched.seen.clear()
            begun = time.perf_counter()
            answer = await work()
            best = min(best, time.perf_counter() - begun)
    finally:
        await watched.dispose()
    print(f"\n## {name}: {best * 1000:.0f} ms")
    for statement, parameters in watched.seen[:2]:
        async with filled.db.connect() as tx:
            plan = await tx.exec_driver_sql(
                f"EXPLAIN (ANALYZE, TIMING OFF, COSTS OFF) {statement}", parameters
            )
            print("\n".join(str(row[0])[:160] for row in plan), end="\n\n")
    return best, answer


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", CASES)
async def test_assets(filled: Filled, name: str) -> None:
    page, chosen, more, limit = CASES[name]
    assets = Assets(filled.db, JobQueue(filled.db.engine.url.render_as_string(False), filled.db.transaction))
    best, found = await _timed(filled, name, lambda: assets.list(filled.caller, page, chosen, more))
    assert found.items
    if name in ("first page", "newest first", "by title", "page 900"):
        assert found.total == ROWS
    assert best < limit * STRETCH


@pytest.mark.asyncio(loop_scope="module")
async def test_one_asset(filled: Filled) -> None:
    assets = Assets(filled.db, JobQueue(filled.db.engine.url.render_as_string(False), filled.db.transaction))
    chosen = ListFilter(query=str(filled.known)[:18])
    best, found = await _timed(
        filled, "part of an id", lambda: assets.list(filled.caller, _page(), chosen, VOD)
    )
    assert [a.uid for a in found.items] == [filled.known]
    assert best < PAGE_S * STRETCH
    file = found.items[0].sources[0].file_uid
    more = AssetFilter(kinds=["vod"], file=file)
    best, found = await _timed(
        filled, "of one file", lambda: assets.list(filled.caller, _page(), ListFilter(), more)
    )
    assert [a.uid for a in found.items] == [filled.known]
    assert best < PAGE_S * STRETCH


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("name", "page", "chosen", "kind"),
    [
        ("files, newest first", _page(desc=True), ListFilter(), None),
        ("files, largest first", _page(sort="FileSize", desc=True), ListFilter(), None),
        ("files, by friendly name", _page(sort="Metadata.FriendlyName"), ListFilter(), None),
        ("videos among files", _page(), ListFilter(statuses=["completed"]), "video"),
        ("files, word", _page(), ListFilter(query="harbour 777"), None),
    ],
)
async def test_files(
    filled: Filled, name: str, page: PageRequest, chosen: ListFilter, kind: str | None
) -> None:
    files = Files(filled.db)
    best, found = await _timed(filled, name, lambda: files.list(filled.caller, page, chosen, kind=kind))
    assert found.items
    assert best < PAGE_S * STRETCH


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
