"""Captions out of containers and out of files that people upload; what comes out is parsed again."""

from dataclasses import replace
from pathlib import Path

import pytest

from polycast.domain.errors import LimitExceeded, Unreadable
from polycast.media.captions import (
    MAX_CAPTION_BYTES,
    caption_log,
    check_captions,
    convert_captions,
    extract_all_captions,
    extract_captions,
)
from polycast.media.toolkit import MediaToolkit
from polycast.protocols import hls
from polycast.protocols.webvtt import Cue, parse_webvtt
from tests.support.media import Media, _run

SRT = """1
00:00:00,500 --> 00:00:01,500
Grüße & <i>Küsse</i>

2
00:00:02,000 --> 00:00:03,250
two
lines
"""
ASS = """[Script Info]
Title: x
[V4+ Styles]
Format: Name, Fontname
Style: Default,Arial
[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Dialogue: 0,0:00:02.00,0:00:03.25,Default,,0,0,0,,{\\an8}two\\Nlines, with a comma
Dialogue: 0,0:00:00.50,0:00:01.50,Default,,0,0,0,,{\\i1}Grüße{\\i0} & <b>
Comment: 0,0:00:05.00,0:00:06.00,Default,,0,0,0,,never
Dialogue: 0,0:00:04.00,0:00:05.00,Default,,0,0,0,,{\\p1}m 0 0 l 100 100{\\p0}
"""


def written(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.glob("*.vtt"))


def cues(path: Path) -> tuple[Cue, ...]:
    return parse_webvtt(path.read_text("utf-8")).cues


@pytest.mark.parametrize(
    ("suffix", "codec"), [(".mp4", "mov_text"), (".mkv", "subrip"), (".mkv", "ass"), (".mkv", "webvtt")]
)
async def test_embedded_captions_come_out_with_text_and_times(
    suffix: str, codec: str, media: Media, toolkit: MediaToolkit, tmp_path: Path
) -> None:
    srt = tmp_path / "in.srt"
    srt.write_text(SRT, "utf-8")
    clip = media.made(
        f"captions-{codec}{suffix}",
        lambda path: _run(
            "-i", str(media.clip("h264")), "-i", str(srt), "-i", str(srt), "-map", "0", "-map", "1", "-map", "2",
            "-c", "copy", "-c:s", codec, "-metadata:s:s:0", "language=deu", "-metadata:s:s:1", "language=../../etc",
            str(path)
        ),
    )  # fmt: skip
    info = await toolkit.probe(clip)
    told: list[float] = []
    found = await extract_all_captions(toolkit, clip, info, tmp_path, on_progress=told.append)
    assert [f.file.cues for f in found] == [2, 2]
    assert found[0].language == "de"
    assert found[1].language is None
    assert all(0 <= share <= 1 for share in told)
    for item in found:
        assert item.file.path is not None
        assert item.file.path.parent == tmp_path
        first, second = cues(item.file.path)
        assert (first.start_ms, first.end_ms) == (500, 1500)
        assert "Grüße" in first.text
        assert (second.start_ms, second.end_ms) == (2000, 3250)
        assert second.text.splitlines() == ["two", "lines"]
    assert written(tmp_path) == sorted(f"{f.track.id}.vtt" for f in found)
    only = await extract_all_captions(toolkit, clip, info, tmp_path, only=[info.captions[1].id])
    assert [f.track.id for f in only] == [info.captions[1].id]
    one = await extract_captions(toolkit, clip, info.captions[0], tmp_path / "one.vtt")
    assert one.cues == 2
    with pytest.raises(Unreadable):
        await extract_captions(toolkit, clip, replace(info.captions[0], text=False), tmp_path / "two.vtt")


async def test_a_source_without_captions_gives_none(
    media: Media, toolkit: MediaToolkit, tmp_path: Path
) -> None:
    clip = media.clip("h264")
    assert await extract_all_captions(toolkit, clip, await toolkit.probe(clip), tmp_path) == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
async def test_srt_in_any_encoding_becomes_webvtt(
    encoding: str, toolkit: MediaToolkit, tmp_path: Path
) -> None:
    path = tmp_path / "in.bin"
    path.write_bytes(SRT.replace("\n", "\r\n").encode(encoding))
    made = await convert_captions(toolkit, path, tmp_path / "out.vtt")
    assert (made.format, made.cues, made.end_s) == ("srt", 2, 3.25)
    assert made.path is not None
    first, second = cues(made.path)
    assert first.text == "Grüße &amp; <i>Küsse</i>"
    assert second.text == "two\nlines"


async def test_ass_becomes_webvtt(toolkit: MediaToolkit, tmp_path: Path) -> None:
    path = tmp_path / "in.ass"
    path.write_text(ASS, "utf-8")
    made = await convert_captions(toolkit, path, tmp_path / "out.vtt")
    assert made.format == "ass"
    first, second = cues(tmp_path / "out.vtt")
    assert first.text == "<i>Grüße</i> &amp; &lt;b&gt;"
    assert second.text == "two\nlines, with a comma"


async def test_styles_that_load_from_elsewhere_are_left_behind(toolkit: MediaToolkit, tmp_path: Path) -> None:
    path = tmp_path / "in.vtt"
    path.write_text(
        "WEBVTT\n\nSTYLE\n::cue { background: url(http://10.0.0.1/x.png) }\n\n"
        "00:01.000 --> 00:02.000 align:left\nhello <script>x</script>\n\n00:02.000 --> broken\nlost\n"
    )
    made = await convert_captions(toolkit, path, tmp_path / "out.vtt")
    text = (tmp_path / "out.vtt").read_text()
    assert "url(" not in text
    assert (made.cues, made.skipped) == (1, 1)


async def test_what_is_no_caption_file_is_refused(
    media: Media, toolkit: MediaToolkit, tmp_path: Path
) -> None:
    bad = {
        "empty": b"",
        "prose": b"Once upon a time there was no time at all.\n" * 40,
        "video": media.clip("h264").read_bytes(),
        "zeros": bytes(4096),
        "playlist": media.clip("playlist.mp4").read_bytes(),
        "vobsub": b"# VobSub index file, v7\nsize: 720x576\ntimestamp: 00:00:01:101, filepos: 000000000\n",
    }
    path = tmp_path / "in.srt"
    for name, data in bad.items():
        path.write_bytes(data)
        with pytest.raises(Unreadable):
            await check_captions(toolkit, path)
            pytest.fail(f"{name} was accepted")
    path.write_bytes(SRT.encode() + b" " * MAX_CAPTION_BYTES)
    with pytest.raises(LimitExceeded):
        await check_captions(toolkit, path)


async def test_a_caption_file_is_one_segment_of_a_text_track(toolkit: MediaToolkit, tmp_path: Path) -> None:
    path = tmp_path / "in.srt"
    path.write_text(SRT, "utf-8")
    made = await convert_captions(toolkit, path, tmp_path / "out.vtt")
    assert made.path is not None
    log = caption_log(made.path.read_bytes(), 6.0, name="out.vtt", language="deu", label="Deutsch")
    playlist = hls.media_playlist(log, segment_uri=lambda _, s: s.object, init_uri="").render()
    assert "#EXTINF:6," in playlist.replace("6.000000", "6").replace("6.0,", "6,")
    assert "out.vtt" in playlist
    assert "#EXT-X-ENDLIST" in playlist
    assert "#EXT-X-MAP" not in playlist
    assert (log.header.language, log.header.label) == ("de", "Deutsch")
