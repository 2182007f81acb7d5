"""Watching while the ladder is still being made."""

from collections.abc import Iterator

import pytest
from playwright.async_api import Page

from tests.e2e.playback.publishing import Published, Publisher
from tests.e2e.playback.seeing import record, recorded, wrong
from tests.e2e.player.watching import until
from tests.support import waiting
from tests.support.media import Clip, Media
from tests.support.postgres import RunPostgres
from tests.support.server import PolycastServer

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(180),
    pytest.mark.asyncio(loop_scope="session"),
]

SECONDS = 30
SOURCE = Clip(
    # groups of ten seconds: cannot be packaged as it is
    size=(640, 360),
    seconds=SECONDS,
    video=("libx264", "-preset", "ultrafast", "-g", "300", "-bf", "0"),
)


@pytest.fixture
def short_chunks(postgres: RunPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PolycastServer]:
    """A server whose encoding jobs are 4 s long."""
    url = postgres.create()
    server = PolycastServer(tmp_path_factory.mktemp("growing"), url, {"chunk_s": 4})
    server.start()
    yield server
    server.resume_encoding()
    server.stop()
    postgres.drop(url)


async def _offered(publisher: Publisher, asset: Published) -> set[str]:
    """The formats that a player is told of."""
    source = await publisher.call("GET", f"/v1/sourceconfig?assetId={asset.uid}")
    return {name for name in ("hls", "dash") if name in source}


async def test_plays_from_zero_while_it_grows_and_takes_the_better_tracks(
    page: Page, short_chunks: PolycastServer, media: Media
) -> None:
    publisher = Publisher(short_chunks.url, short_chunks.admin_key)
    asset = await publisher.create(media.make("growing.mp4", SOURCE))

    async def plays() -> bool:
        found = await publisher.call("GET", f"/vod/v1/assets/{asset.uid}")
        return bool(found["status"] == "Available")

    await waiting.until(plays, timeout_s=60, what="the first part plays")
    # the encoder stands still: what plays now is all there is
    await short_chunks.suspend_encoding()
    assert await _offered(publisher, asset) == {"hls"}
    await page.goto(asset.play)
    await record(page)
    await page.click(".pc-big")
    await until(page, "polycast.video.currentTime > 0.3")
    first = await page.evaluate("polycast.config.generation")
    assert await page.evaluate("[polycast.format, polycast.config.complete]") == ["hls", False]
    frames = await recorded(page)
    assert frames[0].media_s < 0.5  # its beginning, not its live edge
    assert await page.evaluate("polycast.player.seekRange().end") < SECONDS - 2
    # the whole length is known all the same
    assert await page.locator(".pc-total").text_content() == "0:30"
    short_chunks.resume_encoding()
    await until(page, "polycast.video.currentTime > 9", deadline_s=40)
    # a pause is the moment for better tracks
    await page.keyboard.press("k")
    await publisher.complete(asset)
    assert await _offered(publisher, asset) == {"hls", "dash"}
    await until(page, "polycast.config.complete", deadline_s=30)
    await until(page, f"polycast.config.generation !== {first!r} && polycast.format === 'dash'")
    await until(page, "polycast.player?.getVideoTracks().length > 1")
    at = await page.evaluate("polycast.video.currentTime")
    await page.keyboard.press("k")
    await until(page, f"polycast.video.currentTime > {at} + 0.5")
    # near the end, which did not exist when it began
    await page.evaluate(f"polycast.video.currentTime = {SECONDS} - 1.5")
    await until(page, "seen.ended", deadline_s=25)
    frames = await recorded(page)
    assert wrong(frames, 30) == []
    assert frames[-1].number >= SECONDS * 30 - 15


async def test_a_page_that_waits_starts_by_itself(page: Page, publisher: Publisher, media: Media) -> None:
    asset = await publisher.create(media.clip("long_gop"))
    await page.goto(asset.play)
    if await page.evaluate("polycast.config.status") == "ready":
        # made faster than the page was opened
        await page.click(".pc-big")
    await until(page, "polycast.video.currentTime > 0.5", deadline_s=45)
    await publisher.complete(asset)
