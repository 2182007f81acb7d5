import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polycast.protocols import webvtt
from polycast.protocols.errors import CaptionError
from polycast.protocols.vtt_metadata import Storyboard, chapters_vtt, storyboard_vtt
from polycast.protocols.webvtt import Cue

VTT = """\ufeffWEBVTT - with a title\r
X-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:900000\r
\r
NOTE a comment\r
over two lines\r
\r
STYLE\r
::cue { color: lime }\r
\r
intro\r
00:01.000 --> 00:04.000 position:10%,line-left align:left size:35% bogus\r
<v Fred>Hi, my name is <i>Fred</i>\r
second line\r
\r
\r
100:00:00.5 --> 100:00:01.000\r
late &amp; last\r
\r
00:05.000 --> 00:04.000\r
ends before it starts\r
\r
00:61.000 --> 01:62.000\r
no such minute\r
\r
nonsense\r
"""


def test_webvtt() -> None:
    captions = webvtt.parse(VTT)
    assert captions.cues == (
        Cue(
            1000,
            4000,
            "<v Fred>Hi, my name is <i>Fred</i>\nsecond line",
            "intro",
            "position:10%,line-left align:left size:35%",
        ),
        Cue(360_000_500, 360_001_000, "late &amp; last"),
    )
    assert captions.skipped == 3
    assert captions.styles == ("STYLE\n::cue { color: lime }",)


def test_canonical_text() -> None:
    captions = webvtt.parse(VTT)
    assert webvtt.render(captions.cues, styles=captions.styles, timestamp_map=(900000, 0)) == (
        "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:900000,LOCAL:00:00:00.000\n\nSTYLE\n::cue { color: lime }\n\n"
        "intro\n00:00:01.000 --> 00:00:04.000 position:10%,line-left align:left size:35%\n"
        "<v Fred>Hi, my name is <i>Fred</i>\nsecond line\n\n"
        "100:00:00.500 --> 100:00:01.000\nlate &amp; last\n"
    )


@pytest.mark.parametrize("text", ["", "WEBVTTX\n", "webvtt\n", "\n\nWEBVTT\n", "hello"])
def test_not_webvtt(text: str) -> None:
    with pytest.raises(CaptionError):
        webvtt.parse_webvtt(text)


def test_a_file_without_cues() -> None:
    assert webvtt.parse("WEBVTT").cues == ()
    assert webvtt.render([]) == "WEBVTT\n"


SRT = (
    "\ufeff1\r\n00:00:01,000 --> 00:00:02,500 X1:10 X2:20\r\n<I>Tom</i> & <font color='red'>Jerry</font> <3\r\n\r\n"
    "2\r\n00:00:03,000 --> 00:00:04,000\r\n{\\an8}above\r\n\r\nstill the same cue\r\n"
    "3\r\n0:00:05,00 --> 0:00:06.5\r\nno blank line before\r\n\r\n"
    "4\r\n00:00:0x,000 --> 00:00:08,000\r\nbroken\r\n\r\n"
    "5\r\n00:00:09,000 --> 00:00:10,000\r\n\r\n"
    "6\r\n00:00:00,100 --> 00:00:00,200\r\nfirst in time &lt;\r\n"
)


def test_srt() -> None:
    captions = webvtt.parse(SRT)
    assert captions.cues == (
        Cue(100, 200, "first in time &lt;"),
        Cue(1000, 2500, "<i>Tom</i> &amp; Jerry &lt;3"),
        Cue(3000, 4000, "above\nstill the same cue"),
        Cue(5000, 6500, "no blank line before"),
    )
    assert captions.skipped == 2


def test_srt_to_webvtt() -> None:
    text = webvtt.srt_to_webvtt("1\n00:00:01,000 --> 00:00:02,000\na --> b\n")
    # the arrow ends a timing line only where it can be one
    assert webvtt.parse(text).skipped == 0


def test_not_srt() -> None:
    assert webvtt.parse_srt(" \n").cues == ()
    with pytest.raises(CaptionError):
        webvtt.parse_srt("once upon a time")


def test_caps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webvtt, "MAX_CUES", 2)
    with pytest.raises(CaptionError, match="cues"):
        webvtt.parse(SRT)
    with pytest.raises(CaptionError, match="characters"):
        webvtt.parse("WEBVTT\n" + " " * webvtt.MAX_CHARS)


@pytest.mark.parametrize(
    "text",
    [
        "1" * 10**6 + " --> x",
        "\n \t" * 300_000,
        "<font " * 200_000,
        "{\\" * 300_000,
        "00:01.000 --> 00:02.000" + " " * 10**6,
    ],
    ids=["digits", "blanks", "fonts", "braces", "settings"],
)
def test_hostile_files_take_linear_time(text: str) -> None:
    begun = time.perf_counter()
    for candidate in (text, "WEBVTT\n\n" + text, "1\n00:01.000 --> 00:02.000\n" + text):
        with contextlib.suppress(CaptionError):
            webvtt.parse(candidate)
    assert time.perf_counter() - begun < 10


cues = st.builds(
    Cue,
    start_ms=st.integers(0, 10**9),
    end_ms=st.integers(10**9 + 1, 2 * 10**9),
    text=st.text(min_size=1, max_size=40)
    | st.sampled_from(
        ["a --> b", "x\n\n00:01.000 --> 00:02.000\ny", "00:01.000 --> 00:02.000", "NOTE x\r\ry"]
    ),
    identifier=st.text(max_size=10) | st.sampled_from(["NOTE", "STYLE", "NOTE x", "1\n\n2"]),
    settings=st.sampled_from(["", "align:left", "line:0 position:5%", "x\n\n00:01.000 --> 00:02.000"]),
)


@given(st.lists(cues, max_size=5))
def test_hostile_cues_stay_one_cue_each(values: list[Cue]) -> None:
    text = webvtt.render(values)
    parsed = webvtt.parse_webvtt(text)
    assert text.count("-->") == len(values)
    assert len(parsed.cues) + parsed.skipped == len(values)
    # only a cue that shows nothing is lost
    assert parsed.skipped <= sum(not cue.text.strip().isprintable() or not cue.text.strip() for cue in values)
    assert {(c.start_ms, c.end_ms) for c in parsed.cues} <= {(c.start_ms, c.end_ms) for c in values}
    assert webvtt.parse_webvtt(webvtt.render(parsed.cues)).cues == parsed.cues


@given(st.text(max_size=300) | st.text("0123:.,-> \n\r<i>/{}\\WEBVT", max_size=300))
def test_any_text_is_a_value_or_the_documented_error(text: str) -> None:
    for candidate in (text, "WEBVTT\n\n" + text, "00:01.000 --> 00:02.000\n" + text):
        try:
            webvtt.render(webvtt.parse(candidate).cues)
        except CaptionError:
            continue


def test_shift_and_cut() -> None:
    three = [Cue(0, 1000, "a"), Cue(1000, 2000, "b"), Cue(1500, 9000, "c")]
    assert webvtt.shift(three, -1500) == [Cue(0, 500, "b"), Cue(0, 7500, "c")]
    assert [c.text for c in webvtt.between(three, 1000, 1500)] == ["b"]
    assert [c.text for c in webvtt.between(three, 2000, 4000)] == ["c"]


def test_storyboard() -> None:
    board = Storyboard(5, 2, 2, 160, 90, 2000, 9500)
    assert storyboard_vtt(board, sheet_uri=lambda n: f"storyboard-{n}.jpg") == (
        "WEBVTT\n\n"
        "00:00:00.000 --> 00:00:02.000\nstoryboard-1.jpg#xywh=0,0,160,90\n\n"
        "00:00:02.000 --> 00:00:04.000\nstoryboard-1.jpg#xywh=160,0,160,90\n\n"
        "00:00:04.000 --> 00:00:06.000\nstoryboard-1.jpg#xywh=0,90,160,90\n\n"
        "00:00:06.000 --> 00:00:08.000\nstoryboard-1.jpg#xywh=160,90,160,90\n\n"
        "00:00:08.000 --> 00:00:09.500\nstoryboard-2.jpg#xywh=0,0,160,90\n"
    )
    with pytest.raises(CaptionError):
        storyboard_vtt(Storyboard(1, 0, 1, 1, 1, 1, 1), sheet_uri=str)


def test_chapters() -> None:
    chapters = [
        (60.0, 90.5, ""),
        (0.0, 60.0, "Intro <b>\n\n00:01.000 --> 00:02.000 & more"),
        (90.5, 90.5, "empty"),
    ]
    text = chapters_vtt(chapters)
    assert text == (
        "WEBVTT\n\n1\n00:00:00.000 --> 00:01:00.000\n"
        "Intro &lt;b&gt; 00:01.000 --&gt; 00:02.000 &amp; more\n\n"
        "2\n00:01:00.000 --> 00:01:30.500\nChapter 2\n"
    )
