"""What both dialects' tests share: clips, and a server that may fetch from this machine."""

from collections.abc import Iterator

import pytest

from tests.support.media import Media
from tests.support.postgres import RunPostgres
from tests.support.server import PolycastServer


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Media:
    return Media.for_run(tmp_path_factory)


@pytest.fixture(scope="session")
def reaching_server(
    postgres: RunPostgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PolycastServer]:
    """A server that may fetch from this machine, which others refuse."""
    url = postgres.create()
    running = PolycastServer(
        tmp_path_factory.mktemp("reaching"), url, {"outbound_allow": "127.0.0.1/32"}
    ).start()
    yield running
    running.stop()
    postgres.drop(url)
