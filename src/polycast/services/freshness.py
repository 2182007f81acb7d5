"""Values that may be a few seconds old: read once for many askers, kept through a short outage."""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from polycast.domain.errors import Unavailable

log = logging.getLogger(__name__)

_PATIENCE_S = 2.0
_QUIET_S = 1.0
"""after a failure nothing is read in the background for so long"""

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(slots=True)
class Known(Generic[V]):
    """What was read; `value` None = there is no such thing."""

    value: V | None
    read_at: float


class Fresh(Generic[K, V]):
    """A bounded cache of reads.

    Args:
        read: the value of a key, None when there is none.
        max_age_s: older values are read anew.
        outage_s: while reading fails with Unavailable, values up to this age are used.
        kept: the least recently used beyond this many are dropped.
    """

    def __init__(
        self,
        read: Callable[[K], Awaitable[V | None]],
        *,
        max_age_s: float,
        outage_s: float = 600.0,
        kept: int = 20_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._max_age_s = max_age_s
        self._outage_s = outage_s
        self._kept = kept
        self._clock = clock
        self._known: OrderedDict[K, Known[V]] = OrderedDict()
        self._reads: dict[K, asyncio.Task[None]] = {}
        self._quiet_until = 0.0

    async def get(self, key: K) -> V | None:
        """The value, at most `max_age_s` old; many askers cause one read.

        Raises:
            Unavailable: it cannot be read, and what is known is too old; other errors of `read`.
        """
        known = self._known.get(key)
        now = self._clock()
        if known is not None:
            if now - known.read_at <= self._max_age_s:
                return known.value
            usable = now - known.read_at <= self._outage_s
            if usable and now < self._quiet_until:
                return known.value
            # a server that is gone without a word must not hold up those who play
            reading = self._reading(key)
            await asyncio.wait([reading], timeout=_PATIENCE_S if usable else None)
            if usable and (not reading.done() or isinstance(reading.exception(), Unavailable)):
                return known.value
            reading.result()
        else:
            # one who gives up does not stop the others' read
            await asyncio.shield(self._reading(key))
        known = self._known.get(key)
        return known.value if known is not None else None

    def glance(self, key: K) -> Known[V] | None:
        """What is known now, None when nothing is; anything old is read anew in the background."""
        known = self._known.get(key)
        now = self._clock()
        if (known is None or now - known.read_at > self._max_age_s) and now >= self._quiet_until:
            self._reading(key)
        return known

    def _reading(self, key: K) -> "asyncio.Task[None]":
        task = self._reads.get(key)
        if task is None:
            task = asyncio.create_task(self._load(key))
            self._reads[key] = task
            task.add_done_callback(lambda done: self._landed(key, done))
        return task

    async def _load(self, key: K) -> None:
        begun = self._clock()
        value = await self._read(key)
        self._known[key] = Known(value, begun)
        self._known.move_to_end(key)
        while len(self._known) > self._kept:
            self._known.popitem(last=False)

    def _landed(self, key: K, done: "asyncio.Task[None]") -> None:
        del self._reads[key]
        if not done.cancelled() and (error := done.exception()) is not None:
            self._quiet_until = self._clock() + _QUIET_S
            log.warning("reading %s failed: %s", key, error)
