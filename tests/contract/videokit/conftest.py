"""`kit`: an admin of a fresh tenant; `shared`: an asset that plays and that no test may change."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import uuid4

import pytest_asyncio

from polycast.domain.access import Role
from tests.contract.videokit.kit import Kit
from tests.support.media import Media
from tests.support.server import PolycastServer, TenantKey


@pytest_asyncio.fixture
async def kit(server: PolycastServer) -> AsyncIterator[Kit]:
    """An admin of a tenant of this test's own."""
    opened = Kit(server, await server.tenant(f"kit {uuid4().hex[:8]}"))
    yield opened
    await opened.close()


@pytest_asyncio.fixture
async def neighbour(server: PolycastServer) -> AsyncIterator[Kit]:
    """An admin of another tenant."""
    opened = Kit(server, await server.tenant(f"neighbour {uuid4().hex[:8]}"))
    yield opened
    await opened.close()


@dataclass(frozen=True, slots=True)
class Shared:
    """A clip of 6 s that plays, in a tenant of its own."""

    tenant: TenantKey
    file: str
    asset: str


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared(server: PolycastServer, media: Media) -> Shared:
    tenant = await server.tenant("shared", Role.ADMIN)
    kit = Kit(server, tenant)
    try:
        file = await kit.upload(media.clip("h264"), "coastal run.mp4")
        asset = await kit.create(file, "dash_hls_720p", "Coastal Run")
        await kit.settled(asset)
    finally:
        await kit.close()
    return Shared(tenant, file, asset)


@pytest_asyncio.fixture
async def viewer(server: PolycastServer, shared: Shared) -> AsyncIterator[Kit]:
    """The shared asset's tenant; look, do not touch."""
    opened = Kit(server, shared.tenant)
    yield opened
    await opened.close()
