"""Follows sound behind a time to its end, by its packets; demuxes, never decodes.

Request: path, indexes (of the sound's streams), from_s. Result: seconds (`follow`).
"""

from typing import Any

from polycast.media.children.opening import open_source
from polycast.media.children.protocol import main

_HOLE_S = 10.0
"""Sound behind a longer silence is not waited for. No packet lasts longer, whatever it says."""


def handle(request: dict[str, Any]) -> float:
    """Raises Unreadable: FFmpeg cannot open it."""
    with open_source(request["path"]) as container:
        streams = [container.streams[index] for index in request["indexes"]]
        return follow(container, streams, float(request["from_s"]))


def follow(container: Any, streams: list[Any], from_s: float) -> float:
    """Where sound that goes on behind `from_s` ends; `from_s` where none does. In seconds of the file's clock.

    Headers are not asked: what they say of a track's length may be the file's, or a guess, or wrong.
    """
    end = from_s
    try:
        # by the sound itself: where the picture has ended, some containers find nothing more
        container.seek(round(from_s / streams[0].time_base), stream=streams[0])
        for packet in container.demux(streams):
            if packet.size == 0 or packet.pts is None or packet.is_discard:
                continue
            start = float(packet.pts * packet.time_base)
            stop = start + min(float((packet.duration or 0) * packet.time_base), _HOLE_S)
            if start <= end + _HOLE_S:
                end = max(end, stop)
    except (
        OSError,
        ValueError,
        LookupError,
    ):  # PyAV's errors are one of these; what was heard so far is there
        return end
    return end


if __name__ == "__main__":
    main(handle)
