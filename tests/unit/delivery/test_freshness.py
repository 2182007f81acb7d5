"""Reads that many share, and what holds while the database is away."""

import asyncio

import pytest

from polycast.domain.errors import Unavailable
from polycast.services.freshness import Fresh


class Source:
    """A value that can be changed, counted and taken away."""

    def __init__(self) -> None:
        self.value: str | None = "one"
        self.reads = 0
        self.down = False
        self.now = 0.0
        self.fresh: Fresh[str, str] = Fresh(self.read, max_age_s=5, outage_s=600, clock=lambda: self.now)

    async def read(self, key: str) -> str | None:
        self.reads += 1
        await asyncio.sleep(0)
        if self.down:
            raise Unavailable("away")
        return self.value


async def test_many_askers_cause_one_read() -> None:
    source = Source()
    assert await asyncio.gather(*(source.fresh.get("k") for _ in range(50))) == ["one"] * 50
    assert source.reads == 1


async def test_at_most_five_seconds_old() -> None:
    source = Source()
    await source.fresh.get("k")
    source.value, source.now = None, 4.9
    assert await source.fresh.get("k") == "one"
    source.now = 5.1
    assert await source.fresh.get("k") is None


async def test_an_outage_is_bridged_for_a_while() -> None:
    source = Source()
    await source.fresh.get("k")
    source.down, source.now = True, 100.0
    assert await source.fresh.get("k") == "one"
    known = source.fresh.glance("k")
    assert known is not None and known.value == "one"
    source.now = 700.0
    with pytest.raises(Unavailable):
        await source.fresh.get("k")
    with pytest.raises(Unavailable):
        await source.fresh.get("other")
    source.down, source.value = False, "two"
    assert await source.fresh.get("k") == "two"


async def test_a_glance_never_waits() -> None:
    source = Source()
    assert source.fresh.glance("k") is None
    while source.reads == 0 or (known := source.fresh.glance("k")) is None:  # noqa: ASYNC110 - turns of the loop
        await asyncio.sleep(0)
    assert known.value == "one"
    assert source.reads == 1


async def test_one_who_gives_up_stops_nobody() -> None:
    source = Source()
    first = asyncio.ensure_future(source.fresh.get("k"))
    second = asyncio.ensure_future(source.fresh.get("k"))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == "one"
