"""CMAF headers and fragments as bytes (ISO/IEC 23000-19 §7, ISO/IEC 14496-12 §8.8).

One track per file, one fragment per segment, `default-base-is-moof`, no edit list: `tfdt` and the
composition offsets carry presentation time as it is, so a player has nothing to compensate.
"""

import struct
import sys
from array import array
from collections.abc import Sequence

from polycast.domain.colours import Colours
from polycast.protocols.language import three_letters

TRACK_ID = 1
SYNC = 0x02000000
"""sample_depends_on = 2: depends on nothing (§8.8.3.1)"""
NOT_SYNC = 0x01010000
"""sample_depends_on = 1 and sample_is_non_sync_sample"""


def box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def full(kind: bytes, version: int, flags: int, *parts: bytes) -> bytes:
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)


_MATRIX = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_DATA_HERE = box(b"dinf", full(b"dref", 0, 0, struct.pack(">I", 1), full(b"url ", 0, 1)))


def visual_entry(kind: bytes, width: int, height: int, *children: bytes) -> bytes:
    """A VisualSampleEntry (§12.1.3): square pixels, 72 dpi, no compressor name."""
    fixed = struct.pack(">6xH16xHHIIIH32xHh", 1, width, height, 0x480000, 0x480000, 0, 1, 24, -1)
    return box(kind, fixed, *children)


def colour_box(colours: Colours) -> bytes:
    """The ColourInformationBox of code points (§12.1.5)."""
    points = struct.pack(">HHH", colours.primaries, colours.transfer, colours.matrix)
    return box(b"colr", b"nclx", points, bytes((colours.full_range << 7,)))


def audio_entry(kind: bytes, channels: int, sample_rate: int, *children: bytes) -> bytes:
    """An AudioSampleEntry (§12.2.3), version 0; rates over 65535 Hz are 0 and read from the decoder's own."""
    rate = sample_rate << 16 if sample_rate < 1 << 16 else 0
    return box(kind, struct.pack(">6xH8xHHHHI", 1, channels, 16, 0, 0, rate), *children)


def esds(config: bytes) -> bytes:
    """The MPEG-4 audio descriptor around an AudioSpecificConfig (ISO/IEC 14496-1 §7.2.6)."""

    def descriptor(tag: int, body: bytes) -> bytes:
        return bytes((tag, len(body))) + body

    decoder = descriptor(4, struct.pack(">BB3xII", 0x40, 0x15, 0, 0) + descriptor(5, config))
    return full(
        b"esds", 0, 0, descriptor(3, struct.pack(">HB", TRACK_ID, 0) + decoder + descriptor(6, b"\x02"))
    )


def init_segment(
    *, video: bool, timescale: int, entry: bytes, width: int = 0, height: int = 0, language: str | None = None
) -> bytes:
    """The CMAF header of one track: `ftyp` and `moov` without samples.

    Args:
        entry: the sample entry box, made by `visual_entry` or `audio_entry`.
        width, height: presentation size in pixels; 0 for audio.
        language: BCP 47 tag; the box holds the three letters of ISO 639-2.
    """
    packed = 0
    for letter in three_letters(language):
        packed = packed << 5 | ord(letter) - 0x60
    handler = (b"vide", b"VideoHandler\0") if video else (b"soun", b"SoundHandler\0")
    media_header = full(b"vmhd", 0, 1, bytes(8)) if video else full(b"smhd", 0, 0, bytes(4))
    empty = b"".join(
        full(k, 0, 0, bytes(n)) for k, n in ((b"stts", 4), (b"stsc", 4), (b"stsz", 8), (b"stco", 4))
    )
    stbl = box(b"stbl", full(b"stsd", 0, 0, struct.pack(">I", 1), entry), empty)
    # fmt: off
    tkhd = full(b"tkhd", 0, 7, struct.pack(">4x4xI4xI8xhhH2x", TRACK_ID, 0, 0, 0, 0 if video else 0x100),
                _MATRIX, struct.pack(">II", width << 16, height << 16))
    mdia = box(b"mdia",
               full(b"mdhd", 0, 0, struct.pack(">4x4xIIH2x", timescale, 0, packed)),
               full(b"hdlr", 0, 0, struct.pack(">4x4s12x", handler[0]), handler[1]),
               box(b"minf", media_header, _DATA_HERE, stbl))
    mvhd = full(b"mvhd", 0, 0, struct.pack(">4x4xIIIH10x", timescale, 0, 0x10000, 0x100),
                _MATRIX, bytes(24), struct.pack(">I", TRACK_ID + 1))
    mvex = box(b"mvex", full(b"trex", 0, 0, struct.pack(">IIIII", TRACK_ID, 1, 0, 0, 0)))
    # fmt: on
    brands = b"iso6" + struct.pack(">I", 0) + b"iso6cmfcmp41"
    return box(b"ftyp", brands) + box(b"moov", mvhd, box(b"trak", tkhd, mdia), mvex)


def fragment_header(
    sequence: int,
    base: int,
    durations: "array[int]",
    sizes: "array[int]",
    *,
    offsets: Sequence[int] | None = None,
    sync: Sequence[int] | None = None,
) -> bytes:
    """`styp`, `moof` and the head of `mdat`; the samples' bytes follow it, in order.

    Args:
        sequence: number of the segment, from 1.
        base: decode time of the first sample in ticks, >= 0.
        durations, sizes: one per sample, in ticks and bytes.
        offsets: presentation minus decode time per sample, may be negative; None: all zero.
        sync: indices of sync samples in this fragment; None: all of them (audio).
    """
    count = len(sizes)
    columns: list[array[int]] = []
    flags = 0x1  # data-offset-present
    head, head_flags = b"", 0x020000  # default-base-is-moof
    if len(set(durations)) == 1:
        head, head_flags = struct.pack(">I", durations[0]), head_flags | 0x8
    else:
        columns.append(durations)
        flags |= 0x100
    columns.append(sizes)
    flags |= 0x200
    if sync is None:
        head, head_flags = head + struct.pack(">I", SYNC), head_flags | 0x20
    else:
        marks = array("I", [NOT_SYNC]) * count
        for i in sync:
            marks[i] = SYNC
        columns.append(marks)
        flags |= 0x400
    if offsets is not None:
        columns.append(array("I", array("i", offsets).tobytes()))
        flags |= 0x800
    table = array("I", bytes(4 * count * len(columns)))
    for i, column in enumerate(columns):
        table[i :: len(columns)] = column
    if sys.byteorder == "little":
        table.byteswap()
    tfhd = full(b"tfhd", 0, head_flags, struct.pack(">I", TRACK_ID), head)
    tfdt = full(b"tfdt", 1, 0, struct.pack(">Q", base))
    mfhd = full(b"mfhd", 0, 0, struct.pack(">I", sequence))
    trun_size = 20 + len(table) * 4
    moof_size = 8 + len(mfhd) + 8 + len(tfhd) + len(tfdt) + trun_size
    payload = sum(sizes)
    long = payload + 8 >= 1 << 32
    mdat = (
        struct.pack(">I4sQ", 1, b"mdat", payload + 16) if long else struct.pack(">I4s", payload + 8, b"mdat")
    )
    # version 1: composition offsets are signed (§8.8.8), so that presentation begins at the decode time
    trun = full(b"trun", 1, flags, struct.pack(">Ii", count, moof_size + len(mdat)), table.tobytes())
    return _STYP + box(b"moof", mfhd, box(b"traf", tfhd, tfdt, trun)) + mdat


_STYP = box(b"styp", b"msdh" + struct.pack(">I", 0) + b"msdhcmfs")
