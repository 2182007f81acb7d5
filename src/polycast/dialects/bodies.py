"""Bodies of calls: read when it is known who sends them, and only so much of them."""

from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any, Final, TypeVar

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.types import Message, Receive

from polycast.domain.errors import TooLarge

MAX_BODY: Final = 8 * 1024 * 1024
"""bytes; the longest that means anything is a completion of 10 000 parts, of each of which browser clients send all
the headers that the answer to it had"""
MAX_OPEN_BODY: Final = 64 * 1024
"""bytes, where anybody may call"""
MAX_VALUES: Final = 250_000
"""JSON values in one body: each costs hundreds of bytes once it is parsed, and as many again where it is wrong"""

T = TypeVar("T")
D = TypeVar("D", bound=Callable[..., Any])
Find = Callable[[Request], Awaitable[T]]

_FINDS: dict[Callable[..., Any], Find[Any]] = {}
_KNOWN = "polycast.known"


def found_by(find: Find[Any]) -> Callable[[D], D]:
    """Marks a dependency that answers what `find` finds: routes with it ask `find` before they read a body."""

    def marked(dependency: D) -> D:
        _FINDS[dependency] = find
        return dependency

    return marked


async def known(request: Request, find: Find[T]) -> T:
    """What `find` finds for this request; not asked again where the route has asked. Raises what it raises."""
    found: dict[Find[Any], Any] = request.scope.get(_KNOWN, {})
    return found[find] if find in found else await find(request)


class CallerFirst(APIRoute):
    """A route that finds the caller, then reads the body: FastAPI by itself reads and parses it first.

    Raises (the handler):
        TooLarge: the body has too many bytes or values. What finding the caller raises.
    """

    request_class: type[Request] = Request

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler of the route; without a body FastAPI's own."""
        handler = super().get_route_handler()
        if self.body_field is None:
            return handler
        finds = list(_finds(self.dependant))
        most = MAX_BODY if finds else MAX_OPEN_BODY

        async def ordered(request: Request) -> Response:
            request.scope[_KNOWN] = {find: await find(request) for find in finds}
            _refuse_announced(request, most)
            sent = self.request_class(request.scope, _bounded(request.receive, most))
            _refuse_values(await sent.body())
            return await handler(sent)

        return ordered


def _finds(dependant: Dependant) -> Iterator[Find[Any]]:
    for each in dependant.dependencies:
        if each.call in _FINDS:
            yield _FINDS[each.call]
        yield from _finds(each)


def _refuse_announced(request: Request, most: int) -> None:
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > most:
        raise _too_large(most)


def _bounded(receive: Receive, most: int) -> Receive:
    """Bodies that do not announce their length are counted."""
    total = 0

    async def bounded() -> Message:
        nonlocal total
        message = await receive()
        total += len(message.get("body", b""))
        if total > most:
            raise _too_large(most)
        return message

    return bounded


def _too_large(most: int) -> TooLarge:
    return TooLarge(f"a request body has at most {most} bytes here")


def _refuse_values(body: bytes) -> None:
    # one pass at the speed of memory; commas in texts count too, which no honest body has by the ten thousand
    if body.count(b",") + body.count(b"[") + body.count(b"{") > MAX_VALUES:
        raise TooLarge(f"a request body has at most {MAX_VALUES} values")
