"""From track logs to HLS playlists: pure, no clock."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Final

from polycast.domain.tracks import Segment, SegmentFlag, TrackLog
from polycast.protocols import m3u8
from polycast.protocols.errors import PlaylistError
from polycast.protocols.language import display_name, normalize
from polycast.protocols.published import AnyTrack, PublishedTrack, frame_rate, published, unique_names

_START_BPS: Final = 3_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_CMAF_VERSION: Final = 6
"""EXT-X-MAP in ordinary playlists came with version 6 (RFC 8216bis section 8)."""


@dataclass(frozen=True, slots=True)
class Subtitle:
    """One subtitle rendition; `uri` is its media playlist (see `subtitle_playlist`)."""

    name: str
    uri: str
    language: str | None = None
    default: bool = False
    forced: bool = False
    characteristics: tuple[str, ...] = ()


def multivariant(
    tracks: Iterable[AnyTrack],
    *,
    subtitles: Sequence[Subtitle] = (),
    start0: bool = False,
    independent_segments: bool = True,
    session_keys: Sequence[m3u8.Key] = (),
) -> m3u8.MultivariantPlaylist:
    """The multivariant playlist of a presentation.

    Each video track is paired with each family of audio codecs. With video, audio is always in groups; audio
    alone becomes variants of its own, grouped only when there is something to choose between. The first
    variant, with which many players begin, is the best one below 3 Mbit/s; the others follow from low to high.

    Args:
        tracks: (name, log or header, uri of the media playlist); kinds video, audio, text, iframe.
        subtitles: WebVTT subtitles, in order of presentation; text tracks follow them.
        start0: players begin at the start although the playlists still grow (EXT-X-START, 4.4.2.2).
        independent_segments: each segment of each track starts with a key frame (4.4.2.1).
        session_keys: keys a player may load before it picks a variant.

    Raises:
        PlaylistError: neither video nor audio.
        ManifestError: a frame rate is not "num/den".
    """
    items = published(tracks)
    video = [t for t in items if t.header.kind == "video"]
    audio = [t for t in items if t.header.kind == "audio"]
    texts = [*subtitles, *(_text_rendition(t) for t in items if t.header.kind == "text")]
    if not video and not audio:
        raise PlaylistError("neither video nor audio to present")
    groups = _audio_groups(audio)
    subtitle_group = "subs" if texts else None
    if video:
        variants = [
            _video_variant(track, group, subtitle_group)
            for family in _by_family(groups) or [[]]
            for index, track in enumerate(_descending(video))
            # the best pictures go with the best sound when there are several tiers of it
            for group in [family[index * len(family) // len(video)] if family else None]
        ]
        renditions = [r for group in groups for r in group.renditions()]
    else:
        chosen = [group for group in groups if len(group.tracks) > 1]
        variants = [_audio_variant(group, subtitle_group) for group in groups]
        renditions = [r for group in chosen for r in group.renditions()]
    return m3u8.MultivariantPlaylist(
        variants=tuple(_start_first(variants)),
        renditions=(*renditions, *_subtitle_renditions(texts)),
        iframes=tuple(_iframe(t) for t in items if t.header.kind == "iframe"),
        session_keys=tuple(session_keys),
        independent_segments=independent_segments,
        start=m3u8.Start(0.0) if start0 else None,
        version=_CMAF_VERSION,
    )


def media_playlist(
    log: TrackLog,
    *,
    segment_uri: Callable[[int, Segment], str],
    init_uri: str,
    byte_ranges: bool = False,
    keys: tuple[m3u8.Key, ...] = (),
    target_s: int = 0,
) -> m3u8.MediaPlaylist:
    """The media playlist of one track: VOD when the log is complete, else EVENT that starts at 0.

    EXTINF is the difference of the rounded ends, so that the sum of all durations is never off by more than
    a microsecond.

    Args:
        segment_uri: from the index in the log, from 0, and the segment to its URI.
        init_uri: URI of the initialization section; ignored when the header names none.
        byte_ranges: the URIs name whole objects; the playlist says which bytes of them (4.4.4.2).
        keys: in force for all segments.
        target_s: least target duration: the playlists of all variants and sounds of a presentation must have the
            same one (6.2.4), see `target_duration`.
    """
    header = log.header
    scale = header.timescale
    init = None
    if header.init is not None:
        where = m3u8.ByteRange(header.init.size, header.init.offset) if byte_ranges else None
        init = m3u8.Map(init_uri, where)
    segments = tuple(
        m3u8.MediaSegment(
            uri=segment_uri(index, segment),
            duration=(_micros(segment.end, scale) - _micros(segment.start, scale)) / 1_000_000,
            byte_range=m3u8.ByteRange(segment.size, segment.offset) if byte_ranges else None,
            discontinuity=bool(segment.flags & SegmentFlag.DISCONTINUITY),
            gap=bool(segment.flags & SegmentFlag.GAP),
            program_date_time=_date(segment.wall_clock_us),
            keys=keys,
            map=init,
        )
        for index, segment in enumerate(log.segments)
    )
    return m3u8.MediaPlaylist(
        target_duration=max(target_duration(log), target_s),
        segments=segments,
        playlist_type=m3u8.VOD if log.complete else m3u8.EVENT,
        ended=log.complete,
        i_frames_only=header.kind == "iframe",
        independent_segments=all(s.flags & SegmentFlag.INDEPENDENT for s in log.segments),
        start=None if log.complete else m3u8.Start(0.0),
        version=_CMAF_VERSION if header.init is not None else 1,
    )


def target_duration(log: TrackLog) -> int:
    """EXT-X-TARGETDURATION of a track in seconds: the header's, unless a segment is longer than it promised."""
    longest = Fraction(max((s.duration for s in log.segments), default=0), log.header.timescale)
    return max(log.header.target_duration_s, int(longest + Fraction(1, 2)), 1)


def as_far_as_pictures(log: TrackLog, beside: Iterable[TrackLog]) -> TrackLog:
    """A growing sound, without what no picture reaches yet: players go on with the sound where both are listed.

    Args:
        beside: the logs of its presentation.
    """
    ends = [
        Fraction(each.segments[-1].end if each.segments else 0, each.header.timescale)
        for each in beside
        if each.header.kind == "video"
    ]
    if log.header.kind != "audio" or not ends:
        return log
    # sound is cut at the frame that is nearest to a picture's segment: its middle tells to which one it belongs
    end = min(ends) * 2 * log.header.timescale
    return replace(log, segments=tuple(s for s in log.segments if s.start + s.end < end))


def subtitle_playlist(uri: str, duration_s: float) -> m3u8.MediaPlaylist:
    """A media playlist around one whole WebVTT file (RFC 8216bis 3.1.4)."""
    duration = max(duration_s, 0.001)
    return m3u8.MediaPlaylist(
        target_duration=max(1, int(duration + 0.5)),
        segments=(m3u8.MediaSegment(uri, duration),),
        playlist_type=m3u8.VOD,
        ended=True,
    )


@dataclass(frozen=True, slots=True)
class _AudioGroup:
    """Audio of one codec family and tier: the choices a listener has."""

    group_id: str
    family: str
    tracks: tuple[PublishedTrack, ...]

    @property
    def bandwidth(self) -> int:
        """The variant's BANDWIDTH counts the most expensive rendition (4.4.6.2)."""
        return max(t.header.bandwidth for t in self.tracks)

    @property
    def average(self) -> int:
        return max(t.header.average_bandwidth for t in self.tracks)

    @property
    def codecs(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(t.header.codec for t in self.tracks))

    @property
    def default(self) -> PublishedTrack:
        return next((t for t in self.tracks if t.default), self.tracks[0])

    def renditions(self) -> list[m3u8.Rendition]:
        names = unique_names(_audio_name(t) for t in self.tracks)
        languages = [normalize(t.header.language) for t in self.tracks]
        default = self.tracks.index(self.default)
        return [
            m3u8.Rendition(
                type=m3u8.AUDIO,
                group_id=self.group_id,
                name=name,
                uri=track.uri,
                language=language,
                default=index == default,
                autoselect=auto,
                channels=str(track.header.channels) if track.header.channels else None,
            )
            for index, (name, track, language, auto) in enumerate(
                zip(names, self.tracks, languages, _autoselected(languages, default), strict=True)
            )
        ]


def _audio_groups(audio: Sequence[PublishedTrack]) -> list[_AudioGroup]:
    members: dict[tuple[str, int], list[PublishedTrack]] = {}
    for track in audio:
        members.setdefault((track.family, track.tier), []).append(track)
    several = len(members) > 1
    return [
        _AudioGroup(f"audio-{family}-{tier}" if several else "audio", family, tuple(tracks))
        for (family, tier), tracks in sorted(members.items(), key=lambda item: (item[0][0], item[0][1]))
    ]


def _by_family(groups: Sequence[_AudioGroup]) -> list[list[_AudioGroup]]:
    families: dict[str, list[_AudioGroup]] = {}
    for group in groups:
        families.setdefault(group.family, []).append(group)
    return list(families.values())


def _descending(tracks: Sequence[PublishedTrack]) -> list[PublishedTrack]:
    return sorted(tracks, key=lambda t: -t.header.bandwidth)


def _video_variant(track: PublishedTrack, group: _AudioGroup | None, subtitles: str | None) -> m3u8.Variant:
    header = track.header
    rate = frame_rate(header)
    return m3u8.Variant(
        uri=track.uri,
        bandwidth=max(1, header.bandwidth + (group.bandwidth if group else 0)),
        average_bandwidth=max(1, header.average_bandwidth + (group.average if group else 0)),
        codecs=tuple(dict.fromkeys((header.codec, *(group.codecs if group else ())))),
        resolution=m3u8.Resolution(header.width, header.height) if header.width and header.height else None,
        frame_rate=float(rate) if rate else None,
        video_range=header.video_range or None,
        audio=group.group_id if group else None,
        subtitles=subtitles,
        # Safari otherwise offers captions that are not there
        closed_captions=m3u8.NO_CAPTIONS,
    )


def _audio_variant(group: _AudioGroup, subtitles: str | None) -> m3u8.Variant:
    return m3u8.Variant(
        uri=group.default.uri,
        bandwidth=max(1, group.bandwidth),
        average_bandwidth=max(1, group.average),
        codecs=group.codecs,
        audio=group.group_id if len(group.tracks) > 1 else None,
        subtitles=subtitles,
    )


def _start_first(variants: list[m3u8.Variant]) -> list[m3u8.Variant]:
    ascending = sorted(variants, key=lambda v: v.bandwidth)
    first = next((v for v in reversed(ascending) if v.bandwidth <= _START_BPS), ascending[0])
    return [first, *(v for v in ascending if v is not first)]


def _audio_name(track: PublishedTrack) -> str:
    return track.header.label or display_name(track.header.language) or "Audio"


def _text_rendition(track: PublishedTrack) -> Subtitle:
    name = track.header.label or display_name(track.header.language) or "Subtitles"
    return Subtitle(name, track.uri, track.header.language, default=track.default)


def _subtitle_renditions(subtitles: Sequence[Subtitle]) -> list[m3u8.Rendition]:
    names = unique_names(s.name or display_name(s.language) or "Subtitles" for s in subtitles)
    # at most one member of a group may be the default (4.4.6.1.1)
    default = next((i for i, s in enumerate(subtitles) if s.default), None)
    kinds = [(normalize(s.language), s.forced, s.characteristics) for s in subtitles]
    return [
        m3u8.Rendition(
            type=m3u8.SUBTITLES,
            group_id="subs",
            name=name,
            uri=subtitle.uri,
            language=normalize(subtitle.language),
            default=index == default,
            autoselect=auto,
            forced=subtitle.forced,
            characteristics=subtitle.characteristics,
        )
        for index, (name, subtitle, auto) in enumerate(
            zip(names, subtitles, _autoselected(kinds, default), strict=True)
        )
    ]


def _autoselected(kinds: Sequence[object], default: int | None) -> list[bool]:
    """Which members of a group a player may choose by itself: one of each kind, so that it never takes a
    commentary for the film's own sound in that language (4.4.6.1.1)."""
    first = {kind: index for index, kind in reversed(list(enumerate(kinds)))}
    if default is not None:
        first[kinds[default]] = default
    return [first[kind] == index for index, kind in enumerate(kinds)]


def _iframe(track: PublishedTrack) -> m3u8.IFrameVariant:
    header = track.header
    return m3u8.IFrameVariant(
        uri=track.uri,
        bandwidth=max(1, header.bandwidth),
        average_bandwidth=max(1, header.average_bandwidth),
        codecs=(header.codec,),
        resolution=m3u8.Resolution(header.width, header.height) if header.width and header.height else None,
        video_range=header.video_range or None,
    )


def _micros(ticks: int, timescale: int) -> int:
    return round(Fraction(ticks * 1_000_000, timescale))


def _date(wall_clock_us: int | None) -> datetime | None:
    if wall_clock_us is None:
        return None
    try:
        return _EPOCH + timedelta(microseconds=wall_clock_us)
    except OverflowError as error:
        raise PlaylistError("wall clock out of range") from error
