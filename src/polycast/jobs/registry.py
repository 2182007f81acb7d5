"""What kinds of jobs there are: a name, a handler, a queue, and what happens when it fails."""

from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from polycast.jobs.retry import Retry

Args = dict[str, Any]
Handler = Callable[[Args], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a job was given up.

    Attributes:
        code: stable code of the error, "lost" when the worker died.
        message: for the log and the operator.
        attempts: tries that failed, this one included.
        alike: of these, the ones with the same code.
        error: None when the worker died.
    """

    code: str
    message: str
    attempts: int
    error: BaseException | None = None
    alike: int = 0


FailureHandler = Callable[[Args, Failure], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class JobType:
    """One kind of job; see `JobQueue.register`."""

    name: str
    handler: Handler
    queue: str
    retry: Retry
    priority: int
    lock_template: str | None
    on_failed: FailureHandler | None
    cron: str | None

    def lock_for(self, args: Mapping[str, Any]) -> str | None:
        """The lock of a job with these arguments: the template filled in.

        Raises:
            KeyError: the template names an argument that is missing.
        """
        return None if self.lock_template is None else self.lock_template.format_map(args)


@dataclass(frozen=True, slots=True)
class RunningJob:
    """The job a handler is running for."""

    id: int
    name: str
    failures: int
    """Failed tries before this one; 0 the first time."""


_running: ContextVar[RunningJob | None] = ContextVar("polycast_running_job", default=None)


def running_job() -> RunningJob | None:
    """The job whose handler this code runs in; None outside."""
    return _running.get()
