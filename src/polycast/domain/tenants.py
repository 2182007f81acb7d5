"""Settings of a tenant: one typed value, stored as JSON, missing members at their defaults."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class TenantSettings:
    """What a tenant may switch.

    Attributes:
        token_required, dev_tools_access, concurrency_protection, player_analytics, code_obfuscation:
            defaults of the playback switches that an asset may override.
        resolutions: names of rungs (`720p`) that VOD ladders are limited to; empty = all that a preset has.
        live_resolutions: the same for live streams.
        keep_original: keep the uploaded file after encoding.
        early_play: let the first generation play before the ladder is whole.
        mp4_fallback: also make MP4 files of the published renditions.
        continue_watching: the player remembers where a viewer stopped.
        preset: preset of assets whose creator names none.
    """

    token_required: bool = False
    dev_tools_access: bool = True
    concurrency_protection: bool = False
    player_analytics: bool = True
    code_obfuscation: bool = False
    resolutions: tuple[str, ...] = ()
    live_resolutions: tuple[str, ...] = ()
    keep_original: bool = True
    early_play: bool = True
    mp4_fallback: bool = False
    continue_watching: bool = False
    video_drm: bool = False
    live_drm: bool = False
    token_authentication: bool = False
    webhook_url: str = ""
    vast_url: str = ""
    preset: str = "dash_hls_1080p"

    def to_json(self) -> dict[str, Any]:
        """A JSON object with all members."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "TenantSettings":
        """The inverse of `to_json`; unknown members are ignored, missing ones at their default."""
        known = {f.name for f in fields(cls)}
        values: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in data.items() if k in known
        }
        return cls(**values)


SWITCHES = (
    "token_required",
    "dev_tools_access",
    "concurrency_protection",
    "player_analytics",
    "code_obfuscation",
)
"""Playback switches that exist per tenant and, inheriting, per asset."""
