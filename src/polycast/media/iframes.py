"""I-frame playlists out of published segments: where the first key frame of each stands. No byte is copied.

A range begins with its segment (the `moof` says how to decode what follows) and ends behind the first sample
(RFC 8216bis 4.4.3.6); players use it for fast winding and for pictures on the seek bar.
"""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from polycast.domain.errors import IntegrityError, NotFound
from polycast.domain.tracks import Segment, SegmentFlag, TrackLog
from polycast.protocols.bandwidth import measure
from polycast.protocols.errors import BoxError
from polycast.protocols.isobmff import TrackDefaults, iter_boxes, read_moof, read_moov

Read = Callable[[str, int, int], Awaitable[bytes]]
"""(object, offset, bytes) -> these bytes, fewer at the object's end"""
HEAD_BYTES = 256 << 10
"""More than `styp` and `moof` of any segment; what to read of one that lies in a remote store."""


def key_frame_end(head: bytes, defaults: Mapping[int, TrackDefaults] | None = None) -> int | None:
    """Bytes from the start of a segment to the end of its first sample; None when that is no key frame.

    Args:
        head: the segment's first `HEAD_BYTES`, or all of it.
        defaults: `read_moov(init).defaults`.

    Raises:
        BoxError: the bytes are no segment.
    """
    for box in iter_boxes(head):
        if box.type == "moof":
            fragment = read_moof(head, defaults)
            if (
                len(fragment.tracks) != 1
                or not fragment.track.independent
                or fragment.track.data_offset is None
            ):
                return None
            return box.start + fragment.track.data_offset + fragment.track.samples[0].size
    raise BoxError("no moof box")


async def iframe_log(read: Read, log: TrackLog) -> TrackLog:
    """The I-frame track of a video track, over the same objects.

    Segments that do not begin with a key frame are left out, and the picture before them stands for longer.

    Args:
        read: bytes of the objects of `log`.

    Raises:
        IntegrityError: an object is missing, or is no segment.
    """
    header = log.header
    found: list[Segment] = []
    try:
        defaults = None
        if header.init is not None:
            defaults = read_moov(
                await read(header.init.object, header.init.offset, header.init.size)
            ).defaults
        for segment in log.segments:
            picture = None if segment.flags & SegmentFlag.GAP else await _picture(read, segment, defaults)
            if picture is not None:
                found.append(picture)
            elif found:
                found[-1] = replace(found[-1], duration=segment.end - found[-1].start)
    except (OSError, NotFound, BoxError) as error:
        raise IntegrityError("a segment of the track cannot be read") from error
    rate = measure(found, timescale=header.timescale, target_s=header.target_duration_s)
    longest = max((s.duration / header.timescale for s in found), default=0.0)
    return TrackLog(
        header=replace(
            header,
            kind="iframe",
            bandwidth=rate.peak,
            average_bandwidth=rate.average,
            target_duration_s=max(header.target_duration_s, round(longest)),
            frame_rate=None,
        ),
        segments=tuple(found),
        epoch=log.epoch,
        complete=log.complete,
    )


async def _picture(
    read: Read, segment: Segment, defaults: Mapping[int, TrackDefaults] | None
) -> Segment | None:
    data = await read(segment.object, segment.offset, min(HEAD_BYTES, segment.size))
    size = key_frame_end(data, defaults)
    if size is None:
        return None
    if not 0 < size <= segment.size:
        raise BoxError("the first sample ends outside its segment")
    if size > len(data):
        data = await read(segment.object, segment.offset, size)
    if len(data) < size:
        raise BoxError("the segment is cut off")
    return replace(
        segment,
        size=size,
        sha256=hashlib.sha256(data[:size]).hexdigest(),
        samples=1,
        flags=SegmentFlag.INDEPENDENT | (segment.flags & SegmentFlag.DISCONTINUITY),
    )
