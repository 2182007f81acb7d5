"""Libraries of their own for each test, on the shared server."""

from collections.abc import AsyncIterator

import pytest_asyncio

from polycast.domain.access import Role
from tests.contract.gotipath.client import Gotipath
from tests.support.server import PolycastServer


async def client_id(server: PolycastServer) -> str:
    """The organization's uid, which is the vendor's client id."""
    async with server.platform() as platform:
        owner = await platform.services.tenants.default_organization()
        assert owner is not None
        return str(owner.organization_uid)


async def library(server: PolycastServer, role: Role = Role.ADMIN) -> Gotipath:
    """A new library and a key to it."""
    made = await server.tenant("Gotipath", role)
    return Gotipath(server, await client_id(server), made.uid, made.key)


@pytest_asyncio.fixture
async def gotipath(server: PolycastServer) -> AsyncIterator[Gotipath]:
    """A library of the test's own."""
    async with await library(server) as found:
        yield found


@pytest_asyncio.fixture
async def stranger(server: PolycastServer) -> AsyncIterator[Gotipath]:
    """Another library of the same client."""
    async with await library(server) as found:
        yield found


@pytest_asyncio.fixture
async def owner(server: PolycastServer, gotipath: Gotipath) -> AsyncIterator[Gotipath]:
    """A key of the whole client, at work in the test's library."""
    async with Gotipath(server, gotipath.client, gotipath.library, server.admin_key) as found:
        yield found


@pytest_asyncio.fixture
async def reaching(reaching_server: PolycastServer) -> AsyncIterator[Gotipath]:
    """A library on it."""
    async with await library(reaching_server) as found:
        yield found
