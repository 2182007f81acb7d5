"""How much a picture tells: for choosing one that stands for a video. Pure."""

from collections.abc import Sequence
from math import log2

BLACK = 26
"""Mean luma (of 255) below which a picture is dark; limited-range black is 16 and encoders add noise."""
DULL = 1.0
"""A score below this shows little more than one colour."""


def score(luma: bytes, width: int) -> float:
    """0 for a blank picture; higher for light, contrast and detail. `luma`: one byte a pixel, full range.

    The measure is the entropy of brightness, weighed by how much neighbours differ: titles on black, fades and
    walls have little of one or the other.
    """
    if not luma:
        return 0.0
    mean = sum(luma) / len(luma)
    counts = [0] * 32
    for value in luma:
        counts[value >> 3] += 1
    entropy = -sum(n / len(luma) * log2(n / len(luma)) for n in counts if n)
    steps = [abs(luma[i] - luma[i + 1]) for i in range(len(luma) - 1) if (i + 1) % width]
    detail = min(1.0, sum(steps) / max(1, len(steps)) / 8)
    light = 1.0 if BLACK < mean < 240 else 0.2
    return entropy * (0.5 + detail) * light


def best(scores: Sequence[float]) -> int:
    """The place of the picture to take: an earlier one, unless a later one is clearly better. Raises ValueError for none."""
    if not scores:
        raise ValueError("nothing to choose from")
    top = max(scores)
    return next(i for i, value in enumerate(scores) if value >= top * 0.8)
