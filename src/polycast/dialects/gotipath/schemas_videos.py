"""Videos on the wire: what callers send and what they get, member by member as the contract lists them."""

from typing import Annotated, Any

from pydantic import Field, StringConstraints

from polycast.dialects.gotipath.wire import Body, example

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1024)]
Reference = Annotated[str, StringConstraints(max_length=256)]


class CreateVideo(Body):
    """create_video. `reference_id` and `custom_id1` may be given at once, to be looked up by later."""

    model_config = Body.model_config | {
        "json_schema_extra": example(name="Harbour at dawn", collection_id="")
    }

    name: Name
    collection_id: str | None = None
    description: Annotated[str, StringConstraints(max_length=65_536)] | None = None
    reference_id: Reference | None = None
    custom_id1: Reference | None = None


class UpdateVideo(Body):
    """update_video; members that are absent or null keep their value."""

    model_config = Body.model_config | {"json_schema_extra": example(name="Harbour at dawn, part 1")}

    name: Name | None = None
    collection_id: str | None = None
    description: Annotated[str, StringConstraints(max_length=65_536)] | None = None
    tags: list[str] | None = None
    meta_data: dict[str, Any] | None = None
    reference_id: Reference | None = None
    custom_id1: Reference | None = None


class UpdateVideoById(UpdateVideo):
    """update_videos_stub: the id in the body."""

    model_config = Body.model_config | {
        "json_schema_extra": example(id="6d0f3c1a-52b7-4e0a-9a5e-0c1f7b8d2e11", name="Harbour at dusk")
    }

    id: str


class PullVideo(Body):
    """pull_video"""

    model_config = Body.model_config | {
        "json_schema_extra": example(
            name="Tide table", url="https://media.example.test/tide.mp4", custom_id_1="lesson-0042"
        )
    }

    name: Name
    url: Annotated[str, StringConstraints(min_length=1, max_length=8192)]
    request_headers: dict[str, str] | None = None
    custom_id_1: Reference | None = None
    collection_id: str | None = None


class _VideoBase(Body):
    id: str
    library_id: str
    collection_id: str = Field(description="'' when none")
    name: str
    views: int
    length: int = Field(description="seconds")
    status: str = Field(description="pending, pulling, queue, processing, transcoding, playable or failed")
    framerate: int
    width: int
    height: int
    uploaded_at: str
    created_at: str
    updated_at: str


class _RawVideo(_VideoBase):
    customer_id: str = ""
    raw_path: str = ""
    raw_file_name: str = ""
    thumbnail_path: str = ""
    thumbnail_paths: list[str] | None = None
    captions: list[dict[str, Any]] | None = None
    chapters: list[dict[str, Any]] | None = None
    tags: list[str] | None = None
    meta_data: dict[str, Any] | None = None
    moments: list[dict[str, Any]] | None = None
    transcoding_progress: int


class Video(_RawVideo):
    """The raw record, as answered by create."""

    thumbnail_count: str = ""
    UploadType: str = ""
    UploadThrow: str = ""
    TotalWatchTime: int = 0


class PulledVideo(_RawVideo):
    """The raw record, as answered by pull."""

    thumbnail_count: int = 0
    raw_size: int = Field(description="bytes the source announces")
    transcoding_size: int = 0
    size: int = 0
    vast_url: str = ""
    total_watch_time: int = 0
    advertisement_id: str = ""


class Caption(Body):
    """A WebVTT file of a video."""

    language: str
    label: str
    url: str


class Chapter(Body):
    """A named stretch; seconds."""

    title: str
    start: float
    end: float


class VideoListItem(_VideoBase):
    """A video in a list; dates as DD-Mon-YYYY, duration as 2m5s."""

    formatted_duration: str
    thumbnail_url: str
    preview_animation_thumbnail_url: str
    thumbnail_paths: list[str] | None = None
    captions: list[Caption] = Field(default_factory=list)
    chapters: list[Chapter] = Field(default_factory=list)
    moments: dict[str, Any] = Field(default_factory=dict)
    direct_play_url: str
    manifest_url: str
    reference_id: str
    custom_id1: str


class PlaylistEntry(Body):
    """One rendition."""

    preset: str
    uri: str


class HlsOutput(Body):
    """Renditions with the manifest that leads to them."""

    playlist: list[PlaylistEntry]
    protocol: str
    manifest: str


class FileOutput(Body):
    """Renditions as plain files."""

    playlist: list[PlaylistEntry]
    protocol: str


class VideoDetail(_VideoBase):
    """One video; dates in whole seconds, duration as 02:05, `size` of all renditions in words."""

    formatted_duration: str
    upload_type: str
    thumbnail_url: str
    thumbnail_count: int
    preview_animation_thumbnail_url: str
    captions: list[Caption]
    chapters: list[Chapter]
    moments: list[dict[str, Any]] = Field(default_factory=list)
    direct_play_url: str
    manifest_url: str
    transcoding_progress: int
    raw_size: int
    size: str
    outputs: list[HlsOutput | FileOutput]
    reference_id: str
    custom_id1: str
    description: str
    tags: list[str]
    meta_data: dict[str, Any]
    error_message: str = Field(description="why the video, or its newest file, failed; '' otherwise")
