"""An asset that is one MP4 file, in Chromium: the browser's own element plays it, with all that surrounds it."""

from typing import Any

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.e2e.playback.publishing import Published, Publisher
from tests.e2e.playback.seeing import duration, jumps, record, recorded, seek, wrong
from tests.e2e.playback.test_around import CAPTIONS
from tests.e2e.playback.test_embedding import site
from tests.e2e.player.watching import bar, start, until
from tests.support import waiting
from tests.support.media import Media
from tests.support.server import PolycastServer

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(150),
    pytest.mark.asyncio(loop_scope="session"),
]

SECONDS, RATE = 6, 30


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def file(publisher: Publisher, media: Media) -> Published:
    """A clip of preset `mp4`, with captions and chapters."""
    captions = media.made("english_file.vtt", lambda path: path.write_text(CAPTIONS))
    asset = await publisher.published(media.clip("h264"), title="One file", captions=captions, preset="mp4")
    chapters = [{"title": "Harbour", "startSecond": 0}, {"title": "Lighthouse", "startSecond": 4}]
    await publisher.call("POST", f"/streaming/v1/assets/{asset.uid}/chapters", {"chapters": chapters})

    async def surrounded() -> bool:
        async with httpx.AsyncClient() as client:
            config = (await client.get(f"{asset.play}/config.json")).json()
        return bool(config["storyboard"] and config["captions"])

    await waiting.until(surrounded, timeout_s=60, what="captions and storyboard")
    return asset


@pytest.mark.parametrize("kind", ["play", "embed"])
async def test_plays_from_the_first_frame_to_the_last(page: Page, file: Published, kind: str) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.goto(getattr(file, kind))
    await page.wait_for_load_state("networkidle")
    assert [url for url in asked if url.endswith(".mp4")] == [], "no media before play"
    await record(page)
    await page.click(".pc-big")
    await until(page, "seen.ended", deadline_s=SECONDS + 20)
    assert await page.evaluate("polycast.format") == "mp4"
    assert not [url for url in asked if "m3u8" in url or "mpd" in url]
    assert abs(await duration(page) - SECONDS) < 0.1
    frames = await recorded(page)
    assert frames[0].media_s < 0.5
    assert wrong(frames, RATE) == []
    assert jumps(frames) == []
    assert frames[-1].number >= SECONDS * RATE - RATE / 2
    assert await page.evaluate("polycast.video.webkitAudioDecodedByteCount") > 0


async def test_seeks_show_the_frame_asked_for(page: Page, file: Published) -> None:
    await start(page, file.play)
    for frame in (SECONDS * RATE - 3, 7, 90, 0):
        shown = await seek(page, (frame + 0.5) / RATE)
        assert shown.number == frame
    await page.evaluate("polycast.video.play()")
    await until(page, "polycast.video.currentTime > 0.5")


async def test_what_surrounds_the_picture_is_there(page: Page, file: Published) -> None:
    await start(page, f"{file.play}?loop=1")
    await until(page, "polycast.player.getTextTracks().length === 1")
    await page.keyboard.press("c")
    text = "document.querySelector('.shaka-text-container')?.textContent"
    await page.keyboard.press("1")
    await until(page, f"{text}.includes('first words')")
    await page.keyboard.press("9")
    await until(page, f"{text}.includes('last words')")
    await page.keyboard.press("c")
    await until(page, f"!{text}?.includes('words')")
    await bar(page)
    await page.get_by_role("button", name="Settings").click()
    await expect(page.get_by_role("menuitem", name="Quality")).to_have_count(0)
    await page.get_by_role("menuitem", name="Speed").click()
    await page.get_by_role("menuitemradio", name="1.5").click()
    await until(page, "polycast.video.playbackRate === 1.5")
    await page.keyboard.press("Escape")
    await page.evaluate("polycast.video.currentTime = 0")
    await page.get_by_role("button", name="Lighthouse").click()
    await until(page, "polycast.video.currentTime >= 4 && polycast.video.currentTime < 6")
    await bar(page)
    shown = "document.querySelector('.pc-picture').style.backgroundImage.includes('storyboard')"

    async def pointed() -> bool:  # the bar may still be sliding in
        box = await page.locator(".pc-track").bounding_box()
        assert box is not None
        await page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 2)
        return bool(await page.evaluate(shown))

    await waiting.until(pointed, timeout_s=15, what=shown)
    await expect(page.locator(".pc-preview-text")).to_contain_text("Lighthouse")


async def test_a_session_that_is_over_is_renewed_where_it_stopped(page: Page, file: Published) -> None:
    """An element that cannot read its file does not say why: the player asks the server, then for a new address."""
    asked: list[str] = []
    refusals = 2

    async def answer(route: Any) -> None:
        asked.append(route.request.method)
        if len(asked) > refusals:
            await route.continue_()
        else:
            await route.fulfill(status=403, body="this playback session is over")

    await page.route("**/*.mp4", answer)
    await start(page, file.play)
    # by the element, by the question why, and by the element again, with a fresh address
    assert asked[:3] == ["GET", "HEAD", "GET"]
    await expect(page.locator(".pc-root")).not_to_contain_text("may not watch this")
    asked.clear()
    refusals = 1000
    await page.goto(file.play)
    await page.click(".pc-big")
    await until(page, "document.querySelector('#polycast-player').dataset.phase === 'error'")
    assert asked == ["GET", "HEAD", "GET", "HEAD"]
    await expect(page.locator(".pc-root")).to_contain_text("may not watch this")
    await page.unroute("**/*.mp4")
    await page.get_by_role("button", name="Try again").click()
    await until(page, "polycast.video.currentTime > 0.3")


async def test_a_session_that_ends_in_mid_film_is_renewed_there(page: Page, file: Published) -> None:
    """The first answer breaks off, as where a connection is lost; the session is over when it is asked for again."""
    asked: list[str] = []

    async def answer(route: Any) -> None:
        asked.append(route.request.method)
        if len(asked) == 1:
            whole = await (await route.fetch()).body()
            part = whole[: len(whole) // 2]
            headers = {
                "content-type": "video/mp4",
                "accept-ranges": "bytes",
                "content-range": f"bytes 0-{len(part) - 1}/{len(whole)}",
            }
            await route.fulfill(status=206, headers=headers, body=part)
        elif len(asked) <= 3:
            await until(page, "polycast.video.currentTime > 1")
            await route.fulfill(status=403, body="this playback session is over")
        else:
            await route.continue_()

    await page.route("**/*.mp4", answer)
    await page.goto(file.play)
    await page.evaluate("""() => {
      window.began = [];
      polycast.video.addEventListener('playing', () => began.push(polycast.video.currentTime));
    }""")
    await page.click(".pc-big")
    await until(page, "polycast.video.ended", deadline_s=SECONDS + 20)
    assert asked[:4] == ["GET", "GET", "HEAD", "GET"]
    assert 1 < (await page.evaluate("began"))[-1] < SECONDS / 2 + 0.5, "it goes on where it stopped"


async def test_allowed_domains_hold_for_the_file(
    browser: Browser, server: PolycastServer, media: Media
) -> None:
    tenant = await server.tenant("filed")
    publisher = Publisher(server.url, tenant.key)
    asset = await publisher.published(media.clip("h264"), preset="mp4")
    with site(asset.embed) as allowed, site(asset.embed) as other:
        await publisher.call("POST", "/streaming/v1/domains", {"url": allowed})
        source = (await publisher.call("GET", f"/v1/sourceconfig?assetId={asset.uid}"))["progressive"][0][
            "url"
        ]
        assert "/s/" in source
        assert await _plays(browser, allowed, source, "strict-origin")
        assert not await _plays(browser, other, source, "strict-origin")
        assert not await _plays(browser, other, source, "no-referrer")


async def _plays(browser: Browser, page_url: str, source: str, referrer: str) -> bool:
    """Whether an element of a page plays a file."""
    context = await browser.new_context()
    page = await context.new_page()
    await page.goto(page_url)
    played = await page.evaluate(
        """([source, referrer]) => new Promise((resolve) => {
          const said = document.head.appendChild(document.createElement('meta'));
          said.name = 'referrer';
          said.content = referrer;
          const video = document.body.appendChild(document.createElement('video'));
          video.muted = true;
          video.onerror = () => resolve(false);
          video.ontimeupdate = () => { if (video.currentTime > 0.3) resolve(true); };
          video.src = source;
          video.play().catch(() => undefined);
        })""",
        [source, referrer],
    )
    await context.close()
    return bool(played)
