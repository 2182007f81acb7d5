"""Section Files: uploads in parts, listing, metadata, tracks, previews."""

from dataclasses import replace
from typing import Annotated, Any
from uuid import UUID

from fastapi import Body, Depends, Query
from pydantic import Field
from starlette.responses import Response

from polycast.dialects.routing import Section
from polycast.dialects.videokit.auth import BaseDep, CallerDep, ServicesDep
from polycast.dialects.videokit.mapping import FILE_KINDS, FILE_STATUSES, file_result, tracks_result, verdicts
from polycast.dialects.videokit.strict import StrictRoute
from polycast.dialects.videokit.wire import (
    Wire,
    attributes,
    date,
    enumerated,
    moment,
    page_of,
    paging,
    pairs,
    split,
    uid,
    uids,
)
from polycast.domain.access import Caller, Permission
from polycast.domain.errors import Invalid
from polycast.domain.paging import PageRequest
from polycast.services.files import FileChanges
from polycast.services.filters import ListFilter

router = Section(route_class=StrictRoute, tags=["vod.files"])
URLS_AT_ONCE = 100
"""addresses handed out by start; the rest one by one"""


class StartUpload(Wire):
    """start_file_upload"""

    name: str = Field(max_length=1024)
    friendly_name: str = Field(max_length=1024)
    metadata: dict[str, Any] | None = None
    file_size: int = Field(gt=0)


class PartETag(Wire):
    """A part as the client saw it; the eTag with or without quotes."""

    part_number: int
    e_tag: str = Field(alias="eTag")


class CompleteUpload(Wire):
    """complete_file_upload"""

    file_id: str
    parts: list[PartETag]


class CancelUpload(Wire):
    """cancel_file_upload"""

    delete: bool = False


class UpdateFile(Wire):
    """update_file; only sent properties change"""

    metadata: dict[str, Any] | None = None
    name: str | None = None
    friendly_name: str | None = None
    tags: list[str] | None = None
    attributes: list[str] | None = None


async def list_filter(
    query: str | None = Query(None, description="Free text over id and metadata."),
    ids: Annotated[list[str] | None, Query()] = None,
    create_date_start: Annotated[str | None, Query(alias="createDateStart")] = None,
    create_date_end: Annotated[str | None, Query(alias="createDateEnd")] = None,
    modified_start: Annotated[str | None, Query(alias="lastModificationDateStart")] = None,
    modified_end: Annotated[str | None, Query(alias="lastModificationDateEnd")] = None,
    tags: Annotated[list[str] | None, Query()] = None,
    attribute_words: Annotated[list[str] | None, Query(alias="attributes")] = None,
) -> ListFilter:
    """Filters that several lists share."""
    return ListFilter(
        ids=uids(ids or [], "ids"),
        query=query or "",
        tags=split(tags or []),
        attributes=pairs(attribute_words or []),
        created_from=moment(create_date_start, "createDateStart"),
        created_to=moment(create_date_end, "createDateEnd", upper=True),
        updated_from=moment(modified_start, "lastModificationDateStart"),
        updated_to=moment(modified_end, "lastModificationDateEnd", upper=True),
    )


@router.post("/vod/v1/files/start", operation_id="start_file_upload")
async def start(body: StartUpload, caller: CallerDep, have: ServicesDep, base: BaseDep) -> dict[str, Any]:
    """Open a multipart upload."""
    upload = await have.uploads.start(
        caller,
        name=body.name,
        friendly_name=body.friendly_name,
        size=body.file_size,
        metadata=body.metadata,
    )
    return await started(caller, have, upload, base)


async def started(caller: Caller, have: Any, upload: Any, base: str) -> dict[str, Any]:
    """A MultipartStart for an upload with a part plan."""
    plan = upload.plan
    urls = [
        await have.uploads.part_url(caller, upload.file, number, base)
        for number in range(1, min(plan.parts_count, URLS_AT_ONCE) + 1)
    ]
    return {
        "fileId": str(upload.file.uid),
        "uploadId": upload.file.upload_id,
        "multipartUrls": urls,
        "fileKey": upload.file.key,
        "partSize": plan.part_size,
        "lastPartSize": plan.last_part_size,
        "partsCount": plan.parts_count,
    }


@router.get("/vod/v1/files/{id}/part/{partNumber}", operation_id="get_file_part_url")
async def part_url(
    id: str, partNumber: int, caller: CallerDep, have: ServicesDep, base: BaseDep
) -> dict[str, str]:
    """Upload address of one part; for those who may upload."""
    file = await have.files.get(caller, uid(id, "file"))
    return {"url": await have.uploads.part_url(caller, file, partNumber, base)}


@router.post("/vod/v1/files/complete", operation_id="complete_file_upload")
async def complete(body: CompleteUpload, caller: CallerDep, have: ServicesDep) -> dict[str, str]:
    """Close a multipart upload."""
    file = await have.uploads.complete(
        caller, uid(body.file_id, "file"), [(p.part_number, p.e_tag) for p in body.parts]
    )
    return {"fileId": str(file.uid), "fileKey": file.key}


@router.post("/vod/v1/files/deletemany", operation_id="delete_many_files")
async def delete_many(
    body: Annotated[list[str], Body()], caller: CallerDep, have: ServicesDep
) -> dict[str, Any]:
    """Remove several files, one verdict per id."""
    caller.require(Permission.WRITE)

    async def remove(one: UUID) -> None:
        await have.files.delete(caller, one)

    return await verdicts(body, remove)


@router.get("/vod/v1/files", operation_id="list_files")
async def list_files(
    caller: CallerDep,
    have: ServicesDep,
    page: Annotated[PageRequest, Depends(paging)],
    chosen: Annotated[ListFilter, Depends(list_filter)],
    file_type: Annotated[str | None, Query(alias="fileType")] = None,
    status: str | None = None,
    statuses: Annotated[list[str] | None, Query()] = None,
) -> dict[str, Any]:
    """Page through uploaded files."""
    wanted = enumerated([*(statuses or []), *([status] if status else [])], FILE_STATUSES, "status")
    kinds = enumerated([file_type] if file_type else [], FILE_KINDS, "fileType")
    if len(kinds) > 1:
        raise Invalid("fileType is one of Video, Audio, Caption", field="fileType")
    found = await have.files.list(
        caller,
        page,
        replace(chosen, statuses=wanted),
        kind=kinds[0] if kinds else None,
    )
    return page_of(found, [file_result(caller, f) for f in found.items])


@router.get("/vod/v1/files/{id}", operation_id="get_file")
async def get(id: str, caller: CallerDep, have: ServicesDep) -> dict[str, Any]:
    """One uploaded file in full."""
    return file_result(caller, await have.files.get(caller, uid(id, "file")))


@router.patch("/vod/v1/files/{id}", operation_id="update_file")
async def update(id: str, body: UpdateFile, caller: CallerDep, have: ServicesDep) -> dict[str, Any]:
    """Change names, metadata, tags or attributes."""
    changes = FileChanges(
        body.name,
        body.friendly_name,
        body.metadata,
        body.tags,
        attributes(body.attributes),
    )
    return file_result(caller, await have.files.update(caller, uid(id, "file"), changes))


@router.delete("/vod/v1/files/{id}", operation_id="delete_file")
async def delete(id: str, caller: CallerDep, have: ServicesDep) -> dict[str, str]:
    """Remove an uploaded file."""
    return {"deletedFileKey": await have.files.delete(caller, uid(id, "file"))}


@router.get("/vod/v1/files/{id}/preview", operation_id="get_file_preview")
async def preview(id: str, caller: CallerDep, have: ServicesDep, base: BaseDep) -> dict[str, Any]:
    """Time-limited link to look at a file."""
    link = await have.sources.preview(caller, uid(id, "file"), base)
    return {"link": link.url, "expirationDate": date(link.expires_at)}


@router.post("/vod/v1/files/{id}/cancel", operation_id="cancel_file_upload")
async def cancel(id: str, caller: CallerDep, have: ServicesDep, body: CancelUpload | None = None) -> Response:
    """Abort an upload."""
    await have.uploads.cancel(caller, uid(id, "file"), remove=bool(body and body.delete))
    return Response()


@router.post("/vod/v1/files/{id}/detect", operation_id="detect_file_tracks")
async def detect(id: str, caller: CallerDep, have: ServicesDep) -> dict[str, Any]:
    """Probe a file and list its tracks."""
    return {"tracks": tracks_result(await have.probing.detect(caller, uid(id, "file")))}
