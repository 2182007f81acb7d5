"""Pictures of a source: poster, stills, animated preview; and pictures that users bring.

Each function runs one sandboxed child and takes about as long for three hours as for three minutes. Results are
upright, with square pixels, 8-bit SDR. They are written into scratch: a call that fails or is cancelled may leave
files there; a repeated one overwrites them.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from polycast.domain.errors import ChildFailed, Invalid, Unreadable
from polycast.domain.media import SourceInfo
from polycast.media.image_headers import CONTENT_TYPES, ImageFormat
from polycast.media.picture_plan import fit, frame_times, plan_preview, poster_times, span_s
from polycast.media.pictures import OURS, main_video, run_pictures
from polycast.media.toolkit_runner import ToolLimits, Tools

MAX_IMAGE_SIDE = 16_384
MAX_IMAGE_PIXELS = 50_000_000
"""Decoding takes four bytes a pixel and more: 200 MB at this size."""
MAX_FRAMES = 60

_IMAGE_LIMITS = ToolLimits(
    memory_bytes=1 << 30, cpu_s=20, wall_s=60, stall_s=60, file_bytes=1 << 20, processes=8
)  # seconds of CPU: a JPEG may carry thousands of scans over the same pixels


@dataclass(frozen=True, slots=True)
class Picture:
    """A finished picture file; `at_s` is where in the presentation it was taken, None where that says nothing."""

    path: Path
    width: int
    height: int
    at_s: float | None = None


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """A picture that a browser may be given as it is. Size in pixels as shown (Exif orientation applied)."""

    width: int
    height: int
    format: ImageFormat

    @property
    def content_type(self) -> str:
        return CONTENT_TYPES[self.format]


async def poster(
    toolkit: Tools,
    source: Path,
    info: SourceInfo,
    out: Path,
    *,
    at_s: float | None = None,
    max_side: int = 1280,
) -> Picture | None:
    """A JPEG that stands for the source.

    Args:
        out: the file to write.
        at_s: the exact time of the picture; None chooses among ten key frames of the first 60 % by detail,
            contrast and light, so that black and blank ones lose.

    Returns:
        The picture; of a source without video its attached picture (album art), None where it has none.

    Raises:
        Unreadable: no picture can be decoded.
        ChildFailed: this machine could not start or confine the child.
    """
    video = info.main_video
    if video is None:
        return await _attached(toolkit, source, info, out, max_side)
    width, height = fit(video.display_width, video.display_height, max_side)
    length_s = span_s(info, video)
    times = poster_times(length_s) if at_s is None else [min(max(at_s, 0.0), length_s)]
    result = await run_pictures(
        toolkit,
        "poster",
        source,
        video.index,
        {
            "times": [t + info.start_s for t in times],
            "exact": at_s is not None,
            "width": width,
            "height": height,
        },
        out=out,
        folder=out.parent,
    )
    return Picture(out, width, height, max(0.0, result["time_s"] - info.start_s))


async def frames(
    toolkit: Tools,
    source: Path,
    info: SourceInfo,
    out_dir: Path,
    *,
    count: int = 6,
    max_side: int = 1280,
    on_progress: Callable[[int], None] | None = None,
) -> list[Picture]:
    """Stills from the middles of `count` equal parts, as `<out_dir>/1.jpg`, ...; one of a still picture.

    Places that cannot be decoded are left out, so that there may be fewer.

    Raises:
        Unreadable: no video, or no picture of it can be decoded.
        Invalid: count is not 1 to 60.
        ChildFailed: as `poster`.
    """
    if not 1 <= count <= MAX_FRAMES:
        raise Invalid(f"count must be 1 to {MAX_FRAMES}", field="count")
    video = main_video(info)
    width, height = fit(video.display_width, video.display_height, max_side)
    times = frame_times(span_s(info, video), count)
    found = await run_pictures(
        toolkit,
        "frames",
        source,
        video.index,
        {
            "times": [t + info.start_s for t in times],
            "width": width,
            "height": height,
        },
        out=out_dir,
        folder=out_dir,
        on_progress=on_progress,
    )
    return [
        Picture(out_dir / f"{number}.jpg", width, height, max(0.0, time_s - info.start_s))
        for number, time_s in enumerate(found, start=1)
    ]


async def preview(
    toolkit: Tools, source: Path, info: SourceInfo, out: Path, *, max_side: int = 320
) -> Picture:
    """An animated WebP of 3.5 s from four places, for the pointer over a thumbnail; short videos from the start.

    Raises:
        Unreadable: no video, or no picture of it can be decoded.
        ChildFailed: as `poster`.
    """
    video = main_video(info)
    width, height = fit(video.display_width, video.display_height, max_side)
    plan = plan_preview(span_s(info, video))
    await run_pictures(
        toolkit,
        "preview",
        source,
        video.index,
        {
            "times": [t + info.start_s for t in plan.times],
            "seconds": plan.piece_s,
            "rate": plan.rate,
            "width": width,
            "height": height,
        },
        out=out,
        folder=out.parent,
    )
    return Picture(out, width, height)


async def check_image(toolkit: Tools, path: Path) -> ImageInfo:
    """What a picture that somebody uploaded is; it was decoded once, whole.

    The bytes are meant to be served unchanged under the content type found here (never the one claimed) with
    `X-Content-Type-Options: nosniff`.

    Raises:
        Unreadable: not PNG, JPEG, WebP or GIF (SVG carries scripts), or damaged.
        LimitExceeded: over 16 384 pixels a side or 50 million in all; told from the header, nothing is decoded.
        ChildFailed: as `poster`.
    """
    path = await asyncio.to_thread(path.resolve)
    request = {"path": str(path), "max_side": MAX_IMAGE_SIDE, "max_pixels": MAX_IMAGE_PIXELS}
    try:
        found = await toolkit._run_python_child("image_check", request, read=[path], limits=_IMAGE_LIMITS)
    except ChildFailed as error:
        if error.reason in OURS:
            raise
        raise Unreadable("the picture is damaged") from error
    return ImageInfo(found["width"], found["height"], found["format"])


async def _attached(
    toolkit: Tools, source: Path, info: SourceInfo, out: Path, max_side: int
) -> Picture | None:
    cover = next((v for v in info.video if v.attached_picture), None)
    if cover is None:
        return None
    width, height = await run_pictures(
        toolkit, "attached", source, cover.index, {"max_side": max_side}, out=out, folder=out.parent
    )
    return Picture(out, width, height)
