"""S3 and whatever speaks its protocol (MinIO, Ceph, R2, …): objects by obstore, parts by signed requests."""

import base64
import hashlib
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

import httpx
from obstore.store import S3Store as Backend

from polycast.domain.errors import Conflict, NotFound, Unavailable
from polycast.storage.files import BLOCK, in_thread
from polycast.storage.interface import ObjectInfo, PartInfo, UploadInfo
from polycast.storage.keys import check_key, check_part_number, clean_etag
from polycast.storage.parts import check_parts
from polycast.storage.remote import RemoteObjects
from polycast.storage.s3_requests import S3Account, S3Error, S3Requests, parse_xml, text_of
from polycast.storage.spool import spooled

if TYPE_CHECKING:
    from obstore.store import S3Config

MIN_PART_BYTES = 5 << 20
"""S3 refuses smaller parts, but for the last (EntityTooSmall)"""


class S3Store(RemoteObjects):
    """A bucket, or a folder of one.

    Clients may PUT parts straight to the store (`presign_part`); parts that come through us are spooled to
    disk, checked and sent on with their MD5.

    Args:
        spool: folder for parts on their way; the system's temporary folder if None.
    """

    def __init__(self, account: S3Account, *, spool: Path | None = None) -> None:
        insecure = (account.endpoint or "").startswith("http://")
        backend = Backend(
            account.bucket,
            prefix=account.prefix or None,
            config=_backend_config(account),
            # a minute for one request of at most a few MiB
            client_options={"allow_http": insecure, "timeout": timedelta(seconds=60)},
            retry_config={"max_retries": 5, "retry_timeout": timedelta(seconds=60)},
        )
        super().__init__(backend, spool=spool)
        self._prefix = account.prefix
        self._requests = S3Requests(account)

    async def presign_get(self, key: str, expires_s: int, *, filename: str | None = None) -> str | None:
        check_key(key)
        query = {}
        if filename is not None:
            query["response-content-disposition"] = _disposition(filename)
        return self._requests.presign("GET", key, query, expires_s)

    async def begin_multipart(
        self, key: str, *, content_type: str | None = None, part_size: int | None = None
    ) -> str:
        check_key(key)
        headers = {"Content-Type": content_type or "application/octet-stream"}
        with _upload_errors(""):
            response = await self._requests.send("POST", key, {"uploads": ""}, headers=headers)
        return text_of(parse_xml(response), "UploadId")

    async def put_part(
        self,
        key: str,
        upload_id: str,
        number: int,
        stream: AsyncIterator[bytes],
        max_bytes: int,
        *,
        size: int | None = None,
    ) -> PartInfo:
        check_key(key)
        check_part_number(number)
        # gigabytes are not taken in for an upload that is gone
        await self._page_of_parts(key, upload_id, {"max-parts": "1"})
        async with spooled(self._spool, stream, max_bytes=max_bytes, size=size) as body:
            headers = {
                "Content-Length": str(body.size),
                # the store checks what arrived
                "Content-MD5": base64.b64encode(bytes.fromhex(body.md5)).decode(),
            }
            with _upload_errors(upload_id):
                response = await self._requests.send(
                    "PUT",
                    key,
                    {"partNumber": str(number), "uploadId": upload_id},
                    unsigned_headers=headers,
                    body=lambda: _blocks(body.path),
                )
        # with KMS encryption the store's etag is not the MD5, and completion asks for the store's
        return PartInfo(number, body.size, clean_etag(response.headers["ETag"]))

    async def list_parts(self, key: str, upload_id: str) -> tuple[PartInfo, ...]:
        check_key(key)
        parts: list[PartInfo] = []
        query: dict[str, str] = {}
        while True:
            root = await self._page_of_parts(key, upload_id, query)
            parts += [
                PartInfo(
                    int(text_of(part, "PartNumber")),
                    int(text_of(part, "Size")),
                    clean_etag(text_of(part, "ETag")),
                )
                for part in root.iter("Part")
            ]
            if text_of(root, "IsTruncated") != "true":
                return tuple(sorted(parts, key=lambda part: part.number))
            query["part-number-marker"] = text_of(root, "NextPartNumberMarker")

    async def _page_of_parts(self, key: str, upload_id: str, query: dict[str, str]) -> Element:
        with _upload_errors(upload_id):
            check_upload_id(upload_id)
            return parse_xml(await self._requests.send("GET", key, {"uploadId": upload_id, **query}))

    async def complete_multipart(
        self,
        key: str,
        upload_id: str,
        parts: Sequence[tuple[int, str]],
        *,
        expected_size: int | None = None,
    ) -> ObjectInfo:
        try:
            known = await self.list_parts(key, upload_id)
            chosen = check_parts(known, parts, expected_size, min_size=MIN_PART_BYTES)
            await self._complete(key, upload_id, chosen)
        except NotFound as missing:
            return await self._completed_before(key, parts, missing)
        return await self.head(key)

    async def _complete(self, key: str, upload_id: str, parts: Sequence[PartInfo]) -> None:
        named = "".join(
            f"<Part><PartNumber>{part.number}</PartNumber><ETag>&quot;{escape(part.etag)}&quot;</ETag></Part>"
            for part in parts
        )
        body = (
            '<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"{named}</CompleteMultipartUpload>"
        )
        with _upload_errors(upload_id):
            await self._requests.send(
                "POST",
                key,
                {"uploadId": upload_id},
                headers={"Content-Type": "application/xml"},
                body=body.encode(),
            )

    async def _completed_before(
        self, key: str, parts: Sequence[tuple[int, str]], missing: NotFound
    ) -> ObjectInfo:
        """The store has forgotten the upload: was it completed, and of these parts?

        S3 keeps no record of finished uploads, but the etag of the object is made of those of its parts.
        """
        try:
            info = await self.head(key)
        except NotFound:
            raise missing from None
        if not parts or info.etag != multipart_etag(parts):
            raise Conflict("the upload was completed with other parts, or aborted")
        return info

    async def abort_multipart(self, key: str, upload_id: str) -> None:
        check_key(key)
        try:
            check_upload_id(upload_id)
            with _upload_errors(upload_id):
                await self._requests.send("DELETE", key, {"uploadId": upload_id})
        except NotFound:
            return

    async def list_uploads(self) -> AsyncIterator[UploadInfo]:
        folder = f"{self._prefix}/" if self._prefix else ""
        query = {"uploads": "", "prefix": folder}
        while True:
            with _upload_errors(""):
                root = parse_xml(await self._requests.send("GET", None, query))
            for upload in root.iter("Upload"):
                started = datetime.fromisoformat(text_of(upload, "Initiated"))
                key = text_of(upload, "Key").removeprefix(folder)
                yield UploadInfo(key, text_of(upload, "UploadId"), started, started)
            if text_of(root, "IsTruncated") != "true":
                return
            query["key-marker"] = text_of(root, "NextKeyMarker")
            query["upload-id-marker"] = text_of(root, "NextUploadIdMarker")

    async def presign_part(
        self, key: str, upload_id: str, number: int, expires_s: int, *, size: int | None = None
    ) -> str | None:
        check_key(key)
        check_part_number(number)
        check_upload_id(upload_id)
        query = {"partNumber": str(number), "uploadId": upload_id}
        # a signed header must be sent as it was signed, and this one is what was really sent
        headers = {} if size is None else {"Content-Length": str(size)}
        return self._requests.presign("PUT", key, query, expires_s, headers)

    async def browser_uploads(self) -> bool:
        """Whether the bucket's CORS rules let pages of any origin PUT parts and read their ETags.

        Raises:
            Unavailable: the rules cannot be asked for.
        """
        try:
            root = parse_xml(await self._requests.send("GET", None, {"cors": ""}))
        except S3Error as error:
            if error.code == "NoSuchCORSConfiguration":
                return False
            raise Unavailable(f"the media store does not show its CORS rules ({error.code})") from error
        return any(_lets_upload(rule) for rule in root.iter("CORSRule"))

    async def aclose(self) -> None:
        await self._requests.aclose()


def multipart_etag(parts: Sequence[tuple[int, str]]) -> str:
    """What S3 makes of the etags of parts: MD5 of their MD5s, and their number. '' if they are no MD5s."""
    try:
        joined = b"".join(bytes.fromhex(clean_etag(etag)) for _, etag in parts)
    except ValueError:
        return ""
    return f"{hashlib.md5(joined, usedforsecurity=False).hexdigest()}-{len(parts)}"


def check_upload_id(upload_id: str) -> None:
    """Raises `NotFound` for what no store gave out.

    Without it an empty id would turn "abort this upload" into "delete this object".
    """
    if not 1 <= len(upload_id) <= 1024 or not upload_id.isascii() or not upload_id.isprintable():
        raise NotFound("upload")


@contextmanager
def _upload_errors(upload_id: str) -> Iterator[None]:
    try:
        yield
    except S3Error as error:
        if error.code in {"NoSuchUpload", "404"}:
            raise NotFound("upload", upload_id) from None
        raise Unavailable(f"the media store refused ({error.code})") from error
    except httpx.HTTPError as error:
        raise Unavailable("the media store does not answer as it should") from error


async def _blocks(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while block := await in_thread(file.read, BLOCK):
            yield block


def _lets_upload(rule: Element) -> bool:
    def said(name: str) -> set[str]:
        return {(found.text or "").strip().lower() for found in rule.iter(name)}

    return "*" in said("AllowedOrigin") and "put" in said("AllowedMethod") and "etag" in said("ExposeHeader")


def _disposition(filename: str) -> str:
    """RFC 6266: an ASCII name for old clients, the real one in UTF-8 for the others."""
    plain = "".join(char if " " <= char < "\x7f" and char not in '"\\%' else "_" for char in filename)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"


def _backend_config(account: S3Account) -> "S3Config":
    config: S3Config = {
        "region": account.region,
        "access_key_id": account.access_key,
        "secret_access_key": account.secret_key,
        # as in S3Requests
        "virtual_hosted_style_request": account.endpoint is None and "." not in account.bucket,
    }
    if account.session_token:
        config["session_token"] = account.session_token
    if account.endpoint:
        config["endpoint"] = account.endpoint
    return config
