"""The HTTP application of one server process: delivery first, then health, dialects and the console."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from polycast import settings as configuration
from polycast.bodies import HeardAnswers, head_alone
from polycast.bootstrap import Platform, build_platform
from polycast.connections import STALL_S, Connections
from polycast.delivery.app import delivery
from polycast.dialects.gotipath.app import create_gotipath
from polycast.dialects.unbuilt import unbuilt
from polycast.dialects.videokit.app import create_videokit
from polycast.domain.errors import PolycastError, TooSlow, Unavailable
from polycast.metrics import Metrics
from polycast.proxies import TrustedProxies
from polycast.services.registry import Services
from polycast.settings import Settings

log = logging.getLogger(__name__)

MOUNTS = {
    "videokit": "/videokit",
    "gotipath": "/gotipath/v1",
    "gjirafa": "/gjirafa",
    "fivecentscdn": "/fivecentscdn/v2",
    "streamdo": "/streamdo",
}
"""dialect -> path; below it stand the contract's own paths"""

VENDOR_BASE = {
    "videokit": "",
    "gotipath": "/v1",
    "gjirafa": "",
    "fivecentscdn": "/v2",
    "streamdo": "",
}
"""dialect -> path of its vendor's own base address, for serving by Host"""

FACTORIES: dict[str, Callable[[Services], ASGIApp]] = {
    "videokit": create_videokit,
    "gotipath": create_gotipath,
    "gjirafa": lambda _: unbuilt("Gjirafa VP"),
    "fivecentscdn": lambda _: unbuilt("5centsCDN Livestreams"),
    "streamdo": lambda _: unbuilt("stream.do"),
}


def create_app() -> ASGIApp:
    """The application with settings from the environment: what Granian is told to load (a factory)."""
    settings = configuration.load()
    return build_app(settings, build_platform(settings, settings.database_url))


def build_app(settings: Settings, platform: Platform) -> ASGIApp:
    """The application; media requests pass no framework on their way."""
    services = platform.services
    delivered = delivery(services)
    dialects = {name: make(services) for name, make in FACTORIES.items()}

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        warming = asyncio.create_task(platform.warm_up())
        counting = asyncio.create_task(services.egress.run())
        watching = asyncio.create_task(front.watch())
        yield
        warming.cancel()
        watching.cancel()
        counting.cancel()
        await asyncio.wait([counting, watching])
        await platform.close()

    table: list[BaseRoute] = [
        Route("/healthz", _healthy),
        Route("/readyz", _Ready(services)),
        Route(
            "/metrics",
            Metrics(settings.metrics_key.get_secret_value(), public=settings.metrics_public).answer,
        ),
        Route("/", _front),
        *delivered.routes,
    ]
    framework = Starlette(
        routes=table, lifespan=lifespan, exception_handlers={Unavailable: _unavailable, TooSlow: _too_slow}
    )
    by_path = {MOUNTS[name]: app for name, app in dialects.items()}
    by_host = {host: (dialects[name], VENDOR_BASE[name]) for host, name in settings.hosts.items()}
    heard = HeardAnswers(
        _Front(framework, delivered.media, by_path, by_host), silence_s=settings.client_silence_s
    )
    # whose connection it is stands in the scope until a proxy's word is taken
    front = Connections(
        TrustedProxies(heard, settings.trusted_proxies),
        settings.http_port,
        settings.client_silence_s,
        max(STALL_S, settings.client_silence_s),
    )
    return front


_ENGINE = (
    "/upload/",
    "/play/",
    "/embed/",
    "/stream/",
    "/player/assets/",
    "/beacons/",
    "/files/",
    "/oembed",
    "/healthz",
    "/readyz",
)
"""what a vendor's host serves besides the dialect: the addresses that its answers lead to"""


_BESIDE_BASE = ("/tusupload/", "/tusupload")
"""what a vendor serves at the root of a host, beside its base path"""


class _Front:
    """Media by prefix, dialects by Host or by prefix, everything else by the framework.

    Calls of the APIs pass the framework of their dialect alone: another around it would cost as much as a query.
    """

    def __init__(
        self,
        framework: ASGIApp,
        media: ASGIApp,
        by_path: Mapping[str, ASGIApp],
        by_host: Mapping[str, tuple[ASGIApp, str]],
    ) -> None:
        self._framework = framework
        self._media = media
        self._by_path = by_path
        self._by_host = by_host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._framework
        if scope["type"] == "http":
            if scope["method"] == "HEAD":
                send = head_alone(send)
            path: str = scope["path"]
            if path.startswith(("/media/", "/s/")):
                app = self._media
            elif (found := self._dialect(scope, path)) is not None:
                app, base = found
                # where a mount would be: answers may name it
                scope = {**scope, "root_path": base}
        await app(scope, receive, send)

    def _dialect(self, scope: Scope, path: str) -> tuple[ASGIApp, str] | None:
        """The dialect that a request is for, and the path below which its own paths begin."""
        if self._by_host and not path.startswith(_ENGINE):
            found = self._by_host.get(host_name(scope))
            if found is not None:
                app, base = found
                if path.startswith(_BESIDE_BASE):
                    return app, ""
                if _is_below(path, base):
                    return app, base
        return next(((app, base) for base, app in self._by_path.items() if _is_below(path, base)), None)


def _is_below(path: str, base: str) -> bool:
    return path.startswith(base) and path[len(base) : len(base) + 1] in ("", "/")


def host_name(scope: Scope) -> str:
    """The host of a request in lower case, without its port; "" without one."""
    host = next((v for k, v in scope["headers"] if k == b"host"), b"").decode("latin-1").lower()
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host


async def _unavailable(request: Request, error: Exception) -> Response:
    """What pages and the like answer while a part of the installation is away."""
    assert isinstance(error, Unavailable)
    return PlainTextResponse(f"{error.message}\n", 503, {"retry-after": "2", "cache-control": "no-store"})


async def _too_slow(request: Request, error: Exception) -> Response:
    assert isinstance(error, TooSlow)
    return PlainTextResponse(f"{error.message}\n", 408)


async def _healthy(request: Request) -> Response:
    """GET /healthz: the process answers."""
    return PlainTextResponse("ok\n")


class _Ready:
    """GET /readyz: the database answers too."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._services.db.ping()
            response: Response = PlainTextResponse("ready\n")
        except PolycastError as error:
            response = JSONResponse({"error": error.message}, 503)
        await response(scope, receive, send)


async def _front(request: Request) -> Response:
    """GET /: the console is not there yet; say where the interfaces are."""
    if "text/html" in request.headers.get("accept", ""):
        return RedirectResponse("/videokit/docs")
    return JSONResponse({"apis": MOUNTS})
