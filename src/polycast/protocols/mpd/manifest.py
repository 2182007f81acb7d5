"""From track logs to an MPD: pure, no clock (profile isoff-live, ISO/IEC 23009-1 8.4)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Final

from polycast.domain.tracks import SegmentFlag, TrackLog
from polycast.protocols.errors import ManifestError
from polycast.protocols.language import normalize
from polycast.protocols.mpd.model import AdaptationSet, Descriptor, Manifest, Representation, SegmentTemplate
from polycast.protocols.mpd.timeline import aligned, runs
from polycast.protocols.published import AnyTrack, PublishedTrack, frame_rate, published

_ROLE: Final = "urn:mpeg:dash:role:2011"
_CHANNELS: Final = "urn:mpeg:dash:23003:3:audio_channel_configuration:2011"
_CICP: Final = "urn:mpeg:mpegB:cicp:"
_THUMBNAILS: Final = "http://dashif.org/guidelines/thumbnail_tile"
# CICP code points (ISO/IEC 23091-2): primaries, transfer, matrix
_COLOUR: Final = {"PQ": (9, 16, 9), "HLG": (9, 18, 9)}


@dataclass(frozen=True, slots=True)
class Caption:
    """One WebVTT file beside the media; `uri` as it stands in the manifest."""

    name: str
    uri: str
    language: str | None = None
    label: str | None = None
    default: bool = False
    forced: bool = False
    bandwidth: int = 1000


@dataclass(frozen=True, slots=True)
class Thumbnails:
    """Sprite sheets: each holds `columns` x `rows` pictures, one every `interval_s`.

    Attributes:
        media: template with $Number$, from 1.
        width, height: of a whole sheet in pixels.
    """

    media: str
    columns: int
    rows: int
    interval_s: float
    width: int
    height: int
    bandwidth: int = 10_000
    mime_type: str = "image/jpeg"


@dataclass(frozen=True, slots=True)
class Growing:
    """What makes a manifest dynamic: the presentation is still being made.

    Attributes:
        availability_start: when its second 0 became available; the same in every version of the manifest.
        now: when this version is made.
        update_s: minimumUpdatePeriod.
    """

    availability_start: datetime
    now: datetime
    update_s: float = 4.0
    utc_timing: str | None = None


def manifest(
    tracks: Iterable[AnyTrack],
    *,
    captions: Sequence[Caption] = (),
    thumbnails: Thumbnails | None = None,
    growing: Growing | None = None,
    media: str = "$Number$.m4s",
    initialization: str = "init.mp4",
    start_number: int = 1,
) -> Manifest:
    """The MPD of a presentation, static unless `growing` says otherwise.

    One adaptation set for each codec family and range of video, and for each thing to listen to (language,
    label, codec family, channels); representations from low to high.

    Args:
        tracks: (name, log, folder of the segments in the manifest, with its slash); video and audio; other
            kinds are left out (I-frame playlists are HLS only, text comes as `captions`).
        media, initialization: file names behind each track's folder.
        start_number: number of the first segment of a log.

    Raises:
        ManifestError: nothing to play, a header without its log, or a static manifest of a log that still grows.
    """
    items = [t for t in published(tracks) if t.header.kind in ("video", "audio")]
    if not items:
        raise ManifestError("neither video nor audio to present")
    logs = {t.name: _log(t) for t in items}
    if growing is None and not all(log.complete for log in logs.values()):
        raise ManifestError("a track is still growing")
    sets: list[AdaptationSet] = []
    seen_kinds: set[str] = set()
    for members in _grouped(items):
        members.sort(key=lambda t: t.header.bandwidth)
        kind = members[0].header.kind
        chosen = any(t.default for t in members)
        is_main = kind == "video" or chosen or not (kind in seen_kinds or _has_default(items, kind))
        seen_kinds.add(kind)
        templates = [_template(t, logs[t.name], media, initialization, start_number) for t in members]
        sets.append(
            _media_set(len(sets), members, [logs[t.name] for t in members], templates, is_main=is_main)
        )
    sets.extend(_caption_set(len(sets) + index, caption) for index, caption in enumerate(captions))
    if thumbnails:
        sets.append(_thumbnail_set(len(sets), thumbnails))
    target = max(log.header.target_duration_s for log in logs.values())
    complete = all(log.complete for log in logs.values())
    return Manifest(
        adaptation_sets=tuple(sets),
        min_buffer_s=float(max(target, 1)),
        duration_s=max(_end(log) for log in logs.values()) if complete else None,
        availability_start=growing.availability_start if growing else None,
        publish_time=growing.now if growing else None,
        # a dynamic manifest without the attribute is final (5.3.1.2)
        update_s=growing.update_s if growing and not complete else None,
        utc_timing=growing.utc_timing if growing else None,
    )


def _log(track: PublishedTrack) -> TrackLog:
    if not isinstance(track.track, TrackLog):
        raise ManifestError(f"track {track.name} without its log")
    return track.track


def _end(log: TrackLog) -> Fraction:
    """Presentation time at which the track ends, in seconds."""
    if not log.segments:
        return Fraction(0)
    return max(Fraction(0), Fraction(log.segments[-1].end - log.header.offset, log.header.timescale))


def _has_default(items: Sequence[PublishedTrack], kind: str) -> bool:
    return any(t.default for t in items if t.header.kind == kind)


def _grouped(items: Sequence[PublishedTrack]) -> list[list[PublishedTrack]]:
    """Tracks by adaptation set, in order of first appearance, video first.

    Audio tracks of one language, label, codec and tier are different things: the second one opens another set.
    """
    sets: dict[tuple[object, ...], list[PublishedTrack]] = {}
    ordinals: dict[tuple[object, ...], int] = {}
    for track in sorted(items, key=lambda t: t.header.kind != "video"):
        header = track.header
        key: tuple[object, ...] = (header.kind, track.family, header.video_range)
        if header.kind == "audio":
            key = (header.kind, normalize(header.language), header.label, track.family, header.channels)
            ordinal = ordinals.get((*key, track.tier), 0)
            ordinals[(*key, track.tier)] = ordinal + 1
            key = (*key, ordinal)
        sets.setdefault(key, []).append(track)
    return list(sets.values())


def _template(
    track: PublishedTrack, log: TrackLog, media: str, initialization: str, start_number: int
) -> SegmentTemplate:
    folder = track.uri.replace("$", "$$")
    return SegmentTemplate(
        media=folder + media,
        initialization=folder + initialization if log.header.init is not None else None,
        timescale=log.header.timescale,
        start_number=start_number,
        presentation_time_offset=log.header.offset,
        timeline=runs(log.segments),
    )


def _media_set(
    number: int,
    members: Sequence[PublishedTrack],
    logs: Sequence[TrackLog],
    templates: Sequence[SegmentTemplate],
    *,
    is_main: bool,
) -> AdaptationSet:
    first = members[0].header
    independent = all(s.flags & SegmentFlag.INDEPENDENT for log in logs for s in log.segments)
    colour = _colour(first.video_range) if first.kind == "video" else ()
    return AdaptationSet(
        id=number,
        content_type=first.kind,
        mime_type=f"{first.kind}/mp4",
        language=normalize(first.language),
        label=first.label,
        aligned=aligned(logs),
        sap=1 if independent else None,
        descriptors=(*colour, Descriptor("Role", _ROLE, "main" if is_main else "alternate")),
        representations=tuple(
            _representation(track, template) for track, template in zip(members, templates, strict=True)
        ),
    )


def _representation(track: PublishedTrack, template: SegmentTemplate) -> Representation:
    header = track.header
    is_video = header.kind == "video"
    channels = (Descriptor("AudioChannelConfiguration", _CHANNELS, str(header.channels)),)
    return Representation(
        id=track.name,
        bandwidth=max(1, header.bandwidth),
        codecs=header.codec,
        width=header.width if is_video else 0,
        height=header.height if is_video else 0,
        frame_rate=frame_rate(header) if is_video else None,
        sample_rate=0 if is_video else header.sample_rate,
        descriptors=channels if header.channels and not is_video else (),
        template=template,
    )


def _colour(video_range: str) -> tuple[Descriptor, ...]:
    """HDR is announced as essential: a player that does not know it must not play it (DASH-IF IOP 6.2.5)."""
    if video_range not in _COLOUR:
        return ()
    names = ("ColourPrimaries", "TransferCharacteristics", "MatrixCoefficients")
    points = _COLOUR[video_range]
    return tuple(
        Descriptor("EssentialProperty", _CICP + name, str(point))
        for name, point in zip(names, points, strict=True)
    )


def _caption_set(number: int, caption: Caption) -> AdaptationSet:
    role = "forced-subtitle" if caption.forced else "subtitle"
    roles = [Descriptor("Role", _ROLE, role)]
    if caption.default:
        roles.append(Descriptor("Role", _ROLE, "main"))
    return AdaptationSet(
        id=number,
        content_type="text",
        mime_type="text/vtt",
        language=normalize(caption.language),
        label=caption.label,
        descriptors=tuple(roles),
        representations=(Representation(caption.name, max(1, caption.bandwidth), base_url=caption.uri),),
    )


def _thumbnail_set(number: int, sheets: Thumbnails) -> AdaptationSet:
    """Sprite sheets as DASH-IF tiles (DASH-IF IOP 6.2.6): one image segment is a sheet."""
    per_sheet = sheets.columns * sheets.rows
    ticks = round(sheets.interval_s * per_sheet * 1000)
    if ticks <= 0:
        raise ManifestError("thumbnails without duration")
    return AdaptationSet(
        id=number,
        content_type="image",
        mime_type=sheets.mime_type,
        representations=(
            Representation(
                id="thumbnails",
                bandwidth=max(1, sheets.bandwidth),
                width=sheets.width,
                height=sheets.height,
                descriptors=(
                    Descriptor("EssentialProperty", _THUMBNAILS, f"{sheets.columns}x{sheets.rows}"),
                ),
                template=SegmentTemplate(media=sheets.media, timescale=1000, duration=ticks),
            ),
        ),
    )
