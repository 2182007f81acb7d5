"""Playback switches of an asset, in a real browser."""

import pytest
from playwright.async_api import Page

from tests.e2e.playback.publishing import Published, Publisher
from tests.e2e.player.watching import until
from tests.support.media import Media

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(150),
    pytest.mark.asyncio(loop_scope="session"),
]

# what a key or a click would have done is told by whether somebody prevented it
WATCH = """
window.prevented = [];
for (const name of ["contextmenu", "keydown"])
  addEventListener(name, (event) => setTimeout(() => prevented.push([event.key ?? name, event.defaultPrevented])), true);
"""


async def _pressed(page: Page, *keys: str) -> dict[str, bool]:
    await page.evaluate("prevented.length = 0")
    for key in keys:
        await page.keyboard.press(key)
    await page.click(".pc-root", button="right", position={"x": 30, "y": 30})
    await until(page, "prevented.some(([key]) => key === 'contextmenu')")
    return {key.lower(): stopped for key, stopped in await page.evaluate("prevented")}


async def test_a_veiled_page_without_tools_plays_and_opens_no_tools(
    page: Page, publisher: Publisher, media: Media
) -> None:
    asset: Published = await publisher.published(media.clip("h264"))
    settings = f"/streaming/v1/assets/{asset.uid}/settings"
    await page.add_init_script(WATCH)
    await page.goto(asset.play)
    assert await _pressed(page, "F12", "Control+Shift+I") == {
        "f12": False,
        "control": False,
        "shift": False,
        "i": False,
        "contextmenu": False,
    }
    await publisher.call("PATCH", settings, {"devToolsAccess": "Disabled", "codeObfuscation": "Enabled"})
    await page.goto(asset.play)
    assert "playlist.m3u8" not in await page.content()
    pressed = await _pressed(page, "F12", "Control+Shift+I", "Control+u", "m")
    assert {key for key, stopped in pressed.items() if stopped} == {"f12", "i", "u", "m", "contextmenu"}
    assert await page.evaluate("window.polycast === undefined")
    await page.click(".pc-big")
    await until(page, "document.querySelector('video').currentTime > 0.3")
