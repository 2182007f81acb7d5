"""Let something happen exactly between two steps of the pipeline."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from polycast.services import crashpoints


@contextmanager
def at_point(name: str, action: Callable[[], Awaitable[object]]) -> Iterator[list[str]]:
    """Run `action` the first time this process reaches the point `name`; the step waits for it.

    The action runs in a thread with an event loop of its own: it must bring its own connections.

    Yields:
        All points reached so far.
    """
    assert name in crashpoints.POINTS
    seen: list[str] = []
    errors: list[BaseException] = []

    async def act() -> None:
        await action()

    def run() -> None:
        try:
            asyncio.run(act())
        except BaseException as error:
            errors.append(error)

    def hook(point: str) -> None:
        first = point == name and point not in seen
        seen.append(point)
        if first:
            thread = threading.Thread(target=run)
            thread.start()
            thread.join()

    disarm = crashpoints.arm(hook)
    try:
        yield seen
    finally:
        disarm()
    if errors:
        raise errors[0]
