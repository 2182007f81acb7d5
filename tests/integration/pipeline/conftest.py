"""One studio per test, and the clips of the run."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.media import Media
from tests.support.studio import Studio


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Media:
    return Media.for_run(tmp_path_factory)


@pytest_asyncio.fixture
async def studio(database_url: str, tmp_path: Path) -> AsyncIterator[Studio]:
    """A platform of the test's own, nothing running in it."""
    async with Studio.open(database_url, tmp_path / "data") as opened:
        yield opened
