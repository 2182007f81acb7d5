"""What a check of this machine found, and how to mend it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from polycast.settings import Settings


class Verdict(StrEnum):
    """How a check came out; only `fail` makes the exit code 1."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One checked thing.

    Attributes:
        mend: what to do; "" when nothing.
    """

    name: str
    verdict: Verdict
    detail: str
    mend: str = ""


Check = Callable[[Settings], Awaitable[Finding]]
