"""Sizes out of the first bytes of picture files, by their specifications; anything else is no picture."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polycast.media.image_headers import ImageHeader, read_header

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 640, 360) + b"\x08\x02\0\0\0"
SOF = b"\xff\xc0\0\x11\x08" + struct.pack(">HH", 360, 640) + b"\x03"
APP = b"\xff\xe1\0\x08Exif\0\0"
GIF = b"GIF89a" + struct.pack("<HH", 640, 360)
VP8 = b"RIFF\0\0\0\0WEBPVP8 \0\0\0\0\0\0\0\x9d\x01\x2a" + struct.pack("<HH", 640, 360)
VP8L = b"RIFF\0\0\0\0WEBPVP8L\0\0\0\0\x2f" + struct.pack("<I", 639 | 359 << 14)
VP8X = b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\x02\0\0\0" + (639).to_bytes(3, "little") + (359).to_bytes(3, "little")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (PNG, ImageHeader("png", 640, 360)),
        (PNG + b"\0" * 8 + b"acTL", ImageHeader("png", 640, 360, animated=True)),
        (b"\xff\xd8" + SOF, ImageHeader("jpeg", 640, 360)),
        (b"\xff\xd8" + APP + b"\xff\xff\xdb\0\x03x" + SOF, ImageHeader("jpeg", 640, 360)),
        (GIF, ImageHeader("gif", 640, 360)),
        (VP8, ImageHeader("webp", 640, 360)),
        (VP8L, ImageHeader("webp", 640, 360)),
        (VP8X, ImageHeader("webp", 640, 360, animated=True)),
    ],
)
def test_the_four_formats(data: bytes, expected: ImageHeader) -> None:
    assert read_header(data) == expected


@pytest.mark.parametrize(
    "data",
    [
        b"", b"<svg/>", b"BM" + bytes(60), PNG[:20], b"\xff\xd8\xff\xda", b"\xff\xd8" + APP, b"\xff\xd8\xff\xc3" + bytes(20),
        b"\xff\xd8\xff\xe1\0\x01" + SOF, GIF[:8], VP8X[:26], b"RIFF\0\0\0\0WAVEfmt ",
        PNG[:16] + struct.pack(">II", 0, 5),
    ],
)  # fmt: skip
def test_anything_else_is_none(data: bytes) -> None:
    assert read_header(data) is None


@given(st.sampled_from([PNG, b"\xff\xd8" + APP + SOF, GIF, VP8, VP8L, VP8X]), st.data())
def test_cut_or_altered_headers_never_raise(whole: bytes, data: st.DataObject) -> None:
    cut = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
    if cut:
        cut[data.draw(st.integers(0, len(cut) - 1))] = data.draw(st.integers(0, 255))
    found = read_header(bytes(cut))
    assert found is None or (found.width > 0 and found.height > 0)
