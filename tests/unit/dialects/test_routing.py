"""The index finds what trying every route would find, and leaves the rest to the routes."""

import re
from types import ModuleType
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import Match

from polycast.dialects.gotipath import collections, later, libraries, players, tags, tus, uploads, videos
from polycast.dialects.routing import RouteIndex, Section, include
from polycast.dialects.videokit import (
    api_keys,
    assets,
    catalog,
    chapters,
    domains,
    files,
    images,
    playback,
    streaming,
    unbuilt,
)

VIDEOKIT = (files, assets, catalog, streaming, chapters, images, domains, api_keys, playback, unbuilt)
GOTIPATH = (libraries, videos, collections, uploads, tus, tags, players, later)


@pytest.mark.parametrize("modules", [VIDEOKIT, GOTIPATH], ids=["videokit", "gotipath"])
def test_every_route_of_a_dialect_is_found(modules: tuple[ModuleType, ...]) -> None:
    routes = [route for module in modules for route in module.router.routes]
    index = RouteIndex(routes)
    assert routes
    for route in routes:
        assert isinstance(route, APIRoute)
        if ":path}" in route.path:
            continue
        path = "/mount" + re.sub(r"{\w+}", "a-b.c", route.path)
        for method in route.methods or ():
            scope: dict[str, Any] = {
                "type": "http",
                "method": method,
                "path": path,
                "root_path": "/mount",
                "headers": [],
            }
            walked = next(r for r in routes if r.matches(scope)[0] is Match.FULL)
            match, found = index.matches(scope)
            assert match is Match.FULL and found["route"] is walked, (method, route.path)


async def test_the_rest_is_left_to_the_routes() -> None:
    section = Section()

    @section.get("/things/{id}")
    async def one(id: str) -> str:
        return id

    @section.get("/things/new/{name}/now")
    async def new(name: str) -> str:
        return name

    @section.get("/raw/{rest:path}")
    async def raw(rest: str) -> str:
        return rest

    @section.put("/things/{id}")
    async def put(id: str, body: dict[str, int]) -> dict[str, int]:
        return body

    app = FastAPI(redirect_slashes=False)
    include(app, [section])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://server") as client:
        for path, answer in {
            "/things/7": "7",
            "/things/a%20b": "a b",
            "/things/new/x/now": "x",
            "/things/new": "new",
            "/raw/a/b": "a/b",
        }.items():
            assert (await client.get(path)).json() == answer, path
        assert (await client.put("/things/7", content=b'{"size": 1}')).json() == {"size": 1}
        assert (await client.post("/things/7")).status_code == 405
        for path in ("/things", "/things/", "/things//now", "/things/7/8", "/", "/nothing"):
            assert (await client.get(path)).status_code == 404, path
    assert list(app.openapi()["paths"]) == ["/things/{id}", "/things/new/{name}/now", "/raw/{rest}"]


def test_a_parameter_is_a_whole_word() -> None:
    section = Section()
    section.add_api_route("/things/{id}.json", lambda: None)
    with pytest.raises(ValueError, match="words"):
        RouteIndex(section.routes)
