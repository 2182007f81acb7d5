"""A picture has the same colours however it comes: as a file, as it is in segments, encoded, by HLS and by DASH."""

import base64
from pathlib import Path

import pytest
from playwright.async_api import Page

from tests.e2e.playback.publishing import Publisher
from tests.e2e.player.watching import until
from tests.support.media import Media, _run

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(150),
    pytest.mark.asyncio(loop_scope="session"),
]

_BARS = ("0xD02020", "0x20D020", "0x2020D0", "0xC0C020")
_SD, _HD = (512, 288), (1280, 720)
_PIXELS = """(video) => {
  const canvas = document.createElement('canvas');
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  const context = canvas.getContext('2d');
  context.drawImage(video, 0, 0);
  const at = (eighth) => context.getImageData(eighth * canvas.width / 8, canvas.height / 2, 1, 1).data;
  return [1, 3, 5, 7].map((eighth) => [...at(eighth)].slice(0, 3));
}"""
_AS_A_FILE = f"""async (data) => {{
  const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
  const video = document.createElement('video');
  video.src = URL.createObjectURL(new Blob([bytes], {{type: 'video/mp4'}}));
  await new Promise((done, failed) => {{
    video.requestVideoFrameCallback(done);
    video.onerror = () => failed(new Error(video.error.message));
    video.muted = true;
    video.play();
  }});
  return ({_PIXELS})(video);
}}"""


def _write(path: Path, size: tuple[int, int], group: int) -> None:
    """Four saturated colours, of which the file says nothing; `group` pictures to a key frame."""
    width, height = size
    inputs = [
        arg
        for bar in _BARS
        for arg in ("-f", "lavfi", "-t", "8", "-i", f"color={bar}:s={width // 4}x{height}:r=5")
    ]
    matrix = "bt709" if size == _HD else "bt601"
    bars = f"hstack=4,format=gbrp,scale=out_color_matrix={matrix}:out_range=tv,format=yuv420p"
    nothing = "setparams=color_primaries=unknown:color_trc=unknown:colorspace=unknown"
    _run(*inputs, "-filter_complex", f"[0][1][2][3]{bars},{nothing}", "-c:v", "libx264", "-preset", "ultrafast",
         "-crf", "12", "-g", str(group), "-x264-params", "scenecut=0", "-movflags", "-write_colr", str(path))  # fmt: skip


@pytest.mark.parametrize("size", [_SD, _HD], ids=["sd", "hd"])
async def test_every_way_shows_the_same_colours(
    page: Page, publisher: Publisher, media: Media, size: tuple[int, int]
) -> None:
    # key frames two seconds apart are cut as they are; eight are too far apart
    as_it_is = media.made(f"bars-{size[1]}.mp4", lambda path: _write(path, size, 10))
    encoded = media.made(f"bars-{size[1]}-rare.mp4", lambda path: _write(path, size, 40))
    shown: dict[str, list[list[int]]] = {}
    for name, path in (("as it is", as_it_is), ("encoded", encoded)):
        asset = await publisher.published(path)
        for kind in ("hls", "dash"):
            await page.goto(f"{asset.play}?format={kind}")
            await page.click(".pc-big")
            await until(page, "polycast.video.currentTime > 0.3")
            shown[f"{name}, {kind}"] = await page.evaluate(f"({_PIXELS})(polycast.video)")
    data = base64.b64encode(as_it_is.read_bytes()).decode()
    shown["file"] = await page.evaluate(_AS_A_FILE, data)
    for bar, wanted in enumerate(_BARS):
        meant = list(bytes.fromhex(wanted[2:]))
        for way, bars in shown.items():
            # BT.601 for BT.709 or the other way round is 20 and more away
            assert bars[bar] == pytest.approx(meant, abs=12), (way, shown)
