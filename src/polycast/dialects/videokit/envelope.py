"""The one form of all errors: ServiceResponse with success=false, and what each error of the domain is in it."""

from collections.abc import Mapping

from starlette.responses import JSONResponse

from polycast.domain import errors

# the nearest class in this table, along the error's own classes, decides
STATUS: dict[type[errors.PolycastError], tuple[int, str]] = {
    errors.Invalid: (400, "common_2"),
    errors.MediaError: (400, "media"),
    errors.TooLarge: (413, "too_large"),
    errors.TooSlow: (408, "too_slow"),
    errors.Unauthorized: (401, "unauthorized"),
    errors.Forbidden: (403, "forbidden"),
    errors.NotFound: (404, "common_1"),
    errors.Conflict: (409, "conflict"),
    errors.QuotaExceeded: (403, "quota_exceeded"),
    errors.RateLimited: (429, "rate_limited"),
    errors.NotSupported: (501, "not_supported"),
    errors.Unavailable: (503, "unavailable"),
    errors.UpstreamFailed: (502, "upstream"),
}

# fields of the domain by the names that this API gives them
FIELDS: dict[str, str] = {
    "chapters.end": "chapters.endSecond",
    "chapters.start": "chapters.startSecond",
    "expires_at": "expirationDate",
    "part_number": "partNumber",
    "player_domain": "playerDomainId",
    "role": "roleId",
    "size": "fileSize",
    "sources.kinds": "transcodedSources.fileTypesFlag",
    "sources.tracks": "transcodedSources.transcodingTracks",
}


def service_status(error: errors.PolycastError) -> dict[str, object]:
    """A ServiceStatus for an error of the domain."""
    for kind in type(error).__mro__:
        if kind in STATUS:
            status, code = STATUS[kind]
            return {"code": code, "status": status, "message": error.message}
    return {"code": "error", "status": 500, "message": "internal error"}


def envelope(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """An error answer; `code` is the product's application code (`common_1`: no such thing)."""
    body = {"status": {"code": code, "status": status, "message": message}, "success": False}
    return JSONResponse(body, status, headers)
