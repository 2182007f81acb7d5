"""What the player's tests ask of a page.

The pages forbid `eval`, which Playwright's own `wait_for_function` needs; expressions are evaluated from
outside instead, again and again until they hold.
"""

from typing import Any

from playwright.async_api import Page

from tests.support import waiting


async def until(page: Page, expression: str, *, deadline_s: float = 15.0) -> Any:
    """Wait until an expression is truthy in the page and return it."""
    try:
        return await waiting.until(lambda: page.evaluate(expression), timeout_s=deadline_s, what=expression)
    except AssertionError as never:
        state = await page.evaluate("document.getElementById('polycast-player')?.dataset.phase")
        raise AssertionError(f"{never} (player: {state})") from never


async def start(page: Page, url: str) -> None:
    """Open a page, press the big button and see the picture move."""
    await page.goto(url)
    await page.click(".pc-big")
    await until(page, "polycast.video.currentTime > 0.3 && !polycast.video.paused")


async def now(page: Page) -> float:
    """Position in seconds."""
    return float(await page.evaluate("polycast.video.currentTime"))


async def bar(page: Page) -> None:
    """Bring the control bar up, as a hand on the mouse does."""
    box = await page.locator(".pc-root").bounding_box()
    assert box is not None
    await page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 3)
    await page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 3 + 5)
    await until(page, "!document.querySelector('.pc-root').classList.contains('is-asleep')")
