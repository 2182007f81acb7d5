"""Libraries on the wire."""

from typing import Annotated, Any

from pydantic import StringConstraints

from polycast.dialects.gotipath.wire import Body, example

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Address = Annotated[str, StringConstraints(max_length=2048)]


class CreateLibrary(Body):
    """create_library"""

    model_config = Body.model_config | {"json_schema_extra": example(name="Demo")}

    name: Name


class UpdateLibrary(Body):
    """update_library; empty or null resolutions mean all up to 1080p, larger ones are made where they are named."""

    model_config = Body.model_config | {
        "json_schema_extra": example(
            name="Demo", enabled_video_resolutions=["240p", "720p"], enable_mp4_fallback=True
        )
    }

    name: Name | None = None
    webhook_secret: Annotated[str, StringConstraints(max_length=1024)] | None = None
    webhook_url: Address | None = None
    enabled_live_resolutions: list[str] | None = None
    enabled_video_resolutions: list[str] | None = None
    enable_keep_original_file: bool | None = None
    enable_early_play: bool | None = None
    enable_mp4_fallback: bool | None = None
    enable_continue_watch: bool | None = None
    vast_tag_url: Address | None = None
    enable_video_drm: bool | None = None
    enable_live_drm: bool | None = None
    enable_token_authentication: bool | None = None


class Library(Body):
    """A library; storage in bytes."""

    id: str
    customer_id: str
    name: str
    api_key: str
    raw_storage: int
    transcode_storage: int
    total_storage: int
    cdn_volume: int
    total_video: int
    encoding_output_hour: int
    webhook_secret: str
    webhook_url: str
    video_distribution_url: str
    video_distribution_id: str = ""
    live_distribution_url: str
    live_distribution_id: str = ""
    enabled_live_resolutions: list[str] | None
    enabled_video_resolutions: list[str] | None
    enable_keep_original_file: bool
    enable_early_play: bool
    enable_mp4_fallback: bool
    show_heatmap: bool = False
    enable_continue_watch: bool
    enable_live_watermark: bool = False
    enable_video_watermark: bool = False
    video_watermark: dict[str, Any] | None = None
    live_watermark: dict[str, Any] | None = None
    vast_tag_url: str
    allow_direct_play: str = ""
    direct_play_url: str
    enable_video_drm: bool
    enable_live_drm: bool
    enable_token_authentication: bool
    allowed_referer: bool = False
    country_access_control: dict[str, Any] | None = None
    ip_access_control: dict[str, Any] | None = None
    token_access_control: str = ""
    created_at: str
    updated_at: str
    deleted_at: str | None
