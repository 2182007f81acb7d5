"""What a viewer sees, exactly: the number burnt into each frame, read when the browser shows that frame.

`requestVideoFrameCallback` tells the media time of the frame that is on the screen; a canvas gives its
pixels, since media and page share an origin. A frame is right when its number is that of its time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from playwright.async_api import Page

from tests.e2e.player.watching import until

_SAME = 0.6
"""Frames: media times are rounded to the track's clock."""
_LATE = 8
"""Frames that may pass between a callback and its canvas."""

_NUMBER = """
const number = (video) => {
  const canvas = document.createElement('canvas');
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  const context = canvas.getContext('2d', {willReadFrequently: true});
  context.drawImage(video, 0, 0);
  const row = context.getImageData(0, Math.floor(canvas.height / 16), canvas.width, 1).data;
  let found = 0;
  for (let bit = 0; bit < 16; bit++) {
    const x = Math.floor((2 * bit + 1) * canvas.width / 32);
    if (row[4 * x] > 127) found |= 1 << bit;
  }
  return found;
};
"""

_SEEK = (
    """(to) => new Promise((resolve, reject) => {"""
    + _NUMBER
    + """
  const video = polycast.video;
  video.pause();
  const late = setTimeout(() => reject(new Error('no frame of ' + to + ' within 20 s')), 20000);
  const look = (_, shown) => {
    // what was on its way when the seek began
    if (Math.abs(shown.mediaTime - to) > 0.5) { video.requestVideoFrameCallback(look); return; }
    clearTimeout(late);
    resolve([number(video), shown.mediaTime]);
  };
  video.requestVideoFrameCallback(look);
  video.currentTime = to;
})"""
)

_RECORD = (
    """() => {"""
    + _NUMBER
    + """
  const video = polycast.video;
  const seen = window.seen = {frames: [], waits: 0, ended: false};
  const look = (_, shown) => {
    seen.frames.push([number(video), shown.mediaTime, performance.now() / 1000]);
    video.requestVideoFrameCallback(look);
  };
  video.requestVideoFrameCallback(look);
  video.addEventListener('waiting', () => { if (video.currentTime > 1) seen.waits += 1; });
  video.addEventListener('ended', () => { seen.ended = true; });
}"""
)


@dataclass(frozen=True)
class Shown:
    """A frame on the screen: its burnt-in number, its media time and the clock in seconds."""

    number: int
    media_s: float
    clock_s: float = 0.0


async def seek(page: Page, to_s: float) -> Shown:
    """Pause, go to a moment, and read the frame that is shown there."""
    number, media_s = await page.evaluate(_SEEK, to_s)
    return Shown(number, media_s)


async def record(page: Page) -> None:
    """Begin to note each frame that is shown, and every wait for data."""
    await page.evaluate(_RECORD)


async def recorded(page: Page) -> list[Shown]:
    """The frames since `record`."""
    return [Shown(*frame) for frame in await page.evaluate("seen.frames")]


async def waits(page: Page) -> int:
    """How often playback had to wait for data since `record`, not counting the first second."""
    return int(await page.evaluate("seen.waits"))


async def duration(page: Page) -> float:
    """Length of the media in seconds, once known."""
    await until(page, "Number.isFinite(polycast.video.duration) && polycast.video.duration > 0")
    return float(await page.evaluate("polycast.video.duration"))


def wrong(frames: Sequence[Shown], rate: float) -> list[Shown]:
    """Frames whose number is not that of their media time.

    On a busy machine the canvas may get a frame that came some moments after the announced one, never an
    earlier one, and not always: when three of four are off by more than half a frame, all are wrong.
    """
    off = [frame.number - frame.media_s * rate for frame in frames]
    if off and abs(sorted(off)[len(off) // 4]) > _SAME:
        return list(frames)
    return [frame for frame, by in zip(frames, off, strict=True) if not -1 - _SAME < by < _LATE]


def jumps(frames: Sequence[Shown]) -> list[tuple[Shown, Shown]]:
    """Neighbours in the record that go back, or whose clock and media time part by over half a second."""
    return [
        (a, b)
        for a, b in pairwise(frames)
        if b.number < a.number or abs((b.clock_s - a.clock_s) - (b.media_s - a.media_s)) > 0.5
    ]
