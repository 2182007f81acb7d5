"""Codec strings from decoder configurations as containers carry them."""

import pytest

from polycast.media.children.probe_codecs import codec_string

AVCC = bytes.fromhex("0164001fffe1000967640 01facd9405005".replace(" ", "")) + b"\x01\x00\x02\x68\xeb"
ANNEXB = b"\0\0\0\1" + bytes.fromhex("674d401f9a") + b"\0\0\0\1\x68\xee"


@pytest.mark.parametrize(
    ("codec", "extra", "profile", "depth", "expected"),
    [
        ("h264", AVCC, "High", 8, "avc1.64001f"),
        ("h264", ANNEXB, "Main", 8, "avc1.4d401f"),
        ("h264", b"", "Main", 8, None),
        ("hevc", bytes.fromhex("0101600000009000000000005d"), "Main", 8, "hvc1.1.6.L93.90"),
        ("hevc", b"\0\0\0\1\x42\x01\x01" + bytes.fromhex("0160000003009000000300000300") + b"\x5d\xa0\x02", "Main", 8, "hvc1.1.6.L93.90"),
        ("hevc", b"\x01\x01", "Main", 8, None),
        ("av1", bytes.fromhex("81040c00"), "Main", 8, "av01.0.04M.08"),
        ("vp9", b"", "Profile 2", 10, "vp09.02.10.10"),
        ("aac", bytes.fromhex("1190"), "LC", 16, "mp4a.40.2"),
        ("aac", b"", "HE-AAC", 16, "mp4a.40.5"),
        ("opus", b"OpusHead", None, 16, "opus"),
        ("mp3", b"", None, 16, "mp4a.40.34"),
        ("prores", b"", None, 10, None),
    ],
)  # fmt: skip
def test_codec_strings(
    codec: str, extra: bytes, profile: str | None, depth: int, expected: str | None
) -> None:
    assert codec_string(codec, extra, profile=profile, level=None, depth=depth) == expected
