"""Theme, layout and accessibility: what the tenant sets acts, nothing falls off a small screen, all has names."""

from dataclasses import fields, replace
from typing import Any

import pytest
from playwright.async_api import Browser, Page

from polycast.delivery.pages import CaptionStyle, Controls, MenuSettings, PagePolicy, PlayerConfig, Theme
from tests.e2e.player import cases
from tests.e2e.player.site import Site
from tests.e2e.player.watching import start, until

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

# flag → what it shows; double_tap and airplay have nothing to see in this browser
SHOWN = {
    "play_pause": ".pc-play",
    "mute": ".pc-mute",
    "volume": ".pc-volume",
    "captions": ".pc-captions",
    "settings": ".pc-settings",
    "picture_in_picture": ".pc-pip",
    "current_time": ".pc-current",
    "remaining_time": ".pc-remaining",
    "total_time": ".pc-total",
    "progress": ".pc-seek",
    "heatmap": ".pc-heat",
    "fullscreen": ".pc-fullscreen",
}


def _themed(**theme: Any) -> PlayerConfig:
    return replace(cases.video(), heatmap=(1, 5, 3, 2), theme=Theme(**theme))


async def test_every_flag_is_covered() -> None:
    assert {field.name for field in fields(Controls)} - set(SHOWN) == {"big_play", "double_tap", "airplay"}


async def test_each_flag_hides_its_control_only(page: Page, site: Site) -> None:
    everything = dict.fromkeys(SHOWN, True)
    present = "s => { const e = document.querySelector(s); return !!e && !e.closest('[hidden]') }"
    for flag in SHOWN:
        site.configs["v"] = _themed(controls=Controls(**{**everything, flag: False}))
        await page.goto(f"{site.url}/play/v?autoplay=1&muted=1")
        await until(
            page, "polycast.video.currentTime > 0 && document.querySelector('.pc-captions.is-on') === null"
        )
        await until(page, "polycast.player.getTextTracks().length === 2")
        seen = {name: await page.evaluate(present, selector) for name, selector in SHOWN.items()}
        expected = {**everything, flag: False}
        if flag == "mute":
            expected["volume"] = seen["volume"]
        if flag == "progress":
            expected["heatmap"] = False  # it lies on the slider
        assert seen == expected


async def test_without_controls_there_is_no_bar(page: Page, site: Site) -> None:
    site.configs["v"] = _themed(controls=Controls(**dict.fromkeys((f.name for f in fields(Controls)), False)))
    await page.goto(f"{site.url}/play/v?autoplay=1&muted=1")
    await until(page, "polycast.video.currentTime > 0")
    assert await page.locator(".pc-bar").is_hidden()


async def test_big_button_may_be_absent(page: Page, site: Site) -> None:
    site.configs["v"] = _themed(controls=Controls(big_play=False))
    await page.goto(f"{site.url}/play/v")
    assert await page.locator(".pc-big").is_hidden()
    await page.locator(".pc-play").click()
    await until(page, "polycast.video.currentTime > 0.2")


async def test_menu_has_the_pages_of_the_theme(page: Page, site: Site) -> None:
    site.configs["v"] = _themed(settings=MenuSettings(captions=False, quality=False, speed=True, loop=False))
    await start(page, f"{site.url}/play/v")
    await page.locator(".pc-settings").click()
    names = await page.locator(".pc-menu .pc-item-label").all_text_contents()
    assert names == ["Speed"]
    site.configs["v"] = _themed(settings=MenuSettings(False, False, False, False))
    await start(page, f"{site.url}/play/v")
    assert await page.locator(".pc-settings").is_hidden()


async def test_colours_fonts_and_captions_of_the_theme(page: Page, site: Site) -> None:
    site.configs["v"] = _themed(
        primary_color="#ffcc00",
        font_family="Courier, x} * {display:none",
        font_size=18,
        caption=CaptionStyle(font_size=31, font_color="#00ff00", background_color="#112233"),
        language="de",
    )
    await page.goto(f"{site.url}/play/v")
    style = "(s, p) => getComputedStyle(document.querySelector(s))[p]"
    read = f"([s, p]) => ({style})(s, p)"
    assert await page.evaluate(read, [".pc-big .pc-icon", "backgroundColor"]) == "rgb(255, 204, 0)"
    # dark on a light accent
    assert await page.evaluate(read, [".pc-big .pc-icon", "color"]) == "rgb(20, 24, 31)"
    assert await page.evaluate(read, [".pc-root", "fontSize"]) == "18px"
    assert await page.locator(".pc-big").is_visible()  # a hostile font name is no rule
    await start(page, f"{site.url}/play/v")
    await page.keyboard.press("c")
    await until(page, "document.querySelector('.shaka-text-container')?.textContent.includes('First')")
    leaf = "[...document.querySelectorAll('.shaka-text-container *')].find(e => e.textContent && !e.children.length)"
    look = await page.evaluate(
        f"(() => {{ const s = getComputedStyle({leaf}); return [s.fontSize, s.color] }})()"
    )
    assert look == ["31px", "rgb(0, 255, 0)"]
    backgrounds = await page.evaluate(
        "[...document.querySelectorAll('.shaka-text-container *')].map(e => getComputedStyle(e).backgroundColor)"
    )
    assert "rgb(17, 34, 51)" in backgrounds
    assert await page.get_by_role("button", name="Einstellungen").count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("color", ["#ffee00", "#0a1a3a", "#ffffff"])
async def test_any_colour_of_a_tenant_can_be_seen(page: Page, site: Site, scheme: Any, color: str) -> None:
    """The position on the bar against the bar itself, WCAG 2.2, 1.4.11."""
    site.configs["v"] = _themed(primary_color=color)
    await page.emulate_media(color_scheme=scheme)
    await page.goto(f"{site.url}/play/v")
    await page.locator(".pc-big").wait_for()
    ratio = await page.evaluate(
        """() => {
          const light = (selector) => {
            const c = document.createElement('canvas').getContext('2d');
            c.fillStyle = getComputedStyle(document.querySelector(selector)).backgroundColor;
            c.fillRect(0, 0, 1, 1);
            const [r, g, b] = [...c.getImageData(0, 0, 1, 1).data].map(p => p / 255)
              .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
          };
          const [low, high] = [light('.pc-played'), light('.pc-menu')].sort((a, b) => a - b);
          return (high + 0.05) / (low + 0.05);
        }"""
    )
    assert ratio >= 2.9


@pytest.mark.parametrize("width", [320, 375, 560, 900])
@pytest.mark.parametrize("kind", ["play", "embed"])
async def test_nothing_falls_off(page: Page, site: Site, width: int, kind: str) -> None:
    site.configs["v"] = _themed(controls=Controls(remaining_time=True))
    await page.set_viewport_size({"width": width, "height": 640})
    await start(page, f"{site.url}/{kind}/v")
    await page.keyboard.press("k")
    await until(page, "polycast.video.paused")
    outside = await page.evaluate(
        """() => {
          const frame = document.querySelector('.pc-root').getBoundingClientRect();
          const bad = [];
          for (const e of document.querySelectorAll('.pc-bar, .pc-bar > button, .pc-seek, .pc-sound > button')) {
            const b = e.getBoundingClientRect();
            if (!b.width) continue;
            if (b.left < frame.left - 0.5 || b.right > frame.right + 0.5 || b.bottom > frame.bottom + 0.5) bad.push(e.className);
          }
          const row = [...document.querySelectorAll('.pc-bar > button')].filter(e => e.offsetWidth).map(e => e.offsetTop);
          if (new Set(row).size > 1) bad.push('wrapped');
          if (document.documentElement.scrollWidth > innerWidth) bad.push('page scrolls sideways');
          return bad;
        }"""
    )
    assert outside == []


@pytest.mark.parametrize(("width", "height"), [(320, 180), (300, 200), (640, 360)])
async def test_menu_fits_a_small_frame(page: Page, site: Site, width: int, height: int) -> None:
    site.configs["v"] = cases.video()
    await page.set_viewport_size({"width": width, "height": height})
    await start(page, f"{site.url}/embed/v")
    await page.locator(".pc-settings").click()
    box = await page.locator(".pc-menu").bounding_box()
    assert box is not None
    assert box["x"] >= 0 and box["y"] >= 0
    assert box["x"] + box["width"] <= width and box["y"] + box["height"] <= height


async def test_everything_has_a_role_and_a_name(page: Page, site: Site) -> None:
    site.configs["v"] = _themed(controls=Controls(remaining_time=True))
    await start(page, f"{site.url}/play/v")
    await page.locator(".pc-settings").click()
    problems = await page.evaluate(
        """() => {
          const bad = [];
          for (const e of document.querySelectorAll('button, input, [role=slider], [role=menu], [role=region], nav, summary')) {
            const name = e.getAttribute('aria-label') || e.getAttribute('aria-labelledby')
              || document.querySelector(`label[for="${e.id}"]`)?.textContent || e.textContent.trim();
            if (!name && !(e.role === 'menu' && e.parentElement.getAttribute('aria-label'))) bad.push(e.outerHTML.slice(0, 80));
          }
          const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
          if (new Set(ids).size !== ids.length) bad.push('an id twice');
          for (const e of document.querySelectorAll('[role=menuitemradio], [role=menuitemcheckbox]'))
            if (!e.hasAttribute('aria-checked')) bad.push('unchecked ' + e.textContent);
          for (const e of document.querySelectorAll('[aria-hidden=true] button, [aria-hidden=true] [tabindex="0"]'))
            bad.push('hidden but focusable');
          if (!document.documentElement.lang) bad.push('no language');
          if (document.querySelectorAll('h1').length !== 1) bad.push('h1');
          return bad;
        }"""
    )
    assert problems == []
    slider = page.get_by_role("slider", name="Position")
    for attribute in ("aria-valuemin", "aria-valuemax", "aria-valuenow", "aria-valuetext"):
        assert await slider.get_attribute(attribute)
    assert "of 10 seconds" in str(await slider.get_attribute("aria-valuetext"))
    assert await page.get_by_role("region", name="Video player: Coastal Run").count() == 1


async def test_focus_is_visible_and_in_reading_order(page: Page, site: Site) -> None:
    site.configs["v"] = cases.video()
    await page.goto(f"{site.url}/embed/v")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await until(page, "polycast.video.currentTime > 0.2")
    await page.focus(".pc-play")
    order = []
    for _ in range(7):
        order.append(await page.evaluate("document.activeElement.className.split(' ').at(-1)"))
        outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        if len(order) > 1:
            assert outline != "none", order
        await page.keyboard.press("Tab")
    assert order == ["pc-play", "pc-seek", "pc-mute", "pc-volume", "pc-captions", "pc-settings", "pc-pip"]


async def test_reduced_motion(browser: Browser, site: Site) -> None:
    site.configs["v"] = replace(cases.video(), status="processing", progress=None)
    context = await browser.new_context(reduced_motion="reduce")
    page = await context.new_page()
    await page.goto(f"{site.url}/play/v")
    duration = await page.evaluate(
        "getComputedStyle(document.querySelector('.pc-bars i')).animationIterationCount"
    )
    assert duration == "1"
    await context.close()


async def test_rtl_pages_keep_time_running_to_the_right(page: Page, site: Site) -> None:
    site.configs["v"] = _themed(language="ar")
    await start(page, f"{site.url}/play/v?t=2")
    assert await page.evaluate("getComputedStyle(document.body).direction") == "rtl"
    played, knob = await page.evaluate(
        "[document.querySelector('.pc-played').getBoundingClientRect().left,"
        " document.querySelector('.pc-knob').getBoundingClientRect().left]"
    )
    assert played < knob
    assert not await page.evaluate("document.documentElement.scrollWidth > innerWidth")


async def test_custom_html_may_say_but_not_run(browser: Browser, site: Site) -> None:
    html = '<p id="hello">From the tenant</p><script>window.ran = true</script><style>#hello{color:rgb(1,2,3)}</style>'
    site.configs["v"] = _themed(footer_html=html)
    context = await browser.new_context()
    page = await context.new_page()
    await page.goto(f"{site.url}/play/v")
    assert await page.locator("#hello").text_content() == "From the tenant"
    assert await page.evaluate("getComputedStyle(document.getElementById('hello')).color") == "rgb(1, 2, 3)"
    assert await page.evaluate("window.ran === undefined")
    site.policy = PagePolicy(custom_scripts=True)
    await page.goto(f"{site.url}/play/v")
    assert await page.evaluate("window.ran === true")
    await context.close()
