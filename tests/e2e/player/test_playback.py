"""The player plays: both formats, seeking, ending, growing streams, better generations, failures, beacons."""

import threading
import time
from dataclasses import replace
from typing import Any

import pytest
from playwright.async_api import Page

from polycast.delivery.pages import Sources, Start
from tests.e2e.player import cases
from tests.e2e.player.site import Site
from tests.e2e.player.watching import now, start, until
from tests.support import waiting

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

FRAMES = "polycast.video.getVideoPlaybackQuality().totalVideoFrames"


@pytest.mark.parametrize("kind", ["hls", "dash"])
@pytest.mark.parametrize("folder", ["video", "portrait"])
async def test_time_and_frames_advance(page: Page, site: Site, kind: str, folder: str) -> None:
    site.configs["v"] = cases.video(folder)
    await start(page, f"{site.url}/play/v?format={kind}")
    frames = await page.evaluate(FRAMES)
    at = await now(page)
    await until(page, f"polycast.video.currentTime > {at + 1} && {FRAMES} > {frames} + 12")
    assert await page.evaluate("polycast.format") == kind
    shape = await page.evaluate("[polycast.video.videoWidth, polycast.video.videoHeight]")
    assert (shape[0] < shape[1]) == (folder == "portrait")


async def test_no_media_before_play(page: Page, site: Site) -> None:
    site.configs["v"] = cases.video()
    await page.goto(f"{site.url}/play/v?format=hls")
    await until(page, "performance.getEntriesByType('resource').some(e => e.name.endsWith('.m3u8'))")
    await page.wait_for_load_state("networkidle")
    assert site.segments() == []
    assert await page.locator("img.pc-poster").is_visible()


async def test_preload_none_asks_for_nothing(page: Page, site: Site) -> None:
    site.configs["v"] = replace(cases.video(), start=Start(preload="none"))
    await page.goto(f"{site.url}/play/v")
    await page.wait_for_load_state("networkidle")
    assert not [path for path in site.requests if path.endswith((".m3u8", ".mpd", ".m4s"))]
    assert not [path for path in site.requests if "shaka" in path]


async def test_autoplay_at_a_moment(page: Page, site: Site) -> None:
    site.configs["v"] = cases.video()
    await page.goto(f"{site.url}/play/v?autoplay=1&muted=true&t=6s")
    await until(page, "polycast.video.currentTime > 6.2")
    assert await page.evaluate("polycast.video.played.start(0)") >= 5.9
    assert await page.evaluate("polycast.video.muted")


async def test_a_viewer_goes_on_where_they_stopped(page: Page, site: Site) -> None:
    """Only where the tenant wants it, not against the address, and not at a place where little is left."""
    site.configs["v"] = replace(cases.video(), start=Start(resume=True))
    await start(page, f"{site.url}/play/v")
    await page.evaluate("polycast.video.pause(); polycast.video.currentTime = 6")
    await until(page, "JSON.parse(localStorage.getItem('polycast.places') ?? '[]')[0]?.[1] === 6")
    site.configs["v"] = cases.video()
    await start_at(page, f"{site.url}/play/v", 0)
    site.configs["v"] = replace(cases.video(), start=Start(resume=True))
    await start_at(page, f"{site.url}/play/v", 6)
    await start_at(page, f"{site.url}/play/v?t=1", 1)
    await page.goto(f"{site.url}/play/v?t=9.2")
    await page.click(".pc-big")
    await until(page, "polycast.video.ended")
    await start_at(page, f"{site.url}/play/v", 0)


async def start_at(page: Page, url: str, expected_s: float) -> None:
    """Open a page, press play and see where it begins."""
    await page.goto(url)
    await page.click(".pc-big")
    await until(page, "polycast.video.played.length && polycast.video.currentTime > 0")
    began = float(await page.evaluate("polycast.video.played.start(0)"))
    assert expected_s - 0.1 <= began < expected_s + 1


async def test_the_end_and_again(page: Page, site: Site) -> None:
    site.configs["v"] = cases.video()
    await start(page, f"{site.url}/play/v?t=8.5")
    await until(page, "polycast.video.ended")
    assert await page.locator(".pc-play").get_attribute("aria-label") == "Play again"
    await page.click(".pc-big")
    await until(page, "polycast.video.currentTime > 0.2 && polycast.video.currentTime < 5")
    assert await page.locator(".pc-big").is_hidden()


async def test_audio_alone(page: Page, site: Site) -> None:
    site.configs["a"] = cases.audio()
    await start(page, f"{site.url}/play/a")
    assert await page.locator(".pc-wave").is_visible()
    await until(page, "document.querySelectorAll('.pc-wave .is-played').length > 3")
    assert not await page.locator(".pc-fullscreen").is_visible()
    assert await page.get_by_role("region", name="Audio player: Evening Radio").count() == 1


async def test_growing_stream_plays_from_its_beginning(page: Page, site: Site) -> None:
    """An EVENT playlist that grows while it plays: from 0, over the part that came later, to its end."""
    site.configs["v"] = replace(
        cases.video(), sources=Sources(hls="/media/video/playlist.m3u8"), complete=False
    )
    began = time.monotonic()

    def growing(name: str) -> None:
        text = (site.media / "video" / name).read_text()
        head, *segments = text.replace("#EXT-X-ENDLIST\n", "").split("#EXTINF")

        def now_listed() -> str:
            # two segments at once (4 s), another every 2 s, all of them after 6 s
            shown = 2 + int((time.monotonic() - began) / 2)
            typed = head.replace("#EXT-X-PLAYLIST-TYPE:VOD\n", "") + "#EXT-X-PLAYLIST-TYPE:EVENT\n"
            listed = typed + "".join("#EXTINF" + segment for segment in segments[:shown])
            return listed + ("#EXT-X-ENDLIST\n" if shown >= len(segments) else "")

        site.replaced[f"/media/video/{name}"] = now_listed

    for name in ("media_0.m3u8", "media_1.m3u8", "media_2.m3u8"):
        growing(name)
    await start(page, f"{site.url}/play/v?format=hls")
    assert await now(page) < 3
    assert await page.locator(".pc-total").text_content() == "0:10"
    await until(page, "polycast.video.currentTime > 6", deadline_s=25)
    await until(page, "polycast.video.ended", deadline_s=25)


async def test_starts_by_itself_when_processing_is_done(page: Page, site: Site) -> None:
    site.configs["v"] = replace(cases.video(), status="processing", progress=0.25, sources=Sources())
    await page.goto(f"{site.url}/play/v")
    bar = page.get_by_role("progressbar", name="Getting this ready")
    assert await bar.get_attribute("aria-valuenow") == "25"
    site.configs["v"] = replace(site.configs["v"], progress=0.75)
    await until(page, "document.querySelector('.pc-progress').getAttribute('aria-valuenow') === '75'")
    site.configs["v"] = cases.video()
    await until(page, "polycast.video.currentTime > 0.3")


async def test_polling_uses_the_tag(page: Page, site: Site) -> None:
    site.configs["v"] = replace(cases.video(), status="processing", progress=None, sources=Sources())
    await page.goto(f"{site.url}/play/v")
    await waiting.until(lambda: site.not_modified > 0, timeout_s=15, what="an answer 304")


async def test_better_generation_takes_over_at_a_pause(page: Page, site: Site) -> None:
    first = replace(cases.video(), complete=False, sources=Sources(hls="/media/video/playlist.m3u8"))
    site.configs["v"] = first
    await start(page, f"{site.url}/play/v?loop=1")
    await page.evaluate("polycast.video.playbackRate = 0.5")  # the loop must not come round meanwhile
    site.configs["v"] = replace(cases.video(), generation="g2")
    await until(page, "document.querySelector('.pc-notice:not([hidden])')?.textContent", deadline_s=20)
    assert "sharper" in str(await page.locator(".pc-notice").text_content())
    at = await now(page)
    await page.keyboard.press("k")
    await until(page, "polycast.config.generation === 'g2' && polycast.format === 'dash'")
    # at once again: the wish to play must outlive the change
    await page.keyboard.press("k")
    await until(page, f"polycast.video.currentTime > {at} && !polycast.video.paused")
    assert any(path.endswith(".mpd") for path in site.requests)


@pytest.mark.parametrize(
    ("status", "words"), [(403, "may not watch"), (404, "not here any more"), (503, "server had a problem")]
)
async def test_failures_are_told_and_can_be_retried(page: Page, site: Site, status: int, words: str) -> None:
    site.configs["v"] = cases.video()
    site.refused["/media/video/manifest.mpd"] = status
    await page.goto(f"{site.url}/play/v?format=dash&preload=none")
    await page.click(".pc-big")
    alert = page.get_by_role("alert")
    await alert.wait_for()
    assert words in str(await alert.text_content())
    site.refused.clear()
    await page.get_by_role("button", name="Try again").click()
    await until(page, "polycast.video.currentTime > 0.3")


async def test_what_the_server_says_is_shown_as_text(page: Page, site: Site) -> None:
    site.configs["v"] = replace(cases.video(), status="error", message="No <b>picture</b> in this file.")
    await page.goto(f"{site.url}/embed/v")
    assert "No <b>picture</b> in this file." in str(await page.get_by_role("alert").text_content())


async def test_beacons_tell_the_session(page: Page, site: Site) -> None:
    site.configs["v"] = cases.video()
    await start(page, f"{site.url}/play/v?format=dash")
    await until(page, "polycast.video.currentTime > 1")
    # each step waits for the event that the player itself hears: keys are faster than events of the media
    await page.keyboard.press("k")
    await until(page, "document.querySelector('.pc-root').classList.contains('is-paused')")
    # what lasts for less than 20 ms is not told
    await page.evaluate("() => { window.paused = performance.now(); }")
    await until(page, "performance.now() - window.paused > 50")
    await page.evaluate(
        "() => { polycast.video.addEventListener('seeked', () => { window.sought = true; }); }"
    )
    await page.keyboard.press("l")
    await until(page, "window.sought")
    samples = await _told(page, site, "seek")
    assert {"ready", "startup", "playing", "pause", "seek"} <= {sample["state"] for sample in samples}
    first_frame: dict[str, float] = next((sample for sample in samples if "startup_ms" in sample), {})
    assert first_frame.get("startup_ms", 0) > 0, [(s["state"], s["duration_ms"]) for s in samples]
    assert sum(sample["played_ms"] for sample in samples) > 500
    playing = next(sample for sample in samples if sample["state"] == "playing")
    assert playing["height"] in (180, 360)
    assert playing["format"] == "dash"


async def test_a_wait_for_data_is_seen_and_told(page: Page, site: Site) -> None:
    """The library stands still by speed 0 before the element runs dry, so no event of the element says so."""
    site.configs["v"] = cases.video()
    stream = {f"/media/video/chunk-stream{n}-00002.m4s": threading.Event() for n in range(3)}
    site.held.update(stream)
    await start(page, f"{site.url}/play/v?format=dash")
    await until(page, "polycast.player.isBuffering()")
    await page.locator(".pc-spinner").wait_for()
    at = await now(page)
    for held in stream.values():
        held.set()
    await until(page, f"polycast.video.currentTime > {at + 0.3}")
    await page.locator(".pc-spinner").wait_for(state="hidden")
    samples = await _told(page, site, "buffering")
    states = [sample["state"] for sample in samples]
    assert (
        states.index("playing") < states.index("buffering") < len(states) - 1 - states[::-1].index("playing")
    )
    assert sum(sample["buffered_ms"] for sample in samples) > 0


async def _told(page: Page, site: Site, state: str) -> list[dict[str, Any]]:
    """Leave the page; all samples of its viewing in order, once one of a state has come and none before the last is missing."""
    impression = await page.evaluate("polycast.impression")
    await page.goto("about:blank")

    def whole() -> list[dict[str, Any]] | None:
        # a beacon of the page before may come late, and two batches of one page in any order
        mine = [batch for batch in list(site.beacons) if batch["impression"] == impression]
        samples = sorted((s for batch in mine for s in batch["samples"]), key=lambda s: int(s["sequence"]))
        gapless = [sample["sequence"] for sample in samples] == list(range(len(samples)))
        assert {batch["asset"] for batch in mine} <= {"KQXWZRTB"}
        return samples if gapless and any(s["state"] == state for s in samples) else None

    return await waiting.until(whole, what="the beacons sent on leaving")


async def test_embedders_can_drive_it(page: Page, site: Site) -> None:
    site.configs["v"] = cases.video()
    await page.goto(f"{site.url}/frame/v")
    await page.evaluate(
        "() => { window.told = []; addEventListener('message', e => told.push(e.data));"
        " window.tell = (method, value) =>"
        " document.getElementById('f').contentWindow.postMessage({polycast: 1, method, value}, '*'); }"
    )
    await page.frame_locator("#f").locator(".pc-big").wait_for()
    await page.evaluate("tell('mute', true); tell('play')")
    await until(page, "told.some(m => m.event === 'timeupdate' && m.state.time_s > 0.2 && m.state.muted)")
    await page.evaluate("tell('seek', 7)")
    await until(page, "told.some(m => m.event === 'seeked' && m.state.time_s >= 7)")
    await page.evaluate("tell('pause')")
    await until(page, "told.some(m => m.event === 'pause' && m.state.duration_s > 9)")


async def test_embedders_hear_of_a_player_whose_video_is_being_made(page: Page, site: Site) -> None:
    """It answers at once, and what it is told holds for when the video is there."""
    site.configs["v"] = replace(cases.video(), status="processing", progress=0.5, sources=Sources())
    await page.add_init_script("window.told = []; addEventListener('message', e => told.push(e.data));")
    await page.goto(f"{site.url}/frame/v")
    await until(page, "told.some(m => m.event === 'ready')")
    await page.evaluate(
        "() => { const frame = document.getElementById('f').contentWindow;"
        " for (const [method, value] of [['mute', true], ['seek', 6], ['play']])"
        " frame.postMessage({polycast: 1, method, value}, '*'); }"
    )
    site.configs["v"] = cases.video()
    await until(page, "told.some(m => m.event === 'timeupdate' && m.state.time_s > 6.2 && m.state.muted)")
    assert not await page.evaluate("told.some(m => m.state.time_s > 0 && m.state.time_s < 6)")
