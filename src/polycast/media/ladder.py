"""The ladder: which renditions a source deserves under a preset. Pure."""

from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from polycast.domain.errors import NoPlayableTracks
from polycast.domain.media import AudioTrack, SourceInfo, VideoTrack
from polycast.domain.presets import Preset, Rung
from polycast.media.ladder_levels import av1_level, avc_level, codec_string, hevc_level
from polycast.media.profiles import BY_CODEC

STILL_RATE = Fraction(10)
"""Frames a second made of a still picture: enough for any player, nearly free for the encoder."""
STILL_DURATION_S = 5.0
"""Length of a single picture without sound."""

_FIRST_RUNG_SIDE = 360
_WIDE = Fraction(16, 9)
# A rung is worth its bytes when it shows clearly more than the one below it.
_WORTHWHILE = 1.2
# What a source codec needs for the same quality, against H.264.
_EFFICIENCY = {"hevc": 1.6, "vp9": 1.6, "av1": 2.0, "vvc": 2.2, "vp8": 1.1, "h264": 1.0}
_NEEDS = {"h264": 1.0, "hevc": 0.65, "av1": 0.55}


@dataclass(frozen=True, slots=True)
class Rendition:
    """One video track to make, complete: an encoder needs nothing else of the preset.

    Attributes:
        name: "720p"; the folder of its segments.
        profile: name of an `EncoderProfile`.
        codec_string: RFC 6381, what the finished track will declare.
        level: level_idc (H.264, HEVC) or seq_level_idx (AV1).
        width, height: square pixels, even.
        every: of a steady source rate, every n-th frame is kept (1: all).
        max_rate: frames a second not to be exceeded; None: as the source.
        maxrate_bps, bufsize_bits: the cap; crf: the quality below it.
    """

    name: str
    codec: str
    profile: str
    codec_string: str
    level: int
    width: int
    height: int
    crf: float
    maxrate_bps: int
    bufsize_bits: int
    every: int = 1
    max_rate: Fraction | None = None

    @property
    def pixels(self) -> int:
        return self.width * self.height


@dataclass(frozen=True, slots=True)
class AudioRendition:
    """One audio track to make: AAC-LC, 48 kHz, at most stereo.

    Attributes:
        name: "audio_1", the id of the source track; the folder of its segments.
        index: the stream in the source file.
    """

    name: str
    index: int
    channels: int
    bitrate_bps: int
    sample_rate: int = 48_000
    codec_string: str = "mp4a.40.2"
    language: str | None = None
    title: str | None = None
    default: bool = False


@dataclass(frozen=True, slots=True)
class Ladder:
    """Renditions in ascending size, and audio in the source's order."""

    renditions: tuple[Rendition, ...]
    audio: tuple[AudioRendition, ...]

    @property
    def first(self) -> Rendition | None:
        """The rung to encode alone when something must play soon: the largest up to 360p, else the lowest."""
        small = [r for r in self.renditions if min(r.width, r.height) <= _FIRST_RUNG_SIDE]
        candidates = small or list(self.renditions[:1])
        return candidates[-1] if candidates else None

    @property
    def rest(self) -> tuple[Rendition, ...]:
        """All renditions but the first rung."""
        return tuple(r for r in self.renditions if r is not self.first)


def plan_ladder(
    info: SourceInfo,
    preset: Preset,
    *,
    as_is: bool = False,
    audio_tracks: tuple[str, ...] | None = None,
    profiles: dict[str, str] | None = None,
) -> Ladder:
    """Choose the renditions of a source.

    Never larger than the source's display size, but at least one. Sides are even, the aspect is kept
    (sample aspect and rotation included); a rung is a 16:9 box standing on the picture's short side, so a
    cinema picture at "1080p" is 1920 wide. Everything comes out as 8-bit 4:2:0 SDR, progressive.

    Args:
        as_is: the source itself is served as the top rung; rungs that would repeat its size are left out,
            so that `renditions` may be empty.
        audio_tracks: ids of the tracks to keep, None: all.
        profiles: encoder profile by codec, where it is not the default.

    Raises:
        NoPlayableTracks: neither video (or the preset has no rungs) nor audio is left.
        LimitExceeded: no level of the codec holds the smallest rung.
    """
    video = info.main_video if preset.rungs else None
    audio = tuple(
        _audio(track, preset) for track in info.audio if audio_tracks is None or track.id in audio_tracks
    )
    if video is None and not audio:
        raise NoPlayableTracks("the file has no track that this preset can use")
    renditions: list[Rendition] = []
    if video is not None:
        name = (profiles or BY_CODEC)[preset.video_codec]
        for rung, width, height in _sizes(video, preset.rungs, as_is=as_is):
            renditions.append(_rendition(info, video, rung, width, height, preset.video_codec, name))
    return Ladder(tuple(renditions), audio)


def _sizes(video: VideoTrack, rungs: tuple[Rung, ...], *, as_is: bool) -> list[tuple[Rung, int, int]]:
    """(rung, width, height), ascending, no two of the same size."""
    short, long = sorted((video.display_width, video.display_height))
    chosen: list[tuple[Rung, int, int]] = []
    top = Fraction(0)
    for rung in sorted(rungs, key=lambda r: r.short_side):
        scale = min(Fraction(rung.short_side, short), Fraction(ceil(rung.short_side * _WIDE), long))
        if scale > 1:
            # between two rungs: its own size is worth a rung when the one below loses much of it
            if as_is or (chosen and top * Fraction(_WORTHWHILE) > 1):
                break
            scale = Fraction(1)
            rung = rung.shrunk(_even(Fraction(short)))  # noqa: PLW2901
        if as_is and scale * Fraction(_WORTHWHILE) > 1:
            break  # the source is this rung
        size = (_even(video.display_width * scale), _even(video.display_height * scale))
        if not chosen or chosen[-1][1:] != size:
            chosen.append((rung, *size))
        top = scale
        if scale == 1:
            break
    return chosen


def _even(side: Fraction) -> int:
    """The nearest even number, at least 2: chroma of 4:2:0 has half the lines and columns."""
    # a half rounds down: an odd source loses a line rather than be scaled up
    return max(2, 2 * ceil(side / 2 - Fraction(1, 2)))


def _rendition(
    info: SourceInfo, video: VideoTrack, rung: Rung, width: int, height: int, codec: str, profile: str
) -> Rendition:
    every, max_rate, rate = _rate(video, rung.max_frame_rate)
    cap = min(rung.max_bitrate_bps, _sensible_cap(info, video, width * height, codec, rung.max_bitrate_bps))
    level = {"h264": avc_level, "hevc": hevc_level, "av1": av1_level}[codec](width, height, rate, cap)
    return Rendition(
        name=rung.name,
        codec=codec,
        profile=profile,
        codec_string=codec_string(codec, level),
        level=level,
        width=width,
        height=height,
        crf=rung.crf,
        maxrate_bps=cap,
        # Two seconds at the cap. It starts 90 % full in every chunk, as at the start of a whole encode, and
        # a segment of 4 s is twice as long: what one chunk leaves hardly matters to the next.
        bufsize_bits=2 * cap,
        every=every,
        max_rate=max_rate,
    )


def _rate(video: VideoTrack, cap: int) -> tuple[int, Fraction | None, float]:
    """(keep every n-th frame, rate limit, frames a second to choose the level by)."""
    if video.still:
        return 1, None, float(STILL_RATE)
    rate = video.frame_rate or video.nominal_rate
    if rate is None:
        return 1, Fraction(cap), float(cap)
    if video.variable_rate:
        # it may be faster in places than on average
        limit = Fraction(cap) if max(rate, video.nominal_rate or rate) > cap else None
        return 1, limit, float(cap)
    # 59.94 and 60.1 both pass a cap of 60; half the frames of 100 for a cap of 60
    every = max(1, ceil(rate / cap / Fraction(101, 100)))
    return every, Fraction(cap) if every > 1 else None, float(rate / every)


def _sensible_cap(info: SourceInfo, video: VideoTrack, pixels: int, codec: str, wished: int) -> int:
    """No more bits than the source can fill: its own bitrate, scaled to size and codec, with half as much again."""
    source = video.bitrate_bps
    if source is None and info.bitrate_bps is not None:
        source = info.bitrate_bps - sum(a.bitrate_bps or 0 for a in info.audio)
    if source is None or source <= 0 or video.still or video.frame_rate is None:
        return wished
    share = min(1.0, pixels / max(1, video.display_width * video.display_height)) ** 0.75
    need = source * share * _EFFICIENCY.get(video.codec, 1.0) * _NEEDS[codec] * 1.5
    # a quarter of the wish stays allowed: short clips and long still parts report too low a rate
    return max(int(need), wished // 4, 64_000)


def _audio(track: AudioTrack, preset: Preset) -> AudioRendition:
    channels = 1 if track.channels == 1 else 2
    return AudioRendition(
        name=track.id,
        index=track.index,
        channels=channels,
        bitrate_bps=preset.audio_bitrate_bps if channels == 2 else max(48_000, preset.audio_bitrate_bps // 2),
        language=track.language,
        title=track.title,
        default=track.default,
    )
