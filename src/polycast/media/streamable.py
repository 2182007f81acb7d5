"""Whether a source can be played as it is: a rule over probed facts, no I/O.

Every browser and every player plays what passes here. What the facts leave open (closed groups of
pictures where the container has no index) the packager checks while it reads: it raises NotPackageable.
"""

from dataclasses import dataclass
from enum import StrEnum

from polycast.domain.media import AudioTrack, SourceInfo, VideoTrack
from polycast.domain.presets import Preset
from polycast.media.package import LIMIT_S
from polycast.media.selection import TrackSelection

_PROFILES = frozenset(
    {"Baseline", "Constrained Baseline", "Main", "High", "Progressive High", "Constrained High"}
)
_PIXELS = frozenset({"yuv420p", "yuvj420p"})
_AAC = frozenset({"LC", "HE-AAC", "HE-AACv2"})
_CONTAINERS = frozenset({"mov", "mp4", "matroska", "mpegts", "flv"})
_GOP_LIMIT_S = LIMIT_S * 1.01
"""Key frames "every six seconds" at 29.97 fps are 6.006 s apart."""
_APART_S = 0.25
"""Players begin where all tracks have begun: a later sound would cost them the first pictures. Encoded sound is
led in by silence."""
_SHORT_S = 5.0
"""A player that has less than its buffer of the picture left knows that the sound is over; with more it waits for
sound that never comes. Encoded sound is silence up to the last picture."""


class Reason(StrEnum):
    """Why a source has to be encoded; stable codes for events and logs."""

    NOTHING = "no_track_selected"
    CONTAINER = "container"
    STILL = "still_picture"
    VIDEO_CODEC = "video_codec"
    AUDIO_CODEC = "audio_codec"
    PROFILE = "video_profile"
    PIXEL_FORMAT = "pixel_format"
    HDR = "hdr"
    INTERLACED = "interlaced"
    ROTATED = "rotated"
    ASPECT = "pixel_aspect"
    SIZE = "picture_size"
    BITRATE = "bitrate"
    FRAME_RATE = "frame_rate"
    EDIT_LIST = "edit_list"
    OPEN_GOP = "open_gop"
    LONG_GOP = "long_gop"
    CHANNELS = "audio_channels"
    APART = "tracks_apart"


@dataclass(frozen=True, slots=True)
class Streamable:
    """It may be packaged as it is.

    Attributes:
        certain: the index proves the groups of pictures closed and short; else only packaging shows it.
    """

    certain: bool


@dataclass(frozen=True, slots=True)
class NotStreamable:
    """It must be encoded first."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class LadderCap:
    """What a source may at most be to stand in a ladder unchanged.

    Attributes:
        bitrates: (short side in pixels, bit/s) ascending; a picture is judged by the first step that is
            not smaller, and is too large when there is none.
        max_frame_rate: frames a second.
        max_channels: more are mixed down by the encoder, since not every player plays them.
    """

    bitrates: tuple[tuple[int, int], ...]
    max_frame_rate: float = 60.5
    max_channels: int = 2

    @classmethod
    def of(cls, preset: Preset) -> "LadderCap":
        """The cap that a preset's rungs make."""
        return cls(tuple((r.short_side, r.max_bitrate_bps) for r in preset.rungs))

    def bitrate_for(self, short_side: int) -> int | None:
        """Bit/s allowed for a picture, None when it is too large."""
        return next((bps for side, bps in self.bitrates if side >= short_side), None)


def streamable(
    info: SourceInfo, cap: LadderCap, tracks: TrackSelection | None = None
) -> Streamable | NotStreamable:
    """Judge a source. Whether a tenant's protection or watermark forbids it is the caller's to know.

    Args:
        tracks: judge these alone; None: `TrackSelection.everything`.

    Raises:
        NoPlayableTracks: a selected track does not exist.
    """
    tracks = tracks or TrackSelection.everything(info)
    video = tracks.video_of(info)
    audio = [track for track, _ in tracks.audio_of(info)]
    reason = (
        (Reason.NOTHING if video is None and not audio else None)
        or (_video(info, video, audio, cap) if video is not None else None)
        or next((r for a in audio if (r := _audio(a, cap))), None)
        or (Reason.CONTAINER if not _CONTAINERS & set(info.container.split(",")) else None)
        or (Reason.EDIT_LIST if info.edit_lists else None)
        or (Reason.APART if _apart(video, audio) else None)
    )
    if reason is not None:
        return NotStreamable(reason)
    index = info.keyframes
    known = index is not None and index.closed is True and index.max_gop_s is not None
    return Streamable(certain=video is None or known)


def _video(info: SourceInfo, video: VideoTrack, audio: list[AudioTrack], cap: LadderCap) -> Reason | None:
    allowed = cap.bitrate_for(min(video.display_width, video.display_height))
    rate = video.frame_rate or video.nominal_rate
    index = info.keyframes if video == info.main_video else None
    checks = (
        (Reason.STILL, video.still or video.attached_picture),
        (Reason.VIDEO_CODEC, video.codec != "h264"),
        (Reason.PROFILE, video.profile not in _PROFILES),
        (Reason.PIXEL_FORMAT, video.pix_fmt not in _PIXELS or video.bit_depth != 8),
        (Reason.HDR, video.hdr),
        (Reason.INTERLACED, video.interlaced),
        (Reason.ROTATED, video.rotation != 0 or video.mirrored),
        (Reason.ASPECT, video.sar != 1),
        # 4:2:0 has no half chroma samples; decoders crop odd sizes, but some players show a green line
        (Reason.SIZE, allowed is None or video.width % 2 == 1 or video.height % 2 == 1),
        (Reason.FRAME_RATE, rate is None or rate > cap.max_frame_rate),
        (Reason.BITRATE, allowed is not None and _bitrate(info, video, audio) > allowed),
        (Reason.OPEN_GOP, index is not None and index.closed is False),
        (Reason.LONG_GOP, _too_long(info, video, index)),
    )  # fmt: skip
    return next((reason for reason, failed in checks if failed), None)


def _too_long(info: SourceInfo, video: VideoTrack, index: object) -> bool:
    if index is None or info.keyframes is None or info.keyframes.max_gop_s is None:
        return False
    # cues name some key frames only: a long gap between them proves nothing
    complete = info.keyframes.closed is not None
    return complete and info.keyframes.max_gop_s > _GOP_LIMIT_S


def _apart(video: VideoTrack | None, audio: list[AudioTrack]) -> bool:
    starts = [*(track.start_s for track in audio), *([video.start_s] if video is not None else [])]
    ends = [track.start_s + track.duration_s for track in audio if track.duration_s]
    if video is not None and ends and video.start_s + video.duration_s - min(ends) > _SHORT_S:
        return True
    return max(starts) - min(starts) > _APART_S


def _bitrate(info: SourceInfo, video: VideoTrack, audio: list[AudioTrack]) -> int:
    """Average bit/s of the picture; of the whole file less its sound where the container is silent."""
    if video.bitrate_bps is not None:
        return video.bitrate_bps
    return (info.bitrate_bps or 0) - sum(a.bitrate_bps or 0 for a in audio)


def _audio(track: AudioTrack, cap: LadderCap) -> Reason | None:
    if track.codec != "aac" or (track.profile is not None and track.profile not in _AAC):
        return Reason.AUDIO_CODEC
    return Reason.CHANNELS if track.channels > cap.max_channels else None
