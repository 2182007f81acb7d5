"""What a probe learns of a source file: plain facts, no decisions."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from fractions import Fraction
from typing import Any


@dataclass(frozen=True, slots=True)
class VideoTrack:
    """One video stream. Sizes in pixels, times in seconds, rates in frames a second.

    Attributes:
        rotation: clockwise degrees that turn the coded picture upright: 0, 90, 180 or 270.
        mirrored: the picture is to be flipped, too.
    """

    id: str
    index: int
    codec: str
    width: int
    height: int
    display_width: int
    display_height: int
    profile: str | None = None
    level: int | None = None
    pix_fmt: str | None = None
    bit_depth: int = 8
    rotation: int = 0
    mirrored: bool = False
    sar: Fraction = Fraction(1)
    frame_rate: Fraction | None = None
    nominal_rate: Fraction | None = None
    variable_rate: bool = False
    interlaced: bool = False
    color_primaries: str | None = None
    transfer: str | None = None
    matrix: str | None = None
    color_range: str | None = None
    hdr: bool = False
    bitrate_bps: int | None = None
    start_s: float = 0.0
    duration_s: float = 0.0
    language: str | None = None
    title: str | None = None
    default: bool = False
    codec_string: str | None = None
    still: bool = False
    attached_picture: bool = False


@dataclass(frozen=True, slots=True)
class AudioTrack:
    """One audio stream. Rates in Hz and bit/s, times in seconds."""

    id: str
    index: int
    codec: str
    sample_rate: int
    channels: int
    profile: str | None = None
    layout: str | None = None
    bitrate_bps: int | None = None
    start_s: float = 0.0
    duration_s: float = 0.0
    language: str | None = None
    title: str | None = None
    default: bool = False
    codec_string: str | None = None


@dataclass(frozen=True, slots=True)
class CaptionTrack:
    """One subtitle stream; `text` is False for bitmap formats, which cannot become WebVTT."""

    id: str
    index: int
    codec: str
    language: str | None = None
    title: str | None = None
    default: bool = False
    forced: bool = False
    text: bool = True


@dataclass(frozen=True, slots=True)
class SourceChapter:
    start_s: float
    end_s: float
    title: str


@dataclass(frozen=True, slots=True)
class KeyframeIndex:
    """Key frames of the first video track, from the container's index (no packet was read for it).

    Attributes:
        times_s: presentation times in seconds, ascending; empty when the container has no index.
        max_gop_s: the largest gap, the last one to the end included; None when unknown.
        closed: True when no frame after a key frame (in decode order) is shown before it; None unknown.
    """

    times_s: tuple[float, ...] = ()
    max_gop_s: float | None = None
    closed: bool | None = None


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """A probed file. `video` leaves attached pictures in, flagged, so that a poster can use them."""

    container: str
    duration_s: float
    start_s: float
    size_bytes: int
    bitrate_bps: int | None = None
    video: tuple[VideoTrack, ...] = ()
    audio: tuple[AudioTrack, ...] = ()
    captions: tuple[CaptionTrack, ...] = ()
    chapters: tuple[SourceChapter, ...] = ()
    keyframes: KeyframeIndex | None = None
    edit_lists: int = 0
    encrypted: bool = False

    @property
    def main_video(self) -> VideoTrack | None:
        """The first video track that is not an attached picture."""
        return next((v for v in self.video if not v.attached_picture), None)

    def to_json(self) -> dict[str, Any]:
        """A JSON object; fractions become "num/den" strings."""
        return _plain(asdict(self))  # type: ignore[no-any-return]

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "SourceInfo":
        """The inverse of `to_json`; unknown members are ignored, so that older rows stay readable."""
        lists: dict[str, type[Any]] = {
            "video": VideoTrack, "audio": AudioTrack, "captions": CaptionTrack, "chapters": SourceChapter,
        }  # fmt: skip
        values: dict[str, Any] = {}
        for f in fields(cls):
            if f.name not in data:
                continue
            raw = data[f.name]
            if f.name in lists:
                raw = tuple(_load(lists[f.name], item) for item in raw)
            elif f.name == "keyframes" and raw is not None:
                raw = _load(KeyframeIndex, {**raw, "times_s": tuple(raw.get("times_s", ()))})
            values[f.name] = raw
        return cls(**values)


_FRACTIONS = {"sar", "frame_rate", "nominal_rate"}


def _load(kind: type[Any], data: Mapping[str, Any]) -> Any:
    known = {f.name for f in fields(kind)}
    return kind(
        **{k: Fraction(v) if k in _FRACTIONS and v is not None else v for k, v in data.items() if k in known}
    )


def _plain(value: Any) -> Any:
    if isinstance(value, Fraction):
        return f"{value.numerator}/{value.denominator}"
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value
