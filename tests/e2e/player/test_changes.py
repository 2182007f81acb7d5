"""Sources that change under a viewer: better tracks, renewed addresses, another try. What the viewer has set stays."""

import threading
from dataclasses import replace

import pytest
from playwright.async_api import Page

from polycast.delivery.pages import PlayerConfig, Sources
from tests.e2e.player import cases
from tests.e2e.player.site import Site
from tests.e2e.player.watching import now, start, until
from tests.support import waiting

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

NOTICE = "!document.querySelector('.pc-notice').hidden && document.querySelector('.pc-notice').textContent"
SOUND = "polycast.player.getAudioTracks().find(track => track.active)?.language"
SIDE = "polycast.player.getVideoTracks().find(track => track.active)?.height"


def _bilingual(generation: str) -> PlayerConfig:
    manifest = Sources(dash="/media/bilingual/manifest.mpd")
    return replace(cases.video(), sources=manifest, captions=(), generation=generation, complete=False)


async def _better(page: Page, site: Site, config: PlayerConfig) -> None:
    """Play, slowly and for ever, until the better tracks of `config` are offered."""
    await page.evaluate("polycast.video.playbackRate = 0.5; polycast.video.loop = true")
    site.configs["v"] = config
    await until(page, NOTICE, deadline_s=20)


async def _choose(page: Page, menu: str, option: str) -> None:
    await page.get_by_role("button", name="Settings").click()
    await page.get_by_role("menuitem", name=menu).click()
    await page.get_by_role("menuitemradio", name=option).click()


async def test_language_and_height_stay_when_better_tracks_take_over(page: Page, site: Site) -> None:
    site.configs["v"] = _bilingual("g1")
    await start(page, f"{site.url}/play/v")
    await _choose(page, "Audio", "Polski")
    await _choose(page, "Quality", "180p")
    await until(page, f"{SOUND} === 'pl' && {SIDE} === 180")
    await _better(page, site, replace(_bilingual("g2"), complete=True))
    # this near to the beginning, ten seconds back are no place before the end
    await page.evaluate("polycast.video.currentTime = 3")
    await until(page, "!polycast.video.seeking")
    await page.keyboard.press("j")
    await until(page, "polycast.config.generation === 'g2' && polycast.video.readyState > 2")
    assert await now(page) < 1.5
    assert await page.evaluate(f"[{SOUND}, {SIDE}]") == ["pl", 180]
    await page.get_by_role("button", name="Settings").click()
    assert "180p" in str(await page.get_by_role("menuitem", name="Quality").text_content())
    assert "Polski" in str(await page.get_by_role("menuitem", name="Audio").text_content())


async def test_who_pauses_during_a_switch_stays_paused(page: Page, site: Site) -> None:
    hls = Sources(hls="/media/video/playlist.m3u8")
    site.configs["v"] = replace(cases.video(), complete=False, sources=hls)
    await start(page, f"{site.url}/play/v")
    manifest = site.held["/media/video/manifest.mpd"] = threading.Event()
    dash = Sources(dash="/media/video/manifest.mpd")
    await _better(page, site, replace(cases.video(), generation="g2", sources=dash))
    await page.get_by_role("button", name="Switch").click()
    await waiting.until(lambda: "/media/video/manifest.mpd" in site.requests, what="the switch began")
    await page.keyboard.press("k")
    await until(page, "document.querySelector('.pc-play').getAttribute('aria-label') === 'Play'")
    manifest.set()
    await until(
        page, "polycast.format === 'dash' && polycast.video.readyState > 2 && !polycast.video.seeking"
    )
    await until(page, "!document.querySelector('.pc-freeze')")
    assert await page.evaluate("polycast.video.paused")
    await page.keyboard.press("k")
    await until(page, "!polycast.video.paused")


async def test_who_has_paused_stays_paused_when_addresses_are_renewed(page: Page, site: Site) -> None:
    site.configs["v"] = cases.video()
    late = [f"/media/video/chunk-stream{n}-00004.m4s" for n in range(3)]
    held = threading.Event()
    for path in late:
        site.held[path] = held
        site.refused[path] = 403
    renewed = site.held["/config/v"] = threading.Event()
    await start(page, f"{site.url}/play/v?format=dash")
    await page.keyboard.press("k")
    await until(page, "polycast.video.paused")
    await page.keyboard.press(">")
    at = await now(page)
    held.set()
    await waiting.until(lambda: "/config/v" in site.requests, what="a fresh configuration")
    site.refused.clear()
    await page.evaluate("window.played = 0; polycast.video.addEventListener('play', () => { played += 1; })")
    renewed.set()
    phase = "document.querySelector('.pc-root').dataset.phase"
    await until(page, f"{phase} === 'active' && polycast.video.readyState > 2 && !polycast.video.seeking")
    assert await page.evaluate("polycast.video.paused && played === 0")
    assert abs(await now(page) - at) < 0.2
    await page.keyboard.press("k")
    await until(page, f"polycast.video.currentTime > {at} + 0.3 && polycast.video.playbackRate === 1.25")


async def test_another_try_waits_for_what_is_being_made(page: Page, site: Site) -> None:
    """A failed asset that was replaced: the page that said so starts by itself once it is made."""
    site.configs["v"] = replace(cases.video(), status="error", message="No picture.", sources=Sources())
    await page.goto(f"{site.url}/play/v")
    again = page.get_by_role("button", name="Try again")
    await again.wait_for()
    site.configs["v"] = replace(cases.video(), status="processing", progress=0.5, sources=Sources())
    await again.click()
    await page.get_by_role("progressbar", name="Getting this ready").wait_for()
    site.configs["v"] = cases.video()
    await until(page, "polycast.video.currentTime > 0.3")
