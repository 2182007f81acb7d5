"""Is this file a picture that a browser may be given? Request: path, max_side, max_pixels.

The header decides format and size before any decoder runs; then the first picture is decoded whole.
"""

from pathlib import Path
from typing import Any

import av
from av.error import FFmpegError

from polycast.domain.errors import LimitExceeded, Unreadable
from polycast.media.children import opening  # noqa: F401  (silences libav's log)
from polycast.media.children.picture_scaler import orientation
from polycast.media.children.protocol import main
from polycast.media.image_headers import HEADER_BYTES, read_header
from polycast.media.toolkit_allowlist import PROTOCOL_WHITELIST

# (demuxer, decoder) of each format: nothing else is tried, whatever the bytes look like further on
_READERS = {
    "png": ("png_pipe", "png"), "jpeg": ("jpeg_pipe", "mjpeg"), "webp": ("webp_pipe", "webp"), "gif": ("gif", "gif"),
}  # fmt: skip
_DAMAGED = "the picture is damaged"


def image_check(request: dict[str, Any]) -> dict[str, Any]:
    with Path(request["path"]).open("rb") as file:
        header = read_header(file.read(HEADER_BYTES))
    if header is None:
        raise Unreadable("the file is no PNG, JPEG, WebP or GIF picture")
    if (
        max(header.width, header.height) > request["max_side"]
        or header.width * header.height > request["max_pixels"]
    ):
        raise LimitExceeded(f"the picture is too large ({header.width} x {header.height})")
    if header.format == "webp" and header.animated:
        raise Unreadable("animated WebP pictures are not accepted")
    frame = _decode(request["path"], header.format, request["max_pixels"])
    # a second, larger header further on (a JPEG may hold several) would be what browsers show
    if frame.width != header.width or frame.height != header.height:
        raise Unreadable(_DAMAGED)
    width, height = header.width, header.height
    if any(step.startswith("transpose") for step in orientation(frame)):
        width, height = height, width
    return {"format": header.format, "width": width, "height": height}


def _decode(path: str, kind: str, max_pixels: int) -> Any:
    demuxer, decoder = _READERS[kind]
    options = {
        "protocol_whitelist": PROTOCOL_WHITELIST, "format_whitelist": demuxer, "codec_whitelist": decoder,
    }  # fmt: skip
    try:
        with av.open(f"file:{path}", "r", format=demuxer, container_options=options) as container:
            stream: Any = container.streams.video[0]
            context = stream.codec_context
            if context.codec.name != decoder:
                raise Unreadable(_DAMAGED)
            context.thread_count = 1
            context.options = {
                "max_pixels": str(max_pixels),
                "err_detect": "explode",  # half a picture is a damaged one; the default would paint over it
            }
            for frame in container.decode(stream):
                return frame
    except (FFmpegError, IndexError, ValueError) as error:
        raise Unreadable(_DAMAGED) from error
    raise Unreadable(_DAMAGED)


if __name__ == "__main__":
    main(image_check)
