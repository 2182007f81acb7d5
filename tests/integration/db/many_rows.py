"""A tenant with very many assets and files, made in seconds: rows by COPY, indexes afterwards."""

import random
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from polycast.db.engine import Database
from polycast.domain.access import TenantRef
from polycast.domain.paging import grams

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
"""when the first asset and the first file were made; each further one a second later"""
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
FILLED = "('assets', 'files', 'outputs', 'asset_sources')"

# n counts from 0; trigrams come as one text, which costs far less than an array of a hundred texts a row
ARRIVAL = (
    "CREATE TEMPORARY TABLE arrived (n integer, uid uuid, title text, grams text,"
    " file_uid uuid, file_name text, file_grams text, duration_ms integer, changed_days integer) ON COMMIT DROP"
)
MADE = ":begin + make_interval(secs => n)"
ASSETS = f"""
INSERT INTO assets (uid, tenant_num, title, metadata, tags, attributes, grams, status, preset, duration_ms,
                    created_at, updated_at)
SELECT uid, :tenant, title, jsonb_build_object('Title', title, 'Number', n),
       ARRAY['tag' || n % 50, (CAST(:words AS text[]))[n % cardinality(CAST(:words AS text[])) + 1]],
       ARRAY['region=' || n % 1000], string_to_array(grams, E'\\x01'),
       (ARRAY['available', 'available', 'available', 'processing', 'error'])[n % 5 + 1],
       (ARRAY['hls', 'dash_hls_1080p'])[n % 2 + 1], duration_ms,
       {MADE}, {MADE} + make_interval(days => changed_days)
FROM arrived ORDER BY n
"""
FILES = f"""
INSERT INTO files (uid, tenant_num, name, original_name, key, status, size, kinds, grams, created_at)
SELECT file_uid, :tenant, file_name, file_name, 'files/' || file_uid, 'completed', n, ARRAY['video'],
       string_to_array(file_grams, E'\\x01'), {MADE}
FROM arrived ORDER BY n
"""
OUTPUTS = """
INSERT INTO outputs (asset_num, tenant_num, name, preset, kind, main, status)
SELECT num, tenant_num, 'main', preset, 'stream', true, 'available' FROM assets WHERE tenant_num = :tenant
"""
SOURCES = """
INSERT INTO asset_sources (asset_num, position, file_num, file_uid)
SELECT a.num, 0, f.num, f.uid
FROM arrived JOIN assets a ON a.uid = arrived.uid JOIN files f ON f.uid = arrived.file_uid
"""


async def fill(db: Database, counts: dict[TenantRef, int]) -> UUID:
    """So many assets with their main output and source, and as many files, for each tenant; then ANALYZE.

    Returns:
        The uid of the middle asset of the first tenant.
    """
    async with db.transaction() as tx:
        # an index built once is much cheaper than one fed row by row
        await tx.execute(text("SET LOCAL statement_timeout = 0"))
        await tx.execute(text("SET LOCAL maintenance_work_mem = '256MB'"))
        dropped = await _drop_indexes(tx)
        known = [await _fill(tx, tenant, count) for tenant, count in counts.items()]
        for statement in dropped:
            await tx.execute(text(statement))
    async with db.engine.connect() as connection:
        # index-only scans need the visibility map
        await (await connection.execution_options(isolation_level="AUTOCOMMIT")).execute(
            text("VACUUM ANALYZE")
        )
    return known[0]


async def _drop_indexes(tx: AsyncConnection) -> list[str]:
    """All that carry no constraint; returns how to make them again."""
    found = await tx.execute(
        text(
            f"SELECT indexname, indexdef FROM pg_indexes WHERE tablename IN {FILLED} AND indexname LIKE 'ix%'"
        )
    )
    rows = list(found)
    for row in rows:
        await tx.execute(text(f"DROP INDEX {row.indexname}"))
    return [row.indexdef for row in rows]


async def _fill(tx: AsyncConnection, tenant: TenantRef, count: int) -> UUID:
    rng = random.Random(count)  # the same rows in every run
    uids = [UUID(int=rng.getrandbits(128), version=4) for _ in range(count)]
    await tx.execute(text(ARRIVAL))
    raw = (await tx.get_raw_connection()).driver_connection
    assert raw is not None
    async with raw.cursor() as cursor, cursor.copy("COPY arrived FROM STDIN") as copy:
        for n, uid in enumerate(uids):
            await copy.write_row(_row(n, uid, rng))
    await tx.execute(text("ANALYZE arrived"))
    values: dict[str, Any] = {"tenant": tenant.num, "begin": BEGIN, "words": WORDS}
    for statement in (ASSETS, FILES, OUTPUTS, SOURCES):
        await tx.execute(text(statement), values)
    await tx.execute(text("DROP TABLE arrived"))
    return uids[count // 2]


def _row(n: int, uid: UUID, rng: random.Random) -> tuple[Any, ...]:
    title = f"{' '.join(rng.sample(WORDS, 3))} {n}"
    file, name = UUID(int=rng.getrandbits(128), version=4), f"{rng.choice(WORDS)} {n}.mp4"
    found = "\x01".join(grams(str(uid), title, f'{{"Number": {n}}}'))
    return (
        n,
        uid,
        title,
        found,
        file,
        name,
        "\x01".join(grams(str(file), name)),
        rng.randrange(10**7),
        rng.randrange(30),
    )
