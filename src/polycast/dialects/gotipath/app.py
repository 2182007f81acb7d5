"""The Gotipath application: its routers, its OpenAPI document, its edge."""

from fastapi import FastAPI
from starlette.types import ASGIApp

from polycast.dialects import documentation
from polycast.dialects.gotipath import (
    collections,
    document,
    errors,
    later,
    libraries,
    players,
    tags,
    tus,
    uploads,
    videos,
)
from polycast.dialects.gotipath.edge import Edge
from polycast.dialects.gotipath.limits import PER_SECOND, RateLimiter
from polycast.dialects.routing import include
from polycast.services.registry import Services


def create_gotipath(services: Services, *, requests_per_s: float = PER_SECOND) -> ASGIApp:
    """The application, to be mounted; paths below it are the contract's own."""
    app = FastAPI(
        title="Gotipath Stream",
        version="1",
        description="Polycast in the words of Gotipath Stream.",
        redirect_slashes=False,
        # both of FastAPI's load their scripts from another site; ours is of our own build
        docs_url=None,
        redoc_url=None,
    )
    app.state.services = services
    app.state.limiter = RateLimiter(requests_per_s)
    modules = (libraries, videos, collections, uploads, tus, tags, players, later)
    include(app, (module.router for module in modules))
    errors.install(app)
    documentation.install(app, document.describe)
    return Edge(app, max_file=services.uploads.max_bytes)
