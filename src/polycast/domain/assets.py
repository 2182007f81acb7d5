"""Assets: something playable, its outputs, generations and tracks, and what is shown around it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from polycast.domain.states import AssetStatus, GenerationState, OutputStatus
from polycast.domain.titles import with_title


@dataclass(frozen=True, slots=True)
class SelectedTrack:
    """A track of a source that the asset shall have; `language` and `name` override the file's own."""

    track: str
    kind: str
    language: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class AssetSource:
    """One file of an asset and which of its tracks are used.

    `tracks` empty: the first video track, and (`auto_audio`) all audio tracks, or none of them.
    """

    file_uid: UUID
    kinds: tuple[str, ...] = ()
    tracks: tuple[SelectedTrack, ...] = ()
    auto_audio: bool = False


@dataclass(frozen=True, slots=True)
class Output:
    """One output; `progress` 0..1, `key` and `size` of a download."""

    num: int
    uid: UUID
    asset_num: int
    name: str
    preset: str
    kind: str
    main: bool
    status: OutputStatus
    progress: float
    error: str | None
    key: str | None
    size: int | None
    expires_at: datetime | None
    completed_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class RenditionProgress:
    """How far one rendition of an output is, 0..1."""

    name: str
    progress: float


@dataclass(frozen=True, slots=True)
class OutputProgress:
    output: Output
    asset_uid: UUID
    renditions: tuple[RenditionProgress, ...]


@dataclass(frozen=True, slots=True)
class Track:
    """One published track; `folder` is the generation whose folder holds its bytes."""

    name: str
    kind: str
    rendition: str
    folder: str
    codec: str
    width: int
    height: int
    frame_rate: str | None
    bandwidth: int
    average_bandwidth: int
    channels: int
    sample_rate: int
    language: str | None
    label: str | None
    is_default: bool
    duration_ms: int
    size: int


@dataclass(frozen=True, slots=True)
class Generation:
    """One immutable set of tracks of an output."""

    num: int
    uid: UUID
    output_num: int
    number: int
    state: GenerationState
    duration_ms: int | None
    tracks: tuple[Track, ...] = ()
    published_at: datetime | None = None

    @property
    def streams(self) -> bool:
        """Whether manifests can name it: the generation of a file for download has no tracks."""
        return any(t.kind in ("video", "audio") for t in self.tracks)


@dataclass(frozen=True, slots=True)
class Attachment:
    """A picture, storyboard or caption of an asset, stored under `key`."""

    uid: UUID
    kind: str
    position: int
    origin: str
    key: str
    content_type: str
    size: int
    language: str | None
    label: str | None
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Chapter:
    """Times in seconds; `end_s` None lasts to the next chapter or to the end."""

    uid: UUID
    title: str
    start_s: float
    end_s: float | None = None


@dataclass(frozen=True, slots=True)
class AssetImage:
    """A picture attached under a name of the asset's own (`poster`, `banner`)."""

    name: str
    image_uid: UUID | None
    file_name: str | None
    url: str | None
    file_key: str | None = None


@dataclass(frozen=True, slots=True)
class Tag:
    uid: UUID
    name: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Asset:
    """One asset as every dialect sees it. Lists come without `chapters` and `images` unless asked."""

    num: int
    uid: UUID
    tenant_num: int
    kind: str
    title: str
    description: str
    metadata: dict[str, Any]
    tags: tuple[str, ...]
    attributes: tuple[str, ...]
    status: AssetStatus
    error: str | None
    preset: str
    settings: dict[str, Any]
    collection_uid: UUID | None
    reference_id: str | None
    custom_id: str | None
    upload_type: str
    duration_ms: int | None
    width: int | None
    height: int | None
    frame_rate: float | None
    views: int
    watch_ms: int
    source_size: int
    stored_size: int
    uploaded_at: datetime | None
    playable_at: datetime | None
    created_at: datetime
    updated_at: datetime
    sources: tuple[AssetSource, ...] = ()
    outputs: tuple[Output, ...] = ()
    chapters: tuple[Chapter, ...] = ()
    images: tuple[AssetImage, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    generation: Generation | None = field(default=None)

    @property
    def growing(self) -> bool:
        """What plays is still being made: HLS alone, until it is whole. Lists do not know; they come without it."""
        return self.generation is not None and self.generation.state is GenerationState.GROWING

    @property
    def streams(self) -> bool:
        """HLS plays, and DASH once nothing grows. Lists do not know; they come without it."""
        return self.generation is not None and self.generation.streams

    @property
    def download(self) -> Output | None:
        """The one file that plays where nothing streams: the main output's own, once it was made."""
        main = self.main_output
        return main if main is not None and main.kind == "download" and main.key is not None else None

    @property
    def titled_metadata(self) -> dict[str, Any]:
        """The metadata as clients see them that look for the title there; `metadata` are those that were written."""
        return with_title(self.title, self.metadata)

    @property
    def main_output(self) -> Output | None:
        return next((o for o in self.outputs if o.main), None)

    @property
    def playable(self) -> bool:
        return self.status is AssetStatus.AVAILABLE
