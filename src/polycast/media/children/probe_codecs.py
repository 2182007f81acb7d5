"""RFC 6381 codec strings from what a demuxer knows: the decoder's configuration, else profile and level."""

from typing import Any

from polycast.media.children.package_annexb import units
from polycast.media.children.package_entries import parse_aac_config
from polycast.media.package_errors import NotPackageable
from polycast.protocols.errors import BoxError
from polycast.protocols.isobmff import codecs
from polycast.protocols.isobmff.boxes import Reader

_FIXED = {
    "mp3": "mp4a.40.34", "mp2": "mp4a.40.33", "opus": "opus", "vorbis": "vorbis", "flac": "flac",
    "alac": "alac", "ac3": "ac-3", "eac3": "ec-3", "vp8": "vp8", "dts": "dtsc",
}  # fmt: skip
_AAC_PROFILES = {"Main": 1, "LC": 2, "SSR": 3, "LTP": 4, "HE-AAC": 5, "LD": 23, "HE-AACv2": 29, "ELD": 39}


def codec_string(
    codec: str, extradata: bytes, *, profile: str | None, level: int | None, depth: int
) -> str | None:
    """The string for a manifest, None where the codec has none or the configuration is broken.

    Args:
        codec: FFmpeg's name of the codec.
        extradata: configuration record (MP4, Matroska) or parameter sets with start codes (MPEG-TS).
    """
    if codec in _FIXED:
        return _FIXED[codec]
    maker: Any = {"h264": _h264, "hevc": _hevc, "av1": _av1, "vp9": _vp9, "aac": _aac}.get(codec)
    if maker is None:
        return None
    try:
        return maker(extradata, profile, level, depth)  # type: ignore[no-any-return]
    except (BoxError, NotPackageable, IndexError):
        return None


def _h264(extra: bytes, profile: str | None, level: int | None, depth: int) -> str | None:
    if extra[:1] == b"\x01":
        return codecs.avc("avc1", Reader(memoryview(extra), "avcC"))
    sps = next((u for u in units(extra) if u[0] & 0x1F == 7 and len(u) > 3), None)
    return f"avc1.{sps[1:4].hex()}" if sps else None


def _hevc(extra: bytes, profile: str | None, level: int | None, depth: int) -> str | None:
    if extra[:1] == b"\x01":
        return codecs.hevc("hvc1", Reader(memoryview(extra), "hvcC"))
    sps = next((u for u in units(extra) if u[0] >> 1 & 0x3F == 33 and len(u) > 16), None)
    if sps is None:
        return None
    # ITU-T H.265 §7.3.2.2: two bytes of header, one of ids, then profile_tier_level, escaped (§7.4.1.1)
    body = sps.replace(b"\x00\x00\x03", b"\x00\x00")[3:15]
    return codecs.hevc("hvc1", Reader(memoryview(b"\x01" + body), "sps"))


def _av1(extra: bytes, profile: str | None, level: int | None, depth: int) -> str | None:
    if extra[:1] == b"\x81":
        return codecs.av1(Reader(memoryview(extra), "av1C"))
    number = {"Main": 0, "High": 1, "Professional": 2}.get(profile or "Main", 0)
    return f"av01.{number}.{max(level or 0, 0):02}M.{depth:02}"


def _vp9(extra: bytes, profile: str | None, level: int | None, depth: int) -> str | None:
    if len(extra) >= 12 and extra[0] in (0, 1):
        return codecs.vp9("vp09", Reader(memoryview(extra), "vpcC"))
    digits = [c for c in profile or "0" if c.isdigit()]
    # Matroska carries no level; 1.0 is what players accept where they only look at the profile
    return f"vp09.0{digits[0] if digits else 0}.{level if level and level > 0 else 10}.{depth:02}"


def _aac(extra: bytes, profile: str | None, level: int | None, depth: int) -> str | None:
    if extra:
        return f"mp4a.40.{parse_aac_config(extra)[0]}"
    return f"mp4a.40.{_AAC_PROFILES.get(profile or 'LC', 2)}"
