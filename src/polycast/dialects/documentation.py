"""How an API describes itself: its OpenAPI document, and a page that shows it and tries its calls."""

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.requests import Request
from starlette.responses import Response

from polycast.delivery.pages import render_api_docs
from polycast.delivery.viewer import PLAYER_FILES

PATH = "/docs"


def install(app: FastAPI, describe: Callable[[FastAPI, dict[str, Any]], None]) -> None:
    """Have `app` describe itself, and serve the page below its own path.

    Args:
        app: made with `docs_url=None`, or FastAPI's page stands before this one.
        describe: completes what FastAPI finds, in place: credentials, and the answers that are really given.
    """

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = _found(app)
            describe(app, document)
            app.openapi_schema = document
        return app.openapi_schema

    async def page(request: Request) -> Response:
        base = request.scope.get("root_path", "")
        made = render_api_docs(app.title, f"{base}{app.openapi_url}", assets_url=PLAYER_FILES)
        return Response(made.body, made.status, made.headers)

    app.openapi = openapi  # type: ignore[method-assign]
    app.add_route(PATH, page, include_in_schema=False)


def _found(app: FastAPI) -> dict[str, Any]:
    """FastAPI's document, without its own 422, which no API answers."""
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for item in document["paths"].values():
        for operation in item.values():
            operation["responses"].pop("422", None)
    return document
