"""Uploads in parts for remote stores without S3's protocol (GCS, Azure, memory): parts are objects.

Below `.uploads/{id}/`: `meta` and `done` (JSON), `parts/00007` a record (JSON) and `data/{random}` the
bytes it points to. A record is written after its bytes, so a part exists whole or not at all; completion
streams the parts into the object. `.uploads/` is never listed and no key may begin with it.
"""

import asyncio
import contextlib
import json
import re
import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import obstore

from polycast.domain.errors import Conflict, NotFound
from polycast.storage.interface import ObjectInfo, PartInfo, UploadInfo
from polycast.storage.keys import HIDDEN, check_key, check_part_number
from polycast.storage.parts import check_parts, check_same_parts
from polycast.storage.remote import RemoteObjects, attributes, store_errors
from polycast.storage.spool import spooled

_UPLOAD_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class _Record:
    part: PartInfo
    data: str


class ComposedStore(RemoteObjects):
    """A remote store whose uploads in parts go through us."""

    async def begin_multipart(
        self, key: str, *, content_type: str | None = None, part_size: int | None = None
    ) -> str:
        check_key(key)
        upload_id = secrets.token_hex(16)
        meta = {"key": key, "content_type": content_type, "started": datetime.now(UTC).isoformat()}
        await self._write(f"{HIDDEN}{upload_id}/meta", meta)
        return upload_id

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
        check_part_number(number)
        folder, _ = await self._open(key, upload_id)
        await self._refuse_completed(folder)
        record, data = f"{folder}parts/{number:05}", f"{folder}data/{secrets.token_hex(16)}"
        async with spooled(self._spool, stream, max_bytes=max_bytes, size=size) as body:
            part = PartInfo(number, body.size, body.md5)
            with store_errors(data):
                await obstore.put_async(self._backend, data, body.path)
        try:
            # asked again: completion or abortion may have come while the body did
            await self._open(key, upload_id)
            await self._refuse_completed(folder)
            old = await self._read(record)
            await self._write(record, {"size": part.size, "etag": part.etag, "data": data})
        except BaseException:
            await asyncio.shield(self._delete_batch([data]))
            raise
        if old is not None:
            await self._delete_batch([old["data"]])
        return part

    async def list_parts(self, key: str, upload_id: str) -> tuple[PartInfo, ...]:
        folder, _ = await self._open(key, upload_id)
        if await self._read(folder + "done") is not None:
            raise NotFound("upload", upload_id)
        return tuple(record.part for record in await self._records(folder))

    async def complete_multipart(
        self,
        key: str,
        upload_id: str,
        parts: Sequence[tuple[int, str]],
        *,
        expected_size: int | None = None,
    ) -> ObjectInfo:
        folder, meta = await self._open(key, upload_id)
        done = await self._read(folder + "done")
        if done is not None:
            check_same_parts([PartInfo(*part) for part in done["parts"]], parts)
            return ObjectInfo(key, done["size"], done["etag"], datetime.fromisoformat(done["modified"]))
        records = {record.part.number: record for record in await self._records(folder)}
        chosen = check_parts([record.part for record in records.values()], parts, expected_size)

        async def blocks() -> AsyncIterator[bytes]:
            for part in chosen:
                async with contextlib.aclosing(self._stream_raw(records[part.number].data)) as data:
                    async for block in data:
                        yield block

        with store_errors(key):
            # obstore publishes only at the end of the stream; an error in it leaves no object
            await obstore.put_async(self._backend, key, blocks(), attributes=attributes(meta["content_type"]))
        info = await self.head(key)
        facts = {"size": info.size, "etag": info.etag, "modified": info.modified.isoformat()}
        record_of = [(part.number, part.size, part.etag) for part in chosen]
        await self._write(folder + "done", {"parts": record_of, **facts})
        await self._delete_folder(folder + "data/")
        await self._delete_folder(folder + "parts/")
        return info

    async def abort_multipart(self, key: str, upload_id: str) -> None:
        try:
            folder, _ = await self._open(key, upload_id)
        except NotFound:
            return
        # first what makes it an upload, so that nobody adds to it meanwhile
        await self._delete_batch([folder + "meta"])
        await self._delete_folder(folder)

    async def list_uploads(self) -> AsyncIterator[UploadInfo]:
        uploads: dict[str, list[ObjectInfo]] = {}
        async for info in self._list_raw(HIDDEN):
            uploads.setdefault(info.key.split("/")[1], []).append(info)
        for upload_id, found in uploads.items():
            names = {info.key.split("/", 2)[2] for info in found}
            meta = await self._read(f"{HIDDEN}{upload_id}/meta")
            if meta is None:
                continue  # aborted meanwhile
            yield UploadInfo(
                meta["key"],
                upload_id,
                datetime.fromisoformat(meta["started"]),
                max(info.modified for info in found),
                "done" in names,
            )

    async def presign_part(
        self, key: str, upload_id: str, number: int, expires_s: int, *, size: int | None = None
    ) -> str | None:
        check_key(key)
        check_part_number(number)
        return None

    async def _open(self, key: str, upload_id: str) -> tuple[str, dict[str, Any]]:
        """Folder and meta of the upload; `NotFound` if there is none of this id for this key."""
        check_key(key)
        if not _UPLOAD_ID.fullmatch(upload_id):
            raise NotFound("upload")
        folder = f"{HIDDEN}{upload_id}/"
        meta = await self._read(folder + "meta")
        if meta is None or meta["key"] != key:
            raise NotFound("upload", upload_id)
        return folder, meta

    async def _refuse_completed(self, folder: str) -> None:
        if await self._read(folder + "done") is not None:
            raise Conflict("the upload was completed")

    async def _records(self, folder: str) -> list[_Record]:
        records = []
        for name in sorted([info.key async for info in self._list_raw(folder + "parts/")]):
            value = await self._read(name)
            if value is not None:
                part = PartInfo(int(name.rsplit("/", 1)[1]), value["size"], value["etag"])
                records.append(_Record(part, value["data"]))
        return records

    async def _read(self, name: str) -> dict[str, Any] | None:
        try:
            with store_errors(name):
                raw = bytes(await (await obstore.get_async(self._backend, name)).bytes_async())
        except NotFound:
            return None
        value: dict[str, Any] = json.loads(raw)
        return value

    async def _write(self, name: str, value: dict[str, Any]) -> None:
        with store_errors(name):
            await obstore.put_async(self._backend, name, json.dumps(value).encode())
