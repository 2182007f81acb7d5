"""EXT-X-STREAM-INF and EXT-X-I-FRAME-STREAM-INF (RFC 8216bis 4.4.6.2, 4.4.6.3)."""

from dataclasses import dataclass

from polycast.protocols.errors import PlaylistError
from polycast.protocols.m3u8.primitives import Attributes, AttributeWriter, Resolution

NO_CAPTIONS = "NONE"


@dataclass(frozen=True, slots=True)
class Variant:
    """One variant stream.

    Attributes:
        bandwidth: peak bit/s of the variant with the most expensive rendition of each of its groups.
        codecs: RFC 6381 strings of everything the variant may play.
        frame_rate: frames a second, written with three decimals at most.
        closed_captions: a group id, or `NO_CAPTIONS` (then every variant must say so).
        score: relative preference among variants; on all of them or on none.
    """

    uri: str
    bandwidth: int
    average_bandwidth: int | None = None
    codecs: tuple[str, ...] = ()
    resolution: Resolution | None = None
    frame_rate: float | None = None
    video_range: str | None = None
    audio: str | None = None
    video: str | None = None
    subtitles: str | None = None
    closed_captions: str | None = None
    score: float | None = None

    @classmethod
    def parse(cls, text: str, uri: str) -> "Variant":
        a = Attributes.parse(text)
        captions = (
            a.quoted("CLOSED-CAPTIONS") if a.is_quoted("CLOSED-CAPTIONS") else a.enum("CLOSED-CAPTIONS")
        )
        return cls(
            uri=uri,
            bandwidth=_bandwidth(a),
            average_bandwidth=a.integer("AVERAGE-BANDWIDTH"),
            codecs=_codecs(a),
            resolution=a.resolution("RESOLUTION"),
            frame_rate=a.decimal("FRAME-RATE"),
            video_range=a.enum("VIDEO-RANGE"),
            audio=a.quoted("AUDIO"),
            video=a.quoted("VIDEO"),
            subtitles=a.quoted("SUBTITLES"),
            closed_captions=captions,
            score=a.decimal("SCORE"),
        )

    def render(self) -> str:
        w = AttributeWriter().plain("BANDWIDTH", self.bandwidth)
        w.plain("AVERAGE-BANDWIDTH", self.average_bandwidth).decimal("SCORE", self.score)
        w.quoted("CODECS", ",".join(self.codecs) or None)
        w.plain("RESOLUTION", self.resolution.render() if self.resolution else None)
        w.decimal("FRAME-RATE", self.frame_rate, digits=3).plain("VIDEO-RANGE", self.video_range)
        w.quoted("AUDIO", self.audio).quoted("VIDEO", self.video).quoted("SUBTITLES", self.subtitles)
        if self.closed_captions == NO_CAPTIONS:
            w.plain("CLOSED-CAPTIONS", NO_CAPTIONS)
        else:
            w.quoted("CLOSED-CAPTIONS", self.closed_captions)
        return w.render()


@dataclass(frozen=True, slots=True)
class IFrameVariant:
    """A playlist of key frames only, for scrubbing; it stands alone and has no groups."""

    uri: str
    bandwidth: int
    average_bandwidth: int | None = None
    codecs: tuple[str, ...] = ()
    resolution: Resolution | None = None
    video_range: str | None = None

    @classmethod
    def parse(cls, text: str) -> "IFrameVariant":
        a = Attributes.parse(text)
        return cls(
            uri=a.needed(a.quoted("URI"), "URI"),
            bandwidth=_bandwidth(a),
            average_bandwidth=a.integer("AVERAGE-BANDWIDTH"),
            codecs=_codecs(a),
            resolution=a.resolution("RESOLUTION"),
            video_range=a.enum("VIDEO-RANGE"),
        )

    def render(self) -> str:
        w = AttributeWriter().plain("BANDWIDTH", self.bandwidth)
        w.plain("AVERAGE-BANDWIDTH", self.average_bandwidth)
        w.quoted("CODECS", ",".join(self.codecs) or None)
        w.plain("RESOLUTION", self.resolution.render() if self.resolution else None)
        w.plain("VIDEO-RANGE", self.video_range)
        return w.uri("URI", self.uri).render()


def _bandwidth(a: Attributes) -> int:
    value = a.integer("BANDWIDTH")
    if value is None:
        raise PlaylistError("attribute BANDWIDTH is required")
    return value


def _codecs(a: Attributes) -> tuple[str, ...]:
    raw = a.quoted("CODECS")
    return tuple(c.strip() for c in raw.split(",") if c.strip()) if raw else ()
