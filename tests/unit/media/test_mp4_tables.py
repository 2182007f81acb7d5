"""Sample tables built by hand: what they say, and what is refused before it costs anything."""

import struct
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polycast.media.children.mp4_boxes import Malformed, boxes
from polycast.media.children.mp4_tables import Edit, Mp4Track, timeline, tracks
from polycast.media.children.package_fragments import box, full


def table(kind: bytes, *values: int, lead: bytes = b"", rows: int | None = None) -> bytes:
    count = len(values) if rows is None else rows
    return full(kind, 0, 0, lead, struct.pack(">I", count), struct.pack(f">{len(values)}I", *values))


STTS = table(b"stts", 4, 100, rows=1)
STSZ = table(b"stsz", 10, 20, 30, 40, lead=bytes(4))
STSC = table(b"stsc", 1, 3, 1, 2, 1, 1, rows=2)
STCO = table(b"stco", 1000, 5000)
ELST = full(b"elst", 0, 0, struct.pack(">I", 1), struct.pack(">Iii", 4, 50, 0x10000))


def movie(*stbl: bytes, edits: bytes = b"", entry: bytes = b"avc1") -> memoryview:
    stsd = full(b"stsd", 0, 0, struct.pack(">I", 1), box(entry, bytes(78)))
    mdia = box(
        b"mdia",
        full(b"mdhd", 0, 0, struct.pack(">4x4xIIH2x", 1000, 0, 0)),
        full(b"hdlr", 0, 0, struct.pack(">4x4s12x", b"vide"), b"\0"),
        box(b"minf", box(b"stbl", stsd, *stbl)),
    )
    tkhd = full(b"tkhd", 0, 7, bytes(80))
    trak = box(b"trak", tkhd, box(b"edts", edits) if edits else b"", mdia)
    return memoryview(full(b"mvhd", 0, 0, struct.pack(">4x4xI", 10), bytes(84)) + trak)


def one(*stbl: bytes, edits: bytes = b"", entry: bytes = b"avc1", size: int = 10_000) -> Mp4Track:
    (track,) = tracks(movie(*stbl, edits=edits, entry=entry), size)
    return track


def test_samples_lie_where_the_chunks_say() -> None:
    samples = one(STTS, STSZ, STSC, STCO).samples()
    assert list(samples.pts) == [0, 100, 200, 300]
    assert list(samples.runs(0, 4)) == [(1000, 60), (5000, 40)]
    assert list(samples.runs(1, 3)) == [(1010, 50)]
    assert list(samples.runs(2, 4)) == [(1030, 30), (5000, 40)]
    assert samples.sync is None


def test_composition_offsets_may_be_negative_and_sync_samples_count_from_one() -> None:
    ctts = table(b"ctts", 1, 0, 1, 200, 2, 0xFFFFFF9C, rows=3)
    samples = one(STTS, STSZ, STSC, STCO, ctts, table(b"stss", 1, 4)).samples()
    assert list(samples.pts) == [0, 300, 100, 200]
    assert samples.sync is not None
    assert list(samples.sync) == [0, 3]


def test_one_edit_is_a_start_and_several_are_not() -> None:
    line = timeline(one(STTS, STSZ, STSC, STCO, edits=ELST))
    assert line is not None
    assert (line.origin, line.delay_s, line.length) == (50, Fraction(0), 400)
    delayed = full(
        b"elst",
        0,
        0,
        struct.pack(">I", 2),
        struct.pack(">Iii", 5, -1, 0x10000),
        struct.pack(">Iii", 0, 0, 0x10000),
    )
    line = timeline(one(STTS, STSZ, STSC, STCO, edits=delayed))
    assert line is not None
    assert (line.delay_s, line.length) == (Fraction(1, 2), None)
    twice = full(b"elst", 0, 0, struct.pack(">I", 2), struct.pack(">Iii", 2, 0, 0x10000) * 2)
    track = one(STTS, STSZ, STSC, STCO, edits=twice)
    assert track.edits == (Edit(2, 0, 0x10000),) * 2
    assert timeline(track) is None


@pytest.mark.parametrize("kind", [b"encv", b"enca", b"drms"])
def test_encrypted_entries_are_seen(kind: bytes) -> None:
    assert one(STTS, STSZ, STSC, STCO, entry=kind).encrypted


@pytest.mark.parametrize(
    "stbl",
    [
        (STTS, STSC, STCO),  # no sizes
        (table(b"stts", 0xFFFFFFFF, 1, rows=1), STSZ, STSC, STCO),  # four thousand million times
        (table(b"stts", 3, 1, rows=1), STSZ, STSC, STCO),  # a time too few
        (STTS, full(b"stsz", 0, 0, struct.pack(">II", 1, 0xFFFFFFFF)), STSC, STCO),  # samples over the file
        (STTS, full(b"stsz", 0, 0, struct.pack(">II", 0, 0xFFFFFFFF)), STSC, STCO),  # longer than its box
        (STTS, STSZ, table(b"stsc", 1, 0xFFFFFFFF, 1, rows=1), STCO),  # chunks and samples disagree
        (STTS, STSZ, table(b"stsc", 2, 3, 1, rows=1), STCO),  # no first chunk
        (STTS, STSZ, table(b"stsc", 1, 3, 1, 2, 1, 2, rows=2), STCO),  # a second description
        (STTS, STSZ, STSC, table(b"stco", 1000, 9990)),  # behind the end of the file
    ],
)
def test_tables_that_lie_are_refused(stbl: tuple[bytes, ...]) -> None:
    track = one(*stbl)
    with pytest.raises(Malformed):
        track.samples()


@pytest.mark.parametrize(
    "data",
    [
        struct.pack(">I4s", 4, b"moov"),
        struct.pack(">I4s", 99, b"moov"),
        struct.pack(">I4s", 1, b"moov") + b"\0",
    ],
)
def test_impossible_boxes_are_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        list(boxes(memoryview(data), 0, len(data)))


GOOD = bytes(movie(STTS, STSZ, STSC, STCO, table(b"ctts", 4, 0, rows=1), table(b"stss", 1), edits=ELST))


@given(
    st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), max_size=8),
    st.integers(0, len(GOOD)),
)
def test_damage_gives_a_value_or_malformed(changes: list[tuple[int, int]], length: int) -> None:
    data = bytearray(GOOD)
    for at, value in changes:
        data[at] = value
    try:
        for track in tracks(memoryview(bytes(data[:length])), 10_000):
            samples = track.samples()
            assert len(samples.pts) == len(samples.sizes) == len(samples.durations)
            assert all(o >= 0 and o + n <= 10_000 for o, n in samples.runs(0, len(samples.sizes)))
            timeline(track)
    except Malformed:
        pass
