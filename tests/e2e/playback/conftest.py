"""Chromium in front of a whole server; videos published once per run."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from tests.e2e.playback.publishing import Published, Publisher
from tests.e2e.player.conftest import browser, no_process_left, page
from tests.support.media import Media
from tests.support.server import PolycastServer

__all__ = ["browser", "no_process_left", "page"]

Ready = Callable[[str], Awaitable[Published]]


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Media:
    """Generated clips."""
    return Media.for_run(tmp_path_factory)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def publisher(server: PolycastServer) -> Publisher:
    """A tenant for all playback tests."""
    tenant = await server.tenant("playback")
    return Publisher(server.url, tenant.key)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def ready(publisher: Publisher, media: Media) -> AsyncIterator[Ready]:
    """Publishes a clip of `Media` by name, complete; the same asset for all tests that ask."""
    made: dict[str, Published] = {}

    async def get(name: str) -> Published:
        if name not in made:
            path: Path = media.clip(name)
            made[name] = await publisher.published(path)
        return made[name]

    yield get
