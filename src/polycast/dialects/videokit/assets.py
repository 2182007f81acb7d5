"""Section Assets: VOD assets and their outputs."""

from dataclasses import replace
from typing import Annotated, Any
from uuid import UUID

from fastapi import Body, Depends, Query, Request
from pydantic import Field
from starlette.responses import Response

from polycast.dialects.routing import Section
from polycast.dialects.videokit.auth import BaseDep, CallerDep, ServicesDep, base_url, services
from polycast.dialects.videokit.files import list_filter
from polycast.dialects.videokit.mapping import (
    FILE_KINDS,
    OUTPUT_STATUS,
    selected,
    statuses,
    verdicts,
    vod_asset_result,
)
from polycast.dialects.videokit.strict import StrictRoute
from polycast.dialects.videokit.wire import (
    MAX_INT64,
    Wire,
    attributes,
    enumerated,
    moment,
    page_of,
    paging,
    split,
    uid,
)
from polycast.domain.access import Permission
from polycast.domain.assets import AssetSource
from polycast.domain.errors import NotSupported
from polycast.domain.ids import parse_uid
from polycast.domain.paging import PageRequest
from polycast.services.asset_changes import AssetChanges
from polycast.services.assets import AssetFilter
from polycast.services.filters import ListFilter

MAX_SOURCES, MAX_TRACKS, MAX_PAIRS = 32, 128, 1000
router = Section(route_class=StrictRoute, tags=["vod.assets"])


class TrackSelector(Wire):
    track_id: str


class TranscodingTrack(Wire):
    """A track of a file that the asset shall have."""

    track_selector: TrackSelector
    type: str
    language: str | None = None
    name: str | None = None


class VodSource(Wire):
    """One file of an asset."""

    file_id: str
    transcoding_tracks: list[TranscodingTrack] | None = Field(None, max_length=MAX_TRACKS)
    file_types_flag: str | None = None


class CreateAsset(Wire):
    """create_vod_asset"""

    transcoded_sources: list[VodSource] = Field(min_length=1, max_length=MAX_SOURCES)
    preset: str
    metadata: dict[str, Any] | None = None
    title: str | None = None


class UpdateAsset(Wire):
    """update_vod_asset; only sent properties change"""

    metadata: dict[str, Any] | None = None
    title: str | None = None
    tags: list[str] | None = None
    attributes: list[str] | None = None


class AddOutput(Wire):
    """add_vod_output"""

    preset: str
    id: str | None = None
    expiration_date: str | None = None
    harvested_endpoint_infos: list[Any] | None = None


class OutputPair(Wire):
    id: str
    output_id: str


@router.post("/vod/v1/assets", operation_id="create_vod_asset")
async def create(body: CreateAsset, caller: CallerDep, have: ServicesDep) -> dict[str, str]:
    """Make a VOD asset from uploaded files with one preset; audio is used only where it is named."""
    sources = []
    for source in body.transcoded_sources:
        kinds = enumerated([source.file_types_flag or ""], FILE_KINDS, "fileTypesFlag")
        sources.append(
            AssetSource(
                uid(source.file_id, "file"),
                tuple(kinds),
                tuple(
                    selected(t.track_selector.track_id, t.type, t.language, t.name)
                    for t in source.transcoding_tracks or []
                ),
            )
        )
    asset = await have.assets.create(
        caller, title=body.title or "", preset=body.preset, sources=sources, metadata=body.metadata
    )
    return {"id": str(asset.uid)}


@router.get("/vod/v1/assets", operation_id="list_vod_assets")
async def list_assets(
    caller: CallerDep,
    have: ServicesDep,
    base: BaseDep,
    page: Annotated[PageRequest, Depends(paging)],
    chosen: Annotated[ListFilter, Depends(list_filter)],
    file_id: Annotated[str | None, Query(alias="fileId")] = None,
    status_names: Annotated[list[str] | None, Query(alias="statuses")] = None,
    presets: Annotated[list[str] | None, Query()] = None,
    duration_from: Annotated[int | None, Query(alias="durationFrom", ge=0, le=MAX_INT64)] = None,
    duration_to: Annotated[int | None, Query(alias="durationTo", ge=0, le=MAX_INT64)] = None,
) -> dict[str, Any]:
    """Page through VOD assets."""
    found = await have.assets.list(
        caller,
        page,
        replace(chosen, statuses=statuses(split(status_names or []))),
        AssetFilter(
            presets=split(presets or []),
            kinds=["vod"],
            file=(parse_uid(file_id) or UUID(int=0)) if file_id else None,
            duration_from=duration_from,
            duration_to=duration_to,
            with_file=True,
        ),
    )
    return page_of(found, [vod_asset_result(caller, a, base) for a in found.items])


@router.post("/vod/v1/assets/deletemany", operation_id="delete_many_vod_assets")
async def delete_many(
    body: Annotated[list[str], Body()], caller: CallerDep, have: ServicesDep
) -> dict[str, Any]:
    """Remove several VOD assets, one verdict per id."""
    caller.require(Permission.WRITE)

    async def remove(one: UUID) -> None:
        await have.assets.delete(caller, one)

    return await verdicts(body, remove)


@router.post("/vod/v1/assets/outputs/progress", operation_id="get_many_vod_outputs_progress")
async def many_progress(
    body: Annotated[list[OutputPair], Body(max_length=MAX_PAIRS)], caller: CallerDep, have: ServicesDep
) -> list[dict[str, Any]]:
    """Progress of several output jobs."""
    found = await have.outputs.progress(caller, [(uid(p.id, "asset"), p.output_id) for p in body])
    return [_progress(one) for one in found]


@router.get("/vod/v1/assets/{id}", operation_id="get_vod_asset")
async def get(id: str, request: Request, caller: CallerDep) -> dict[str, Any]:
    """One VOD asset in full."""
    # the call that clients make most: a dependency more costs half as much as all of the answer's members
    asset = await services(request).assets.get(caller, uid(id, "asset"))
    return vod_asset_result(caller, asset, base_url(request))


@router.patch("/vod/v1/assets/{id}", operation_id="update_vod_asset")
async def update(
    id: str, body: UpdateAsset, caller: CallerDep, have: ServicesDep, base: BaseDep
) -> dict[str, Any]:
    """Change title, metadata, tags or attributes."""
    changes = AssetChanges(
        title=body.title,
        metadata=body.metadata,
        tags=body.tags,
        attributes=attributes(body.attributes),
    )
    return vod_asset_result(caller, await have.assets.update(caller, uid(id, "asset"), changes), base)


@router.delete("/vod/v1/assets/{id}", operation_id="delete_vod_asset")
async def delete(id: str, caller: CallerDep, have: ServicesDep) -> Response:
    """Remove a VOD asset with its media; source files stay."""
    await have.assets.delete(caller, uid(id, "asset"))
    return Response()


@router.post("/vod/v1/assets/{id}/outputs", operation_id="add_vod_output")
async def add_output(id: str, body: AddOutput, caller: CallerDep, have: ServicesDep) -> dict[str, str]:
    """Add one more output to an asset."""
    if body.harvested_endpoint_infos:
        # the vendor's recorder hands over media that it has packaged; outputs are made from sources here
        raise NotSupported(
            "media harvested elsewhere cannot become an output", field="harvestedEndpointInfos"
        )
    output = await have.outputs.add(
        caller,
        uid(id, "asset"),
        body.preset,
        name=body.id,
        expires_at=moment(body.expiration_date, "expirationDate"),
    )
    return {"outputId": output.name}


@router.delete("/vod/v1/assets/{id}/outputs/{outputId}", operation_id="remove_vod_output")
async def remove_output(id: str, outputId: str, caller: CallerDep, have: ServicesDep) -> Response:
    """Drop one output of an asset."""
    await have.outputs.remove(caller, uid(id, "asset"), outputId)
    return Response()


@router.get("/vod/v1/assets/{id}/outputs/{outputId}/progress", operation_id="get_vod_output_progress")
async def progress(id: str, outputId: str, caller: CallerDep, have: ServicesDep) -> dict[str, Any]:
    """Progress of one output job."""
    (found,) = await have.outputs.progress(caller, [(uid(id, "asset"), outputId)])
    return _progress(found)


def _progress(found: Any) -> dict[str, Any]:
    return {
        "id": str(found.asset_uid),
        "outputId": found.output.name,
        "status": OUTPUT_STATUS[found.output.status],
        "progress": round(found.output.progress * 100, 1),
        # beyond the contract: what the bars of our own command show
        "renditions": [{"name": r.name, "progress": round(r.progress * 100, 1)} for r in found.renditions],
    }
