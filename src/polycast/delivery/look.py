"""From a playable asset to the configuration of its player page."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from polycast.delivery import pages
from polycast.domain.assets import Asset
from polycast.domain.states import AssetStatus, OutputStatus
from polycast.services.playback import Playable

T = TypeVar("T")


def theme(data: Mapping[str, Any]) -> pages.Theme:
    """A stored theme; members that are missing, unknown or of another kind take their default."""
    return _load(pages.Theme, data)


def _load(kind: type[T], data: Mapping[str, Any]) -> T:
    values: dict[str, Any] = {}
    default = kind()
    for f in fields(kind):  # type: ignore[arg-type]
        if f.name not in data:
            continue
        value, usual = data[f.name], getattr(default, f.name)
        if is_dataclass(usual):
            if isinstance(value, Mapping):
                values[f.name] = _load(type(usual), value)
        elif usual is None or isinstance(value, type(usual)):
            values[f.name] = value
    return kind(**values)


def player_config(
    found: Playable,
    *,
    base: str,
    prefix: str,
    start: pages.Start | None = None,
    query: str = "",
    measured: bool = True,
) -> pages.PlayerConfig:
    """What the player of an asset knows.

    Args:
        base: public origin of media, pages and beacons.
        prefix: "" or `/s/{token}` for assets that play only in a session.
        query: of the configuration's own address, with its question mark.
        measured: whether this viewing may be; the asset's own switch can forbid it, too.
    """
    asset = found.asset
    media = f"{base}{prefix}/media/{asset.uid}"
    sources = pages.Sources()
    if asset.streams:
        sources = pages.Sources(
            hls=f"{media}/playlist.m3u8", dash=None if asset.growing else f"{media}/manifest.mpd"
        )
    elif asset.download is not None:
        sources = pages.Sources(mp4=f"{base}{prefix}/{asset.download.key}")
    kinds = {a.kind for a in asset.attachments}
    return pages.PlayerConfig(
        asset=pages.AssetInfo(
            code=found.code,
            title=asset.title or "Untitled",
            description=asset.description,
            duration_s=asset.duration_ms / 1000 if asset.duration_ms else None,
            kind="audio" if sound_only(asset) else "video",
            width=asset.width,
            height=asset.height,
        ),
        sources=sources,
        status=_status(asset),
        message=asset.error if asset.status is AssetStatus.ERROR else None,
        progress=asset.main_output.progress if asset.main_output else None,
        config_url=f"{base}/play/{found.code}/config.json{query}",
        generation=str(asset.generation.uid) if asset.generation else None,
        complete=asset.main_output is None or asset.main_output.status is not OutputStatus.PROCESSING,
        poster=poster_url(asset, base),
        storyboard=f"{media}/storyboard.vtt" if "storyboard" in kinds else None,
        chapters=tuple(pages.Chapter(c.title, c.start_s, c.end_s) for c in asset.chapters),
        captions=tuple(
            pages.Caption(c.language or "und", c.label or "", f"{base}{prefix}/{c.key}")
            for c in asset.attachments
            if c.kind == "caption"
        ),
        tags=asset.tags,
        theme=theme(found.theme),
        start=replace(start or pages.Start(), resume=found.settings.continue_watching),
        beacon_url=f"{base}/beacons/{found.code}" if measured and _on(found, "player_analytics") else None,
        dev_tools=_on(found, "dev_tools_access"),
        veiled=_on(found, "code_obfuscation"),
    )


def poster_url(asset: Asset, base: str) -> str | None:
    """The picture shown before play: the one attached as `poster`, else the one found in the video."""
    attached = next((i for i in asset.images if i.name == "poster"), None)
    if attached is not None:
        if attached.file_key is not None:
            return f"{base}/media/{asset.uid}/images/{attached.image_uid}"
        return attached.url
    if any(a.kind == "poster" for a in asset.attachments):
        return f"{base}/media/{asset.uid}/thumbnail.jpg"
    return None


def sound_only(asset: Asset) -> bool:
    """Whether an asset plays and has no picture."""
    if asset.generation is None or not asset.generation.streams:
        return asset.download is not None and asset.width is None
    return not any(t.kind == "video" for t in asset.generation.tracks)


def _on(found: Playable, switch: str) -> bool:
    """A playback switch: the asset's own, else its tenant's."""
    return bool(found.asset.settings.get(switch, getattr(found.settings, switch)))


def _status(asset: Asset) -> Any:
    if asset.status is AssetStatus.ERROR:
        return "error"
    return "ready" if asset.streams or asset.download is not None else "processing"
