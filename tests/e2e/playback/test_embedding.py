"""Frames on other people's pages: allowed origins play, others are refused by the browser."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from playwright.async_api import Browser

from tests.e2e.playback.publishing import Publisher
from tests.support import waiting
from tests.support.media import Media
from tests.support.server import PolycastServer

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(120),
    pytest.mark.asyncio(loop_scope="session"),
]


@contextmanager
def site(framed: str) -> Iterator[str]:
    """A customer's page, on an origin of its own, with one frame."""
    frame = f'<iframe id="f" width="640" height="360" allow="autoplay" src="{framed}"></iframe>'
    with page_of(frame) as origin:
        yield origin


@contextmanager
def page_of(html: str) -> Iterator[str]:
    """The origin of a page with this in it."""
    body = f"<!doctype html>{html}"

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{served.server_port}"
        served.shutdown()


async def test_only_allowed_origins_may_frame_the_player(
    browser: Browser, server: PolycastServer, media: Media
) -> None:
    tenant = await server.tenant("framed")
    publisher = Publisher(server.url, tenant.key)
    asset = await publisher.published(media.clip("h264"))
    with site(asset.embed) as allowed, site(asset.embed) as foreign:
        assert await _plays(browser, foreign), "without a list, everywhere"
        await publisher.call("POST", "/streaming/v1/domains", {"url": allowed})
        assert await _plays(browser, allowed)
        assert not await _plays(browser, foreign)


async def _plays(browser: Browser, url: str) -> bool:
    """Whether the player in the page's frame plays; False when the browser refused the frame."""
    context = await browser.new_context()
    page = await context.new_page()
    refused: list[str] = []
    page.on("console", lambda m: refused.append(m.text) if "frame-ancestors" in m.text else None)
    await page.goto(url)
    frame = page.frame_locator("#f")

    async def decided() -> bool:
        return bool(refused) or await frame.locator(".pc-big").count() > 0

    await waiting.until(decided, timeout_s=20, what="the frame loads or is refused")
    if not refused:
        await frame.locator(".pc-big").click()
        video = frame.locator("video")

        async def moves() -> bool:
            return bool(await video.evaluate("v => v.currentTime > 0.5 && !v.paused"))

        await waiting.until(moves, timeout_s=20, what="the framed player plays")
    await context.close()
    return not refused


HIDDEN = '<meta name="referrer" content="no-referrer">'


async def test_a_page_that_hides_its_name_shows_no_video_that_is_for_others(
    browser: Browser, server: PolycastServer, media: Media
) -> None:
    tenant = await server.tenant("hidden")
    publisher = Publisher(server.url, tenant.key)
    asset = await publisher.published(media.clip("h264"))
    outputs = f"/vod/v1/assets/{asset.uid}/outputs"
    made = await publisher.call("POST", outputs, {"preset": "mp4"})
    await publisher.complete(asset)
    found = await publisher.call("GET", f"/vod/v1/assets/{asset.uid}")
    output = next(each for each in found["outputs"] if each["id"] == made["outputId"])
    url = output["endpoints"][0]["url"]
    plain = f'<video muted autoplay src="{url}">'
    with_cors = plain.replace("<video", "<video crossorigin")
    with page_of(plain) as listed, page_of(HIDDEN + plain) as hidden, page_of(HIDDEN + with_cors) as reserved:
        # another port of this host is another origin of the same site, another name another site
        elsewhere = hidden.replace("127.0.0.1", "localhost")
        assert await _shows(browser, hidden), "without a list, everywhere"
        for origin in (listed, reserved):
            await publisher.call("POST", "/streaming/v1/domains", {"url": origin})

        async def in_force() -> bool:
            async with httpx.AsyncClient() as client:
                return (await client.get(url, headers={"origin": hidden})).status_code == 403

        await waiting.until(in_force, timeout_s=20, what="the list is known everywhere")
        assert await _shows(browser, listed)
        assert await _shows(browser, reserved), "an element that asks by CORS names its page"
        assert not await _shows(browser, hidden)
        assert not await _shows(browser, elsewhere)


async def _shows(browser: Browser, url: str) -> bool:
    """Whether the page's video has a picture; False when it was refused."""
    context = await browser.new_context()
    page = await context.new_page()
    await page.goto(url)
    video = page.locator("video")

    async def decided() -> str:
        return str(await video.evaluate("v => v.error ? 'refused' : v.readyState >= 2 ? 'shown' : ''"))

    answer = await waiting.until(decided, timeout_s=20, what="the video loads or is refused")
    await context.close()
    return answer == "shown"
