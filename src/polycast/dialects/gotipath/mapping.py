"""Domain to wire: videos and what belongs to them, made in one place."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from polycast.dialects.gotipath.schemas_videos import (
    Caption,
    Chapter,
    FileOutput,
    HlsOutput,
    PlaylistEntry,
    PulledVideo,
    Video,
    VideoDetail,
    VideoListItem,
)
from polycast.dialects.gotipath.wire import clock, day, go_duration, human_size, moment, second
from polycast.domain.access import Caller
from polycast.domain.assets import Asset
from polycast.domain.states import AssetStatus, OutputStatus
from polycast.services.links import Links
from polycast.services.registry import Services

_STATUS = {
    AssetStatus.PENDING: "pending",
    AssetStatus.PULLING: "pulling",
    AssetStatus.QUEUED: "queue",
    AssetStatus.PROCESSING: "processing",
    AssetStatus.AVAILABLE: "playable",
    AssetStatus.ERROR: "failed",
}


@dataclass(frozen=True, slots=True)
class Look:
    """Addresses as one request's caller sees them."""

    services: Services
    base: str

    @property
    def player(self) -> str:
        """Origin of player pages."""
        return self.services.player_origin or self.base

    def pages(self, library: UUID) -> str:
        """What the addresses of a library's player pages begin with."""
        return f"{self.player}/stream/{library}"

    def page(self, library: UUID, video: UUID) -> str:
        """The embeddable player of a video; `default` stands where integrators put the id of another theme."""
        return f"{self.pages(library)}/default/{video}"


def status(asset: Asset) -> str:
    """The status in Gotipath's words (docs/domain.md).

    `transcoding` is when the first picture is being encoded and nothing plays yet; once something plays
    the video is `playable`, also while better renditions are still being made.
    """
    if asset.status is AssetStatus.PROCESSING and progress(asset) > 0:
        return "transcoding"
    return _STATUS[asset.status]


def progress(asset: Asset) -> int:
    """Percent; 100 only when nothing more is made, also of a file that could not take another one's place."""
    main = asset.main_output
    if main is None or asset.status in (AssetStatus.PENDING, AssetStatus.PULLING):
        return 0
    over = main.status is OutputStatus.AVAILABLE or (asset.playable and main.status is OutputStatus.ERROR)
    return 100 if over else min(99, int(main.progress * 100))


def created(caller: Caller, asset: Asset) -> Video:
    """Video, of create."""
    return Video(**_base(caller, asset, moment), transcoding_progress=progress(asset))


def pulled(caller: Caller, asset: Asset, raw_size: int) -> PulledVideo:
    """PulledVideo; its uploaded_at is the time of the request, as in the vendor's sample."""
    values = _base(caller, asset, moment) | {"uploaded_at": moment(asset.uploaded_at or asset.created_at)}
    return PulledVideo(**values, transcoding_progress=progress(asset), raw_size=raw_size)


def listed(caller: Caller, asset: Asset, look: Look) -> VideoListItem:
    """VideoListItem."""
    return VideoListItem(
        **_base(caller, asset, day),
        **_addresses(caller, asset, look),
        formatted_duration=go_duration(_length(asset)),
        captions=_captions(asset, Links(look.base)),
        chapters=_chapters(asset),
        reference_id=asset.reference_id or "",
        custom_id1=asset.custom_id or "",
    )


def detail(caller: Caller, asset: Asset, look: Look) -> VideoDetail:
    """VideoDetail."""
    links = Links(look.base)
    return VideoDetail(
        **_base(caller, asset, second),
        **_addresses(caller, asset, look),
        formatted_duration=clock(_length(asset)),
        upload_type=asset.upload_type,
        thumbnail_count=sum(a.kind == "frame" for a in asset.attachments),
        captions=_captions(asset, links),
        chapters=_chapters(asset),
        transcoding_progress=progress(asset),
        raw_size=asset.source_size,
        size=human_size(asset.stored_size),
        outputs=_outputs(asset, links),
        reference_id=asset.reference_id or "",
        custom_id1=asset.custom_id or "",
        description=asset.description,
        tags=list(asset.tags),
        meta_data=asset.metadata,
        error_message=_error(asset),
    )


def _error(asset: Asset) -> str:
    """Why the video failed, or why its newest file could not take the place of the one that plays."""
    main = asset.main_output
    return asset.error or (main.error if main is not None else None) or ""


def _length(asset: Asset) -> int:
    return round((asset.duration_ms or 0) / 1000)


def _base(caller: Caller, asset: Asset, date: Any) -> dict[str, Any]:
    return {
        "id": str(asset.uid),
        "library_id": str(caller.tenant.uid),
        "collection_id": str(asset.collection_uid or ""),
        "name": asset.title,
        "views": asset.views,
        "length": _length(asset),
        "status": status(asset),
        "framerate": round(asset.frame_rate or 0),
        "width": asset.width or 0,
        "height": asset.height or 0,
        "uploaded_at": date(asset.uploaded_at),
        "created_at": date(asset.created_at),
        "updated_at": date(asset.updated_at),
    }


def _addresses(caller: Caller, asset: Asset, look: Look) -> dict[str, str]:
    """Stable from the first moment on, so that they may be stored before the video plays.

    A video that is made as one file for download never has a manifest.
    """
    links = Links(look.base)
    pictures = asset.width is not None or not asset.playable  # sound alone has none
    main = asset.main_output
    return {
        "thumbnail_url": links.thumbnail(asset.uid) if pictures else "",
        "preview_animation_thumbnail_url": links.preview(asset.uid) if pictures else "",
        "direct_play_url": look.page(caller.tenant.uid, asset.uid),
        "manifest_url": "" if main is not None and main.kind == "download" else links.hls(asset.uid),
    }


def _captions(asset: Asset, links: Links) -> list[Caption]:
    return [
        Caption(language=a.language or "und", label=a.label or "", url=links.attachment(a))
        for a in asset.attachments
        if a.kind == "caption"
    ]


def _chapters(asset: Asset) -> list[Chapter]:
    total = (asset.duration_ms or 0) / 1000
    found = []
    for n, chapter in enumerate(asset.chapters):
        following = asset.chapters[n + 1].start_s if n + 1 < len(asset.chapters) else total
        end = chapter.end_s if chapter.end_s is not None else max(following, chapter.start_s)
        found.append(Chapter(title=chapter.title, start=chapter.start_s, end=end))
    return found


def _outputs(asset: Asset, links: Links) -> list[HlsOutput | FileOutput]:
    """What plays now: the renditions of the newest generation, and their files where the library wants them.

    Of a video that is one file for download, that file.
    """
    found: list[HlsOutput | FileOutput] = []
    generation = asset.generation
    if generation is not None and generation.streams:
        rungs = sorted((t for t in generation.tracks if t.kind == "video"), key=lambda t: (t.height, t.name))
        entries = [
            PlaylistEntry(preset=t.rendition, uri=links.media(asset.uid, f"g/{generation.uid}/{t.name}.m3u8"))
            for t in rungs
        ]
        found.append(HlsOutput(playlist=entries, protocol="hls", manifest=links.hls(asset.uid)))
    files = sorted((a for a in asset.attachments if a.kind == "mp4"), key=lambda a: a.position)
    entries = [PlaylistEntry(preset=a.label or "", uri=links.attachment(a)) for a in files]
    if not asset.streams and (download := asset.download) is not None:
        entries = [PlaylistEntry(preset=download.preset, uri=f"{links.base}/{download.key}")]
    if entries:
        found.append(FileOutput(playlist=entries, protocol="mp4"))
    return found
