"""Our init segments and fragments, read back by the parser that serves them."""

from array import array

import pytest

from polycast.domain.colours import SDR
from polycast.media.children.package_annexb import length_prefixed, units
from polycast.media.children.package_entries import aac, avc, avc_config, parse_aac_config, starts_with_idr
from polycast.media.children.package_fragments import fragment_header, init_segment
from polycast.media.package_errors import NotPackageable
from polycast.protocols.isobmff import read_moof, read_moov

SPS = bytes.fromhex("6764001facd9405005bb011000000300100000030320f1831960")
PPS = bytes.fromhex("68ebecb22c")
AAC_LC = bytes.fromhex("1190")  # 48 kHz, stereo


def test_a_video_init_segment_says_what_the_track_is() -> None:
    entry = avc(avc_config([SPS, PPS]), 1280, 720, SDR)
    init = init_segment(video=True, timescale=90_000, entry=entry.box, width=1280, height=720, language="deu")
    (track,) = read_moov(init).tracks
    assert (track.codec, track.width, track.height, track.timescale) == ("avc1.64001f", 1280, 720, 90_000)
    assert (track.handler, track.edit_count, track.encrypted) == ("vide", 0, False)
    assert init.startswith(b"\0\0\0\x1cftypiso6")


def test_an_audio_init_segment_says_what_the_track_is() -> None:
    entry = aac(AAC_LC)
    (track,) = read_moov(init_segment(video=False, timescale=48_000, entry=entry.box)).tracks
    assert (track.codec, track.sample_rate, track.channels, track.handler) == ("mp4a.40.2", 48_000, 2, "soun")


@pytest.mark.parametrize(
    ("tag", "letters"), [("de", "deu"), ("pt-BR", "por"), ("ger", "deu"), (None, "und"), ("x!", "und")]
)
def test_a_language_is_told_in_three_letters(tag: str | None, letters: str) -> None:
    init = init_segment(video=False, timescale=48_000, entry=aac(AAC_LC).box, language=tag)
    at = init.index(b"mdhd") + 4 + 20
    packed = int.from_bytes(init[at : at + 2], "big")
    assert "".join(chr((packed >> shift & 31) + 0x60) for shift in (10, 5, 0)) == letters


def test_a_fragment_carries_times_sizes_and_sync_marks() -> None:
    head = fragment_header(
        7, 900, array("I", [10, 20, 10]), array("I", [5, 6, 7]), offsets=[0, 30, 10], sync=[0, 2]
    )
    fragment = read_moof(head)
    track = fragment.track
    assert (fragment.sequence, track.base_decode_time) == (7, 900)
    assert [(s.duration, s.size, s.cts) for s in track.samples] == [(10, 5, 0), (20, 6, 30), (10, 7, 10)]
    assert [s.flags & 0x10000 == 0 for s in track.samples] == [True, False, True]
    assert head.endswith((8 + 18).to_bytes(4, "big") + b"mdat")


def test_equal_durations_are_said_once() -> None:
    head = fragment_header(1, 0, array("I", [1024] * 50), array("I", range(1, 51)))
    assert all(s.duration == 1024 and not s.flags & 0x10000 for s in read_moof(head).track.samples)
    assert len(head) < 24 + 100 + 50 * 4 + 16


def test_byte_streams_become_length_prefixed() -> None:
    stream = b"\0\0\0\1\x09\xf0\0\0\0\1" + SPS + b"\0\0\1" + PPS + b"\0\0\0\1\x65abc\0\0"
    assert units(stream) == [b"\x09\xf0", SPS, PPS, b"\x65abc"]
    sample = length_prefixed(stream)
    assert sample == b"".join(len(u).to_bytes(4, "big") + u for u in (SPS, PPS, b"\x65abc"))
    assert starts_with_idr(sample, 4)
    assert not starts_with_idr(sample.replace(b"\x65abc", b"\x41abc"), 4)


@pytest.mark.parametrize("data", [b"", b"\0\0\0", b"\0\0\0\xff\x67", b"\0\0\0\1", b"\xff" * 40])
def test_a_broken_sample_is_no_start(data: bytes) -> None:
    assert not starts_with_idr(data, 4)


def test_he_aac_comes_out_at_the_extended_rate() -> None:
    config = bytes.fromhex("2b118800")  # explicit SBR: 24 kHz core, 48 kHz out, one channel pair
    assert parse_aac_config(config)[:2] == (5, 48_000)


@pytest.mark.parametrize("config", [b"", b"\x11", b"\xf8\x1f"])
def test_a_cut_audio_configuration_is_refused(config: bytes) -> None:
    with pytest.raises(NotPackageable):
        aac(config)


@pytest.mark.parametrize("config", [b"", b"\x00" * 20, b"\x01\x64\x00\x1f\xff\xe0\x00\x00"])
def test_a_broken_video_configuration_is_refused(config: bytes) -> None:
    with pytest.raises(NotPackageable):
        avc(config, 16, 16, SDR)
