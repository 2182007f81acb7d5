"""Bodies are JSON as RFC 8259 means it: what no column can hold is refused before any model sees it."""

import json
import math
from typing import Any

from fastapi import Request
from starlette.exceptions import HTTPException

from polycast.dialects.bodies import CallerFirst

MAX_DEPTH = 64


class StrictRequest(Request):
    """A request whose `json` refuses NaN, NUL characters, lone surrogates and deep nesting."""

    async def json(self) -> Any:
        """The body. Raises HTTPException 400."""
        try:
            value = json.loads(await self.body(), parse_constant=_no_constant)
            _check(value, MAX_DEPTH)
        except (ValueError, RecursionError) as error:
            reason = str(error) if isinstance(error, _Refused) else "the body is not valid JSON"
            raise HTTPException(400, reason) from error
        return value


class StrictRoute(CallerFirst):
    """A route of a dialect: reads its body by `StrictRequest`, once the caller is known."""

    request_class = StrictRequest


class _Refused(ValueError):
    pass


def _no_constant(name: str) -> Any:
    raise _Refused(f"{name} is no JSON value")


def _check(value: Any, depth: int) -> None:
    if depth == 0:
        raise _Refused(f"the body is nested more than {MAX_DEPTH} levels deep")
    if isinstance(value, str):
        if "\0" in value:
            raise _Refused("a text contains a NUL character")
        if not value.isascii() and any("\ud800" <= ch <= "\udfff" for ch in value):
            raise _Refused("a text contains half a surrogate pair")
    elif isinstance(value, float) and (not math.isfinite(value)):
        raise _Refused("a number is too large")
    elif isinstance(value, dict):
        for key, item in value.items():
            _check(key, depth)
            _check(item, depth - 1)
    elif isinstance(value, list):
        for item in value:
            _check(item, depth - 1)
