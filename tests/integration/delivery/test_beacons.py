"""Beacons: taken, bounded, counted exactly once."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from polycast.db.tables import assets, spools
from polycast.domain.errors import Unavailable
from polycast.services.registry import Services
from polycast.services.tenants import Tenant
from polycast.services.views import Views
from tests.integration.delivery.published import Published, publish
from tests.integration.delivery.test_sessions import ALLOWED, limited


def batch(impression: str = "i1", *played: float) -> bytes:
    return json.dumps({"impression": impression, "samples": [{"played_ms": p} for p in played]}).encode()


@pytest.fixture
def views(services: Services, tmp_path: Path) -> Iterator[Views]:
    """Another process's, with spools of its own."""
    made = Views(services.db, tmp_path)
    yield made
    made.close()


def spool_of(folder: Path) -> Path:
    """The only spool there."""
    (found,) = folder.glob("*.jsonl")
    return found


async def counted(services: Services, made: Published) -> tuple[int, int]:
    async with services.db.connect() as tx:
        row = (
            await tx.execute(select(assets.c.views, assets.c.watch_ms).where(assets.c.num == made.num))
        ).one()
    return row.views, row.watch_ms


async def test_beacons_become_views(client: httpx.AsyncClient, services: Services, tenant: Tenant) -> None:
    made = await publish(services, tenant)
    url = f"/beacons/{made.code}"
    for body in (batch("a", 4000, 6000), batch("a", 1000), batch("b", 500), batch("c")):
        # sendBeacon sends text/plain
        answer = await client.post(url, content=body, headers={"content-type": "text/plain"})
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (204, "*")
    await services.views.fold()
    # one without anything played is no view
    assert await counted(services, made) == (2, 11_500)
    await services.views.fold()
    assert await counted(services, made) == (2, 11_500)
    await client.post(url, content=batch("a", 250))
    await services.views.fold()
    assert await counted(services, made) == (2, 11_750)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400), (b"{", 400), (b"[]", 400), (b"null", 400), (b'{"impression":"x"}', 400),
        (b'{"impression":"x","samples":[1]}', 400), (b'{"impression":"","samples":[]}', 400),
        (b'{"impression":"\\u0000","samples":[]}', 400), (b'{"impression":"\\ud800","samples":[]}', 400),
        (b"[" * 100_000, 413), (b"[" * 60_000, 400), (b"x" * 66_000, 413),
        (json.dumps({"impression": "x", "samples": [{}] * 201}).encode(), 413),
        (json.dumps({"impression": "x", "samples": [{}] * 200}).encode(), 204),
        (b'{"impression":"x","samples":[{"played_ms":NaN},{"played_ms":1e999},{"played_ms":"9"},{"played_ms":true},'
         b'{"played_ms":-5},{"played_ms":9999999}]}', 204),
    ],
)  # fmt: skip
async def test_malformed(
    client: httpx.AsyncClient, services: Services, tenant: Tenant, body: bytes, status: int
) -> None:
    made = await publish(services, tenant)
    assert (await client.post(f"/beacons/{made.uid}", content=body)).status_code == status
    await services.views.fold()
    assert await counted(services, made) == (0, 0)


async def test_whose(client: httpx.AsyncClient, services: Services, tenant: Tenant) -> None:
    assert (await client.post("/beacons/zzzzzzzz", content=batch())).status_code == 404
    assert (await client.post(f"/beacons/{tenant.ref.uid}", content=batch())).status_code == 404
    made = await limited(services, tenant)
    for origin, status in ((ALLOWED, 204), ("https://evil.example", 403)):
        answer = await client.post(f"/beacons/{made.code}", content=batch("x", 5), headers={"origin": origin})
        assert answer.status_code == status
    preflight = await client.options(f"/beacons/{made.code}", headers={"origin": ALLOWED})
    assert preflight.status_code == 204 and "POST" in preflight.headers["access-control-allow-methods"]


async def test_a_torn_spool_is_counted_to_its_last_whole_line(
    services: Services, tenant: Tenant, tmp_path: Path, views: Views
) -> None:
    made = await publish(services, tenant)
    await views.take(made.uid, batch("a", 100), address=None, user_agent=None)
    views.close()
    spool = spool_of(tmp_path)
    whole = spool.read_bytes()
    spool.write_bytes(whole + b"not json\n" + b'{"asset": 5}\n' + whole[:-20])
    assert await views.fold() == 3
    assert await counted(services, made) == (1, 100)
    # the writer was killed there; what another one appends is its own file
    await views.take(made.uid, batch("b", 10), address=None, user_agent=None)
    await views.fold()
    assert await counted(services, made) == (2, 110)


async def test_a_crash_between_reading_and_counting_counts_once(
    services: Services, tenant: Tenant, tmp_path: Path, views: Views, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The position moves with the counters or not at all: here the transaction dies after counting."""
    made = await publish(services, tenant)
    await views.take(made.uid, batch("a", 100), address=None, user_agent=None)
    spool = spool_of(tmp_path)
    real_stat = Path.stat

    def dies(self: Path, **options: Any) -> Any:
        if self.name == spool.name:
            raise RuntimeError("killed here")
        return real_stat(self, **options)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "stat", dies)
        with pytest.raises(RuntimeError, match="killed"):
            await views.fold()
    assert await counted(services, made) == (0, 0)
    await views.fold()
    assert await counted(services, made) == (1, 100)


async def test_many_folders_at_once_count_once(
    services: Services, tenant: Tenant, tmp_path: Path, views: Views
) -> None:
    one, two = await publish(services, tenant), await publish(services, tenant)
    for n in range(40):
        await views.take((one, two)[n % 2].uid, batch(f"i{n % 8}", 100), address=None, user_agent=None)
    others = [Views(services.db, tmp_path) for _ in range(4)]
    await asyncio.gather(*(v.fold() for v in others))
    assert await counted(services, one) == (4, 2000)
    assert await counted(services, two) == (4, 2000)


async def test_full_spools_refuse(services: Services, tenant: Tenant, tmp_path: Path) -> None:
    made = await publish(services, tenant)
    (tmp_path / "beacons-1-1-x.jsonl").write_bytes(b"x" * 2000)
    views = Views(services.db, tmp_path, max_bytes=1000)
    with pytest.raises(Unavailable):
        await views.take(made.uid, batch("a", 1), address=None, user_agent=None)


async def test_finished_spools_go(services: Services, tenant: Tenant, tmp_path: Path, views: Views) -> None:
    import os

    made = await publish(services, tenant)
    await views.take(made.uid, batch("a", 100), address=None, user_agent=None)
    views.close()
    spool = spool_of(tmp_path)
    os.utime(spool, (1, 1))
    await views.fold()
    assert spool.exists()
    await views.fold()
    assert not spool.exists()
    async with services.db.connect() as tx:
        assert (await tx.execute(select(spools).where(spools.c.name == spool.name))).first() is None
    assert await counted(services, made) == (1, 100)
