"""Waiting for a condition, never for a time."""

import asyncio
import inspect
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")

STRETCH = float(os.environ.get("POLYCAST_TEST_STRETCH", "1"))
"""Factor on all deadlines, for slow machines."""


@overload
async def until(
    condition: Callable[[], Awaitable[T | None]], *, timeout_s: float = ..., what: str = ...
) -> T: ...
@overload
async def until(condition: Callable[[], T | None], *, timeout_s: float = ..., what: str = ...) -> T: ...
async def until(condition: Callable[[], Any], *, timeout_s: float = 10.0, what: str = "") -> Any:
    """The first true answer of `condition`, which may be a coroutine function.

    Raises:
        AssertionError: still false at the deadline.
    """
    deadline = time.monotonic() + timeout_s * STRETCH
    while True:
        answer = condition()
        value = await answer if inspect.isawaitable(answer) else answer
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s * STRETCH:g} s: {what or condition}")
        await asyncio.sleep(0.01)
