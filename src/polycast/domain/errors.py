"""The error tree of Polycast.

    PolycastError
    ├── Invalid            input that cannot be accepted; names the field
    │   └── ChecksumMismatch  bytes are not those that the caller announced
    ├── Unauthorized       no or wrong credentials
    ├── Forbidden          known caller, not allowed
    ├── NotFound           no such thing (or not yours)
    │   └── NotStreamed    media that are there, but not as HLS or DASH
    ├── Conflict           the thing is in another state
    ├── TooLarge           over a size limit
    ├── TooSlow            the caller stopped sending, or sends too slowly
    ├── QuotaExceeded      over the tenant's quota
    ├── RateLimited        too many calls
    ├── NotSupported       understood, but not done here
    ├── Unavailable        try again later
    │   ├── StorageFull    no room left in the media store
    │   └── DatabaseUnavailable
    ├── UpstreamFailed     a remote server asked on a caller's behalf failed
    ├── IntegrityError     stored bytes are not what was written
    ├── ChildFailed        a child process ended badly (internal)
    └── MediaError         a source cannot be processed
        ├── Unreadable     no parser understands it
        ├── NoPlayableTracks
        ├── Encrypted      encrypted sources are refused
        └── LimitExceeded  dimensions, tracks or length over the limits

Each class has a stable `code`. Dialects map classes to their envelopes; the message of every class
but `ChildFailed` is written for the caller and never carries internal text.
"""

from typing import Any


class PolycastError(Exception):
    """Base of all errors of the domain: a stable code, a message for the caller, maybe a field name."""

    code = "error"

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.message, self.field, self.__dict__))


def _rebuild(
    cls: type[PolycastError], message: str, field: str | None, state: dict[str, Any]
) -> PolycastError:
    """Unpickle without calling the subclass's own constructor, whose arguments differ."""
    error = cls.__new__(cls)
    PolycastError.__init__(error, message, field=field)
    error.__dict__.update(state)
    return error


class Invalid(PolycastError):
    """Input that cannot be accepted; `field` names it in the caller's own words where there is one."""

    code = "invalid"


class ChecksumMismatch(Invalid):
    """Bytes arrived damaged; nothing of them is kept."""

    code = "checksum"


class Unauthorized(PolycastError):
    code = "unauthorized"


class Forbidden(PolycastError):
    code = "forbidden"


class NotFound(PolycastError):
    """No such thing for this caller; another tenant's thing is not found either."""

    code = "not_found"

    def __init__(self, kind: str, ident: object = "") -> None:
        super().__init__(f"{kind} {ident} was not found" if ident != "" else f"{kind} was not found")
        self.kind = kind
        self.ident = str(ident)


class NotStreamed(NotFound):
    """An output that is one file for download: it plays, and no manifest leads to it."""

    code = "not_streamed"

    def __init__(self) -> None:
        PolycastError.__init__(self, "this video is a single MP4 file; it has neither HLS nor DASH")
        self.kind = "manifest"
        self.ident = ""


class Conflict(PolycastError):
    code = "conflict"


class TooLarge(PolycastError):
    code = "too_large"


class TooSlow(PolycastError):
    code = "too_slow"


class QuotaExceeded(PolycastError):
    code = "quota_exceeded"


class RateLimited(PolycastError):
    code = "rate_limited"


class NotSupported(PolycastError):
    code = "not_supported"


class Unavailable(PolycastError):
    code = "unavailable"


class StorageFull(Unavailable):
    """No room left in the media store; nothing of the refused write is kept."""

    code = "storage_full"


class DatabaseUnavailable(Unavailable):
    """The database cannot be reached, or was lost in the middle; whether a commit was carried out is then open."""


class UpstreamFailed(PolycastError):
    code = "upstream_failed"


class IntegrityError(PolycastError):
    code = "integrity"


class ChildFailed(PolycastError):
    """A child process ended badly.

    Attributes:
        reason: start | sandbox | exit | signal | timeout | cpu | stalled | memory | output.
        returncode: as of `Popen.returncode`, None when it never started.
        stderr_tail: its last words, for the log; never for a caller.
    """

    code = "child_failed"

    def __init__(self, program: str, reason: str, *, returncode: int | None, stderr_tail: str = "") -> None:
        super().__init__(f"{program} failed ({reason}, code {returncode})")
        self.program = program
        self.reason = reason
        self.returncode = returncode
        self.stderr_tail = stderr_tail


class MediaError(PolycastError):
    code = "media"


class Unreadable(MediaError):
    code = "media_unreadable"


class NoPlayableTracks(MediaError):
    code = "media_no_tracks"


class Encrypted(MediaError):
    code = "media_encrypted"


class LimitExceeded(MediaError):
    code = "media_limit"
