"""Presets are data: what an output consists of. A tenant's operator may add more; none is code."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

VideoCodec = Literal["h264", "hevc", "av1"]


@dataclass(frozen=True, slots=True)
class Rung:
    """One step of a ladder: the short side in pixels, a cap in bit/s, and a quality for capped CRF."""

    short_side: int
    max_bitrate_bps: int
    crf: float
    max_frame_rate: int = 60

    @property
    def name(self) -> str:
        return f"{self.short_side}p"

    def shrunk(self, short_side: int) -> "Rung":
        """The rung for a smaller size; its cap falls slower than the pixels do (exponent 0.75)."""
        cap = max(150_000, int(self.max_bitrate_bps * (short_side / self.short_side) ** 1.5))
        return replace(self, short_side=short_side, max_bitrate_bps=cap)


@dataclass(frozen=True, slots=True)
class Preset:
    """What one output is made of.

    Attributes:
        kind: `stream` (HLS and DASH from one set of CMAF tracks) or `download` (one MP4 or M4A file).
        formats: manifests offered for a stream.
        rungs: ascending; none above the source is used, but at least one. Empty: audio only.
        passthrough: a streamable source is used as it is for its own rung.
        audio_bitrate_bps: per audio track, AAC stereo; surround sources are mixed down.
        tier: encoder preset name of the profile (`fast`, `medium`), see media/profiles.
    """

    name: str
    description: str
    kind: Literal["stream", "download"]
    rungs: tuple[Rung, ...] = ()
    video_codec: VideoCodec = "h264"
    formats: tuple[Literal["hls", "dash"], ...] = ("hls", "dash")
    audio_bitrate_bps: int = 128_000
    passthrough: bool = True

    @property
    def creates_download(self) -> bool:
        return self.kind == "download"

    @property
    def audio_only(self) -> bool:
        return not self.rungs

    def limited_to(self, names: Iterable[str]) -> "Preset":
        """The same preset with only the named rungs (`720p`); never one that is larger than all of these.

        Where it has none of them, those below the largest one named, or its smallest, shrunk to that size.
        """
        wanted = set(names)
        kept = tuple(r for r in self.rungs if r.name in wanted)
        most = max((r.short_side for r in _H264 if r.name in wanted), default=0)
        if not kept and most and self.rungs:
            kept = tuple(r for r in self.rungs if r.short_side < most) or (self.rungs[0].shrunk(most),)
        return replace(self, rungs=kept or self.rungs)


# Caps follow the usual HLS authoring ladders for H.264, which has every size that may be named; HEVC and AV1 reach the same quality with less.
_H264 = (
    Rung(240, 400_000, 25),
    Rung(360, 900_000, 24),
    Rung(480, 1_600_000, 23.5),
    Rung(720, 3_500_000, 23),
    Rung(1080, 6_500_000, 22.5),
    Rung(1440, 12_000_000, 22.5),
    Rung(2160, 20_000_000, 22.5),
)
_HEVC = (
    Rung(360, 600_000, 27), Rung(480, 1_100_000, 26.5), Rung(720, 2_300_000, 26), Rung(1080, 4_300_000, 25.5),
)  # fmt: skip
_AV1 = (
    Rung(360, 500_000, 36), Rung(480, 900_000, 35.5), Rung(720, 2_000_000, 35), Rung(1080, 3_800_000, 34.5),
)  # fmt: skip


def _upto(rungs: tuple[Rung, ...], short_side: int) -> tuple[Rung, ...]:
    return tuple(r for r in rungs if r.short_side <= short_side)


PRESETS: dict[str, Preset] = {
    p.name: p
    for p in (
        Preset("mp4", "Single MP4 file for download, H.264 and AAC, up to 1080p", "download", (_H264[4],)),
        Preset("mp4_720p", "Single MP4 file for download, H.264 and AAC, up to 720p", "download", (_H264[3],)),
        Preset("hls", "HLS ladder up to 1080p, H.264 and AAC", "stream", _upto(_H264, 1080), formats=("hls",)),
        Preset("dash_hls_720p", "DASH and HLS ladder up to 720p, H.264 and AAC", "stream", _upto(_H264, 720)),
        Preset("dash_hls_1080p", "DASH and HLS ladder up to 1080p, H.264 and AAC", "stream", _upto(_H264, 1080)),
        Preset("dash_hls_2160p", "DASH and HLS ladder up to 2160p, H.264 and AAC", "stream", _H264),
        Preset("dash_hls_hevc", "DASH and HLS ladder up to 1080p, HEVC and AAC", "stream", _HEVC, "hevc", passthrough=False),
        Preset("dash_hls_av1", "DASH and HLS ladder up to 1080p, AV1 and AAC", "stream", _AV1, "av1", passthrough=False),
        Preset("audio_only", "DASH and HLS with audio alone, AAC", "stream", ()),
    )
}  # fmt: skip
DEFAULT_PRESET = "dash_hls_1080p"
