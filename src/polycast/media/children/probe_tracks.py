"""Facts of single streams, as FFmpeg and the MP4 boxes state them."""

from dataclasses import replace
from fractions import Fraction
from math import atan2, degrees
from typing import Any

from polycast.domain.colours import MATRICES, PRIMARIES, TRANSFERS
from polycast.domain.media import AudioTrack, CaptionTrack, VideoTrack
from polycast.media.children.mp4_tables import Mp4Track
from polycast.media.children.probe_codecs import codec_string
from polycast.media.children.probe_index import VideoTimes
from polycast.media.toolkit_allowlist import SUBTITLE_DECODERS
from polycast.protocols.language import normalize

_RANGES = {1: "tv", 2: "pc"}
_HDR = {"smpte2084", "arib-std-b67"}
_PROGRESSIVE = 1
_MAX_RATE = 1000


def video(
    number: int, stream: Any, *, mp4: Mp4Track | None, times: VideoTimes | None, still: bool, end_s: float
) -> VideoTrack:
    """A video stream. `mp4` and `times` where the container is MP4 with tables."""
    context = stream.codec_context
    rotation, mirrored = _turn(mp4.matrix) if mp4 else (0, False)
    sar = _fraction(stream.sample_aspect_ratio) or _fraction(context.sample_aspect_ratio) or Fraction(1)
    if not Fraction(1, 20) < sar < 20:
        sar = Fraction(1)
    width, height = int(context.width), int(context.height)
    shown = (max(1, round(width * sar)), height) if sar >= 1 else (width, max(1, round(height / sar)))
    if rotation in {90, 270}:
        shown = (shown[1], shown[0])
    transfer = TRANSFERS.get(int(context.color_trc or 0))
    average = times.average if times else _rate(stream.average_rate)
    nominal = times.nominal if times else _rate(stream.base_rate)
    depth = context.format.components[0].bits if context.format is not None else 8
    codec, level = _codec(context), _number(context.level)
    return VideoTrack(
        id=f"video_{number}",
        index=stream.index,
        codec=codec,
        width=width,
        height=height,
        display_width=shown[0],
        display_height=shown[1],
        profile=context.profile,
        level=level,
        pix_fmt=context.pix_fmt,
        bit_depth=depth,
        rotation=rotation,
        mirrored=mirrored,
        sar=sar,
        frame_rate=None if still else average or nominal,
        nominal_rate=None if still else nominal,
        variable_rate=not still and (times.variable if times else _differ(average, nominal)),
        interlaced=int(context.field_order or 0) > _PROGRESSIVE,
        color_primaries=PRIMARIES.get(int(context.color_primaries or 0)),
        transfer=transfer,
        matrix=MATRICES.get(int(context.colorspace if context.colorspace is not None else 2)),
        color_range=_RANGES.get(int(context.color_range or 0)),
        hdr=transfer in _HDR,
        bitrate_bps=_number(context.bit_rate),
        start_s=_start(stream),
        duration_s=0.0 if still else _duration(stream, end_s),
        codec_string=codec_string(
            codec, bytes(context.extradata or b""), profile=context.profile, level=level, depth=depth
        ),
        still=still,
        attached_picture=_flag(stream, "attached_pic"),
        **_labels(stream),
    )


def audio(number: int, stream: Any, *, end_s: float) -> AudioTrack:
    """An audio stream."""
    context = stream.codec_context
    codec = _codec(context)
    return AudioTrack(
        id=f"audio_{number}",
        index=stream.index,
        codec=codec,
        sample_rate=int(context.sample_rate or 0),
        channels=int(context.channels or 0),
        profile=context.profile,
        layout=context.layout.name if context.layout is not None else None,
        bitrate_bps=_number(context.bit_rate),
        start_s=_start(stream),
        duration_s=_duration(stream, end_s),
        codec_string=codec_string(
            codec, bytes(context.extradata or b""), profile=context.profile, level=None, depth=16
        ),
        **_labels(stream),
    )


def captions(number: int, stream: Any) -> CaptionTrack:
    """A subtitle stream."""
    name = stream.codec_context.name if stream.codec_context is not None else "unknown"
    return CaptionTrack(
        id=f"captions_{number}",
        index=stream.index,
        codec=name,
        forced=_flag(stream, "forced"),
        text=name in SUBTITLE_DECODERS,
        **_labels(stream),
    )


def turned(track: VideoTrack, filters: tuple[str, ...]) -> VideoTrack:
    """The track, to be turned upright by these filters (`picture_scaler.orientation` of its first frame)."""
    turn = next((f for f in filters if f.startswith("transpose")), "")
    rotation = 90 if turn.startswith("transpose=clock") else 270 if turn else 180 if len(filters) == 2 else 0
    width, height = track.display_width, track.display_height
    return replace(
        track,
        rotation=rotation,
        mirrored=turn.endswith("_flip") or filters in {("hflip",), ("vflip",)},
        display_width=height if turn else width,
        display_height=width if turn else height,
    )


def _turn(matrix: tuple[int, ...]) -> tuple[int, bool]:
    """Clockwise degrees to turn the coded picture by, and whether it is mirrored (ISO/IEC 14496-12 §6.2.2)."""
    a, b, c, d = matrix[0], matrix[1], matrix[3], matrix[4]
    return round(degrees(atan2(b, a)) / 90) * 90 % 360, a * d - b * c < 0


def _codec(context: Any) -> str:
    return str(context.codec.canonical_name)


def _labels(stream: Any) -> dict[str, Any]:
    title = stream.metadata.get("title") or stream.metadata.get("name")
    return {
        "language": normalize(stream.metadata.get("language")),
        "title": title[:200] if title else None,
        "default": _flag(stream, "default"),
    }


def _flag(stream: Any, name: str) -> bool:
    from av.stream import Disposition

    return bool(stream.disposition & Disposition[name])


def _start(stream: Any) -> float:
    if stream.start_time is None or not stream.time_base:
        return 0.0
    return float(stream.start_time * stream.time_base)


def _duration(stream: Any, end_s: float) -> float:
    if stream.duration and stream.duration > 0 and stream.time_base:
        return float(stream.duration * stream.time_base)
    return max(0.0, end_s - _start(stream))


def _fraction(value: Any) -> Fraction | None:
    return Fraction(value) if value and value > 0 else None


def _rate(value: Any) -> Fraction | None:
    rate = _fraction(value)
    return rate if rate is not None and rate <= _MAX_RATE else None


def _number(value: Any) -> int | None:
    return int(value) if value and value > 0 else None


def _differ(average: Fraction | None, nominal: Fraction | None) -> bool:
    """Whether two rates are more than rounding apart (Matroska has milliseconds)."""
    return bool(average and nominal and abs(average / nominal - 1) > Fraction(1, 100))
