"""A list of frames as a row of small messages: a film of a day has millions, too many for one line. Pure."""

from array import array
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

FRAMES_A_PIECE = 20_000
"""About 100 kB of JSON: parsed in a millisecond."""


def cut(pts: Sequence[int], keys: set[int]) -> Iterator[dict[str, Any]]:
    """The frames as pieces for `FrameList.add`, in order.

    Args:
        pts: presentation times in ticks, ascending.
        keys: those of them that are key frames.

    Yields:
        `{"pts": steps, "keys": places}`: each time as the distance to the one before (of the piece before; the
        first of all from 0), and the places within the piece, from 0, where the frame is a key frame.
    """
    before = 0
    for at in range(0, len(pts), FRAMES_A_PIECE):
        piece = pts[at : at + FRAMES_A_PIECE]
        yield {
            "pts": [b - a for a, b in zip([before, *piece], piece, strict=False)],
            "keys": [i for i, time in enumerate(piece) if time in keys],
        }
        before = piece[-1]


class FrameList:
    """Joins the pieces again: `pts` and `keys` in ticks, ascending."""

    def __init__(self) -> None:
        self.pts: array[int] = array("q")
        self.keys: array[int] = array("q")

    def add(self, piece: Mapping[str, Any]) -> None:
        """Take the next piece of `cut`."""
        before = self.pts[-1] if self.pts else 0
        times = list(accumulate(piece["pts"], initial=before))[1:]
        self.pts.extend(times)
        self.keys.extend(times[i] for i in piece["keys"])
