"""The Video Kit application: its routers, its error envelope, its leniency."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp

from polycast.dialects import documentation
from polycast.dialects.routing import include, refusal_headers
from polycast.dialects.videokit import (
    api_keys,
    assets,
    catalog,
    chapters,
    document,
    domains,
    files,
    images,
    playback,
    streaming,
    unbuilt,
)
from polycast.dialects.videokit.envelope import FIELDS, envelope, service_status
from polycast.dialects.videokit.lenient import Lenient
from polycast.domain import errors
from polycast.services.registry import Services


def create_videokit(services: Services) -> ASGIApp:
    """The application, to be mounted; paths below it are the contract's own."""
    app = FastAPI(
        title="Cloud Video Kit",
        version="1",
        description="Polycast in the words of Cloud Video Kit.",
        redirect_slashes=False,
        # both of FastAPI's load their scripts from another site; ours is of our own build
        docs_url=None,
        redoc_url=None,
    )
    app.state.services = services
    sections = [
        m.router for m in (files, assets, catalog, streaming, chapters, images, domains, api_keys, playback)
    ]
    include(app, [*sections, unbuilt.router])
    documentation.install(app, document.describe)
    app.add_exception_handler(errors.PolycastError, _domain_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _bug)
    routes = [route for section in sections for route in section.routes if isinstance(route, APIRoute)]
    names = {field.alias for route in routes for field in _query_fields(route)}
    # around everything: without these headers a browser hides a refusal's reason from its page
    return CORSMiddleware(
        Lenient(app, sorted(names)),
        allow_origins=["*"],
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=["etag"],
        max_age=86_400,
    )


def _query_fields(route: APIRoute) -> list[Any]:
    found: list[Any] = list(route.dependant.query_params)
    pending = list(route.dependant.dependencies)
    while pending:
        dependency = pending.pop()
        found += dependency.query_params
        pending += dependency.dependencies
    return found


async def _domain_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, errors.PolycastError)
    found = service_status(error)
    message = str(found["message"])
    field = FIELDS.get(error.field or "", error.field)
    if field and field not in message:
        message = f"{field}: {message}"
    return envelope(int(str(found["status"])), str(found["code"]), message)


async def _validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path"))
    return envelope(400, "common_2", f"{where or 'body'}: {first['msg']}")


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = {400: "common_2", 404: "common_1", 405: "method_not_allowed"}.get(error.status_code, "error")
    return envelope(error.status_code, code, str(error.detail), refusal_headers(request, error))


async def _bug(request: Request, error: Exception) -> Response:
    """What nobody foresaw; the log has it, the caller learns nothing of the inside."""
    return envelope(500, "error", "internal error")
