"""What surrounds the picture of a real asset: poster, captions, chapters, thumbnails, qualities."""

import io
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urljoin

import av
import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.e2e.playback.publishing import Published, Publisher
from tests.e2e.playback.seeing import seek
from tests.e2e.player.watching import bar, start, until
from tests.support import waiting
from tests.support.media import Clip, Media

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(150),
    pytest.mark.asyncio(loop_scope="session"),
]

SECONDS = 10
CAPTIONS = """WEBVTT

00:00.000 --> 00:04.500
The <b>first</b> words

00:05.000 --> 00:09.900
The last words
"""


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def film(publisher: Publisher, media: Media) -> Published:
    """480p with captions and chapters."""
    path = media.make("film.mp4", Clip(size=(854, 480), seconds=SECONDS))
    captions = media.made("english.vtt", lambda path: path.write_text(CAPTIONS))
    asset = await publisher.published(path, title="Coastal Run", captions=captions)
    chapters = [
        {"title": "Harbour", "startSecond": 0, "endSecond": 4},
        {"title": "Lighthouse", "startSecond": 6, "endSecond": 10},
    ]
    await publisher.call("POST", f"/streaming/v1/assets/{asset.uid}/chapters", {"chapters": chapters})
    return asset


async def test_the_poster_stands_before_play_and_no_media_is_fetched(page: Page, film: Published) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.goto(f"{film.play}?format=hls")
    await until(page, "document.querySelector('img.pc-poster')?.naturalWidth > 300")
    assert await page.locator("img.pc-poster").is_visible()
    await page.wait_for_load_state("networkidle")
    assert [url for url in asked if ".m4s" in url or ".mp4" in url] == []
    await page.click(".pc-big")
    await until(page, "polycast.video.currentTime > 0.3")
    await expect(page.locator("img.pc-poster")).to_be_hidden()


async def test_key_frames_are_listed_for_fast_winding(film: Published) -> None:
    """RFC 8216bis 4.4.3.6: each entry of an I-frame playlist is a range that begins its segment."""
    base = f"{film.origin}/media/{film.uid}/"
    async with httpx.AsyncClient() as client:

        async def listed() -> list[str]:
            text = (await client.get(f"{base}playlist.m3u8")).text
            return re.findall(r'#EXT-X-I-FRAME-STREAM-INF:.*URI="([^"]+)"', text)

        for uri in await waiting.until(listed, timeout_s=30, what="I-frame playlists"):
            playlist = urljoin(base, uri)
            text = (await client.get(playlist)).text
            assert "#EXT-X-I-FRAMES-ONLY" in text and "#EXT-X-ENDLIST" in text
            lengths = sum(float(length) for length in re.findall(r"#EXTINF:([\d.]+)", text))
            assert abs(lengths - SECONDS) < 0.1
            ranges = re.findall(r"#EXT-X-BYTERANGE:(\d+)@(\d+)\n(.+)", text)
            init = re.search(r'#EXT-X-MAP:URI="([^"]+)"', text)
            assert ranges and init
            head = await client.get(urljoin(playlist, init[1]))
            for size, start, name in ranges:
                asked = {"range": f"bytes={start}-{int(start) + int(size) - 1}"}
                part = await client.get(urljoin(playlist, name), headers=asked)
                assert part.status_code == 206
                with av.open(io.BytesIO(head.content + part.content), mode="r") as picture:
                    (frame,) = picture.decode(video=0)
                    assert frame.key_frame


@pytest.mark.parametrize("kind", ["hls", "dash"])
async def test_captions_show(page: Page, film: Published, kind: str) -> None:
    await start(page, f"{film.play}?format={kind}")
    # one file is one track, although both manifest and page name it
    await until(page, "polycast.player.getTextTracks().length === 1")
    await page.keyboard.press("c")
    text = "document.querySelector('.shaka-text-container')?.textContent"
    await page.keyboard.press("1")
    await until(page, f"{text}.includes('first words')")
    await page.keyboard.press("7")
    await until(page, f"{text}.includes('last words')")


async def test_chapters_lead_to_their_place(page: Page, film: Published) -> None:
    await start(page, film.play)
    await page.get_by_role("button", name="Lighthouse").click()
    await until(page, "polycast.video.currentTime >= 6 && polycast.video.currentTime < 8")
    assert await page.locator(".pc-mark").count() == 1


async def test_thumbnails_on_the_seek_bar(page: Page, film: Published) -> None:
    await start(page, film.play)
    await bar(page)
    box = await page.locator(".pc-track").bounding_box()
    assert box is not None
    await page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + 2)
    style = "document.querySelector('.pc-picture').style.backgroundImage"
    await until(page, f"{style}.includes('storyboard')")
    await expect(page.locator(".pc-preview-text")).to_contain_text("Lighthouse")
    # the picture behind it is there, with more than one tile
    url = str(await page.evaluate(style)).split('"')[1]
    answer = await page.request.get(url)
    assert answer.ok
    assert answer.headers["content-type"] == "image/jpeg"
    size: Callable[[str], Any] = page.evaluate
    width = await size(
        f"new Promise(done => {{ const i = new Image(); i.onload = () => done(i.naturalWidth); i.src = {url!r}; }})"
    )
    assert width > 168


@pytest.mark.parametrize("kind", ["hls", "dash"])
async def test_quality_menu_changes_the_picture(page: Page, film: Published, kind: str) -> None:
    await start(page, f"{film.play}?format={kind}&loop=1")
    for label, height in (("240p", 240), ("480p", 480), ("360p", 360)):
        await bar(page)
        await page.get_by_role("button", name="Settings").click()
        await page.get_by_role("menuitem", name="Quality").click()
        await page.get_by_role("menuitemradio", name=label, exact=True).click()
        await until(page, f"polycast.video.videoHeight === {height}")
    # every rendition shows the same frame at the same moment
    for side in (240, 360, 480):
        await page.evaluate(
            "side => { const p = polycast.player; p.configure('abr.enabled', false);"
            " p.selectVideoTrack(p.getVideoTracks().find(t => t.height === side), true, 0); }",
            side,
        )
        await until(page, f"polycast.video.videoHeight === {side}")
        for frame in (3, 125, 290):
            assert (await seek(page, (frame + 0.5) / 30)).number == frame, f"{side}p"
