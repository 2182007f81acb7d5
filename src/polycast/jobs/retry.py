"""When a failed job is tried again. Pure."""

import random
from dataclasses import dataclass

from polycast.domain.errors import (
    Conflict,
    DatabaseUnavailable,
    Forbidden,
    Invalid,
    MediaError,
    NotFound,
    NotSupported,
    QuotaExceeded,
    StorageFull,
    TooLarge,
    Unauthorized,
)

PERMANENT: tuple[type[BaseException], ...] = (
    Invalid,
    NotFound,
    Conflict,
    Forbidden,
    Unauthorized,
    TooLarge,
    QuotaExceeded,
    NotSupported,
    MediaError,
)
"""Errors that the same work meets again each time it is tried."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waiting times: `first_s`, then each `factor` times longer, up to `longest_s`; a quarter is random."""

    first_s: float = 1.0
    factor: float = 3.0
    longest_s: float = 300.0

    def delay_s(self, failures: int, dice: random.Random | None = None) -> float:
        """Seconds to wait after the n-th failure (from 1)."""
        whole = min(self.longest_s, self.first_s * self.factor ** (failures - 1))
        return whole * (1 - 0.25 * (dice or random.Random()).random())  # noqa: S311 - spreads load


@dataclass(frozen=True, slots=True)
class Retry:
    """How often and after which errors a job is tried again.

    Attributes:
        max_attempts: tries in all; a try that ended because its worker was told to stop is not counted,
            one whose worker died is.
        on: errors worth another try.
        unless: of these, the ones that are not.
        max_lost: tries in all when it is the worker that dies, mostly not the job's doing; None: `max_attempts`.
        patient_with: errors that go away when somebody has seen to the machine; `max_patient` tries.
    """

    max_attempts: int = 3
    backoff: Backoff = Backoff()
    on: tuple[type[BaseException], ...] = (Exception,)
    unless: tuple[type[BaseException], ...] = PERMANENT
    max_lost: int | None = None
    patient_with: tuple[type[BaseException], ...] = (StorageFull, DatabaseUnavailable)
    max_patient: int = 60

    def wait_s(self, failures: int, error: BaseException | None) -> float | None:
        """Seconds until the next try; None when there is none.

        Args:
            failures: so far for the same reason, this one included.
            error: None when the worker died: that may have been the job's doing, so it is tried again at
                once but counted.
        """
        if error is None:
            return 0.0 if failures < (self.max_lost or self.max_attempts) else None
        if isinstance(error, self.patient_with):
            if failures >= self.max_patient:
                return None
            # no job is taken before the database is back: waiting longer each time would serve nobody
            return self.backoff.delay_s(1 if isinstance(error, DatabaseUnavailable) else failures)
        if failures >= self.max_attempts:
            return None
        if not isinstance(error, self.on) or isinstance(error, self.unless):
            return None
        return self.backoff.delay_s(failures)
