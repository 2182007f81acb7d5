"""What a viewer sees and touches: keyboard, menus, captions, chapters, thumbnails, touch."""

from dataclasses import replace

import pytest
from playwright.async_api import Browser, Page, expect

from tests.e2e.player import cases
from tests.e2e.player.site import Site
from tests.e2e.player.watching import bar, now, start, until

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_keys(page: Page, site: Site) -> None:
    site.configs["v"] = cases.video()
    await start(page, f"{site.url}/play/v?muted=0")
    keyboard = page.keyboard
    await keyboard.press("k")
    await until(page, "polycast.video.paused")
    for key, position in {
        "0": 0.0,
        "5": 5.0,
        "l": 15.0,
        "j": 0.0,
        "ArrowRight": 5.0,
        "ArrowLeft": 0.0,
    }.items():
        await keyboard.press(key)
        wanted = min(position, 9.98)
        await until(page, f"Math.abs(polycast.video.currentTime - {wanted}) < 0.2")
    await keyboard.press("4")
    await until(page, "Math.abs(polycast.video.currentTime - 4) < 0.01")
    await keyboard.press(".")
    await until(page, "Math.abs(polycast.video.currentTime - 4 - 1 / 24) < 0.01")
    await keyboard.press(",")
    await until(page, "Math.abs(polycast.video.currentTime - 4) < 0.01")
    await keyboard.press("m")
    await until(page, "polycast.video.muted")
    await keyboard.press("m")
    await until(page, "!polycast.video.muted")
    await keyboard.press(">")
    await until(page, "polycast.video.playbackRate === 1.25")
    await keyboard.press("<")
    await keyboard.press("<")
    await until(page, "polycast.video.playbackRate === 0.75")
    await keyboard.press("f")
    await until(page, "document.fullscreenElement?.id === 'polycast-player'")
    await keyboard.press("f")
    await until(page, "document.fullscreenElement === null")
    # inside the player the scrolling keys are its own
    await page.focus(".pc-play")
    await keyboard.press("End")
    await until(page, "polycast.video.currentTime > 9.5")
    await keyboard.press("Home")
    await until(page, "polycast.video.currentTime < 0.2")
    await keyboard.press("ArrowDown")
    await until(page, "Math.abs(polycast.video.volume - 0.95) < 0.001")
    # Space on a focused button is that button's
    await page.focus(".pc-mute")
    await keyboard.press(" ")
    await until(page, "polycast.video.muted && polycast.video.paused")


async def test_the_keys_are_told(page: Page, site: Site) -> None:
    site.configs["v"] = cases.video()
    await start(page, f"{site.url}/play/v")
    await page.focus(".pc-settings")
    card = page.get_by_role("dialog", name="Keyboard")
    await page.keyboard.press("?")
    await expect(card).to_contain_text("Full screen")
    await expect(page.get_by_role("button", name="Close")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(card).to_be_hidden()
    await expect(page.locator(".pc-settings")).to_be_focused()


async def test_only_the_viewer_s_silence_is_remembered(page: Page, site: Site) -> None:
    site.configs["v"] = cases.video()
    kept = "JSON.parse(localStorage.getItem('polycast.player') ?? '{}').muted ?? false"
    await start(page, f"{site.url}/play/v?muted=1")
    assert await page.evaluate("polycast.video.muted")
    assert not await page.evaluate(kept)
    await page.keyboard.press("m")
    await until(page, "!polycast.video.muted")
    await page.keyboard.press("m")
    await until(page, kept)


async def test_keys_leave_typing_alone(page: Page, site: Site) -> None:
    site.configs["v"] = cases.video()
    await start(page, f"{site.url}/play/v")
    await page.click("summary")
    await page.focus("#pc-share-link")
    await page.keyboard.press("k")
    await page.keyboard.press("m")
    assert not await page.evaluate("polycast.video.paused || polycast.video.muted")


async def test_menus_by_keyboard(page: Page, site: Site) -> None:
    site.configs["v"] = cases.video()
    # what is chosen shows two seconds later: the end must not come first
    await start(page, f"{site.url}/play/v?loop=1")
    keyboard = page.keyboard
    settings = page.get_by_role("button", name="Settings")
    await settings.focus()
    await keyboard.press("Enter")
    await expect(settings).to_have_attribute("aria-expanded", "true")
    await expect(page.get_by_role("menuitem", name="Quality")).to_be_focused()
    await keyboard.press("Enter")
    await expect(page.get_by_role("menuitemradio", name="Auto")).to_be_focused()
    await keyboard.press("End")
    await expect(page.get_by_role("menuitemradio", name="180p")).to_be_focused()
    await keyboard.press("Enter")
    await expect(settings).to_be_focused()
    await until(page, "polycast.video.videoHeight === 180")
    await keyboard.press("Enter")
    await expect(page.get_by_role("menuitem", name="Quality")).to_contain_text("180p")
    await keyboard.press("ArrowDown")
    await keyboard.press("ArrowDown")
    await expect(page.get_by_role("menuitem", name="Speed")).to_be_focused()
    await keyboard.press("ArrowRight")
    await page.get_by_role("menuitemradio", name="1.5×").click()
    await until(page, "polycast.video.playbackRate === 1.5")
    await keyboard.press("Enter")
    await keyboard.press("End")
    await keyboard.press("Enter")
    assert not await page.evaluate("polycast.video.loop")
    await expect(page.get_by_role("menuitemcheckbox", name="Loop")).to_have_attribute("aria-checked", "false")
    await keyboard.press("Escape")
    await expect(page.locator(".pc-menu")).to_be_hidden()
    await expect(settings).to_be_focused()


async def test_captions_show_and_are_remembered(page: Page, site: Site) -> None:
    site.configs["v"] = cases.video()
    await start(page, f"{site.url}/play/v")
    captions = page.get_by_role("button", name="Captions")
    await expect(captions).to_have_attribute("aria-expanded", "false")
    await captions.click()
    await expect(captions).to_have_attribute("aria-expanded", "true")
    await page.get_by_role("menuitemradio", name="Polski").click()
    await until(page, "document.querySelector('.shaka-text-container')?.textContent.includes('Pierwsze')")
    await page.keyboard.press("7")
    await until(page, "document.querySelector('.shaka-text-container')?.textContent.includes('Ostatnie')")
    await start(page, f"{site.url}/play/v")
    await until(page, "document.querySelector('.shaka-text-container')?.textContent.includes('Pierwsze')")
    await page.keyboard.press("c")
    await until(page, "!document.querySelector('.shaka-text-container')?.textContent.includes('słowa')")


async def test_chapters_on_page_and_bar(page: Page, site: Site) -> None:
    site.configs["v"] = cases.video()
    await start(page, f"{site.url}/play/v")
    assert await page.locator(".pc-mark").count() == 2
    await page.get_by_role("button", name="The climb <b>").click()
    await until(page, "polycast.video.currentTime >= 4 && polycast.video.currentTime < 6")
    await until(page, "document.querySelector('[aria-current]')?.textContent.includes('The climb <b>')")
    slider = page.get_by_role("slider", name="Position")
    assert "The climb <b>" in str(await slider.get_attribute("aria-valuetext"))


async def test_a_chapter_starts_playback_there(page: Page, site: Site) -> None:
    site.configs["v"] = cases.video()
    await page.goto(f"{site.url}/play/v")
    await page.get_by_role("button", name="Lighthouse").click()
    await until(page, "polycast.video.currentTime > 7.2")
    assert await page.evaluate("polycast.video.played.start(0)") >= 6.9


async def test_thumbnail_and_time_on_hover(page: Page, site: Site) -> None:
    site.configs["v"] = cases.video()
    await start(page, f"{site.url}/play/v")
    await bar(page)
    box = await page.locator(".pc-track").bounding_box()
    assert box is not None
    await page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + 2)
    await expect(page.locator(".pc-preview")).to_be_visible()
    await expect(page.locator(".pc-preview-text")).to_contain_text("Lighthouse")
    await expect(page.locator(".pc-preview-text")).to_contain_text("0:07")
    await until(
        page, "document.querySelector('.pc-picture').style.backgroundImage.includes('storyboard-0.jpg')"
    )
    # second 7 is the third tile of the second row
    assert (
        await page.evaluate("document.querySelector('.pc-picture').style.backgroundPosition")
        == "-320px -90px"
    )
    await page.mouse.move(box["x"] + 1, box["y"] + 2)
    preview = await page.locator(".pc-preview").bounding_box()
    frame = await page.locator(".pc-root").bounding_box()
    assert preview is not None and frame is not None and preview["x"] >= frame["x"]


async def test_seeking_by_mouse(page: Page, site: Site) -> None:
    site.configs["v"] = cases.video()
    await start(page, f"{site.url}/play/v")
    await bar(page)
    box = await page.locator(".pc-track").bounding_box()
    assert box is not None
    y = box["y"] + box["height"] / 2
    await page.mouse.move(box["x"] + box["width"] * 0.2, y)
    await page.mouse.down()
    await page.mouse.move(box["x"] + box["width"] * 0.6, y, steps=4)
    await page.mouse.up()
    await until(page, "polycast.video.currentTime >= 5.9 && polycast.video.currentTime < 8")


async def test_bar_hides_while_watching_and_comes_back(page: Page, site: Site) -> None:
    site.configs["v"] = cases.video()
    await start(page, f"{site.url}/play/v?loop=1")
    await until(page, "document.querySelector('.pc-root').classList.contains('is-asleep')")
    await bar(page)
    await page.keyboard.press("k")
    await until(page, "polycast.video.paused")
    assert not await page.evaluate("document.querySelector('.pc-root').classList.contains('is-asleep')")


async def test_click_pauses_and_plays(page: Page, site: Site) -> None:
    site.configs["v"] = cases.video()
    await start(page, f"{site.url}/play/v")
    await page.locator("video").click(position={"x": 200, "y": 100})
    await until(page, "polycast.video.paused")
    await page.locator("video").click(position={"x": 200, "y": 100}, delay=20)
    await until(page, "!polycast.video.paused")


async def test_a_click_that_closes_a_menu_does_not_pause(page: Page, site: Site) -> None:
    site.configs["v"] = cases.video()
    await start(page, f"{site.url}/play/v?loop=1")
    picture = page.locator("video")
    await page.get_by_role("button", name="Settings").click()
    await picture.click(position={"x": 200, "y": 100})
    await expect(page.locator(".pc-menu")).to_be_hidden()
    assert not await page.evaluate("polycast.video.paused")
    await page.keyboard.press("?")
    await picture.click(position={"x": 40, "y": 40})
    await expect(page.get_by_role("dialog", name="Keyboard")).to_be_hidden()
    assert not await page.evaluate("polycast.video.paused")
    # the next one does
    await picture.click(position={"x": 200, "y": 100})
    await until(page, "polycast.video.paused")


async def test_a_key_held_down_switches_once(page: Page, site: Site) -> None:
    site.configs["v"] = cases.video()
    await start(page, f"{site.url}/play/v?loop=1")
    # Playwright repeats a key that is down already, as a keyboard does
    for key, state in (("m", "polycast.video.muted"), ("k", "polycast.video.paused")):
        for _ in range(4):
            await page.keyboard.down(key)
        await page.keyboard.up(key)
        await until(page, state)
    # steps go on
    for _ in range(3):
        await page.keyboard.down(">")
    await page.keyboard.up(">")
    await until(page, "polycast.video.defaultPlaybackRate === 1.75")


async def test_the_focus_stays_in_the_player(page: Page, site: Site) -> None:
    """What is pressed and goes away does not leave the focus to the page's beginning."""
    site.configs["v"] = cases.video()
    await page.goto(f"{site.url}/play/v?t=8.8")
    player = page.locator(".pc-root")
    await page.focus(".pc-big")
    await page.keyboard.press("Enter")
    await until(page, "polycast.video.ended")
    await expect(player).to_be_focused()
    assert await page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "none"
    # the next stop is in the player, in its order: the big button that is back
    await page.keyboard.press("Tab")
    await expect(page.locator(".pc-big")).to_be_focused()
    await page.keyboard.press("Enter")
    await until(page, "!polycast.video.paused && polycast.video.currentTime < 8")
    await expect(player).to_be_focused()
    await page.keyboard.press("Tab")
    await expect(page.locator(".pc-play")).to_be_focused()
    await page.keyboard.press("Shift+?")
    await page.keyboard.press("Escape")
    await expect(page.locator(".pc-play")).to_be_focused()


async def test_the_player_says_its_language(browser: Browser, site: Site) -> None:
    """Without a theme's language, player and page may speak two."""
    site.configs["v"] = cases.video()
    context = await browser.new_context(locale="de-DE")
    page = await context.new_page()
    await page.goto(f"{site.url}/play/v")
    await page.get_by_role("region", name="Videoplayer: Coastal Run").wait_for()
    assert await page.evaluate("document.documentElement.lang") == "en"
    assert await page.locator(".pc-root").get_attribute("lang") == "de-DE"
    await context.close()


async def test_double_tap_goes_forward_and_back(browser: Browser, site: Site) -> None:
    site.configs["v"] = cases.video()
    site.configs["off"] = replace(
        cases.video(),
        theme=replace(cases.video().theme, controls=replace(cases.video().theme.controls, double_tap=False)),
    )
    context = await browser.new_context(
        viewport={"width": 400, "height": 700}, has_touch=True, is_mobile=True
    )
    page = await context.new_page()
    for name, expected in (("v", True), ("off", False)):
        await page.goto(f"{site.url}/play/{name}")
        await page.locator(".pc-big").tap()
        await until(page, "polycast.video.currentTime > 0.2")
        box = await page.locator(".pc-root").bounding_box()
        assert box is not None
        x, y = box["x"] + box["width"] * 0.85, box["y"] + 40
        await page.touchscreen.tap(x, y)
        await page.touchscreen.tap(x, y)
        if expected:
            await until(page, "polycast.video.currentTime > 9 || polycast.video.ended")
        else:
            assert await now(page) < 6
    await context.close()
