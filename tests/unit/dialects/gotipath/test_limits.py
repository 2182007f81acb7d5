"""The rate limit, with a clock of the test's own."""

import pytest

from polycast.dialects.gotipath import limits
from polycast.dialects.gotipath.limits import RateLimiter


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_key_may_ask_as_often_as_its_rate() -> None:
    clock = Clock()
    limiter = RateLimiter(60, clock=clock)
    assert [limiter.take("key") for _ in range(60)] == [0.0] * 60
    assert limiter.take("key") == pytest.approx(1 / 60)
    assert limiter.take("other") == 0.0
    clock.now += 0.5
    assert [limiter.take("key") > 0 for _ in range(31)] == [False] * 30 + [True]
    clock.now += 3600
    assert sum(limiter.take("key") == 0 for _ in range(1000)) == 60


def test_strangers_keys_cost_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_KEYS", 3)
    limiter = RateLimiter(1, clock=Clock())
    limiter.take("busy")
    for n in range(10):
        assert limiter.take("busy") > 0
        limiter.take(f"stranger {n}")
    assert len(limiter._buckets) == 3
