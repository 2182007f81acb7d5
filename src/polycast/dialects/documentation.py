"""The page of each API that describes its calls and tries them, beside its OpenAPI document."""

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from polycast.delivery.pages import render_api_docs
from polycast.delivery.viewer import PLAYER_FILES

PATH = "/docs"


def install(app: FastAPI) -> None:
    """Serve the page below the application's own path; made with `docs_url=None`, or FastAPI's stands before it."""

    async def page(request: Request) -> Response:
        base = request.scope.get("root_path", "")
        made = render_api_docs(app.title, f"{base}{app.openapi_url}", assets_url=PLAYER_FILES)
        return Response(made.body, made.status, made.headers)

    app.add_route(PATH, page, include_in_schema=False)
