"""Where the frames of a source stand in time: the facts that grid and chunks are planned on."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from polycast.domain.media import VideoTrack

# Rates that a container may blur (Matroska keeps whole milliseconds, probes guess): tried before any guess.
_COMMON = tuple(
    Fraction(n, d)
    for n, d in (
        (24000, 1001), (24, 1), (25, 1), (30000, 1001), (30, 1), (48, 1), (50, 1), (60000, 1001), (60, 1),
        (10, 1), (12, 1), (15, 1), (20, 1), (100, 1), (120000, 1001), (120, 1), (12000, 1001), (15000, 1001),
    )
)  # fmt: skip
_MAX_HOLES = 0.02


@dataclass(frozen=True, slots=True)
class FrameIndex:
    """Presentation times of one video track, read from the packets without decoding.

    Attributes:
        time_base: seconds a tick of `pts`.
        pts: of each frame, ascending, no two equal; at least one.
        keys: PTS at which a decoder may start, ascending; a subset of `pts`.
        last_duration: ticks that the last frame is shown.
        exact: every packet is one shown frame with a time of its own (False: field pairs, missing times),
            so that counts of decoded frames can be held against it.
    """

    time_base: Fraction
    pts: Sequence[int]
    keys: Sequence[int]
    last_duration: int
    exact: bool = True

    def seconds(self, pts: int) -> Fraction:
        return pts * self.time_base


@dataclass(frozen=True, slots=True)
class Lattice:
    """A steady rate: frame `i` of the index stands at place `places[i]`, each place lasting 1/rate.

    `holes` places between the first and the last have no frame (dropped by the camera or the network).
    """

    rate: Fraction
    places: Sequence[int]

    @property
    def holes(self) -> int:
        return self.places[-1] + 1 - len(self.places)


def find_lattice(frames: FrameIndex, video: VideoTrack) -> Lattice | None:
    """The steady rate of a source, or None where frames come as they like.

    Containers round times and probes guess rates; only the frames themselves tell. A rate is accepted when
    every frame is within a quarter of a frame of its own place and at most 2 % of the places are empty.
    """
    if len(frames.pts) < 2:
        rate = video.nominal_rate or video.frame_rate or Fraction(25)
        return Lattice(rate, (0,)) if 0 < rate <= 240 else None
    span = frames.seconds(frames.pts[-1] - frames.pts[0])
    measured = (len(frames.pts) - 1) / span
    guesses = [r for r in (video.nominal_rate, video.frame_rate) if r]
    near = sorted((*guesses, *_COMMON), key=lambda r: abs(r / measured - 1))
    fits: list[tuple[Fraction, Lattice]] = []
    for rate in dict.fromkeys(near):
        # holes make the true rate higher than the measured one, never lower (beyond rounding)
        if Fraction(995, 1000) * measured <= rate <= measured * Fraction(1 + 2 * _MAX_HOLES) and rate <= 240:
            places = _places(frames, rate)
            if places is not None:
                # short sources fit more than one rate: with its holes counted, the true one has no remainder
                fits.append((abs(places[-1] / (span * rate) - 1), Lattice(rate, places)))
    return min(fits, key=lambda fit: fit[0], default=(None, None))[1]


def _places(frames: FrameIndex, rate: Fraction) -> Sequence[int] | None:
    # integers throughout: an hour has 200 000 frames and Fraction arithmetic would take a second
    step = rate * frames.time_base
    num, den = step.numerator, step.denominator
    first, last_place = frames.pts[0], -1
    places = array("q")
    for pts in frames.pts:
        scaled = (pts - first) * num
        place = (2 * scaled + den) // (2 * den)
        if place <= last_place or 4 * abs(scaled - place * den) > den:
            return None
        places.append(place)
        last_place = place
    if places[-1] + 1 - len(places) > max(2, _MAX_HOLES * len(places)):
        return None
    return places
