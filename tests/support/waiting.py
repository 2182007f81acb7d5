"""Waiting for a condition, never for a time."""

import asyncio
import inspect
import os
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

STRETCH = float(os.environ.get("POLYCAST_TEST_STRETCH", "1"))
"""Factor on all deadlines, for slow machines."""


async def until(condition: Callable[[], T | Awaitable[T]], *, timeout_s: float = 10.0, what: str = "") -> T:
    """The first true answer of `condition`, which may be a coroutine function.

    Raises:
        AssertionError: still false at the deadline.
    """
    deadline = time.monotonic() + timeout_s * STRETCH
    while True:
        answer = condition()
        value = await answer if inspect.isawaitable(answer) else answer
        if value:
            return value  # type: ignore[return-value]
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s * STRETCH:g} s: {what or condition}")
        await asyncio.sleep(0.01)
