"""Families of RFC 6381 codec strings: what a player can or cannot switch between within one group."""

from typing import Final

_FAMILIES: Final = {
    "avc1": "avc", "avc3": "avc", "hvc1": "hevc", "hev1": "hevc", "dvh1": "dolby-vision", "dvhe": "dolby-vision",
    "av01": "av1", "vp08": "vp8", "vp09": "vp9", "mp4a": "aac", "opus": "opus", "flac": "flac",
    "ac-3": "ac3", "ec-3": "eac3",
}  # fmt: skip
_MP3: Final = frozenset({"mp4a.69", "mp4a.6b"})


def codec_family(codec: str) -> str:
    """`avc` for `avc1.64001f`, `aac` for `mp4a.40.2`; the part before the first dot for anything unknown."""
    low = codec.lower()
    if low in _MP3:
        return "mp3"
    first = low.split(".", 1)[0]
    return _FAMILIES.get(first, first)
