"""Egress is counted for as long as the process lives, whatever a single write meets."""

import asyncio
from contextlib import suppress

import pytest

from polycast.services.egress import Egress
from tests.support.studio import Studio
from tests.support.waiting import until


async def _counted(studio: Studio) -> int:
    found = await studio.rows(
        "SELECT coalesce(sum(quantity), 0) AS sum FROM usage WHERE kind = 'egress_bytes'"
    )
    return int(found[0].sum)


async def test_an_unforeseen_error_ends_no_counting(studio: Studio, caplog: pytest.LogCaptureFixture) -> None:
    asset = await studio.services.assets.create(studio.caller, title="a")
    egress = Egress(studio.services.db, every_s=0.02)
    counting = asyncio.create_task(egress.run())
    await studio.execute("ALTER TABLE usage RENAME TO usage_elsewhere")
    egress.count(asset.uid, 100)
    await until(lambda: counting.done() or "egress is not written down" in caplog.text)
    await studio.execute("ALTER TABLE usage_elsewhere RENAME TO usage")
    egress.count(asset.uid, 11)

    async def written() -> bool:
        assert not counting.done(), "nobody counts any more"
        return await _counted(studio) == 111

    await until(written)
    await studio.execute("ALTER TABLE usage RENAME TO usage_elsewhere")
    egress.count(asset.uid, 1)
    counting.cancel()
    with suppress(asyncio.CancelledError):
        await counting
    assert counting.cancelled(), "the end is not spoilt either"
