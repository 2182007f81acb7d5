"""What is in an MP4 file that we made: read back from its boxes before anybody gets it."""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from polycast.domain.errors import IntegrityError
from polycast.protocols.errors import BoxError
from polycast.protocols.isobmff import read_moof, read_moov
from polycast.protocols.isobmff.moov import MovieInfo

_MAX_INDEX = 1 << 30
_KINDS = {"vide": "video", "soun": "audio"}


@dataclass(frozen=True, slots=True)
class WrittenTrack:
    """One track: kind `video` or `audio`, length in seconds, samples in its index."""

    kind: str
    duration_s: float
    samples: int


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """`faststart`: the index stands before the media."""

    tracks: tuple[WrittenTrack, ...]
    faststart: bool
    size: int


def read_written(path: Path) -> WrittenFile:
    """Read the index of a finished, not fragmented file. Blocks.

    Raises:
        IntegrityError: no index, or it is broken, or the media it speaks of is not all there.
    """
    movie: MovieInfo | None = None
    order: list[str] = []
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            for kind, start, length in _boxes(file, size):
                order.append(kind)
                if kind == "moov":
                    file.seek(start)
                    movie = read_moov(file.read(min(length, _MAX_INDEX)))
    except BoxError as error:
        raise IntegrityError("the file that was written is broken") from error
    if movie is None or movie.fragmented or "mdat" not in order:
        raise IntegrityError("the file that was written is not whole")
    tracks = tuple(
        WrittenTrack(_KINDS[t.handler], (t.duration or 0) / (t.timescale or 1), t.samples)
        for t in movie.tracks
        if t.handler in _KINDS
    )
    return WrittenFile(tracks, order.index("moov") < order.index("mdat"), size)


def count_fragment_samples(path: Path) -> int:
    """Samples in all fragments of a fragmented file with one track. Blocks; reads headers only.

    Raises:
        IntegrityError: a box is broken or cut off.
    """
    total, defaults = 0, None
    try:
        with path.open("rb") as file:
            for kind, start, length in _boxes(file, path.stat().st_size):
                if kind in ("moov", "moof"):
                    file.seek(start)
                    data = file.read(min(length, _MAX_INDEX))
                    if kind == "moov":
                        defaults = read_moov(data).defaults
                    else:
                        total += sum(t.sample_count for t in read_moof(data, defaults).tracks)
    except BoxError as error:
        raise IntegrityError(f"{path.name} is no fragmented file") from error
    return total


def _boxes(file: BinaryIO, size: int) -> list[tuple[str, int, int]]:
    """(type, start, length) of the outermost boxes."""
    found: list[tuple[str, int, int]] = []
    at = 0
    while at < size:
        file.seek(at)
        head = file.read(16)
        if len(head) < 8:
            raise IntegrityError("the file is cut off")
        length, kind = struct.unpack_from(">I4s", head)
        if length == 1 and len(head) == 16:
            (length,) = struct.unpack_from(">Q", head, 8)
        elif length == 0:
            length = size - at
        if length < 8 or at + length > size:
            raise IntegrityError("the file is cut off")
        found.append((kind.decode("latin-1"), at, length))
        at += length
    return found
