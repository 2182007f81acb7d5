"""Player pages on an origin of their own, beside that of media and configuration."""

from collections.abc import Iterator

import pytest
from playwright.async_api import Page

from polycast.cli.ports import free_port
from tests.e2e.playback.publishing import Publisher
from tests.e2e.player.watching import until
from tests.support import waiting
from tests.support.media import Media
from tests.support.postgres import RunPostgres
from tests.support.server import PolycastServer

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(150),
    pytest.mark.asyncio(loop_scope="session"),
]


@pytest.fixture
def two_origins(postgres: RunPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PolycastServer]:
    """A server known by two names."""
    url = postgres.create()
    port = free_port()
    names = {"public_url": f"http://127.0.0.1:{port}", "player_origin": f"http://localhost:{port}"}
    server = PolycastServer(tmp_path_factory.mktemp("origins"), url, names, port)
    server.start()
    yield server
    server.resume_encoding()
    server.stop()
    postgres.drop(url)


async def test_a_page_on_the_players_origin_follows_what_is_being_made(
    page: Page, two_origins: PolycastServer, media: Media
) -> None:
    public = str(two_origins.settings["public_url"])
    publisher = Publisher(public, two_origins.admin_key)
    # nothing is made before the page has asked more than once
    await two_origins.suspend_encoding()
    asset = await publisher.create(media.clip("long_gop"))
    answered: list[int] = []
    page.on(
        "response", lambda answer: answered.append(answer.status) if "config.json" in answer.url else None
    )
    await page.goto(f"{two_origins.settings['player_origin']}/play/{asset.uid}")
    assert (await page.evaluate("polycast.config.config_url")).startswith(public)
    assert await page.evaluate("polycast.config.status") == "processing"
    await waiting.until(
        lambda: len(answered) > 1, timeout_s=30, what="the second answer of the configuration"
    )
    two_origins.resume_encoding()
    await until(page, "polycast.video.currentTime > 0.5", deadline_s=45)
    await publisher.complete(asset)
    assert set(answered) <= {200, 304}
