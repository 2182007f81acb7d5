"""The vendor's limit on request rates, counted in this process."""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable

PER_SECOND = 60.0
_KEYS = 10_000


class RateLimiter:
    """One token bucket per key: `rate` requests a second, as many at once after a pause.

    The least recently used bucket goes when there are too many, so strangers' keys cost bounded memory.
    """

    def __init__(self, rate: float = PER_SECOND, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._buckets: OrderedDict[bytes, tuple[float, float]] = OrderedDict()

    def take(self, key: str) -> float:
        """Count one request; 0.0 when it may pass, else the seconds until the next one may."""
        now = self._clock()
        name = hashlib.blake2b(key.encode(), digest_size=16).digest()
        tokens, last = self._buckets.pop(name, (self._rate, now))
        tokens = min(self._rate, tokens + (now - last) * self._rate)
        wait = 0.0 if tokens >= 1 else (1 - tokens) / self._rate
        self._buckets[name] = (tokens - 1 if tokens >= 1 else tokens, now)
        if len(self._buckets) > _KEYS:
            self._buckets.popitem(last=False)
        return wait
