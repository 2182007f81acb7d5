"""Places are handed out in turn over owners, and none is ever lost."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from polycast.services.turns import Turns


async def test_a_thousand_waiters_do_not_hold_up_anothers_first() -> None:
    turns, order = Turns(2), []

    async def work(owner: str) -> None:
        async with turns.of(owner):
            order.append(owner)
            await asyncio.sleep(0)

    many = [asyncio.create_task(work("many")) for _ in range(1000)]
    await asyncio.sleep(0)
    one = asyncio.create_task(work("one"))
    await asyncio.gather(*many, one)
    assert order.index("one") <= 6
    assert len(order) == 1001


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=40), st.integers(1, 3))
def test_places_are_never_lost_nor_doubled(workers: list[tuple[int, bool]], places: int) -> None:
    """Some waiters are cancelled; in the end all places are free, and never were more taken than there are."""
    most = 0

    async def run() -> None:
        nonlocal most
        turns, inside = Turns(places), 0

        async def work(owner: int) -> None:
            nonlocal most, inside
            async with turns.of(owner):
                inside += 1
                most = max(most, inside)
                try:
                    await asyncio.sleep(0)
                finally:
                    inside -= 1

        tasks = []
        for owner, cancelled in workers:
            task = asyncio.create_task(work(owner))
            tasks.append(task)
            await asyncio.sleep(0)
            if cancelled:
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # all places can be had at once
        async with asyncio.timeout(5):
            held = [turns.of("last") for _ in range(places)]
            for place in held:
                await place.__aenter__()

    asyncio.run(run())
    assert most <= places
