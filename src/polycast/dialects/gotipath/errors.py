"""Gotipath's error envelope, and which status each error of the domain has there."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from polycast.dialects.routing import refusal_headers
from polycast.domain import errors

# the nearest class in this table, along the error's own classes, decides; the contract knows no 409
STATUS: dict[type[errors.PolycastError], int] = {
    errors.Invalid: 400,
    errors.MediaError: 400,
    errors.Conflict: 400,
    errors.UpstreamFailed: 400,
    errors.TooLarge: 413,
    errors.TooSlow: 408,
    errors.Unauthorized: 401,
    errors.Forbidden: 403,
    errors.QuotaExceeded: 403,
    errors.NotFound: 404,
    errors.RateLimited: 429,
    errors.NotSupported: 501,
    errors.Unavailable: 503,
}


# nouns of the domain in the vendor's words
_NOUNS = {"asset": "video", "tenant": "library", "file": "upload"}
_FIELDS = {"title": "name", "metadata": "meta_data"}


class LimitReached(errors.RateLimited):
    """Over the rate limit; `wait_s` until the next request is taken."""

    def __init__(self, wait_s: float) -> None:
        super().__init__("too many requests: at most 60 a second for one key")
        self.wait_s = wait_s


def envelope(
    status: int,
    message: str,
    found: list[dict[str, str]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """The error envelope; `found` names what is wrong with which field."""
    return JSONResponse({"message": message, "errors": found, "success": False}, status, headers)


def status_of(error: errors.PolycastError) -> int:
    """The HTTP status of an error of the domain; 500 for those that no caller can cause."""
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)


def domain_error(error: errors.PolycastError) -> JSONResponse:
    """The answer to an error of the domain; its words are for callers, unless it is ours alone."""
    status = status_of(error)
    if status == 500:
        return envelope(500, "internal error")
    if isinstance(error, errors.NotFound):
        error = errors.NotFound(_NOUNS.get(error.kind, error.kind), error.ident)
    found = None
    if isinstance(error, errors.Invalid) and error.field:
        error = _in_vendors_words(error, _FIELDS)
        found = [{"field": error.field or "", "code": error.code, "message": error.message}]
    headers = {"retry-after": "1"} if isinstance(error, LimitReached) else None
    return envelope(status, error.message, found, headers)


@contextmanager
def fields_named(**names: str) -> Iterator[None]:
    """Have refusals of the block name fields as this operation does, domain's name = vendor's name."""
    try:
        yield
    except errors.Invalid as error:
        if error.field in names:
            raise _in_vendors_words(error, names) from error
        raise


def _in_vendors_words(error: errors.Invalid, names: Mapping[str, str]) -> errors.Invalid:
    own = error.field or ""
    if own not in names:
        return error
    message = error.message
    if message.startswith(f"{own} "):
        message = f"{names[own]} {message.removeprefix(own).lstrip()}"
    return errors.Invalid(message, field=names[own])


def install(app: FastAPI) -> None:
    """Have every failure of `app` answered in the envelope."""
    app.add_exception_handler(errors.PolycastError, _on_domain)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, _on_bug)


async def _on_domain(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, errors.PolycastError)
    return domain_error(error)


async def _on_validation(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    given = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if given != "application/json" and not given.endswith("+json") and isinstance(error.body, bytes | str):
        # `curl -d` calls everything a form
        return envelope(400, f"the Content-Type must be application/json, not {given[:64]}")
    found = [_described(item) for item in error.errors()[:50]]
    first = found[0]
    return envelope(400, f"{first['field']}: {first['message']}", found)


def _described(item: Mapping[str, Any]) -> dict[str, str]:
    where = [str(part) for part in item["loc"] if part not in ("body", "query", "path", "header")]
    if item["type"] == "json_invalid":
        where = []
    return {
        "field": ".".join(where) or "body",
        "code": str(item["type"]),
        "message": str(item["msg"]).encode("utf-8", "replace").decode(),
    }


async def _on_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return envelope(error.status_code, str(error.detail), headers=refusal_headers(request, error))


async def _on_bug(request: Request, error: Exception) -> JSONResponse:
    # the server logs it; a browser needs the envelope, else it shows a network error
    return envelope(500, "internal error")
