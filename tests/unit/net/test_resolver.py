"""Names whose servers are silent hold up nothing but the look-up of names."""

import asyncio
import socket
import threading
from typing import Any

import pytest

from polycast.domain.errors import Unavailable, UpstreamFailed
from polycast.net.addresses import AddressPolicy, SystemResolver
from polycast.settings import loopback
from tests.support.waiting import until


class Names:
    """`getaddrinfo` of a system whose servers for `*.silent` do not answer until they are told to."""

    def __init__(self) -> None:
        self.answering = threading.Event()
        self.asked: list[str] = []

    def look_up(self, host: str, port: int, **_: Any) -> list[Any]:
        self.asked.append(host)
        if host.endswith(".silent"):
            assert self.answering.wait(60)
            raise socket.gaierror("no answer")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("203.0.113.7", port))]


async def test_silent_names_hold_up_no_other_work() -> None:
    names = Names()
    resolver = SystemResolver(at_once=8, waiting=100, look_up=names.look_up)
    hanging = [asyncio.create_task(resolver.resolve(f"{n}.silent", 80)) for n in range(50)]
    await until(lambda: len(names.asked) == 8)
    async with asyncio.timeout(30):
        # the pool that the disk and the store share
        assert await asyncio.to_thread(lambda: 5) == 5
    for task in hanging:
        task.cancel()
    await asyncio.gather(*hanging, return_exceptions=True)
    # nobody waits any more, but the system still asks: that is what is bounded
    later = asyncio.create_task(resolver.resolve("quick", 80))
    assert len(names.asked) == 8
    names.answering.set()
    assert await later == ["203.0.113.7"]
    assert names.asked == [*(f"{n}.silent" for n in range(8)), "quick"]


async def test_too_many_are_refused() -> None:
    names = Names()
    policy = AddressPolicy(resolver=SystemResolver(at_once=1, waiting=2, look_up=names.look_up))
    hanging = [asyncio.create_task(policy.resolve(f"{n}.silent", 80)) for n in range(3)]
    await until(lambda: names.asked)
    with pytest.raises(Unavailable):
        await policy.resolve("quick", 80)
    names.answering.set()
    for task in hanging:
        with pytest.raises(UpstreamFailed):
            await task
    assert len(names.asked) == 3


@pytest.mark.skipif(loopback() != "localhost", reason="/etc/hosts does not name localhost")
async def test_the_system_is_asked() -> None:
    assert "127.0.0.1" in await SystemResolver().resolve("localhost", 80)
