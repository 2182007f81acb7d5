"""Where key frames are, as far as a container knows without its media being read."""

from math import inf
from typing import Any

_UNINDEXED = frozenset({"mpegts", "mpeg", "h264", "hevc", "obu", "ivf", "m4v", "mpegvideo"})
"""FFmpeg's index of these holds what happened to be read so far, with holes; elsewhere it is the file's own."""
_NEARLY = 0.9


class KeyIndex:
    """The index of one stream, in seconds; times are of decoding, a few frames before those of showing.

    It is asked anew each time: Matroska's arrives with the first seek, and grows where a file has no cues.
    """

    def __init__(self, container: Any, stream: Any) -> None:
        self._container = container
        self._stream = stream
        self.possible = container.format.name not in _UNINDEXED

    def key_s(self, time_s: float, *, backward: bool = True) -> float | None:
        """The key frame at or before (else at or behind) a time, None when that is not known."""
        entries = self._stream.index_entries
        if not self.possible or not len(entries):
            return None
        # Matroska without cues is indexed as far as it was read: nothing is known of what lies behind
        read_s = float(entries[len(entries) - 1].timestamp * self._stream.time_base)
        length_s = self._container.duration / 1e6 if self._container.duration else inf
        if time_s > read_s and read_s < _NEARLY * length_s:
            return None
        position = entries.search_timestamp(round(time_s / float(self._stream.time_base)), backward=backward)
        return float(entries[position].timestamp * self._stream.time_base) if position >= 0 else None

    def nearest_s(self, time_s: float) -> float | None:
        """The key frame nearest to a time on either side, None when that is not known."""
        keys = [self.key_s(time_s, backward=backward) for backward in (True, False)]
        return min((k for k in keys if k is not None), key=lambda k: abs(k - time_s), default=None)
