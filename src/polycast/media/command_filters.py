"""The filter graph of a chunk: one decoded picture, brought to time 0 of the grid, fanned out to the rungs. Pure.

Filter strings are made of numbers that we computed and of names out of the tables below; no text of a source
ever enters one.
"""

from collections.abc import Sequence
from fractions import Fraction

from polycast.domain.colours import MATRICES, SDR, colours, is_rgb
from polycast.domain.media import VideoTrack
from polycast.media.chunks import Chunk
from polycast.media.ladder import Rendition
from polycast.media.profiles import PROFILES

# Values that zscale knows, by FFmpeg's names of them in a probe.
_TRANSFERS = {"smpte2084": "smpte2084", "arib-std-b67": "arib-std-b67"}
_MATRICES = {"bt2020nc": "bt2020nc", "bt2020_ncl": "bt2020nc", "bt2020c": "bt2020c", "bt709": "bt709"}
_PRIMARIES = {"bt2020": "bt2020", "smpte432": "smpte432", "bt709": "bt709"}
_DEINTERLACE = "bwdif=mode=send_frame:deint=interlaced"
_DEINTERLACE_MARGIN = Fraction(1, 4)


def filter_graph(
    video: VideoTrack, chunk: Chunk, renditions: Sequence[Rendition], *, fill: bool = False
) -> str:
    """The whole `-filter_complex` value; outputs are labelled `[o0]`, `[o1]`, ... in order of `renditions`.

    ffmpeg itself turns pictures upright before the graph (autorotate), by the display matrix of the source.

    Args:
        fill: repeat frames where the source has none, so that every place of a steady rate is taken.
    """
    shared = [*_timing(video, chunk, fill=fill), *tone_map(video, renditions)]
    parts = [f"[0:{video.index}]{','.join(shared)},split={len(renditions)}"
             + "".join(f"[s{i}]" for i in range(len(renditions)))]  # fmt: skip
    for i, rendition in enumerate(renditions):
        steps = [
            *_decimate(chunk, rendition),
            *fit(video, rendition),
        ]
        parts.append(f"[s{i}]{','.join(steps)}[o{i}]")
    return ";".join(parts)


def _timing(video: VideoTrack, chunk: Chunk, *, fill: bool) -> list[str]:
    if chunk.kind == "still" or chunk.held:
        step = (chunk.end - chunk.starts[0]) // chunk.frames
        weave = ["trim=end_frame=4", _DEINTERLACE] if video.interlaced else []
        # the picture may not be where it was promised: then the one that can be decoded before it
        start = [] if fill else _trim(chunk, Fraction(0))
        return [
            *start,
            *weave,
            "trim=end_frame=1",  # one picture, whatever else the file holds, and nothing more is decoded
            f"loop=loop={chunk.frames - 1}:size=1",
            f"settb=1/{chunk.timescale}",
            f"setpts=N*{step}+{chunk.starts[0]}",
        ]
    steps = []
    if video.interlaced:
        # The filter looks at the frames before and after: trim wide first, exactly behind it.
        steps += [*_trim(chunk, _DEINTERLACE_MARGIN), _DEINTERLACE]
    steps += [
        *_trim(chunk, Fraction(0)),
        # source time becomes time since the first frame, in the source's own ticks: no rounding yet
        f"setpts=round(PTS-{_number(chunk.origin_s)}/TB)",
        f"settb=1/{chunk.timescale}",
    ]
    if chunk.kind == "steady":
        step = _step(chunk)
        # what the container rounded (Matroska keeps milliseconds) goes back to its exact place
        steps.append(f"setpts=round(PTS/{step})*{step}+{chunk.origin_ticks}")
    elif chunk.origin_ticks:
        steps.append(f"setpts=PTS+{chunk.origin_ticks}")
    if (fill or chunk.fill) and chunk.rate is not None:
        steps += [
            f"fps={chunk.rate}:start_time={_decimal(Fraction(chunk.starts[0], chunk.timescale))}",
            "tpad=stop=-1:stop_mode=clone",  # a hole at the very end of the chunk
            f"trim=end_frame={chunk.frames + chunk.tail}",
            f"settb=1/{chunk.timescale}",
        ]
    return steps


def _trim(chunk: Chunk, margin: Fraction) -> list[str]:
    # By time, half-way between two frames, not by PTS: time bases differ along the graph.
    bounds = []
    if chunk.from_s is not None:
        bounds.append(f"start={_decimal(chunk.from_s - margin)}")
    if chunk.to_s is not None:
        bounds.append(f"end={_decimal(chunk.to_s + chunk.tail_s + margin)}")
    return [f"trim={':'.join(bounds)}"] if bounds else []


def _decimate(chunk: Chunk, rendition: Rendition) -> list[str]:
    """Fewer frames where the rung is capped: decided inside each segment alone, so that chunks cannot matter."""
    if rendition.max_rate is None or chunk.kind == "still":
        return []
    if is_even(chunk, rendition):
        step = _step(chunk)
        return [f"select=not(mod(round((pts-{chunk.starts[0]})/{step})\\,{rendition.every}))"]
    rate = chunk.rate / rendition.every if chunk.rate is not None else rendition.max_rate
    gap = _decimal(Fraction(95, 100) / rate)
    firsts = "".join(f"+gte(pts\\,{s})*lt(prev_pts\\,{s})" for s in (*chunk.starts[1:], chunk.end))
    return [f"select=isnan(prev_selected_t)+gte(t-prev_selected_t\\,{gap}){firsts}"]


def is_even(chunk: Chunk, rendition: Rendition) -> bool:
    """The frames of this rendition come at one steady distance, across segments and in all chunks alike."""
    if chunk.kind == "still":
        return True
    if chunk.kind != "steady":
        return False
    return rendition.max_rate is None or chunk.multiple % rendition.every == 0


def frame_step(chunk: Chunk, rendition: Rendition) -> int:
    """Ticks of each frame where `is_even`."""
    return _step(chunk) * (rendition.every if chunk.kind == "steady" else 1)


def _step(chunk: Chunk) -> int:
    if chunk.rate is None:
        raise ValueError("a chunk of variable rate has no step")
    return int(chunk.timescale / chunk.rate)


def tone_map(video: VideoTrack, renditions: Sequence[Rendition]) -> list[str]:
    """The filters that bring HDR to SDR at the size of the largest rendition; none for SDR."""
    if not video.hdr:
        return []
    largest = max(renditions, key=lambda r: r.pixels)
    # Scaled to the largest rung first: tone mapping in float costs more than all scaling together.
    return [
        f"zscale=w={largest.width}:h={largest.height}:f=bicubic"
        f":tin={_TRANSFERS.get(video.transfer or '', 'smpte2084')}"
        f":min={_MATRICES.get(video.matrix or '', 'bt2020nc')}"
        f":pin={_PRIMARIES.get(video.color_primaries or '', 'bt2020')}"
        f":rin={'full' if video.color_range in ('pc', 'full', 'jpeg') else 'limited'}"
        ":t=linear:npl=100",  # 100 cd/m2 is SDR's white
        "format=gbrpf32le",
        "zscale=p=bt709",
        "tonemap=tonemap=hable:desat=0",  # keeps detail in highlights, and colours as they are
        "zscale=t=bt709:m=bt709:p=bt709:r=limited",
        "format=yuv420p",
    ]


def fit(video: VideoTrack, rendition: Rendition) -> list[str]:
    """The last filters: size, square pixels, the encoder's format, and colours that are said."""
    made = SDR if video.hdr else colours(video)
    # RGB has no matrix: the one that is said is used, not the scaler's default (BT.601)
    matrix = f":out_color_matrix={MATRICES[made.matrix]}" if is_rgb(video.pix_fmt) else ""
    return [
        # bicubic is ffmpeg's own choice: sharper than bilinear, and lanczos rings on text for more CPU.
        # Full-range sources (phones, cameras) become limited range, which every player expects.
        f"scale={rendition.width}:{rendition.height}:flags=bicubic:out_range=tv{matrix}",
        "setsar=1",  # rounding to even sides leaves a ratio like 539:540, which some players honour
        f"format={PROFILES[rendition.profile].pix_fmt}",
        # Encoder and muxer write what the frames say (VUI, colr): the same in all chunks, whatever frame they begin with
        f"setparams=color_primaries={made.primaries}:color_trc={made.transfer}:colorspace={made.matrix}",
    ]


def _number(value: Fraction) -> str:
    return f"({value.numerator}/{value.denominator})"


def _decimal(value: Fraction) -> str:
    """Seconds for options that keep microseconds."""
    return f"{float(value):.6f}"
