"""Browser, site and media for the player's tests; each made once per worker."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import imageio_ffmpeg
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect

from polycast.delivery.pages import dist_dir
from scripts.browser import MISSING, find_chromium
from tests.e2e.player.media import make_audio, make_bilingual, make_video
from tests.e2e.player.site import Site
from tests.support import waiting

CHROMIUM_ARGUMENTS = [
    "--headless=new",
    "--no-sandbox",  # test containers run as root
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]


@pytest.fixture(autouse=True)
def no_process_left() -> None:
    """Replaces the rule of all tests: the shared browser starts helpers (audio, network) in any test's time."""


@pytest.fixture(scope="session")
def player_media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with `video`, `portrait`, `bilingual` and `audio`."""
    ffmpeg = os.environ.get("POLYCAST_FFMPEG") or imageio_ffmpeg.get_ffmpeg_exe()
    root = tmp_path_factory.mktemp("player-media")
    make_video(ffmpeg, root / "video")
    make_video(ffmpeg, root / "portrait", portrait=True)
    make_bilingual(ffmpeg, root / "bilingual")
    make_audio(ffmpeg, root / "audio")
    return root


@pytest.fixture(scope="session")
def player_site(player_media: Path) -> Iterator[Site]:
    """The one server; a test uses `site`."""
    if not (dist_dir() / "manifest.json").is_file():
        pytest.fail("the player is not built: run `make web`")
    site = Site(player_media)
    yield site
    site.close()


@pytest.fixture
def site(player_site: Site) -> Site:
    """The server, with nothing set."""
    player_site.reset()
    return player_site


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Chromium of the system."""
    executable = find_chromium()
    if executable is None:
        pytest.skip(MISSING)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=CHROMIUM_ARGUMENTS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A fresh window of 1280 × 800; the test fails on script errors and refused content."""
    context = await browser.new_context(viewport={"width": 1280, "height": 800})
    page = await context.new_page()
    page.set_default_timeout(15_000 * waiting.STRETCH)
    expect.set_options(timeout=15_000 * waiting.STRETCH)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on(
        "console",
        lambda message: errors.append(message.text) if "Content Security Policy" in message.text else None,
    )
    yield page
    await context.close()
    assert errors == []
