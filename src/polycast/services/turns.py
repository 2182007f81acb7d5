"""A few places that many owners share, handed out in turn."""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager


class Turns:
    """Like a semaphore, but fair between owners: a thousand waiters of one hold up another's first by no more
    than the work at hand.

    Args:
        places: how many may be inside at once.
    """

    def __init__(self, places: int) -> None:
        self._free = places
        self._inside: Counter[Hashable] = Counter()
        self._waiting: OrderedDict[Hashable, deque[asyncio.Future[None]]] = OrderedDict()

    @asynccontextmanager
    async def of(self, owner: Hashable) -> AsyncIterator[None]:
        """Hold a place for the block."""
        await self._enter(owner)
        try:
            yield
        finally:
            self._leave(owner)

    async def _enter(self, owner: Hashable) -> None:
        if self._free:
            self._take(owner)
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(owner, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave(owner)  # the place was handed over in the same moment
            else:
                self._forget(owner, turn)
            raise

    def _take(self, owner: Hashable) -> None:
        self._free -= 1
        self._inside[owner] += 1

    def _leave(self, owner: Hashable) -> None:
        self._free += 1
        self._inside[owner] -= 1
        if not self._inside[owner]:
            del self._inside[owner]
        while self._waiting and self._free:
            # who has fewest inside; of these, who was not served for longest
            following = min(self._waiting, key=lambda o: self._inside[o])
            turn = self._waiting[following].popleft()
            self._waiting.move_to_end(following)
            if not self._waiting[following]:
                del self._waiting[following]
            if not turn.done():
                self._take(following)
                turn.set_result(None)

    def _forget(self, owner: Hashable, turn: "asyncio.Future[None]") -> None:
        waiting = self._waiting.get(owner)
        if waiting is not None and turn in waiting:
            waiting.remove(turn)
            if not waiting:
                del self._waiting[owner]
