"""Routes of an application found by the words of a path, in place of trying one after another."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Receive, Scope, Send

from polycast.dialects.bodies import CallerFirst

_ANY = "{}"
"""in the tree: a parameter in place of a word"""
_END = ""
_WORD = re.compile(r"\{\w+\}|[^{}]+")


class Section(APIRouter):
    """Routes of one section of an API: callers are known before their bodies are read. A body that comes without
    a type is JSON: nothing else is accepted."""

    def __init__(self, *, route_class: type[APIRoute] = CallerFirst, **options: Any) -> None:
        super().__init__(strict_content_type=False, route_class=route_class, **options)


def include(app: FastAPI, sections: Iterable[Section]) -> None:
    """Add the routes of an application's sections to it.

    With 90 routes FastAPI's own `include_router` takes longer to find one than the database to answer: it
    tries all of them, section by section, and those of the section that matches twice.
    """
    routes = [route for section in sections for route in section.routes]
    # all stand behind the index, too: for the OpenAPI document, and for answers to what it does not know
    app.router.routes[:0] = [RouteIndex(routes), *routes]


def refusal_headers(request: Request, error: HTTPException) -> Mapping[str, str] | None:
    """Headers of what the framework refuses; `Allow` names all methods of the path (RFC 9110 section 10.2.1).

    The framework names those of one route alone, and each method has a route of its own.
    """
    if error.status_code != 405:
        return error.headers
    routes = [route for route in request.app.router.routes if isinstance(route, Route)]
    here = [route.methods or () for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    return {"allow": ", ".join(sorted(set().union(*here)))}


class RouteIndex(BaseRoute):
    """Stands before the routes it knows; what it does not find is left to them (404, 405, ambiguous paths).

    Raises:
        ValueError: a parameter of a route is only a part of a word of its path.
    """

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        self._methods: dict[str, dict[str, Any]] = {}
        for route in routes:
            # the rest of a path, whatever its length, is for the route's own pattern
            if isinstance(route, APIRoute) and ":path}" not in route.path:
                for method in route.methods or ():
                    self._add(self._methods.setdefault(method, {}), route)

    @staticmethod
    def _add(tree: dict[str, Any], route: APIRoute) -> None:
        for word in route.path.split("/")[1:]:
            if not _WORD.fullmatch(word):
                raise ValueError(f"{route.path} cannot be found by its words")
            tree = tree.setdefault(_ANY if word.startswith("{") else word, {})
        tree.setdefault(_END, route)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """The match of the one route whose words are those of the path."""
        tree = self._methods.get(scope.get("method", ""))
        below: str = scope["path"].removeprefix(scope.get("root_path", ""))
        for word in below.split("/")[1:]:
            if tree is None or not word:
                return Match.NONE, {}
            tree = tree.get(word) or tree.get(_ANY)
        route = tree.get(_END) if tree else None
        return (Match.NONE, {}) if route is None else route.matches(scope)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand over to the route that was found."""
        await scope["route"].handle(scope, receive, send)
