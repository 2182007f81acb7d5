"""Every kind of source plays in Chromium, HLS and DASH, and each frame on the screen is the right one."""

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.async_api import Page

from tests.e2e.playback.conftest import Ready
from tests.e2e.playback.publishing import Publisher
from tests.e2e.playback.seeing import duration, jumps, record, recorded, seek, waits, wrong
from tests.e2e.player.watching import bar, start, until
from tests.support.media import Clip, Media, _run

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(150),
    pytest.mark.asyncio(loop_scope="session"),
]

FRAMES = "polycast.video.getVideoPlaybackQuality().totalVideoFrames"
DECODED_AUDIO = "polycast.video.webkitAudioDecodedByteCount"
SOURCES = {
    # name of the clip: seconds, frames per second, width < height
    "h264": (6, 30, False),
    "h264_long": (10, 30, False),
    "h264_deep_b": (6, 30, False),
    "vp9": (4, 30, False),
    "portrait": (6, 30, True),
    "rotated": (6, 30, True),
    "vfr": (6, 30, False),
    "rate_23.976": (6, 24000 / 1001, False),
    "broken_ts": (6, 30, False),
}


@pytest.mark.parametrize("kind", ["hls", "dash"])
@pytest.mark.parametrize("name", SOURCES)
async def test_plays_from_the_first_frame_to_the_last(page: Page, ready: Ready, name: str, kind: str) -> None:
    seconds, rate, upright = SOURCES[name]
    asset = await ready(name)
    await page.goto(f"{asset.play}?format={kind}")
    await record(page)
    if kind == "dash":
        # the same media once more: at twice the speed
        await page.evaluate("polycast.video.defaultPlaybackRate = polycast.video.playbackRate = 2")
    await page.click(".pc-big")
    await until(page, "seen.ended", deadline_s=seconds + 20)
    assert await page.evaluate("polycast.format") == kind
    shape = await page.evaluate("[polycast.video.videoWidth, polycast.video.videoHeight]")
    assert (shape[0] < shape[1]) == upright
    assert abs(await duration(page) - seconds) < 0.1
    frames = await recorded(page)
    if name == "broken_ts":
        # the same three seconds twice: the times go on where the second copy's fell back
        frames = [replace(f, number=f.number + 90 * (f.media_s > 2.99)) for f in frames]
    assert frames[0].media_s < 0.5
    # the screen may skip frames on a busy machine; what it shows must be of its time
    assert wrong(frames, rate) == []
    assert frames[-1].number >= seconds * rate - rate / 2
    assert jumps(frames) == []
    assert len(frames) > seconds * rate / 4
    # none for the media's sake: all of them are buffered after a second
    assert await waits(page) <= 1
    assert await page.evaluate(FRAMES) >= seconds * rate * 0.75
    assert await page.evaluate(DECODED_AUDIO) > 0


@pytest.mark.parametrize("kind", ["hls", "dash"])
@pytest.mark.parametrize("name", ["h264", "h264_deep_b", "vp9", "portrait", "vfr"])
async def test_seeks_show_the_frame_asked_for(page: Page, ready: Ready, name: str, kind: str) -> None:
    seconds, rate, _ = SOURCES[name]
    asset = await ready(name)
    await start(page, f"{asset.play}?format={kind}")
    for frame in (int(seconds * rate) - 3, 7, int(seconds * rate / 2), int(seconds * rate) - 20, 0):
        # the middle of a frame; the first one's sample is shorter than the time it is shown
        shown = await seek(page, (frame + 0.5) / rate if frame else 0.0)
        assert abs(shown.number - shown.media_s * rate) < 0.1
        # Chromium takes a sample's duration for its frame's, which differ where a variable rate is reordered
        assert frame - (name == "vfr") <= shown.number <= frame, f"at {shown.media_s:.3f} s"
    # and it goes on from there
    await page.evaluate("polycast.video.play()")
    await until(page, "polycast.video.currentTime > 0.5")


@pytest.mark.parametrize("kind", ["hls", "dash"])
async def test_sound_alone(page: Page, ready: Ready, kind: str) -> None:
    asset = await ready("audio_only")
    await start(page, f"{asset.play}?format={kind}")
    assert await page.locator(".pc-wave").is_visible()
    heard = await page.evaluate(DECODED_AUDIO)
    await until(page, f"polycast.video.currentTime > 1.5 && {DECODED_AUDIO} > {heard}")
    await page.evaluate("polycast.video.currentTime = 5")
    await until(page, "polycast.video.ended")
    assert abs(await duration(page) - 6) < 0.1
    assert await page.evaluate("polycast.video.videoWidth") == 0


async def test_sound_behind_the_picture_is_heard_to_its_end(
    page: Page, publisher: Publisher, media: Media
) -> None:
    source = media.made("sound-goes-on.mp4", _sound_goes_on)
    asset = await publisher.published(source)
    for kind in ("hls", "dash"):
        await page.goto(f"{asset.play}?format={kind}")
        await record(page)
        await page.evaluate("polycast.video.defaultPlaybackRate = polycast.video.playbackRate = 2")
        await page.click(".pc-big")
        await until(page, "seen.ended", deadline_s=30)
        assert abs(await page.evaluate("polycast.video.currentTime") - 8) < 0.1
        frames = await recorded(page)
        assert frames[-1].media_s > 7
        assert frames[-1].number == 89
        assert await waits(page) <= 1


def _sound_goes_on(path: Path) -> None:
    short, long = Clip(seconds=3, audio=()), Clip(seconds=8, video=())
    with tempfile.TemporaryDirectory() as folder:
        made = Media(Path(folder))
        picture, sound = made.make("picture.mp4", short), made.make("sound.m4a", long)
        _run("-i", str(picture), "-i", str(sound), "-map", "0:v", "-map", "1:a", "-c", "copy", str(path))


async def test_a_film_without_sound(page: Page, ready: Ready) -> None:
    asset = await ready("no_audio")
    await start(page, asset.play)
    await until(page, f"polycast.video.currentTime > 1 && {FRAMES} > 12")
    assert await page.evaluate(DECODED_AUDIO) == 0


@pytest.mark.parametrize("kind", ["hls", "dash"])
async def test_languages_can_be_chosen(page: Page, ready: Ready, kind: str) -> None:
    asset = await ready("languages")
    await start(page, f"{asset.play}?format={kind}")
    await until(page, "polycast.player.getAudioTracks().length === 2")
    languages = await page.evaluate("polycast.player.getAudioTracks().map(t => t.language).sort()")
    assert languages == ["de", "en"]
    assert await page.evaluate("polycast.player.getAudioTracks().find(t => t.active).language") == "en"
    await bar(page)
    await page.get_by_role("button", name="Settings").click()
    await page.get_by_role("menuitem", name="Audio").click()
    await page.get_by_role("menuitemradio", name="Kommentar").click()
    await until(page, "polycast.player.getAudioTracks().find(t => t.active).language === 'de'")
    heard = await page.evaluate(DECODED_AUDIO)
    await until(page, f"{DECODED_AUDIO} > {heard}")
