"""The one form of all errors: ServiceResponse with success=false."""

from collections.abc import Mapping

from starlette.responses import JSONResponse


def envelope(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """An error answer; `code` is the product's application code (`common_1`: no such thing)."""
    body = {"status": {"code": code, "status": status, "message": message}, "success": False}
    return JSONResponse(body, status, headers)
