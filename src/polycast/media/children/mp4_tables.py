"""Sample tables of an MP4 or MOV source: which bytes are which sample, when, and from where one can start.

Demuxing through FFmpeg costs some 10 µs a packet, most of it Python's share. The tables say the same
for all packets at once, and `array` turns them at the speed of C: an hour of video takes milliseconds.
Expansion is lazy and bounded by the file's size, so a few hostile bytes cannot ask for gigabytes.
"""

import sys
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from operator import add

from polycast.media.children.mp4_boxes import Malformed, boxes, child, need, unpack

SAMPLE_CAP = 8_000_000
"""Samples of one track: 24 hours at 60 fps are 5.2 million."""

IDENTITY = (0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Edit:
    """One entry of an edit list: length in movie ticks, start in media ticks (-1: nothing shown)."""

    duration: int
    media_time: int
    rate: int


@dataclass(frozen=True, slots=True)
class Samples:
    """All samples of one track in decode order, times in ticks of the track's timescale."""

    sizes: "array[int]"
    pts: "array[int]"
    durations: "array[int]"
    sync: "array[int] | None"
    """indices of sync samples; None: every sample is one"""
    chunk_first: "array[int]"
    chunk_offsets: "array[int]"
    size_sums: "array[int]"
    """`size_sums[i]` is the sum of the sizes before sample i; one longer than `sizes`"""

    def runs(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """Where samples [first, last) lie in the file: (offset, length) of unbroken runs, in order."""
        sums, starts, offsets = self.size_sums, self.chunk_first, self.chunk_offsets
        chunk = bisect_right(starts, first) - 1
        count = len(offsets)
        while first < last:
            stop = starts[chunk + 1] if chunk + 1 < count else last
            stop = min(stop, last)
            if stop > first:
                yield offsets[chunk] + sums[first] - sums[starts[chunk]], sums[stop] - sums[first]
                first = stop
            chunk += 1


@dataclass(frozen=True, slots=True)
class Mp4Track:
    """A `trak` box; `samples()` expands its tables."""

    number: int
    """position among the tracks of the file, which is FFmpeg's stream index"""
    handler: bytes
    timescale: int
    movie_timescale: int
    matrix: tuple[int, ...]
    edits: tuple[Edit, ...]
    entry_kind: bytes
    """type of the first sample description, for example b"avc1" """
    entry: bytes
    """its payload"""
    entry_count: int
    data: memoryview
    stbl: Span
    file_size: int

    @property
    def encrypted(self) -> bool:
        """ISO/IEC 23001-7: the sample description is transformed."""
        return self.entry_kind in {b"encv", b"enca", b"enct", b"drms", b"drmi", b"drmt"}

    def samples(self) -> Samples:
        """Expand the tables.

        Raises:
            Malformed: they disagree, point outside the file or are over the caps.
        """
        data, stbl = self.data, self.stbl
        sizes = self._sizes()
        count = len(sizes)
        sums = array("q", [0])
        sums.extend(accumulate(sizes))
        if sums[-1] > self.file_size:
            raise Malformed("samples overlap")
        durations = self._runs(need(data, stbl, b"stts"), count, "I")
        decode = array("q", [0])
        decode.extend(accumulate(durations))
        decode.pop()
        ctts = child(data, stbl, b"ctts")
        pts = array("q", map(add, decode, self._runs(ctts, count, "i"))) if ctts else decode
        sync = None
        if (stss := child(data, stbl, b"stss")) is not None:
            (n,) = unpack(data, ">I", stss, 4)
            sync = _array(data, "I", stss, 8, n)
            sync = array("I", (s - 1 for s in sync if 1 <= s <= count))
        first, offsets = self._chunks(count)
        samples = Samples(sizes, pts, durations, sync, first, offsets, sums)
        last = len(offsets) - 1
        for i, offset in enumerate(offsets):
            stop = first[i + 1] if i < last else count
            if offset + sums[stop] - sums[first[i]] > self.file_size:
                raise Malformed("sample outside the file")
        return samples

    def _sizes(self) -> "array[int]":
        if (stz2 := child(self.data, self.stbl, b"stz2")) is not None:
            raise Malformed(f"compact sizes at {stz2}")
        stsz = need(self.data, self.stbl, b"stsz")
        uniform, count = unpack(self.data, ">II", stsz, 4)
        if count == 0 or count > SAMPLE_CAP or uniform * count > self.file_size:
            raise Malformed("no samples, or too many")
        if uniform:
            return array("I", [uniform]) * count
        return _array(self.data, "I", stsz, 12, count)

    def _runs(self, span: Span, count: int, kind: str) -> "array[int]":
        """Expand (count, value) pairs of `stts` and `ctts` to one value a sample."""
        (n,) = unpack(self.data, ">I", span, 4)
        pairs = _array(self.data, "I", span, 8, 2 * n)
        values = pairs[1::2]
        if kind == "i":  # version 0 is unsigned on paper, but writers store negative offsets in it
            values = array("i", values.tobytes())
        out = array(kind)
        for repeat, value in zip(pairs[0::2], values, strict=True):
            if len(out) + repeat > count:
                raise Malformed("more times than samples")
            out.extend(array(kind, [value]) * repeat if repeat != 1 else (value,))
        if len(out) < count:
            raise Malformed("fewer times than samples")
        return out

    def _chunks(self, count: int) -> "tuple[array[int], array[int]]":
        """First sample and file offset of each chunk (stsc with stco or co64)."""
        data, stbl = self.data, self.stbl
        if (stco := child(data, stbl, b"stco")) is not None:
            (chunks,) = unpack(data, ">I", stco, 4)
            offsets = _array(data, "I", stco, 8, chunks)
        else:
            co64 = need(data, stbl, b"co64")
            (chunks,) = unpack(data, ">I", co64, 4)
            offsets = _array(data, "Q", co64, 8, chunks)
        stsc = need(data, stbl, b"stsc")
        (n,) = unpack(data, ">I", stsc, 4)
        table = _array(data, "I", stsc, 8, 3 * n)
        starts, per_chunk, described = table[0::3], table[1::3], table[2::3]
        if any(d != 1 for d in described):
            raise Malformed("several sample descriptions in use")
        counts = array("I")
        for i, start in enumerate(starts):
            stop = starts[i + 1] if i + 1 < n else chunks + 1
            if start - 1 != len(counts) or not start <= stop <= chunks + 1:
                raise Malformed("chunk table out of order")
            counts.extend(array("I", [per_chunk[i]]) * (stop - start))
        first = array("q", [0])
        first.extend(accumulate(counts))
        if first.pop() != count or len(first) != chunks:
            raise Malformed("chunks and samples disagree")
        return first, offsets


def tracks(moov: memoryview, file_size: int) -> list[Mp4Track]:
    """The tracks of a movie box, in file order; their tables are empty where the samples are in fragments.

    Raises:
        Malformed: the structure is broken or over the caps.
    """
    whole = (0, len(moov))
    mvhd = need(moov, whole, b"mvhd")
    (movie_timescale,) = unpack(moov, ">I", mvhd, 20 if moov[mvhd[0]] else 12)
    found: list[Mp4Track] = []
    for kind, a, b in boxes(moov, *whole):
        if kind != b"trak":
            continue
        if len(found) >= 64:
            raise Malformed("too many tracks")
        found.append(_track(moov, (a, b), len(found), movie_timescale, file_size))
    return found


def _track(moov: memoryview, span: Span, number: int, movie_timescale: int, file_size: int) -> Mp4Track:
    tkhd = need(moov, span, b"tkhd")
    matrix = unpack(moov, ">9i", tkhd, 52 if moov[tkhd[0]] else 40)
    mdia = need(moov, span, b"mdia")
    mdhd = need(moov, mdia, b"mdhd")
    (timescale,) = unpack(moov, ">I", mdhd, 20 if moov[mdhd[0]] else 12)
    hdlr = need(moov, mdia, b"hdlr")
    stbl = need(moov, mdia, b"minf", b"stbl")
    stsd = need(moov, stbl, b"stsd")
    (entries,) = unpack(moov, ">I", stsd, 4)
    first = next(boxes(moov, stsd[0] + 8, stsd[1]), None)
    if first is None or not timescale or not movie_timescale:
        raise Malformed("no sample description or no timescale")
    return Mp4Track(
        number=number,
        handler=bytes(moov[hdlr[0] + 8 : hdlr[0] + 12]),
        timescale=timescale,
        movie_timescale=movie_timescale,
        matrix=matrix,
        edits=_edits(moov, child(moov, span, b"edts", b"elst")),
        entry_kind=first[0],
        entry=bytes(moov[first[1] : first[2]]),
        entry_count=entries,
        data=moov,
        stbl=stbl,
        file_size=file_size,
    )


def _edits(moov: memoryview, elst: Span | None) -> tuple[Edit, ...]:
    if elst is None:
        return ()
    (count,) = unpack(moov, ">I", elst, 4)
    form, size = (">Qqi", 20) if moov[elst[0]] else (">Iii", 12)
    if count > 1000:
        raise Malformed("too many edits")
    return tuple(Edit(*unpack(moov, form, elst, 8 + i * size)) for i in range(count))


def fragmented(moov: memoryview) -> bool:
    """Whether samples may follow in movie fragments, of which the tables say nothing."""
    return child(moov, (0, len(moov)), b"mvex") is not None


@dataclass(frozen=True, slots=True)
class Timeline:
    """What an edit list says when it is simple: media time `origin` is shown at `delay_s`, until `length`.

    Attributes:
        origin: media ticks of the first presented instant.
        delay_s: silence or blank before it, in seconds of the presentation.
        length: media ticks presented, None: to the end.
    """

    origin: int
    delay_s: Fraction
    length: int | None


def timeline(track: Mp4Track) -> Timeline | None:
    """The timeline of a track with at most one shown edit, None when the list does more than that."""
    delay = Fraction(0)
    shown: list[Edit] = []
    for edit in track.edits:
        if edit.media_time == -1 and not shown:
            delay += Fraction(edit.duration, track.movie_timescale)
        else:
            shown.append(edit)
    if not shown:
        return None if track.edits else Timeline(0, Fraction(0), None)
    if len(shown) > 1 or shown[0].media_time < 0 or shown[0].rate != 0x10000:
        return None
    length = shown[0].duration * track.timescale // track.movie_timescale
    return Timeline(shown[0].media_time, delay, length or None)


def _array(data: memoryview, kind: str, span: Span, skip: int, count: int) -> "array[int]":
    """`count` big-endian numbers of a box payload."""
    out = array(kind)
    start = span[0] + skip
    end = start + count * out.itemsize
    if end > span[1]:
        raise Malformed("table longer than its box")
    out.frombytes(data[start:end])
    if sys.byteorder == "little":
        out.byteswap()
    return out
