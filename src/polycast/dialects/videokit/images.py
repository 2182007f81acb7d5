"""Section Images: pictures of an asset, uploaded ones and stills from the video."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any
from uuid import UUID

from fastapi import Body, Depends, Query
from pydantic import Field
from starlette.responses import Response

from polycast.dialects.routing import Section
from polycast.dialects.videokit.auth import BaseDep, CallerDep, ServicesDep
from polycast.dialects.videokit.files import CompleteUpload, list_filter, started
from polycast.dialects.videokit.mapping import BUCKET, FILE_STATUSES, image_result, verdicts
from polycast.dialects.videokit.strict import StrictRoute
from polycast.dialects.videokit.wire import Wire, enumerated, page_of, paging, uid
from polycast.domain.access import Permission
from polycast.domain.errors import Invalid
from polycast.domain.ids import parse_uid
from polycast.domain.paging import PageRequest
from polycast.services.filters import ListFilter
from polycast.services.links import Links
from polycast.services.presentation import NewImage

router = Section(route_class=StrictRoute, tags=["streaming.images"])
_NAME = re.compile(r"\w+(?:\.\w+)?")
MAX_IMAGE = 20 * 1024 * 1024
PART = 5 * 1024 * 1024


class ImageBody(Wire):
    """ImageInfo, in any case."""

    id: str | None = None
    name: str | None = None
    url: str | None = None


class AttachImages(Wire):
    """create_asset_images"""

    images: dict[str, ImageBody]


class StartImage(Wire):
    """start_image_upload"""

    name: str
    file_size: int = Field(gt=0)


def new_images(bodies: Mapping[str, ImageBody], asset: UUID) -> dict[str, NewImage]:
    """Pictures for the keys of an asset. Raises Invalid for an id that is none."""
    made = {}
    for key, body in bodies.items():
        image = parse_uid(body.id) if body.id else None
        if body.id and image is None and not body.url:
            raise Invalid("an image's id must be a UUID", field="images.id")
        made[key] = NewImage(image, body.name, body.url)
    return made


@router.post("/streaming/v1/assets/{assetId}/images", operation_id="create_asset_images")
async def attach(assetId: str, body: AttachImages, caller: CallerDep, have: ServicesDep) -> Response:
    """Attach images to an asset by key."""
    asset = uid(assetId, "asset")
    await have.presentation.set_images(caller, asset, new_images(body.images, asset))
    return Response()


@router.get("/streaming/v1/assets/{assetId}/images/frames", operation_id="get_image_frames")
async def frames(assetId: str, caller: CallerDep, have: ServicesDep, base: BaseDep) -> dict[str, Any]:
    """Still frames taken from the asset's video."""
    asset = await have.assets.get(caller, uid(assetId, "asset"))
    return {
        str(a.uid): {"s3Uri": f"s3://{BUCKET}/{a.key}", "url": Links(base).attachment(a)}
        for a in asset.attachments
        if a.kind == "frame"
    }


@router.post("/streaming/v1/assets/{assetId}/images/uploaded/start", operation_id="start_image_upload")
async def start(
    assetId: str, body: StartImage, caller: CallerDep, have: ServicesDep, base: BaseDep
) -> dict[str, Any]:
    """Open a multipart upload of an image."""
    if not _NAME.fullmatch(body.name) or not body.name.isascii():
        raise Invalid("name has letters, digits, underscores and at most one dot", field="name")
    if body.file_size > MAX_IMAGE:
        raise Invalid(f"an image has at most {MAX_IMAGE} bytes", field="fileSize")
    upload = await have.uploads.start(
        caller,
        name=body.name,
        size=body.file_size,
        purpose="image",
        asset=uid(assetId, "asset"),
        part_size=PART,
    )
    return await started(caller, have, upload, base)


@router.post("/streaming/v1/assets/{assetId}/images/uploaded/complete", operation_id="complete_image_upload")
async def complete(
    assetId: str, body: CompleteUpload, caller: CallerDep, have: ServicesDep, base: BaseDep
) -> dict[str, str]:
    """Close an image upload; what is no picture is refused."""
    asset = uid(assetId, "asset")
    file = await have.files.get(caller, uid(body.file_id, "image"), purpose="image", asset=asset)
    done = await have.uploads.complete(
        caller, file.uid, [(p.part_number, p.e_tag) for p in body.parts], purpose="image"
    )
    return {"fileId": str(done.uid), "fileKey": done.key, "url": Links(base).image(asset, done.uid)}


@router.post("/streaming/v1/assets/{assetId}/images/uploaded/deletemany", operation_id="delete_many_images")
async def delete_many(
    assetId: str, body: Annotated[list[str], Body()], caller: CallerDep, have: ServicesDep
) -> dict[str, Any]:
    """Remove several images, one verdict per id."""
    caller.require(Permission.WRITE)
    asset = uid(assetId, "asset")
    await have.assets.get(caller, asset)

    async def remove(one: UUID) -> None:
        await have.files.delete(caller, one, purpose="image", asset=asset)

    return await verdicts(body, remove)


@router.get(
    "/streaming/v1/assets/{assetId}/images/uploaded/{fileId}/part/{partNumber}",
    operation_id="get_image_part_url",
)
async def part_url(
    assetId: str, fileId: str, partNumber: int, caller: CallerDep, have: ServicesDep, base: BaseDep
) -> dict[str, str]:
    """Upload address of one image part; for those who may upload."""
    file = await have.files.get(caller, uid(fileId, "image"), purpose="image", asset=uid(assetId, "asset"))
    return {"url": await have.uploads.part_url(caller, file, partNumber, base)}


@router.get("/streaming/v1/assets/{assetId}/images/uploaded", operation_id="list_images")
async def list_images(
    assetId: str,
    caller: CallerDep,
    have: ServicesDep,
    base: BaseDep,
    page: Annotated[PageRequest, Depends(paging)],
    chosen: Annotated[ListFilter, Depends(list_filter)],
    file_type: Annotated[str | None, Query(alias="fileType")] = None,
    status: str | None = None,
) -> dict[str, Any]:
    """Page through uploaded images of an asset; fileType is accepted and means nothing here."""
    asset = uid(assetId, "asset")
    await have.assets.get(caller, asset)
    wanted = enumerated([status] if status else [], FILE_STATUSES, "status")
    found = await have.files.list(
        caller, page, replace(chosen, statuses=wanted), purpose="image", asset=asset
    )
    return page_of(found, [image_result(asset, f, base) for f in found.items])


@router.get("/streaming/v1/assets/{assetId}/images/uploaded/{fileId}", operation_id="get_image")
async def get_image(
    assetId: str, fileId: str, caller: CallerDep, have: ServicesDep, base: BaseDep
) -> dict[str, Any]:
    """One uploaded image."""
    asset = uid(assetId, "asset")
    file = await have.files.get(caller, uid(fileId, "image"), purpose="image", asset=asset)
    return image_result(asset, file, base)


@router.delete("/streaming/v1/assets/{assetId}/images/uploaded/{fileId}", operation_id="delete_image")
async def delete_image(assetId: str, fileId: str, caller: CallerDep, have: ServicesDep) -> dict[str, str]:
    """Remove an uploaded image."""
    key = await have.files.delete(caller, uid(fileId, "image"), purpose="image", asset=uid(assetId, "asset"))
    return {"deletedFileKey": key}


@router.delete("/streaming/v1/assets/{assetId}/images/{imageKey}", operation_id="delete_asset_image")
async def detach(assetId: str, imageKey: str, caller: CallerDep, have: ServicesDep) -> Response:
    """Detach an image from an asset; the uploaded file stays."""
    await have.presentation.remove_image(caller, uid(assetId, "asset"), imageKey)
    return Response()
