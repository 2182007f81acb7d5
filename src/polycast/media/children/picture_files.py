"""Pictures as files: JPEG, sheets of JPEG, animated WebP."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.filter


def write_jpeg(frame: Any, path: Path, *, quantizer: int = 4) -> None:
    """One `yuvj420p` picture. `quantizer` 2 (best) to 31; 4 is about quality 85 of other encoders."""
    encoder: Any = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt = frame.width, frame.height, "yuvj420p"
    encoder.time_base = Fraction(1, 25)
    encoder.thread_count = 1
    encoder.options = {
        "qmin": str(quantizer), "qmax": str(quantizer),  # constant quality
        "huffman": "optimal",  # smaller by some percent, the time does not matter for one picture
    }  # fmt: skip
    frame.pts = 0
    packets = [*encoder.encode(frame), *encoder.encode(None)]
    path.write_bytes(b"".join(bytes(p) for p in packets))


def write_sheet(tiles: Sequence[Any], path: Path, *, columns: int, rows: int, quantizer: int = 7) -> None:
    """Pictures of one size side by side, row by row; missing ones are black. One picture may stand twice."""
    first = tiles[0]
    graph = av.filter.Graph()
    graph.threads = 1
    source = graph.add_buffer(
        width=first.width, height=first.height, format=first.format, time_base=Fraction(1, 25)
    )
    tile = graph.add("tile", f"layout={columns}x{rows}")
    source.link_to(tile)
    tile.link_to(graph.add("buffersink"))
    graph.configure()
    for number, frame in enumerate(tiles):
        frame.pts, frame.time_base = number, Fraction(1, 25)
        graph.push(frame)
    graph.push(None)  # the end: what is missing is painted
    write_jpeg(graph.pull(), path, quantizer=quantizer)


def write_animation(frames: Sequence[Any], path: Path, *, rate: int, quality: int = 55) -> None:
    """`bgra` pictures of one size as an endless animated WebP."""
    with av.open(f"file:{path}", "w", format="webp", container_options={"loop": "0"}) as out:
        stream: Any = out.add_stream("libwebp_anim", rate=rate)
        stream.width, stream.height, stream.pix_fmt = frames[0].width, frames[0].height, "bgra"
        context = stream.codec_context
        context.thread_count = 1
        context.options = {
            "quality": str(quality),
            "compression_level": "4",  # 6 takes twice the time for some percent
        }
        for number, frame in enumerate(frames):
            frame.pts, frame.time_base = number, Fraction(1, rate)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
