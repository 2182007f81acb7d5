"""The movie box: what tracks a file has (ISO/IEC 14496-12 section 8)."""

from dataclasses import dataclass, field
from typing import Final

from polycast.protocols.errors import BoxError
from polycast.protocols.isobmff.boxes import Box, Buffer, Reader, iter_boxes
from polycast.protocols.isobmff.sample_entry import SampleEntry, read_entry

MAX_TRACKS: Final = 256
MAX_SAMPLE_ENTRIES: Final = 64


@dataclass(frozen=True, slots=True)
class TrackDefaults:
    """trex: what fragments of a track inherit (8.8.3)."""

    duration: int = 0
    size: int = 0
    flags: int = 0


@dataclass(frozen=True, slots=True)
class TrackInfo:
    """One trak.

    Attributes:
        handler: vide, soun, text, subt, sbtl, meta, …
        timescale: ticks a second of the track's media.
        duration: in ticks of `timescale`; 0 in fragmented files, None when unknown.
        codec: RFC 6381 string of the first sample entry, "" without one.
        width, height: coded size in the sample entry, 0 for other than video.
        edit_count: entries of the edit list, 0 without one.
        encrypted: any sample entry is protected.
        language: ISO 639-2 code of mdhd, None when undetermined.
        samples: entries of stsz: 0 in the init segment of a fragmented file.
    """

    track_id: int
    handler: str
    timescale: int
    duration: int | None
    codec: str
    width: int = 0
    height: int = 0
    sample_rate: int = 0
    channels: int = 0
    edit_count: int = 0
    encrypted: bool = False
    language: str | None = None
    samples: int = 0
    entries: tuple[SampleEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class MovieInfo:
    """A moov box: `timescale` and `duration` are of mvhd; `fragmented` when it has mvex."""

    timescale: int
    duration: int | None
    tracks: tuple[TrackInfo, ...]
    fragmented: bool = False
    encrypted: bool = False
    defaults: dict[int, TrackDefaults] = field(default_factory=dict)

    def track(self, track_id: int) -> TrackInfo | None:
        return next((t for t in self.tracks if t.track_id == track_id), None)


def read_moov(data: Buffer) -> MovieInfo:
    """Read the movie box of a file or an init segment.

    Args:
        data: bytes that begin with any top-level boxes and hold the whole moov; later boxes may be cut off.

    Raises:
        BoxError: no moov, more than `MAX_TRACKS` tracks, or a box that is broken.
    """
    for box in iter_boxes(data):
        if box.type == "moov":
            return _moov(box)
    raise BoxError("no moov box")


def _moov(moov: Box) -> MovieInfo:
    timescale, duration = 0, None
    tracks: list[TrackInfo] = []
    defaults: dict[int, TrackDefaults] = {}
    fragmented = has_pssh = False
    for box in moov.children(lenient=True):
        if box.type == "mvhd":
            timescale, duration, _ = _times(box.reader())
        elif box.type == "trak":
            if len(tracks) >= MAX_TRACKS:
                raise BoxError(f"over {MAX_TRACKS} tracks")
            tracks.append(_trak(box))
        elif box.type == "mvex":
            fragmented = True
            defaults = _defaults(box)
        elif box.type == "pssh":
            has_pssh = True
    encrypted = has_pssh or any(track.encrypted for track in tracks)
    return MovieInfo(timescale, duration, tuple(tracks), fragmented, encrypted, defaults)


def _times(reader: Reader) -> tuple[int, int | None, str | None]:
    """(timescale, duration, language) of mvhd or mdhd, which begin alike (8.2.2, 8.4.2)."""
    version, _ = reader.full_box()
    reader.skip(16 if version == 1 else 8)
    timescale = reader.u32()
    duration = reader.sized(version)
    unknown = 2**64 - 1 if version == 1 else 2**32 - 1
    packed = reader.u16() if reader.left >= 2 else 0
    code = "".join(chr(0x60 + (packed >> shift & 0x1F)) for shift in (10, 5, 0))
    language = code if code.isalpha() and code.islower() and code != "und" else None
    return timescale, None if duration == unknown else duration, language


def _trak(trak: Box) -> TrackInfo:
    mdia = _need(trak, "mdia")
    tkhd = _need(trak, "tkhd").reader()
    version, _ = tkhd.full_box()
    track_id = tkhd.skip(16 if version == 1 else 8).u32()
    timescale, duration, language = _times(_need(mdia, "mdhd").reader())
    handler = _need(mdia, "hdlr").reader().skip(8).fourcc()
    stbl = _need(_need(mdia, "minf"), "stbl")
    entries = _entries(stbl, handler)
    first = entries[0] if entries else None
    return TrackInfo(
        track_id=track_id,
        handler=handler,
        timescale=timescale,
        duration=duration,
        codec=first.codec if first else "",
        width=first.width if first else 0,
        height=first.height if first else 0,
        # the field has 16 bits: rates above 65535 Hz are 0 there and are the timescale by custom
        sample_rate=(first.sample_rate or timescale) if first and handler == "soun" else 0,
        channels=first.channels if first else 0,
        edit_count=_edit_count(trak),
        encrypted=any(entry.encrypted for entry in entries),
        language=language,
        samples=_sample_count(stbl),
        entries=entries,
    )


def _need(box: Box, kind: str) -> Box:
    child = box.child(kind, lenient=True)
    if child is None:
        raise BoxError(f"box {box.type} has no {kind}")
    return child


def _entries(stbl: Box, handler: str) -> tuple[SampleEntry, ...]:
    stsd = _need(stbl, "stsd")
    entries: list[SampleEntry] = []
    for box in stsd.children(8, lenient=True):
        if len(entries) >= MAX_SAMPLE_ENTRIES:
            raise BoxError(f"over {MAX_SAMPLE_ENTRIES} sample entries")
        entries.append(read_entry(box, handler))
    return tuple(entries)


def _edit_count(trak: Box) -> int:
    edts = trak.child("edts", lenient=True)
    elst = edts.child("elst", lenient=True) if edts else None
    return elst.reader().skip(4).u32() if elst else 0


def _sample_count(stbl: Box) -> int:
    stsz = stbl.child("stsz", lenient=True) or stbl.child("stz2", lenient=True)
    return stsz.reader().skip(8).u32() if stsz else 0


def _defaults(mvex: Box) -> dict[int, TrackDefaults]:
    found: dict[int, TrackDefaults] = {}
    for box in mvex.children(lenient=True):
        if box.type == "trex":
            reader = box.reader().skip(4)
            track_id = reader.u32()
            reader.skip(4)
            found[track_id] = TrackDefaults(reader.u32(), reader.u32(), reader.u32())
    return found
