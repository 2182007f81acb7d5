"""Bytes to text, and ASS to cues."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polycast.domain.errors import Unreadable
from polycast.media.children.caption_ass import is_ass, parse_ass
from polycast.media.children.caption_text import decode
from polycast.protocols.errors import CaptionError

HEAD = "[Script Info]\n[Events]\nFormat: Start, End, Style, Text\n"


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-16-be-bom"]
)
@pytest.mark.parametrize(
    "text",
    ["1\n00:00:01,000 --> 00:00:02,000\nZoë 日本語 €\n", "WEBVTT\n\n00:01.000 --> 00:02.000\nпривет\n"],
)
def test_unicode_is_recognised(encoding: str, text: str) -> None:
    data = b"\xfe\xff" + text.encode("utf-16-be") if encoding == "utf-16-be-bom" else text.encode(encoding)
    assert decode(data) == text


def test_old_encodings_and_cut_files() -> None:
    assert decode("Grüße – €5".encode("cp1252")) == "Grüße – €5"
    assert decode(b"caf\xe9 \x81") == "café \x81"  # 0x81 is nothing in Windows-1252
    assert decode(b"caf\xe9") == "café"
    assert decode("Zoë, Noë".encode()[:-1]) == "Zoë, No\ufffd"


@pytest.mark.parametrize("data", [bytes(100), b"\x89PNG\r\n\x1a\n\0\0", b"text\0with\0nul" * 9])
def test_binary_is_refused(data: bytes) -> None:
    with pytest.raises(Unreadable):
        decode(data)


@given(st.binary(max_size=400))
def test_any_bytes_give_text_or_the_documented_error(data: bytes) -> None:
    with suppress(Unreadable):
        assert isinstance(decode(data), str)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("plain", "plain"),
        ("a, b, c", "a, b, c"),
        ("one\\Ntwo\\nthree", "one\ntwo three"),
        ("{\\b1\\i1}x{\\b0}y", "<b><i>x</i></b>y"),
        ("{\\i1}open", "<i>open</i>"),
        ("{\\pos(1,2)\\fnArial}a<b>&", "a&lt;b&gt;&amp;"),
    ],
)
def test_ass_markup(raw: str, text: str) -> None:
    (cue,) = parse_ass(f"{HEAD}Dialogue: 0:00:01.50,0:01:02.00,Default,{raw}\n")
    assert (cue.start_ms, cue.end_ms, cue.text) == (1500, 62_000, text)


@pytest.mark.parametrize(
    "line",
    ["Dialogue: 0:00:02.00,0:00:01.00,D,x", "Dialogue: x,y,D,x", "Dialogue: 0:00:01.00", "Comment: 0:00:01.00,0:00:02.00,D,x",
     "Dialogue: 0:00:01.00,0:00:02.00,D,{\\p1}m 0 0{\\p0}", "Dialogue: 0:00:01.00,0:00:02.00,D,{\\i1}{\\i0}"],
)  # fmt: skip
def test_lines_that_say_nothing_are_left_out(line: str) -> None:
    with pytest.raises(CaptionError):
        parse_ass(f"{HEAD}{line}\n")


def test_ass_is_known_by_its_sections() -> None:
    assert is_ass("\ufeff[Script Info]\n")
    assert not is_ass("1\n00:00:01,000 --> 00:00:02,000\n[noise]\n")


@given(st.text(max_size=300))
def test_any_text_gives_cues_or_the_documented_error(text: str) -> None:
    with suppress(CaptionError):
        parse_ass(HEAD + text)
