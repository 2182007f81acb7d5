"""What an encoder wrote, cut into segments and held against the plan: nothing unproven leaves here."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from polycast.domain.tracks import ObjectRef, Segment, SegmentFlag
from polycast.media.chunks import Chunk
from polycast.media.command_filters import frame_step, is_even
from polycast.media.ladder import Rendition
from polycast.protocols.isobmff import BoxError, Fragment, FragmentReader, InitSegment

INIT = "init.mp4"
_READ_BYTES = 1 << 20


class Mismatch(Exception):
    """An encode is not what was planned; the message says what, for the log."""


@dataclass(frozen=True, slots=True)
class EncodedChunk:
    """The segments that one chunk gave one rendition, in order; `init` is equal in all chunks of a track.

    Attributes:
        rendition: name of the rendition or of the audio track, which is the folder of its files.
        chunk: number of the chunk; 0 for audio, which has one.
        codec: RFC 6381 of what was really written; the rendition's own, unless the encoder chose another level.
        timescale: of the segments' ticks.
    """

    rendition: str
    chunk: int
    codec: str
    timescale: int
    init: ObjectRef
    segments: tuple[Segment, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "EncodedChunk":
        return cls(
            **{
                **data,
                "init": ObjectRef(**data["init"]),
                "segments": tuple(Segment(**s) for s in data["segments"]),
            }
        )


def segment_name(number: int) -> str:
    """File of the n-th segment of a track, counted from 1."""
    return f"{number}.m4s"


def split_chunk(
    path: Path, chunk: Chunk, rendition: Rendition, folder: Path, *, strict: bool
) -> EncodedChunk:
    """Cut one encoder output into `init.mp4` and `<number>.m4s` in `folder`. Blocking.

    Args:
        strict: every segment must have exactly the planned start, duration and frames. Otherwise frames may be
            missing inside (a damaged source), but each segment still begins on the grid's segment.

    Raises:
        Mismatch: it is not what was planned. Files may have been written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    init: ObjectRef | None = None
    codec = ""
    segments: list[Segment] = []
    for event in _events(path):
        if isinstance(event, InitSegment):
            track = event.movie.tracks[0]
            codec = track.codec
            if track.timescale != chunk.timescale:
                raise Mismatch(f"time scale {track.timescale}, planned {chunk.timescale}")
            init = write_object(folder, INIT, event.data)
        else:
            position = len(segments)
            if position == len(chunk.starts):
                if chunk.tail and (event.moof.tracks[0].first_pts or 0) >= chunk.end:
                    break  # what was encoded only for the encoder's foresight
                raise Mismatch(
                    f"more than the planned {len(chunk.starts)} segments: a key frame off the grid"
                )
            segments.append(_segment(event, chunk, rendition, position, folder, strict=strict))
    if init is None or len(segments) != len(chunk.starts):
        raise Mismatch(f"{len(segments)} segments, planned {len(chunk.starts)}")
    return EncodedChunk(rendition.name, chunk.number, codec, chunk.timescale, init, tuple(segments))


def _segment(
    fragment: Fragment, chunk: Chunk, rendition: Rendition, position: int, folder: Path, *, strict: bool
) -> Segment:
    number = chunk.first_segment + position
    track = fragment.moof.tracks[0]
    start = chunk.starts[position]
    is_last = position + 1 == len(chunk.starts)
    end = chunk.end if is_last else chunk.starts[position + 1]
    if not track.independent:
        raise Mismatch(f"segment {number} does not begin with a key frame")
    first = track.first_pts
    end_pts = track.end_pts
    if first is None or end_pts is None or track.base_decode_time is None:
        raise Mismatch(f"segment {number} has no times")
    if min(s.cts for s in track.samples) < 0:
        raise Mismatch(f"segment {number} shows a frame before it is decoded")
    if strict:
        _prove(chunk, rendition, position, (first, end_pts - first, track.sample_count), (start, end))
    elif not start <= first < end:
        raise Mismatch(f"segment {number} starts at {first}, planned {start} to {end}")
    stored = write_object(folder, segment_name(number), fragment.data)
    return Segment(
        start=first,
        duration=end_pts - first,
        size=stored.size,
        object=stored.object,
        sha256=stored.sha256,
        samples=track.sample_count,
        flags=SegmentFlag.INDEPENDENT,
    )


def _prove(
    chunk: Chunk, rendition: Rendition, position: int, found: tuple[int, int, int], planned: tuple[int, int]
) -> None:
    first, duration, samples = found
    start, end = planned
    where = f"segment {chunk.first_segment + position}"
    if first != start:
        raise Mismatch(f"{where} starts at {first}, planned {start}")
    expected = chunk.counts[position]
    if rendition.max_rate is not None:
        if not is_even(chunk, rendition):
            expected = samples  # which frames stay depends on their distances
        else:
            expected = -(-expected // rendition.every)
            end = start + expected * frame_step(chunk, rendition)  # the last of all may be a whole step long
    if start + duration != end:
        raise Mismatch(f"{where} lasts {duration}, planned {end - start}")
    if samples != expected:
        raise Mismatch(f"{where} has {samples} frames, planned {expected}")


def write_object(folder: Path, name: str, data: bytes) -> ObjectRef:
    """Write one object of a track's scratch folder; blocking, not atomic (the store publishes)."""
    (folder / name).write_bytes(data)
    return ObjectRef(name, 0, len(data), hashlib.sha256(data).hexdigest())


def _events(path: Path) -> Iterator[InitSegment | Fragment]:
    reader = FragmentReader()
    try:
        with path.open("rb") as file:
            while piece := file.read(_READ_BYTES):
                yield from reader.feed(piece)
        reader.close()
    except BoxError as error:
        # an encoder that was stopped leaves half a fragment: never a segment
        raise Mismatch(f"unreadable output: {error.message}") from error
