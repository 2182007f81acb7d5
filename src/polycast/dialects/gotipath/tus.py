"""tus 1.0.0 (tus.io): the vendor's older way to upload. The video is named by the header VideoId.

A client that remembers uploads by file alone would resume one video's upload for another video; whatever
carries another VideoId than the upload's own is therefore not found, and the client opens a new upload.

`Tus-Resumable` of answers is put in by the edge.
"""

import base64
import binascii
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Header, Path, Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from polycast.dialects.gotipath.auth import HeaderCaller, ServicesDep, services
from polycast.dialects.gotipath.edge import TUS_VERSION
from polycast.dialects.gotipath.errors import envelope, fields_named
from polycast.dialects.gotipath.uploads import media_type
from polycast.dialects.gotipath.wire import uid
from polycast.dialects.routing import Section
from polycast.domain.access import Caller
from polycast.domain.errors import ChecksumMismatch, Conflict, Invalid, NotFound, TooLarge, TooSlow
from polycast.services.registry import Services
from polycast.services.tus import TusUpload, parse_metadata
from polycast.services.tus_pieces import CHECKSUMS, Checksum

router = Section(tags=["Multipart Upload"], prefix="/tusupload")
VENDOR_BASE = "/v1"
"""what stands before the paths where a host of the vendor's leads here; a mount has a longer path"""
CHECKSUM_MISMATCH = 460
"""tus 1.0.0, checksum extension"""
_CHUNK_TYPE = "application/offset+octet-stream"
_BINARY = {
    "requestBody": {
        "required": True,
        "content": {_CHUNK_TYPE: {"schema": {"format": "binary", "type": "string"}}},
    }
}

FileId = Annotated[str, Path(description="The last part of Location.")]
VideoId = Annotated[str, Header(alias="VideoId", description="Id of the video.")]
Resumable = Annotated[str, Header(alias="Tus-Resumable", description="1.0.0")]
Length = Annotated[str, Header(alias="Upload-Length", description="Bytes of the whole file.")]
Offset = Annotated[str, Header(alias="Upload-Offset", description="Where the body begins.")]
Sum = Annotated[str, Header(alias="Upload-Checksum", description="Algorithm and base64 digest of the body.")]
Metadata = Annotated[str, Header(alias="Upload-Metadata", description="tus key and base64 pairs.")]


@router.post("", operation_id="tus_create", status_code=201, response_class=Response)
async def tus_create(
    request: Request,
    caller: HeaderCaller,
    services: ServicesDep,
    VideoId: VideoId = "",
    resumable: Resumable = "",
    length: Length = "",
    metadata: Metadata = "",
) -> Response:
    """Open an upload for a video that was created before; its address is in Location.

    Raises:
        Invalid: no length or no video. TooLarge: longer than Tus-Max-Size. NotFound: no such video.
    """
    if (refused := _other_version(resumable)) is not None:
        return refused
    size = _number(length, "Upload-Length")
    if not size:
        raise Invalid("Upload-Length must be at least 1", field="Upload-Length")
    if size > services.uploads.max_bytes:
        raise TooLarge(f"a file has at most {services.uploads.max_bytes} bytes")
    if not VideoId:
        raise Invalid("the header VideoId is missing", field="VideoId")
    asset = await services.assets.get(caller, uid(VideoId, "video"))
    said = parse_metadata(metadata)
    name = said.get("filename") or said.get("name") or "upload"
    with fields_named(name="Upload-Metadata", size="Upload-Length"):
        upload = await services.tus.create(
            caller,
            name=name,
            length=size,
            intent={"asset": str(asset.uid), "upload_type": "tus", "metadata": metadata},
            content_type=media_type(said.get("filetype")),
        )
    headers = {"location": f"{_address(request)}/{upload.file.uid}", "upload-offset": "0"}
    return Response(status_code=201, headers=headers)


@router.head("/{fileId}", operation_id="tus_head", response_class=Response)
async def tus_head(
    caller: HeaderCaller,
    services: ServicesDep,
    fileId: FileId,
    VideoId: VideoId = "",
    resumable: Resumable = "",
) -> Response:
    """How many bytes are safe."""
    if (refused := _other_version(resumable)) is not None:
        return refused
    upload = await _upload(services, caller, fileId, VideoId)
    headers = {**_offset(upload), "upload-length": str(upload.length), "cache-control": "no-store"}
    if said := upload.file.intent.get("metadata"):  # as it was sent (tus 1.0.0, Upload-Metadata)
        headers["upload-metadata"] = said
    return Response(headers=headers)


@router.patch(
    "/{fileId}", operation_id="tus_patch", status_code=204, response_class=Response, openapi_extra=_BINARY
)
async def tus_patch(
    request: Request,
    caller: HeaderCaller,
    services: ServicesDep,
    fileId: FileId,
    VideoId: VideoId = "",
    resumable: Resumable = "",
    offset: Offset = "",
    checksum: Sum = "",
) -> Response:
    """Append bytes; the last byte starts the video's processing.

    Raises:
        Invalid: a malformed offset or checksum. TooLarge: more bytes than were announced.
    """
    if (refused := _other_version(resumable)) is not None:
        return refused
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _CHUNK_TYPE:
        return envelope(415, f"the Content-Type must be {_CHUNK_TYPE}")
    at = _number(offset, "Upload-Offset")
    announced = _checksum(checksum)
    length = request.headers.get("content-length", "")
    upload = await _upload(services, caller, fileId, VideoId)
    try:
        upload = await services.tus.append(
            caller,
            upload.file.uid,
            at,
            _body(request),
            size=int(length) if length.isascii() and length.isdigit() and len(length) < 19 else None,
            checksum=announced,
        )
    except (Conflict, TooSlow) as error:
        # clients of tus ask where the upload stands and go on; a 408 ends it for them
        return envelope(409, error.message)
    except ChecksumMismatch as error:
        return envelope(CHECKSUM_MISMATCH, error.message)
    except ClientDisconnect:
        return Response(status_code=400)  # nobody reads this; what came is kept
    return Response(status_code=204, headers=_offset(upload))


@router.delete("/{fileId}", operation_id="tus_delete", status_code=204, response_class=Response)
async def tus_delete(
    caller: HeaderCaller,
    services: ServicesDep,
    fileId: FileId,
    VideoId: VideoId = "",
    resumable: Resumable = "",
) -> Response:
    """End an unfinished upload and free its bytes (termination extension)."""
    if (refused := _other_version(resumable)) is not None:
        return refused
    upload = await _upload(services, caller, fileId, VideoId)
    try:
        await services.tus.terminate(caller, upload.file.uid)
    except Conflict as error:
        # not 409: clients take that for a passing trouble, and try again
        return envelope(410, error.message)
    return Response(status_code=204)


@router.post("/{fileId}", include_in_schema=False)
async def tus_overridden(request: Request, caller: HeaderCaller, fileId: FileId) -> Response:
    """X-HTTP-Method-Override, for clients behind proxies that let only GET and POST through (tus 1.0.0)."""
    have, headers = services(request), request.headers
    video, resumable = headers.get("videoid", ""), headers.get("tus-resumable", "")
    method = headers.get("x-http-method-override", "").upper()
    if method == "PATCH":
        offset = headers.get("upload-offset", "")
        return await tus_patch(
            request, caller, have, fileId, video, resumable, offset, headers.get("upload-checksum", "")
        )
    if method == "DELETE":
        return await tus_delete(caller, have, fileId, video, resumable)
    return envelope(405, "Method Not Allowed", headers={"allow": "HEAD, PATCH, DELETE"})


async def _upload(services: Services, caller: Caller, file: str, video: str) -> TusUpload:
    upload = await services.tus.state(caller, uid(file, "upload"))
    if video and video.lower() != upload.file.intent.get("asset"):
        raise NotFound("upload", file)
    return upload


async def _body(request: Request) -> AsyncIterator[bytes]:
    async for block in request.stream():
        yield block


def _offset(upload: TusUpload) -> dict[str, str]:
    return {"upload-offset": str(upload.offset)}


def _other_version(given: str) -> Response | None:
    """412 for clients of another version (tus 1.0.0, Tus-Resumable)."""
    if given == TUS_VERSION:
        return None
    return envelope(412, f"Tus-Resumable must be {TUS_VERSION}", headers={"tus-version": TUS_VERSION})


def _number(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise Invalid(f"{name} must be a number of bytes", field=name)
    return int(text)


def _checksum(text: str) -> Checksum | None:
    """`Upload-Checksum: sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=`; None where there is none."""
    if not text:
        return None
    algorithm, _, encoded = text.strip().partition(" ")
    if algorithm not in CHECKSUMS:
        raise Invalid(f"the checksum must be one of {', '.join(CHECKSUMS)}", field="Upload-Checksum")
    try:
        return Checksum(algorithm, base64.b64decode(encoded.strip(), validate=True))
    except binascii.Error as error:
        raise Invalid("Upload-Checksum is not valid", field="Upload-Checksum") from error


def _address(request: Request) -> str:
    """Where this section is reached: by the mount below the public origin, or by a host of the vendor's."""
    root = request.scope.get("root_path", "")
    by_name = root in ("", VENDOR_BASE)
    public = "" if by_name else services(request).public_url
    origin = public or f"{request.url.scheme}://{request.headers.get('host', '')}"
    return f"{origin}{root}/tusupload"
