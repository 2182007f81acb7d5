"""Let something happen exactly between two steps of the pipeline."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from polycast.services import crashpoints


@asynccontextmanager
async def at_point(name: str, action: Callable[[], Awaitable[object]]) -> AsyncIterator[list[str]]:
    """Run `action` the first time this process reaches the point `name`; the step waits for it.

    Yields:
        All points reached and passed so far.
    """
    assert name in crashpoints.POINTS
    passed: list[str] = []
    begun: list[str] = []
    tasks: list[asyncio.Future[object]] = []

    async def hook(point: str) -> None:
        if point == name and not begun:
            begun.append(point)
            # a task of its own: the action may be what cancels the step
            task = asyncio.ensure_future(action())
            tasks.append(task)
            await asyncio.shield(task)
        passed.append(point)

    disarm = crashpoints.arm(hook)
    try:
        yield passed
    finally:
        disarm()
    # whoever awaited it may have been cancelled by it
    await asyncio.gather(*tasks)
