"""Players that operators bring along, on a page of another site: hls.js over HLS, dash.js over DASH."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from tests.e2e.playback.publishing import Published, Publisher
from tests.e2e.playback.seeing import duration, jumps, record, recorded, seek, wrong
from tests.e2e.player.watching import until
from tests.support.browser_clients import NotInstallable, bundle, site
from tests.support.media import Clip, Media

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(150),
    pytest.mark.asyncio(loop_scope="session"),
]

# long enough not to end while a busy machine changes qualities; only the last moments are played to the end
SECONDS, RATE = 24, 15
MANIFESTS = {"hls": "playlist.m3u8", "dash": "manifest.mpd"}
CAPTIONS = "WEBVTT\n\n00:01.000 --> 00:23.900\nHeard and read\n"
READ = "Array.from(polycast.video.textTracks).some(t => t.activeCues?.[0]?.text.includes('read'))"


@pytest.fixture(scope="session")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A site that loads the players; its address."""
    try:
        script = bundle("players.js", tmp_path_factory.mktemp("players") / "players.js").read_bytes()
    except NotInstallable as reason:
        pytest.skip(str(reason))
    page = b"<!doctype html><meta charset=utf-8><title>site</title><body><script src=/players.js></script>"
    with site({"/players.js": script, "/watch": page}) as origin:
        yield f"{origin}/watch"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def film(publisher: Publisher, media: Media) -> Published:
    """Two heights, the upper one as it was uploaded; two languages; captions."""
    sound = ("aac", "-b:a", "64k")
    clip = Clip(
        size=(640, 360), rate=str(RATE), seconds=SECONDS, audio=(sound, sound),
        video=("libx264", "-preset", "veryfast", "-g", str(RATE), "-bf", "2", "-flags", "+cgop"),
        output=("-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=deu"),
    )  # fmt: skip
    captions = media.made("read.vtt", lambda path: path.write_text(CAPTIONS))
    return await publisher.published(media.make("other-players.mp4", clip), captions=captions)


@pytest_asyncio.fixture(loop_scope="session")
async def foreign(browser: Browser, elsewhere: str) -> AsyncIterator[Page]:
    page = await browser.new_page()
    await page.goto(elsewhere)
    yield page
    await page.close()


@pytest.mark.parametrize("kind", MANIFESTS)
async def test_what_other_players_show(foreign: Page, film: Published, kind: str) -> None:
    page = foreign
    url = f"{film.origin}/media/{film.uid}/{MANIFESTS[kind]}"
    await page.evaluate("([kind, url]) => play(kind, url)", [kind, url])
    await record(page)
    await until(page, "polycast.video.currentTime > 0.5")
    assert abs(await duration(page) - SECONDS) < 0.02
    # down and up again while it plays, both sounds, captions
    heights = await page.evaluate("polycast.heights()")
    assert sorted(heights) == [240, 360]
    for height in (240, 360):
        await page.evaluate("index => polycast.choose(index)", heights.index(height))
        await until(page, f"polycast.video.videoHeight === {height}")
    assert await page.evaluate("polycast.sounds()") == ["en", "de"]
    await page.evaluate("polycast.hear(1); polycast.caption()")
    # changes may be shown late, never a picture of another time
    assert wrong(await recorded(page), RATE) == []
    for frame in (SECONDS * RATE // 2, 7, (SECONDS - 2) * RATE):
        shown = await seek(page, (frame + 0.5) / RATE)
        assert shown.number == frame, f"at {shown.media_s:.3f} s"
    await until(page, READ)
    await page.evaluate("seen.frames.length = 0; polycast.video.play()")
    await until(page, "polycast.video.ended", deadline_s=20)
    frames = await recorded(page)
    assert wrong(frames, RATE) == [] and jumps(frames[1:]) == []
    assert frames[-1].number >= SECONDS * RATE - 4
    if kind == "dash":
        picture = await page.evaluate("polycast.thumbnail(4)")
        assert (await asyncio.to_thread(httpx.get, picture["url"])).headers["content-type"] == "image/jpeg"
    assert await page.evaluate("polycast.faults") == []
