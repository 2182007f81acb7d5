"""What a manifest needs to know of a track beside its log."""

from collections.abc import Iterable
from fractions import Fraction
from typing import NamedTuple

from polycast.domain.tracks import TrackHeader, TrackLog
from polycast.protocols.codecs import codec_family
from polycast.protocols.errors import ManifestError


class PublishedTrack(NamedTuple):
    """One track of a presentation.

    Attributes:
        name: unique within the presentation; DASH Representation id.
        track: its log; for a multivariant playlist the header is enough.
        uri: HLS: its media playlist. DASH: the folder of its segments, with the slash at the end or empty.
        tier: audio only. Tracks that differ in nothing but quality get tiers 0 (best), 1, …; tracks of the
            same tier are different things to listen to, each offered under its own name.
        default: audio and text: chosen without the viewer's doing; without any, the first one is.
    """

    name: str
    track: TrackLog | TrackHeader
    uri: str
    tier: int = 0
    default: bool = False

    @property
    def header(self) -> TrackHeader:
        return self.track.header if isinstance(self.track, TrackLog) else self.track

    @property
    def family(self) -> str:
        return codec_family(self.header.codec)


AnyTrack = PublishedTrack | tuple[str, TrackLog | TrackHeader, str]


def published(tracks: Iterable[AnyTrack]) -> list[PublishedTrack]:
    """Plain (name, track, uri) triples as published tracks."""
    return [PublishedTrack(*track) for track in tracks]


def frame_rate(header: TrackHeader) -> Fraction | None:
    """The header's rate, or None; raises ManifestError when it is not "num/den"."""
    if not header.frame_rate:
        return None
    try:
        rate = Fraction(header.frame_rate)
    except (ValueError, ZeroDivisionError) as error:
        raise ManifestError("frame rate is not a fraction") from error
    return rate if rate > 0 else None


def unique_names(names: Iterable[str]) -> list[str]:
    """The same names, later equal ones numbered: players list them side by side."""
    taken: set[str] = set()
    result: list[str] = []
    for name in names:
        candidate, number = name, 2
        while candidate in taken:
            candidate, number = f"{name} {number}", number + 1
        taken.add(candidate)
        result.append(candidate)
    return result
