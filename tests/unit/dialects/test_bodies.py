"""Callers first, bodies then: what a route asks before it reads."""

import asyncio
import json
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Depends, FastAPI, Request
from starlette.responses import JSONResponse

from polycast.dialects.bodies import MAX_BODY, MAX_OPEN_BODY, MAX_VALUES, found_by, known
from polycast.dialects.routing import Section, include
from polycast.domain.errors import RateLimited, TooLarge, Unauthorized

asked: list[str] = []


async def _find(request: Request) -> str:
    name = request.headers.get("x-name", "")
    asked.append(name)
    if not name:
        raise Unauthorized("who are you?")
    if name == "hasty":
        raise RateLimited("wait")
    return name


@found_by(_find)
async def caller(request: Request) -> str:
    return await known(request, _find)


Name = Annotated[str, Depends(caller)]


async def _nested(name: Name) -> str:
    return name.upper()


@pytest.fixture
def app() -> FastAPI:
    section = Section()

    @section.post("/known")
    async def with_key(name: Name, body: dict[str, Any]) -> str:
        return name

    @section.post("/nested")
    async def nested(name: Annotated[str, Depends(_nested)], body: dict[str, Any]) -> str:
        return name

    @section.get("/bare")
    async def bare(name: Name) -> str:
        return name

    @section.post("/open")
    async def opened(body: dict[str, Any]) -> str:
        return "anybody"

    made = FastAPI()
    include(made, [section])
    for kind, status in {Unauthorized: 401, RateLimited: 429, TooLarge: 413}.items():
        made.add_exception_handler(kind, lambda _, error, status=status: JSONResponse(str(error), status))
    asked.clear()
    return made


async def _answer(app: FastAPI, path: str, name: str, body: bytes | None) -> int:
    """The status of an answer; with `body` None the body never comes."""
    statuses: list[int] = []

    async def receive() -> dict[str, Any]:
        if body is None:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope = {
        "type": "http", "http_version": "1.1", "method": "POST", "path": path, "query_string": b"", "root_path": "",
        "headers": [(b"x-name", name.encode()), (b"content-type", b"application/json")],
    }  # fmt: skip
    async with asyncio.timeout(10):
        await app(scope, receive, send)
    return statuses[0]


@pytest.mark.parametrize("path", ["/known", "/nested"])
@pytest.mark.parametrize(("name", "status"), [("", 401), ("hasty", 429)])
async def test_strangers_and_hasty_ones_are_refused_unread(
    app: FastAPI, path: str, name: str, status: int
) -> None:
    assert await _answer(app, path, name, None) == status


@pytest.mark.parametrize("path", ["/known", "/nested"])
async def test_callers_are_asked_for_once(app: FastAPI, path: str) -> None:
    assert await _answer(app, path, "Ada", b"{}") == 200
    assert asked == ["Ada"]


async def test_a_route_without_a_body_asks_as_ever(app: FastAPI) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://server") as client:
        assert (await client.get("/bare", headers={"x-name": "Ada"})).json() == "Ada"
    assert asked == ["Ada"]


async def test_bounds(app: FastAPI) -> None:
    padding = b" " * MAX_BODY
    assert await _answer(app, "/known", "Ada", b"{}" + padding[2:]) == 200
    assert await _answer(app, "/known", "Ada", b"{}" + padding) == 413
    assert await _answer(app, "/open", "", b"{}" + padding[: MAX_OPEN_BODY - 2]) == 200
    assert await _answer(app, "/open", "", b"{}" + padding[:MAX_OPEN_BODY]) == 413
    assert await _answer(app, "/known", "Ada", b'{"a":[' + b"1," * (MAX_VALUES - 2) + b"1]}") == 200
    assert await _answer(app, "/known", "Ada", b'{"a":[' + b"1," * MAX_VALUES + b"1]}") == 413


async def test_ten_thousand_parts_with_the_headers_of_each_answer_are_read(app: FastAPI) -> None:
    """Browser clients complete with whatever they could read of each part's answer."""
    headers = {
        "access-control-allow-origin": "*", "access-control-expose-headers": "ETag", "access-control-max-age": "86400",
        "content-length": "0", "date": "Fri, 27 Nov 2026 12:00:00 GMT", "server": "nginx",
        "strict-transport-security": "max-age=31536000; includeSubDomains", "etag": '"' + "0" * 32 + '"',
    }  # fmt: skip
    parts = [{"PartNumber": number, **headers, "ETag": headers["etag"]} for number in range(1, 10_001)]
    assert await _answer(app, "/known", "ann", json.dumps({"parts": parts}).encode()) == 200
