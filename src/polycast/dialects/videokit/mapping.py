"""Domain to wire: every object that Video Kit answers with, made in one place."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

from polycast.dialects.videokit.envelope import service_status
from polycast.dialects.videokit.wire import compact, date
from polycast.domain.access import Caller
from polycast.domain.assets import Asset, AssetSource, Output, SelectedTrack
from polycast.domain.errors import Invalid, NotFound, PolycastError
from polycast.domain.files import File
from polycast.domain.ids import parse_uid
from polycast.domain.media import SourceInfo
from polycast.domain.states import AssetStatus, FileStatus, OutputStatus
from polycast.domain.tenants import TenantSettings
from polycast.protocols.language import UNDETERMINED, normalize
from polycast.services.links import Links

FILE_STATUSES = {
    "Uploading": FileStatus.UPLOADING,
    "Completed": FileStatus.COMPLETED,
    "Error": FileStatus.ERROR,
}
FILE_KINDS = {"Video": "video", "Audio": "audio", "Caption": "caption"}
TRACK_KINDS = {"Video": "video", "Audio": "audio", "Captions": "captions"}
ASSET_KINDS = {
    "LiveEvent": "live_event",
    "LiveChannel": "live_channel",
    "Recording": "recording",
    "Vod": "vod",
}
ASSET_SOURCES = {"live": "Live", "recording": "Recorder", "vod": "Vod"}
FORMATS = {"hls": "HLS", "dash": "DASH", "mp4": "MP4"}
_STATUS = {
    AssetStatus.PENDING: "Pending",
    AssetStatus.PULLING: "Processing",
    AssetStatus.QUEUED: "Processing",
    AssetStatus.PROCESSING: "Processing",
    AssetStatus.AVAILABLE: "Available",
    AssetStatus.ERROR: "Error",
}
ASSET_STATUSES: dict[str, list[str]] = {
    "Pending": [AssetStatus.PENDING],
    "Processing": [AssetStatus.PULLING, AssetStatus.QUEUED, AssetStatus.PROCESSING],
    "Available": [AssetStatus.AVAILABLE],
    "Error": [AssetStatus.ERROR],
}
OUTPUT_STATUS = {
    OutputStatus.PROCESSING: "Processing",
    OutputStatus.AVAILABLE: "Available",
    OutputStatus.ERROR: "Error",
}
# wire name of a playback switch -> the domain's
SWITCHES = {
    "tokenRequired": "token_required",
    "devToolsAccess": "dev_tools_access",
    "cap": "concurrency_protection",
    "analytics": "player_analytics",
    "codeObfuscation": "code_obfuscation",
}
BUCKET = "polycast"
MAX_LABEL = 256


def statuses(names: Sequence[str]) -> list[str]:
    """Domain statuses for wire names, in any case. Raises Invalid for an unknown one."""
    table = {k.lower(): v for k, v in ASSET_STATUSES.items()}
    out: list[str] = []
    for name in names:
        if name.lower() not in table:
            raise Invalid(f"status must be one of {', '.join(ASSET_STATUSES)}", field="statuses")
        out += table[name.lower()]
    return out


def flag(kinds: Sequence[str]) -> str | None:
    """FileTypesFlag: `Video`, or several by commas."""
    names = [name for name, kind in FILE_KINDS.items() if kind in kinds]
    return ", ".join(names) or None


def tracks_result(info: SourceInfo) -> list[dict[str, Any]]:
    """TranscodingTracks of a probed file."""
    tracks: list[dict[str, Any]] = []
    for kind, group in (("Video", info.video), ("Audio", info.audio), ("Captions", info.captions)):
        for track in group:
            if getattr(track, "attached_picture", False):
                continue
            tracks.append(
                compact(
                    {
                        "trackSelector": {"trackId": track.id},
                        "type": kind,
                        "language": normalize(track.language),
                        "name": track.title,
                    }
                )
            )
    return tracks


def stored(key: str) -> dict[str, str]:
    """Where a file lies, in the words of S3."""
    return {"fileKey": key, "s3Uri": f"s3://{BUCKET}/{key}", "location": key, "bucket": BUCKET}


def file_result(caller: Caller, file: File) -> dict[str, Any]:
    """UploadedFileResult."""
    return compact(
        {
            "id": str(file.uid),
            "tenantId": str(caller.tenant.uid),
            **stored(file.key),
            "metadata": file.metadata,
            "status": next(k for k, v in FILE_STATUSES.items() if v is file.status),
            "createDate": date(file.created_at),
            "lastModificationDate": date(file.updated_at),
            "vodAssets": [str(asset) for asset in file.asset_uids],
            "fileTypes": flag(file.kinds),
            "fileSize": file.size if file.size is not None else file.declared_size,
            "orginalFileName": file.original_name,
            "name": file.name,
            "friendlyName": file.friendly_name,
            "tracks": tracks_result(file.probe) if file.probe else [],
            "tags": list(file.tags),
            "attributes": list(file.attributes),
        }
    )


def image_result(asset: UUID, file: File, base: str) -> dict[str, Any]:
    """UploadedImageResult."""
    return compact(
        {
            "id": str(file.uid),
            "fileKey": file.key,
            "status": next(k for k, v in FILE_STATUSES.items() if v is file.status),
            "fileSize": file.size if file.size is not None else file.declared_size,
            "s3Uri": f"s3://{BUCKET}/{file.key}",
            "url": Links(base).image(asset, file.uid),
            "bucket": BUCKET,
            "orginalFileName": file.original_name,
            "name": file.name,
            "createDate": date(file.created_at),
            "lastModificationDate": date(file.updated_at),
        }
    )


def endpoints(asset: Asset, output: Output, base: str) -> list[dict[str, Any]]:
    """EndpointInfos of one output."""
    return [
        compact(
            {
                "id": e.id,
                "accessType": "Http",
                "format": FORMATS[e.format],
                "url": e.url,
                "preset": output.preset,
                "protection": "None",
                "durationMilliseconds": asset.duration_ms,
                "size": e.size,
            }
        )
        for e in Links(base).endpoints(asset, output)
    ]


def output_result(asset: Asset, output: Output, base: str) -> dict[str, Any]:
    """EntityTranscodingOutput."""
    return compact(
        {
            "id": output.name,
            "preset": output.preset,
            "status": OUTPUT_STATUS[output.status],
            "expirationDate": date(output.expires_at),
            "completionDate": date(output.completed_at),
            "endpoints": endpoints(asset, output, base),
        }
    )


def source_result(source: AssetSource) -> dict[str, Any]:
    """VodSource."""
    kinds = {v: k for k, v in TRACK_KINDS.items()}
    return compact(
        {
            "fileId": str(source.file_uid),
            "fileTypesFlag": flag(source.kinds),
            "transcodingTracks": [
                compact(
                    {
                        "trackSelector": {"trackId": t.track},
                        "type": kinds.get(t.kind, t.kind),
                        "language": t.language,
                        "name": t.name,
                    }
                )
                for t in source.tracks
            ],
        }
    )


def vod_asset_result(caller: Caller, asset: Asset, base: str) -> dict[str, Any]:
    """VodAsset, whole or in a list."""
    main = asset.main_output
    outputs = {o.num: output_result(asset, o, base) for o in asset.outputs}
    return compact(
        {
            "id": str(asset.uid),
            "preset": asset.preset,
            "transcodedJobId": str(main.uid) if main else None,
            "title": asset.title,
            "metadata": asset.titled_metadata,
            "tenantId": str(caller.tenant.uid),
            "createDate": date(asset.created_at),
            "lastModificationDate": date(asset.updated_at),
            "status": _STATUS[asset.status],
            # a file that nobody could read is of no type
            "fileIds": {str(s.file_uid): kind for s in asset.sources if (kind := flag(s.kinds))},
            "sources": [source_result(s) for s in asset.sources],
            "endpoints": outputs[main.num]["endpoints"] if main else [],
            "outputs": list(outputs.values()),
            "errorMessage": asset.error,
            "durationMilliseconds": asset.duration_ms,
            "tags": list(asset.tags),
            "attributes": list(asset.attributes),
        }
    )


def asset_result(
    asset: Asset, settings: TenantSettings, base: str, *, tag_ids: dict[str, UUID] | None = None
) -> dict[str, Any]:
    """AssetResult of the streaming section.

    Args:
        tag_ids: answer tags as {id, name} objects, as details do; None: as texts, as lists do.
    """
    tags: list[Any] = list(asset.tags)
    if tag_ids is not None:
        tags = [{"id": str(tag_ids[name]), "name": name} for name in asset.tags if name in tag_ids]
    switches = {wire: _switch(asset, settings, name) for wire, name in SWITCHES.items()}
    own_token = asset.settings.get("token_required")
    return compact(
        {
            "id": str(asset.uid),
            "status": _STATUS[asset.status],
            "metadata": asset.titled_metadata,
            "outputs": [output_result(asset, o, base) for o in asset.outputs],
            "createDate": date(asset.created_at),
            "lastModificationDate": date(asset.updated_at),
            "durationMilliseconds": asset.duration_ms,
            "source": ASSET_SOURCES.get(asset.kind.split("_")[0]),
            "type": next(k for k, v in ASSET_KINDS.items() if v == asset.kind),
            "isDrm": False,
            "preset": asset.preset,
            "tokenRequiredPolicy": {
                "asset": "inherit" if own_token is None else str(own_token).lower(),
                "tenant": str(settings.token_required).lower(),
            },
            "title": asset.title,
            "description": asset.description,
            "tags": tags,
            "attributes": list(asset.attributes),
            "images": images_result(asset, base),
            "chapters": chapters_result(asset),
            "settings": switches,
            "isWatermarkProtected": False,
        }
    )


def _switch(asset: Asset, settings: TenantSettings, name: str) -> dict[str, str]:
    own = asset.settings.get(name)
    words = {True: "Enabled", False: "Disabled", None: "Inherit"}
    return {"asset": words[own], "tenant": words[bool(getattr(settings, name))]}


def images_result(asset: Asset, base: str) -> dict[str, Any]:
    """imageKey -> ImageInfo."""
    return {
        image.name: compact(
            {
                "id": str(image.image_uid) if image.image_uid else None,
                "name": image.file_name,
                "url": Links(base).image(asset.uid, image.image_uid)
                if image.file_key and image.image_uid
                else image.url,
            }
        )
        for image in asset.images
    }


def chapters_result(asset: Asset) -> list[dict[str, Any]]:
    """Chapters in both forms that the vendor's samples use.

    An open end lasts to the next one or to the end, which is left out while nobody knows where that is.
    """
    total = None if asset.duration_ms is None else asset.duration_ms / 1000
    following = [*(chapter.start_s for chapter in asset.chapters[1:]), total]
    rows = []
    for chapter, after in zip(asset.chapters, following, strict=False):
        start, end = chapter.start_s, chapter.end_s
        if end is None and after is not None:
            end = max(after, start)
        rows.append(
            compact(
                {
                    "id": str(chapter.uid),
                    "title": chapter.title,
                    "startSecond": int(start),
                    "endSecond": None if end is None else int(end),
                    "durationSeconds": None if end is None else max(0, int(end) - int(start)),
                    "start": _plain(start),
                    "end": None if end is None else _plain(end),
                }
            )
        )
    return rows


def _plain(seconds: float) -> float | int:
    return int(seconds) if seconds == int(seconds) else seconds


def selected(track_id: str, kind: str, language: str | None, name: str | None) -> SelectedTrack:
    """A TranscodingTrack of a request.

    Raises:
        Invalid: an unknown type, a language that is no BCP 47 tag (the codes of get_languages are), or a
            label over `MAX_LABEL` characters.
    """
    table = {k.lower(): v for k, v in {**TRACK_KINDS, "Caption": "captions"}.items()}
    if kind.lower() not in table:
        raise Invalid(f"type must be one of {', '.join(TRACK_KINDS)}", field="transcodingTracks.type")
    if language and normalize(language) is None and language.lower() not in UNDETERMINED:
        raise Invalid("language must be a code such as en", field="transcodingTracks.language")
    if name and len(name) > MAX_LABEL:
        raise Invalid(f"name may have at most {MAX_LABEL} characters", field="transcodingTracks.name")
    return SelectedTrack(track_id, table[kind.lower()], normalize(language), name or None)


async def verdicts(ids: Sequence[str], act: Callable[[UUID], Awaitable[None]]) -> dict[str, Any]:
    """A ServiceResponse per id: one failure leaves the others alone.

    Raises:
        Invalid: more than 1000 ids.
    """
    if len(ids) > 1000:
        raise Invalid("at most 1000 ids at once", field="ids")
    answer: dict[str, Any] = {}
    for text in dict.fromkeys(ids):
        value = parse_uid(text)
        try:
            if value is None:
                raise NotFound("object", text[:64])  # as `wire.uid`: what is no UUID cannot exist
            await act(value)
            answer[text] = {"status": {"code": "success", "status": 200}, "success": True}
        except PolycastError as error:
            answer[text] = {"status": {**service_status(error), "code": "error"}, "success": False}
    return answer
