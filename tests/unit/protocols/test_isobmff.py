"""Files that real muxers wrote, boxes built by hand from the specification, and cuts at every byte."""

import itertools
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polycast.protocols.errors import BoxError
from polycast.protocols.isobmff import (
    Event,
    Fragment,
    FragmentReader,
    InitSegment,
    TrackDefaults,
    iter_boxes,
    read_moof,
    read_moov,
    split_fragments,
)
from polycast.protocols.isobmff import codecs as c
from polycast.protocols.isobmff.boxes import Reader

DATA = Path(__file__).parent / "data"
FRAGMENTED = (DATA / "avc-aac.mp4").read_bytes()


def box(kind: str, *payload: bytes) -> bytes:
    body = b"".join(payload)
    return struct.pack(">I4s", 8 + len(body), kind.encode("latin-1")) + body


def reader(text: str) -> Reader:
    return Reader(memoryview(bytes.fromhex(text)), "test")


# --- boxes


def test_boxes_with_small_large_and_open_sizes() -> None:
    large = struct.pack(">I4sQ", 1, b"mdat", 20) + b"abcd"
    data = box("free", b"xy") + large + struct.pack(">I4s", 0, b"mdat") + b"rest"
    boxes = list(iter_boxes(data))
    assert [(b.type, b.start, b.size, bytes(b.payload)) for b in boxes] == [
        ("free", 0, 10, b"xy"),
        ("mdat", 10, 20, b"abcd"),
        ("mdat", 30, 12, b"rest"),
    ]


@pytest.mark.parametrize(
    "data",
    [
        b"\0\0\0\x08fre",
        struct.pack(">I4s", 7, b"free"),
        struct.pack(">I4s", 9, b"free"),
        struct.pack(">I4sQ", 1, b"free", 15),
        struct.pack(">I4sQ", 1, b"free", 2**63),
        struct.pack(">I4sQ", 1, b"free", 0),
        struct.pack(">I4s", 1, b"free"),
    ],
)
def test_broken_sizes(data: bytes) -> None:
    with pytest.raises(BoxError):
        list(iter_boxes(data))


def test_the_number_of_boxes_is_capped() -> None:
    with pytest.raises(BoxError, match="over 3"):
        list(iter_boxes(box("free") * 4, max_boxes=3))


def test_names_are_printable() -> None:
    assert next(iter_boxes(box("a\n\xff\0"))).type == "a..."


# --- moov


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "avc-aac.mp4",
            [("vide", "avc1.64000a", 10240, 64, 36, 0, 0), ("soun", "mp4a.40.2", 44100, 0, 0, 44100, 2)],
        ),
        ("hevc.mp4", [("vide", "hvc1.1.6.L30.90", 10240, 64, 36, 0, 0)]),
        ("av1.mp4", [("vide", "av01.0.00M.08", 10240, 64, 36, 0, 0)]),
        ("vp9.mp4", [("vide", "vp09.00.10.08", 10240, 64, 36, 0, 0)]),
        ("opus.mp4", [("soun", "opus", 48000, 0, 0, 48000, 1)]),
        ("ac3.mp4", [("soun", "ac-3", 48000, 0, 0, 48000, 6)]),
        ("eac3.mp4", [("soun", "ec-3", 48000, 0, 0, 48000, 6)]),
        ("flac.mp4", [("soun", "flac", 44100, 0, 0, 44100, 1)]),
        ("mp3.mp4", [("soun", "mp4a.6B", 44100, 0, 0, 44100, 1)]),
        ("cbcs.mp4", [("vide", "avc1.64000a", 10240, 64, 36, 0, 0)]),
        ("progressive.mp4", [("vide", "avc1.64000a", 10240, 64, 36, 0, 0)]),
        (
            "quicktime.mov",
            [("vide", "avc1.64000a", 10240, 64, 36, 0, 0), ("soun", "mp4a.40.2", 44100, 0, 0, 44100, 1)],
        ),
    ],
)
def test_tracks(name: str, expected: list[tuple[object, ...]]) -> None:
    movie = read_moov((DATA / name).read_bytes())
    assert [
        (t.handler, t.codec, t.timescale, t.width, t.height, t.sample_rate, t.channels) for t in movie.tracks
    ] == expected


def test_durations_edits_languages() -> None:
    movie = read_moov(FRAGMENTED)
    assert movie.fragmented
    assert not movie.encrypted
    assert set(movie.defaults) == {1, 2}
    assert [t.language for t in movie.tracks] == [None, "deu"]
    assert [t.edit_count for t in movie.tracks] == [0, 0]
    movie = read_moov((DATA / "progressive.mp4").read_bytes())
    assert not movie.fragmented
    assert (movie.timescale, movie.duration) == (1000, 300)
    track = movie.track(1)
    assert track is not None
    assert (track.duration, track.samples, track.edit_count) == (3072, 3, 1)


def test_encryption_is_seen_and_the_codec_behind_it() -> None:
    movie = read_moov((DATA / "cbcs.mp4").read_bytes())
    assert movie.encrypted
    assert movie.tracks[0].encrypted
    assert movie.tracks[0].entries[0].scheme == "cbcs"
    assert movie.tracks[0].entries[0].format == "avc1"


def test_no_movie() -> None:
    with pytest.raises(BoxError, match="no moov"):
        read_moov(box("ftyp", b"isom"))
    with pytest.raises(BoxError, match="no mdia"):
        read_moov(box("moov", box("trak")))
    with pytest.raises(BoxError, match="tracks"):
        init, _ = split_fragments(FRAGMENTED)
        trak = next(
            b
            for b in next(b for b in iter_boxes(init.data) if b.type == "moov").children()
            if b.type == "trak"
        )
        read_moov(box("moov", bytes(trak.data[trak.start : trak.end]) * 300))


# --- codec strings


def test_hevc_strings() -> None:
    # Main 10, high tier, level 5.1, interlaced bits cleared
    assert c.hevc("hev1", reader("012220000000b0000000000099")) == "hev1.2.4.H153.B0"
    # profile space A, all constraint bytes set
    assert c.hevc("hvc1", reader("0141600000000102030405065d")) == "hvc1.A1.6.L93.1.2.3.4.5.6"
    assert c.hevc("hvc1", reader("0101600000000000000000005d")) == "hvc1.1.6.L93"


def test_av1_strings() -> None:
    assert c.av1(reader("810c0000")) == "av01.0.12M.08"
    assert c.av1(reader("812dc000")) == "av01.1.13H.10"
    assert c.av1(reader("814de000")) == "av01.2.13H.12"


def test_vp9_strings() -> None:
    assert c.vp9("vp09", reader("01000000021fa20910090000")) == "vp09.02.31.10.01.09.16.09.00"
    assert c.vp9("vp09", reader("01000000000a820202020000")) == "vp09.00.10.08"


@pytest.mark.parametrize(
    ("descriptor", "expected"),
    [
        ("03 19 0000 00 04 11 40 15000000 00000000 00000000 05 02 1190 06 01 02", "mp4a.40.2"),
        ("03808080 22 0001 00 04808080 14 40 15000000 00000000 00000000 05808080 02 2b92", "mp4a.40.5"),
        ("03 19 0000 00 04 11 40 15000000 00000000 00000000 05 02 f940", "mp4a.40.42"),
        ("03 15 0000 00 04 0d 6b 15000000 00000000 00000000", "mp4a.6B"),
        # dependency, URL and clock reference announced
        ("03 1f 0000 e0 0001 02 6162 0002 04 0d 69 15000000 00000000 00000000", "mp4a.69"),
    ],
)
def test_esds(descriptor: str, expected: str) -> None:
    assert c.esds("mp4a", reader("00000000" + descriptor)) == expected


def test_esds_without_configuration() -> None:
    with pytest.raises(BoxError):
        c.esds("mp4a", reader("00000000 03 03 0000 00"))


# --- moof


def test_moof() -> None:
    init, fragments = split_fragments(FRAGMENTED)
    summary = [
        [
            (
                t.track_id,
                t.base_decode_time,
                t.sample_count,
                t.duration,
                t.size,
                t.first_pts,
                t.end_pts,
                t.independent,
            )
            for t in fragment.moof.tracks
        ]
        for fragment in fragments
    ]
    assert summary == [
        [(1, 0, 4, 4096, 1018, 2048, 6144, True), (2, 0, 10, 17640, 765, 0, 17640, True)],
        [(1, 4096, 4, 4096, 384, 6144, 10240, True)],
        [(1, 8192, 2, 2048, 309, 10240, 12288, True)],
    ]
    assert [fragment.moof.sequence for fragment in fragments] == [1, 2, 3]
    assert [s.cts for s in fragments[1].moof.track.samples] == [2048, 4096, 1024, 1024]
    assert [s.sync for s in fragments[1].moof.track.samples] == [True, False, False, False]
    with pytest.raises(BoxError, match="2 tracks"):
        _ = fragments[0].moof.track
    # samples announced are the bytes that are there
    for fragment in fragments:
        mdat = next(b for b in iter_boxes(fragment.data) if b.type == "mdat")
        assert sum(t.size for t in fragment.moof.tracks) == len(mdat.payload)
    assert init.movie.tracks[0].codec == "avc1.64000a"


def moof_of(tfhd: bytes, *more: bytes) -> bytes:
    return box("moof", box("mfhd", struct.pack(">II", 0, 7)), box("traf", box("tfhd", tfhd), *more))


def test_defaults_come_from_trex_tfhd_and_the_run_in_this_order() -> None:
    defaults = {1: TrackDefaults(duration=10, size=20, flags=0x10000)}
    run = box("trun", struct.pack(">III", 0x4, 2, 0x2000000))
    track = read_moof(moof_of(struct.pack(">II", 0, 1), run), defaults).track
    assert [(s.duration, s.size, s.flags) for s in track.samples] == [(10, 20, 0x2000000), (10, 20, 0x10000)]
    assert track.independent
    assert track.base_decode_time is None

    tfhd = struct.pack(">IIIII", 0x38, 1, 11, 21, 0x1010000)
    run = box("trun", struct.pack(">IIIi", 0x1000801, 1, 99, -5))
    tfdt = box("tfdt", struct.pack(">IQ", 1 << 24, 2**40))
    track = read_moof(moof_of(tfhd, tfdt, run), defaults).track
    assert [(s.duration, s.size, s.flags, s.cts) for s in track.samples] == [(11, 21, 0x1010000, -5)]
    assert (track.first_pts, track.end_pts) == (2**40 - 5, 2**40 + 6)
    assert not track.independent


def test_an_empty_fragment_has_no_times() -> None:
    track = read_moof(moof_of(struct.pack(">II", 0, 1))).track
    assert (track.first_pts, track.end_pts, track.duration, track.independent) == (None, None, 0, False)


def test_a_count_without_bytes_behind_it_is_refused() -> None:
    run = box("trun", struct.pack(">II", 0, 2**32 - 1))
    with pytest.raises(BoxError, match="samples"):
        read_moof(moof_of(struct.pack(">II", 0, 1), run))
    # many runs that are each below the cap
    run = box("trun", struct.pack(">II", 0, 600_000))
    with pytest.raises(BoxError, match="samples"):
        read_moof(moof_of(struct.pack(">II", 0, 1), run, run))


def test_no_moof() -> None:
    with pytest.raises(BoxError, match="no moof"):
        read_moof(b"")
    with pytest.raises(BoxError, match="without tfhd"):
        read_moof(box("moof", box("traf")))


# --- cutting


def test_the_parts_are_the_file() -> None:
    init, fragments = split_fragments(FRAGMENTED)
    assert FRAGMENTED.startswith(init.data + b"".join(f.data for f in fragments))
    rest = FRAGMENTED[len(init.data) + sum(len(f.data) for f in fragments) :]
    assert [b.type for b in iter_boxes(rest)] in ([], ["mfra"])
    assert [FRAGMENTED[f.offset : f.offset + len(f.data)] == f.data for f in fragments] == [True] * 3


def test_packager_output_with_index_and_encryption() -> None:
    data = (DATA / "cbcs.mp4").read_bytes()
    assert "sidx" in [b.type for b in iter_boxes(data)]
    init, fragments = split_fragments(data)
    assert "sidx" not in [b.type for b in iter_boxes(init.data)]
    assert len(fragments) == 1


def feed(pieces: list[bytes]) -> list[Event]:
    cutter = FragmentReader()
    events = [event for piece in pieces for event in cutter.feed(piece)]
    cutter.close()
    return events


@given(st.lists(st.integers(0, len(FRAGMENTED)), max_size=20))
def test_pieces_do_not_matter(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(FRAGMENTED)]
    pieces = [FRAGMENTED[a:b] for a, b in itertools.pairwise(edges)]
    assert feed(pieces) == feed([FRAGMENTED])


def test_single_bytes() -> None:
    assert feed([FRAGMENTED[i : i + 1] for i in range(len(FRAGMENTED))]) == feed([FRAGMENTED])


def test_a_fragment_is_given_with_its_last_byte() -> None:
    cutter = FragmentReader()
    init, fragments = split_fragments(FRAGMENTED)
    end = fragments[0].offset + len(fragments[0].data)
    events = cutter.feed(FRAGMENTED[: end - 1])
    assert [type(e) for e in events] == [InitSegment]
    assert cutter.feed(FRAGMENTED[end - 1 : end]) == [fragments[0]]
    assert init == events[0]


def test_what_stands_between_fragments() -> None:
    init, (first, second, _) = split_fragments(FRAGMENTED)
    styp, prft, sidx = box("styp", b"msdh"), box("prft", b"x"), box("sidx", b"y")
    data = init.data + styp + sidx + prft + first.data + box("free") + box("abcd") + second.data
    _, cut = split_fragments(data)
    assert [f.data for f in cut] == [styp + prft + first.data, second.data]
    assert cut[0].offset == len(init.data)


def test_the_init_segment_keeps_all_but_indexes_and_padding() -> None:
    init, _ = split_fragments(FRAGMENTED)
    ftyp_size = struct.unpack(">I", FRAGMENTED[:4])[0]
    ftyp, rest = FRAGMENTED[:ftyp_size], FRAGMENTED[ftyp_size:]
    more = box("sidx", b"y") + box("free", b"z")
    cut, fragments = split_fragments(ftyp + more + box("uuid", b"0" * 16) + rest)
    assert cut.data == ftyp + box("uuid", b"0" * 16) + init.data[ftyp_size:]
    assert len(fragments) == 3


def test_key_frames_for_i_frame_playlists() -> None:
    init, (both, second, _) = split_fragments(FRAGMENTED)
    assert both.key_frame_size is None
    mdat = second.data.index(b"mdat") + 4
    assert second.key_frame_size == mdat + second.moof.track.samples[0].size
    styp = box("styp", b"msdh")
    _, (cut,) = split_fragments(init.data + styp + second.data)
    assert cut.key_frame_size == second.key_frame_size + len(styp)
    # an offset that points elsewhere is not believed
    data = bytearray(second.data)
    run = data.index(b"trun") + 12
    data[run : run + 4] = (2**31 - 1).to_bytes(4)
    _, (lying,) = split_fragments(init.data + bytes(data))
    assert lying.key_frame_size is None


def test_fragments_alone_with_known_defaults() -> None:
    init, fragments = split_fragments(FRAGMENTED)
    cutter = FragmentReader(defaults=init.movie.defaults)
    events = cutter.feed(FRAGMENTED[len(init.data) :])
    assert [e.data for e in events if isinstance(e, Fragment)] == [f.data for f in fragments]
    cutter.close()


@pytest.mark.parametrize("cut", [1, 7, 100, 1221 + 5, 1221 + 500, 4416])
def test_an_end_in_the_middle(cut: int) -> None:
    with pytest.raises(BoxError):
        split_fragments(FRAGMENTED[:cut])


def test_refusals() -> None:
    init, fragments = split_fragments(FRAGMENTED)
    fragment = fragments[0].data
    moof_size = struct.unpack(">I", fragment[:4])[0]
    for data, why in [
        ((DATA / "progressive.mp4").read_bytes(), "without moof|no mvex"),
        (init.data + init.data, "second moov"),
        (fragment, "before moov"),
        (init.data + fragment[moof_size:], "without moof"),
        (init.data + fragment[:moof_size] + box("free"), "between"),
        (init.data + struct.pack(">I4s", 0, b"mdat"), "without size"),
        (init.data + struct.pack(">I4s", 2**31, b"moof"), "limit"),
        (init.data + moof_of(struct.pack(">IIQ", 1, 1, 0)) + box("mdat"), "start of the file"),
        (b"", "no moov"),
    ]:
        with pytest.raises(BoxError, match=why):
            split_fragments(data)


def test_a_box_over_the_cap_is_refused_before_it_is_read() -> None:
    cutter = FragmentReader(max_box=1000)
    with pytest.raises(BoxError, match="limit"):
        cutter.feed(struct.pack(">I4s", 1001, b"mdat"))


def test_every_truncation_of_every_file_is_a_value_or_the_documented_error() -> None:
    for path in sorted(DATA.iterdir()):
        data = path.read_bytes()
        for length in range(0, min(len(data), 1500), 7):
            for function in (read_moov, read_moof, split_fragments):
                try:
                    function(data[:length])
                except BoxError:
                    continue
