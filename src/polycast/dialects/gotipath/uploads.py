"""Section Multipart Upload: the protocol of Uppy's Companion for S3, and of the vendor's mobile client.

Answers are bare, their status is exactly 200. Bytes of parts go to the addresses handed out here, which
are the store's own or /upload/{token} (delivery), and never pass this application.
"""

import re
from pathlib import PurePosixPath
from typing import Annotated
from urllib.parse import unquote
from uuid import UUID

from fastapi import Path, Query, Request

from polycast.dialects.gotipath.auth import TOKEN, BaseDep, ServicesDep, UploadCaller
from polycast.dialects.gotipath.errors import fields_named
from polycast.dialects.gotipath.schemas_uploads import (
    CompletedMultipart,
    CompleteMultipart,
    CreateMultipart,
    Nothing,
    OpenedMultipart,
    PartAddress,
    PartAddresses,
    StoredPart,
)
from polycast.dialects.gotipath.wire import uid
from polycast.dialects.routing import Section
from polycast.domain.access import Caller
from polycast.domain.errors import Forbidden, Invalid, NotFound
from polycast.domain.files import MAX_PARTS, File
from polycast.domain.states import FileStatus
from polycast.services.registry import Services
from polycast.services.uploads import URL_LIFE

router = Section(tags=["Multipart Upload"], prefix="/uploads/s3/multipart")
PROTOCOL = "s3"
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,63}/[A-Za-z0-9!#$&^_.+-]{1,63}")

UploadId = Annotated[str, Path(description="The uploadId of multipart_create.")]
Key = Annotated[str, Query(description="The key of multipart_create, raw or percent-encoded.")]


@router.post("", operation_id="multipart_create")
async def multipart_create(
    request: Request, caller: UploadCaller, services: ServicesDep, body: CreateMultipart
) -> OpenedMultipart:
    """Open an upload for a video that was created before.

    Raises:
        NotFound: no such video or collection. Forbidden: metadata names another library.
    """
    video = await _video(services, caller, body.metadata.video_id, body.metadata.library_id)
    collection = body.metadata.collection_id
    with fields_named(name="filename"):
        upload = await services.uploads.start(
            caller,
            name=body.filename,
            protocol=PROTOCOL,
            content_type=media_type(body.type),
            # the vendor calls what came through its browser pages "portal"
            intent={"asset": str(video), "upload_type": "portal" if TOKEN in request.headers else "api"},
            collection=uid(collection, "collection") if collection else None,
        )
    return OpenedMultipart(uploadId=str(upload.file.uid), key=_key(upload.file))


@router.get("/{uploadId}", operation_id="multipart_list_parts")
async def multipart_list_parts(
    caller: UploadCaller, services: ServicesDep, uploadId: UploadId, key: Key
) -> list[StoredPart]:
    """All parts that are there, ascending."""
    file = await _upload(services, caller, uploadId, key, still_open=True)
    return [
        StoredPart(PartNumber=part.number, Size=part.size, ETag=f'"{part.etag}"')
        for part in await services.uploads.list_parts(file)
    ]


@router.get("/{uploadId}/batch", include_in_schema=False)
async def multipart_presign_batch(
    caller: UploadCaller,
    services: ServicesDep,
    base: BaseDep,
    uploadId: UploadId,
    key: Key,
    partNumbers: Annotated[str, Query(description="Numbers by commas.", max_length=60_000)],
) -> PartAddresses:
    """Addresses of several parts, as uploaders of Uppy's second generation ask for them."""
    file = await _upload(services, caller, uploadId, key, still_open=True)
    numbers = partNumbers.split(",")
    if not all(n.isascii() and n.isdigit() and len(n) < 6 for n in numbers):
        raise Invalid("partNumbers must be numbers by commas", field="partNumbers")
    urls = {n: await services.uploads.part_url(caller, file, int(n), base) for n in dict.fromkeys(numbers)}
    return PartAddresses(presignedUrls=urls)


@router.get("/{uploadId}/{partNumber}", operation_id="multipart_presign")
async def multipart_presign(
    caller: UploadCaller,
    services: ServicesDep,
    base: BaseDep,
    uploadId: UploadId,
    partNumber: Annotated[int, Path(ge=1, le=MAX_PARTS)],
    key: Key,
) -> PartAddress:
    """The address one part is to be PUT to; may be asked for again."""
    file = await _upload(services, caller, uploadId, key, still_open=True)
    url = await services.uploads.part_url(caller, file, partNumber, base)
    return PartAddress(url=url, expires=int(URL_LIFE.total_seconds()))


@router.post("/{uploadId}/complete", operation_id="multipart_complete")
async def multipart_complete(
    caller: UploadCaller,
    services: ServicesDep,
    base: BaseDep,
    uploadId: UploadId,
    key: Key,
    body: CompleteMultipart,
) -> CompletedMultipart:
    """Join the parts and hand the file to its video; repeating it answers the same."""
    file = await _upload(services, caller, uploadId, key)
    parts = [(part.PartNumber, part.ETag) for part in body.parts]
    whole = await services.uploads.complete(caller, file.uid, parts)
    link = await services.sources.preview(caller, whole.uid, base)
    return CompletedMultipart(location=link.url, key=_key(whole), video_id=str(whole.intent.get("asset", "")))


@router.delete("/{uploadId}", operation_id="multipart_abort")
async def multipart_abort(
    caller: UploadCaller,
    services: ServicesDep,
    uploadId: UploadId,
    key: Annotated[str, Query(description="Sent by browser clients only.")] = "",
) -> Nothing:
    """Drop an unfinished upload with its parts; the video stays and waits."""
    file = await _upload(services, caller, uploadId, key)
    await services.uploads.cancel(caller, file.uid, remove=True)
    return {}


async def _video(services: Services, caller: Caller, video: str, library: str) -> UUID:
    """The id of a video of the caller's library. Raises NotFound, Forbidden."""
    if uid(library, "library") != caller.tenant.uid:
        raise Forbidden("the key does not belong to this library")
    return (await services.assets.get(caller, uid(video, "video"))).uid


async def _upload(
    services: Services, caller: Caller, upload: str, key: str, *, still_open: bool = False
) -> File:
    """An upload of this protocol by its id. Raises NotFound also where the key is another one's."""
    file = await services.files.get(caller, uid(upload, "upload"))
    named = not key or _key(file) in (key, unquote(key))
    closed = file.status is FileStatus.ERROR or (still_open and file.status is not FileStatus.UPLOADING)
    if file.protocol != PROTOCOL or closed or not named:
        raise NotFound("upload", upload)
    return file


def _key(file: File) -> str:
    """The key in the vendor's form; the store's own is nobody's business."""
    return f"media/{file.uid}{PurePosixPath(file.key).suffix}"


def media_type(text: str | None) -> str | None:
    """A media type that may be handed on; None for what is none."""
    return text if text and _MEDIA_TYPE.fullmatch(text) else None
