"""Picture and sound stay together, from the first second to the last.

The sound of the clip rises by 200 Hz a second, so its pitch tells its time as the burnt-in number tells
that of the picture. Both are read at the same moment in the browser.
"""

import statistics

import pytest
from playwright.async_api import Page

from tests.e2e.playback.publishing import Publisher
from tests.e2e.player.watching import start, until
from tests.support.media import Clip, Media

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(150),
    pytest.mark.asyncio(loop_scope="session"),
]

SECONDS = 16
RISING = f"aevalsrc='0.3*sin(2*PI*(500*t+100*t*t))':sample_rate=48000:duration={SECONDS}"
LISTEN = """() => {
  const video = polycast.video;
  const context = new AudioContext({latencyHint: 'interactive'});
  const tap = context.createAnalyser();
  tap.fftSize = 4096;
  tap.smoothingTimeConstant = 0;
  context.createMediaElementSource(video).connect(tap);
  tap.connect(context.destination);
  const bins = new Float32Array(tap.frequencyBinCount);
  const heard = window.heard = [];
  const look = (_, shown) => {
    tap.getFloatFrequencyData(bins);
    let top = 20;
    for (let i = 20; i < bins.length; i++) if (bins[i] > bins[top]) top = i;
    const pitch = top * context.sampleRate / tap.fftSize;
    // the window's middle lies half its length back
    const sound = (pitch - 500) / 200 + tap.fftSize / 2 / context.sampleRate;
    if (bins[top] > -60) heard.push([shown.mediaTime, sound - shown.mediaTime]);
    video.requestVideoFrameCallback(look);
  };
  video.requestVideoFrameCallback(look);
}"""


@pytest.mark.parametrize(
    ("name", "clip"),
    [
        ("as-it-is.mp4", Clip(seconds=SECONDS, sound=RISING)),
        ("encoded.webm", Clip(seconds=SECONDS, sound=RISING, audio=(("libopus", "-b:a", "64k"),),
                              video=("libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "90", "-b:v", "300k"))),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["hls", "dash"])
async def test_pitch_and_number_agree(
    page: Page,
    publisher: Publisher,
    media: Media,
    published: dict[str, str],
    name: str,
    clip: Clip,
    kind: str,
) -> None:
    if name not in published:
        asset = await publisher.published(media.make(f"rising-{name}", clip))
        published[name] = asset.play
    await start(page, f"{published[name]}?format={kind}")
    await page.evaluate(LISTEN)
    await until(page, "polycast.video.currentTime > 3.5")
    await page.evaluate(f"polycast.video.currentTime = {SECONDS} - 3.5")
    await until(page, "polycast.video.ended", deadline_s=25)
    heard = await page.evaluate("heard")
    early = [by for at, by in heard if 1.5 < at < 3.5]
    late = [by for at, by in heard if SECONDS - 2.5 < at < SECONDS - 0.5]
    assert len(early) > 10 and len(late) > 10, heard
    begin, end = statistics.median(early), statistics.median(late)
    assert abs(end - begin) < 0.05, "picture and sound drift apart"
    # what the audio graph and the screen add lies within this
    assert abs(begin) < 0.15


@pytest.fixture(scope="session")
def published() -> dict[str, str]:
    """Pages of what is published already."""
    return {}
