"""Section Manage Videos."""

from collections.abc import AsyncIterator, Sequence
from typing import Annotated

from fastapi import Path, Query
from pydantic import TypeAdapter
from starlette.responses import Response, StreamingResponse

from polycast.dialects.gotipath.auth import BaseDep, LibraryCaller, ServicesDep
from polycast.dialects.gotipath.errors import fields_named
from polycast.dialects.gotipath.mapping import Look, created, detail, listed, pulled
from polycast.dialects.gotipath.schemas_videos import (
    CreateVideo,
    PulledVideo,
    PullVideo,
    UpdateVideo,
    UpdateVideoById,
    Video,
    VideoDetail,
    VideoListItem,
)
from polycast.dialects.gotipath.wire import Envelope, optional_uid, uid
from polycast.dialects.routing import Section
from polycast.domain.access import Caller
from polycast.domain.assets import Asset
from polycast.domain.errors import Invalid
from polycast.domain.paging import PageRequest
from polycast.domain.presets import PRESETS
from polycast.services.asset_changes import AssetChanges
from polycast.services.assets import AssetFilter
from polycast.services.filters import ListFilter
from polycast.services.registry import Services

router = Section(tags=["Manage Videos"], prefix="/libraries/{libraryId}/videos")
MAX_PER_PAGE = 20_000
"""integrators ask for all their videos in one answer"""
_AT_ONCE = 1000
"""more are sent while they are read: they neither fill the memory nor hold up everybody else"""
_ITEMS = TypeAdapter(list[VideoListItem])
KINDS = ("vod", "recording")
"""assets that are videos here; live ones have a section of their own"""
_TALLEST = "dash_hls_2160p"

VideoId = Annotated[str, Path(description="Id of the video.")]


@router.post("", operation_id="create_video", response_model=Envelope[Video])
async def create_video(caller: LibraryCaller, services: ServicesDep, body: CreateVideo) -> Envelope[Video]:
    """Register a video that waits for its file.

    Raises:
        NotFound: the collection is not the library's.
    """
    asset = await services.assets.create(
        caller,
        title=body.name,
        description=body.description or "",
        preset=await preset(services, caller),
        collection=optional_uid(body.collection_id, "collection"),
        reference_id=reference(body.reference_id, "reference_id"),
        custom_id=reference(body.custom_id1, "custom_id1"),
        upload_type="",
    )
    return Envelope(message="Videos create.", result=created(caller, asset))


@router.get("", operation_id="list_videos", response_model=Envelope[Sequence[VideoListItem]])
async def list_videos(
    caller: LibraryCaller,
    services: ServicesDep,
    base: BaseDep,
    per_page: int = Query(100, ge=1, le=MAX_PER_PAGE, description="Videos in one answer."),
    page: int = Query(1, ge=1, le=10_000_000, description="Page, from 1."),
    collection_id: str = Query("", description="Only videos directly in this collection."),
) -> Envelope[Sequence[VideoListItem]] | Response:
    """Videos whatever their status, newest first."""
    asked = PageRequest(limit=per_page, page=page, descending=True, max_limit=MAX_PER_PAGE)
    chosen = AssetFilter(kinds=KINDS, collection=optional_uid(collection_id, "collection") or None)
    look = Look(services, base)
    if per_page > _AT_ONCE:
        pieces = services.assets.list_in_pieces(caller, asked, ListFilter(), chosen, presentation=True)
        # what is wrong with the question shows with the first of them, before the answer has begun
        first = await anext(pieces, None)
        return StreamingResponse(_in_pieces(caller, look, first or (), pieces), media_type="application/json")
    found = await services.assets.list(caller, asked, ListFilter(), chosen, presentation=True)
    return Envelope(message="All Videos", result=[listed(caller, asset, look) for asset in found.items])


async def _in_pieces(
    caller: Caller, look: Look, first: Sequence[Asset], others: AsyncIterator[Sequence[Asset]]
) -> AsyncIterator[bytes]:
    """The envelope of a list, as it is written otherwise."""

    def written(assets: Sequence[Asset]) -> bytes:
        return _ITEMS.dump_json([listed(caller, asset, look) for asset in assets])[1:-1]

    yield b'{"message":"All Videos","result":[' + written(first)
    comma = b"," if first else b""
    async for piece in others:
        if piece:  # those of it that were deleted meanwhile are left out
            yield comma + written(piece)
            comma = b","
    yield b'],"success":true}'


@router.put("", operation_id="update_videos_stub", response_model=Envelope[VideoDetail])
async def update_videos_stub(
    caller: LibraryCaller, services: ServicesDep, base: BaseDep, body: UpdateVideoById
) -> Envelope[VideoDetail]:
    """The same as update_video, with the id in the body."""
    return await _update(caller, services, base, body.id, body)


@router.post("/pull", operation_id="pull_video", status_code=201, response_model=Envelope[PulledVideo])
async def pull_video(caller: LibraryCaller, services: ServicesDep, body: PullVideo) -> Envelope[PulledVideo]:
    """Make a video from a file that is fetched from an address.

    Raises:
        Invalid: the address is refused. UpstreamFailed: the source cannot be reached.
    """
    with fields_named(headers="request_headers"):
        asset, size = await services.pulls.start(
            caller,
            url=body.url,
            title=body.name,
            headers=body.request_headers,
            collection=optional_uid(body.collection_id, "collection"),
            custom_id=reference(body.custom_id_1, "custom_id_1"),
            preset=await preset(services, caller),
        )
    return Envelope(message="Video pull request Accepted", result=pulled(caller, asset, size))


@router.get(
    "/custom/{customField}/{customId:path}",
    operation_id="get_video_by_custom_field",
    response_model=Envelope[VideoDetail],
)
async def get_video_by_custom_field(
    caller: LibraryCaller,
    services: ServicesDep,
    base: BaseDep,
    customField: Annotated[str, Path(description="custom_id1 or reference_id.")],
    customId: Annotated[
        str, Path(description="The caller's own reference; matched exactly.", max_length=256)
    ],
) -> Envelope[VideoDetail]:
    """The newest video with the caller's own reference."""
    wanted = reference(customId, "customId")
    if customField == "custom_id1":
        asset = await services.assets.find(caller, custom_id=wanted)
    elif customField == "reference_id":
        asset = await services.assets.find(caller, reference_id=wanted)
    else:
        raise Invalid("the field must be custom_id1 or reference_id", field="customField")
    return Envelope(message="Video Details", result=detail(caller, asset, Look(services, base)))


@router.get("/{videoId}", operation_id="get_video", response_model=Envelope[VideoDetail])
async def get_video(
    caller: LibraryCaller, services: ServicesDep, base: BaseDep, videoId: VideoId
) -> Envelope[VideoDetail]:
    """One video with addresses, sizes and progress."""
    asset = await services.assets.get(caller, uid(videoId, "video"))
    return Envelope(message="Video Details", result=detail(caller, asset, Look(services, base)))


@router.put("/{videoId}", operation_id="update_video", response_model=Envelope[VideoDetail])
async def update_video(
    caller: LibraryCaller, services: ServicesDep, base: BaseDep, videoId: VideoId, body: UpdateVideo
) -> Envelope[VideoDetail]:
    """Change what is said of a video."""
    return await _update(caller, services, base, videoId, body)


@router.delete("/{videoId}", operation_id="delete_video", response_model=Envelope[str])
async def delete_video(caller: LibraryCaller, services: ServicesDep, videoId: VideoId) -> Envelope[str]:
    """Remove a video with its source, renditions and pictures; running work is cancelled."""
    await services.assets.delete(caller, uid(videoId, "video"), with_files=True)
    return Envelope(message="Video has been deleted.", result="")


async def _update(
    caller: Caller, services: Services, base: str, video: str, body: UpdateVideo
) -> Envelope[VideoDetail]:
    changes = AssetChanges(
        title=body.name,
        description=body.description,
        metadata=body.meta_data,
        whole_metadata=True,
        tags=body.tags,
        collection=optional_uid(body.collection_id, "collection"),
        reference_id=reference(body.reference_id, "reference_id"),
        custom_id=reference(body.custom_id1, "custom_id1"),
    )
    asset = await services.assets.update(caller, uid(video, "video"), changes)
    return Envelope(message="Video has been updated.", result=detail(caller, asset, Look(services, base)))


async def preset(services: Services, caller: Caller) -> str:
    """The library's preset; one with all rungs where it enabled one that its own has not."""
    settings = (await services.tenants.get(caller)).settings
    own = {rung.name for rung in PRESETS[settings.preset].rungs}
    return settings.preset if set(settings.resolutions) <= own else _TALLEST


def reference(text: str | None, field: str) -> str | None:
    """A caller's own reference. Raises Invalid for a NUL, which the database cannot store."""
    if text is not None and "\0" in text:
        raise Invalid(f"{field} must not contain NUL characters", field=field)
    return text
