"""Fixtures of delivery: a platform in this process, and one HTTP server of it for all tests of a worker."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from polycast.bootstrap import build_platform, running
from polycast.services.registry import Services
from polycast.services.tenants import Tenant
from polycast.settings import Settings, load
from tests.integration.delivery.certificates import Certificate, self_signed
from tests.integration.delivery.http_server import HttpServer
from tests.integration.delivery.published import new_tenant
from tests.support.postgres import RunPostgres


@dataclass(frozen=True)
class Installation:
    """A data folder and a database, without processes."""

    data: Path
    database_url: str

    @property
    def settings(self) -> Settings:
        return load(data=self.data, sandbox="off")


@pytest.fixture(scope="session")
def installation(postgres: RunPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One for all tests of a worker; each test has its own tenants."""
    url = postgres.create()
    yield Installation(tmp_path_factory.mktemp("delivery"), url)
    postgres.drop(url)


@pytest_asyncio.fixture
async def services(installation: Installation) -> AsyncIterator[Services]:
    """The services of the installation, in the test's own process and event loop."""
    async with running(build_platform(installation.settings, installation.database_url)) as platform:
        yield platform.services


@pytest_asyncio.fixture
async def tenant(services: Services, request: pytest.FixtureRequest) -> Tenant:
    """A tenant of the test's own."""
    return await new_tenant(services, request.node.name[:60])


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """For servers that speak TLS themselves."""
    return self_signed(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="session")
def http_server(installation: Installation) -> Iterator[HttpServer]:
    """The installation's HTTP server."""
    with HttpServer(installation.data, installation.database_url) as server:
        yield server


@pytest_asyncio.fixture
async def client(http_server: HttpServer) -> AsyncIterator[httpx.AsyncClient]:
    """A client of it that follows no redirect by itself."""
    async with httpx.AsyncClient(base_url=http_server.url, timeout=20) as opened:
        yield opened
