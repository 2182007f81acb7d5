"""Uploads in parts, on local disk.

A folder per upload under `uploads/{id}`:

    meta.json          key, part size, time of begin
    part-00007.json    record of a received part: size, MD5, and where its bytes are (file, offset)
    whole              where a part size was given: parts at the place where they will stay
    slot-00007         somebody writes, or has written, that part into `whole`
    {random}           any other part's bytes
    done.json          decided: what the object consists of and which file becomes it
    lock               flock: guards records and completion, over processes too; a killed owner frees it

A record is renamed into place after its bytes are on disk, so a part exists whole or not at all. `whole`
is written for each part at most once: a repeated part, one longer than the part size, or one whose writer
was killed goes to a file of its own, and the record that points there replaces the old one. Completion is
a rename if all records lie in `whole` in their right places, else one copy inside the kernel.
"""

import asyncio
import contextlib
import fcntl
import json
import os
import re
import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from polycast.domain.errors import Conflict, Invalid, NotFound
from polycast.storage.files import (
    acquire,
    copy_range,
    create,
    disk_errors,
    in_thread,
    publish,
    remove,
    sync_folder,
)
from polycast.storage.interface import ObjectInfo, PartInfo, UploadInfo
from polycast.storage.keys import check_key, check_part_number
from polycast.storage.local_layout import Layout, delete_tree, facts
from polycast.storage.part_writer import PartWriter
from polycast.storage.parts import check_parts, check_same_parts, receive

_UPLOAD_ID = re.compile(r"[0-9a-f]{32}")
_LOCK_POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class _Record:
    number: int
    size: int
    etag: str
    file: str
    offset: int

    @property
    def part(self) -> PartInfo:
        return PartInfo(self.number, self.size, self.etag)


class LocalUploads:
    """The multipart half of `LocalStore`."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    async def begin_multipart(
        self, key: str, *, content_type: str | None = None, part_size: int | None = None
    ) -> str:
        check_key(key)
        if part_size is not None and part_size < 1:
            raise Invalid("the part size is not positive", field="part_size")
        upload_id = secrets.token_hex(16)
        meta = {"key": key, "part_size": part_size, "started": datetime.now(UTC).isoformat()}
        with disk_errors():
            await acquire(lambda: self._begin(self._layout.uploads / upload_id, meta), delete_tree)
        return upload_id

    def _begin(self, folder: Path, meta: dict[str, Any]) -> Path:
        folder.mkdir()
        try:
            _write_json(folder, "meta.json", meta)
        except BaseException:
            delete_tree(folder)
            raise
        sync_folder(self._layout.uploads)
        return folder

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
        with disk_errors():
            folder, meta = await in_thread(self._open, key, upload_id)
            if (folder / "done.json").exists():
                raise Conflict("the upload was completed")
            with _gone(upload_id):
                writer = await acquire(
                    lambda: PartWriter(folder, number, meta["part_size"]), PartWriter.close
                )
        try:
            # outside `disk_errors`: what the client's connection raises is not the disk's
            received = await receive(stream, writer.write, max_bytes=max_bytes, size=size)
            with disk_errors(), _gone(upload_id):
                await in_thread(writer.sync)
                async with _locked(folder):
                    if (folder / "done.json").exists():
                        raise Conflict("the upload was completed")
                    record = _Record(number, received.size, received.md5, writer.file, writer.offset)
                    await in_thread(_replace_record, folder, record)
                    writer.keep()
        finally:
            await in_thread(writer.close)
        return record.part

    async def list_parts(self, key: str, upload_id: str) -> tuple[PartInfo, ...]:
        with disk_errors():
            folder, _ = await in_thread(self._open, key, upload_id)
            if (folder / "done.json").exists():
                raise NotFound("upload", upload_id)
            return tuple(record.part for record in await in_thread(_records, folder))

    async def complete_multipart(
        self,
        key: str,
        upload_id: str,
        parts: Sequence[tuple[int, str]],
        *,
        expected_size: int | None = None,
    ) -> ObjectInfo:
        with disk_errors(), _gone(upload_id):
            folder, _ = await in_thread(self._open, key, upload_id)
            async with _locked(folder):
                return await in_thread(self._complete, folder, key, parts, expected_size)

    def _complete(
        self, folder: Path, key: str, parts: Sequence[tuple[int, str]], expected_size: int | None
    ) -> ObjectInfo:
        done = folder / "done.json"
        if done.exists():
            decision = json.loads(done.read_bytes())
            check_same_parts([PartInfo(*part) for part in decision["parts"]], parts)
        else:
            records = {record.number: record for record in _records(folder)}
            chosen = [
                records[part.number]
                for part in check_parts([record.part for record in records.values()], parts, expected_size)
            ]
            decision = {
                "file": _assemble(folder, chosen),
                "parts": [(record.number, record.size, record.etag) for record in chosen],
            }
            info = facts(key, (folder / decision["file"]).stat())
            decision |= {"size": info.size, "etag": info.etag, "modified": info.modified.isoformat()}
            _write_json(folder, "done.json", decision)
        source = folder / decision["file"]
        if source.exists():  # also after a crash between decision and rename
            target = self._layout.target(key)
            if target.is_dir():
                raise Conflict("a folder stands where the object should be")
            publish(source, target, root=self._layout.objects, durable=True)
        for path in folder.iterdir():
            if path.name not in {"meta.json", "done.json", "lock"}:
                remove(path)
        return ObjectInfo(
            key, decision["size"], decision["etag"], datetime.fromisoformat(decision["modified"])
        )

    async def abort_multipart(self, key: str, upload_id: str) -> None:
        with disk_errors():
            try:
                folder, _ = await in_thread(self._open, key, upload_id)
                async with _locked(folder):
                    trash = self._layout.tmp / secrets.token_hex(16)
                    await in_thread(folder.rename, trash)
            except (NotFound, FileNotFoundError):
                return
            await in_thread(delete_tree, trash)

    async def list_uploads(self) -> AsyncIterator[UploadInfo]:
        with disk_errors():
            for folder in await in_thread(lambda: sorted(self._layout.uploads.iterdir())):
                info = await in_thread(_upload_info, folder)
                if info is not None:
                    yield info

    async def presign_part(
        self, key: str, upload_id: str, number: int, expires_s: int, *, size: int | None = None
    ) -> str | None:
        check_key(key)
        check_part_number(number)
        return None

    def _open(self, key: str, upload_id: str) -> tuple[Path, dict[str, Any]]:
        """Folder and meta of the upload; `NotFound` if there is none of this id for this key."""
        check_key(key)
        folder = self._layout.uploads / upload_id
        if not _UPLOAD_ID.fullmatch(upload_id):
            raise NotFound("upload")
        try:
            meta: dict[str, Any] = json.loads((folder / "meta.json").read_bytes())
        except FileNotFoundError:
            raise NotFound("upload", upload_id) from None
        if meta["key"] != key:
            raise NotFound("upload", upload_id)
        return folder, meta


@contextlib.contextmanager
def _gone(upload_id: str) -> Iterator[None]:
    """The folder vanished under our hands: somebody aborted the upload."""
    try:
        yield
    except FileNotFoundError:
        raise NotFound("upload", upload_id) from None


@contextlib.asynccontextmanager
async def _locked(folder: Path) -> AsyncIterator[None]:
    """Hold the upload's lock; waits without blocking a thread, since completion may hold it for long."""
    fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(_LOCK_POLL_S)
        yield
    finally:
        os.close(fd)


def _write_json(folder: Path, name: str, value: dict[str, Any]) -> None:
    temporary, fd = create(folder)
    try:
        os.write(fd, json.dumps(value).encode())
        os.fsync(fd)
        temporary.rename(folder / name)
    except BaseException:
        remove(temporary)
        raise
    finally:
        os.close(fd)
    sync_folder(folder)


def _record_path(folder: Path, number: int) -> Path:
    return folder / f"part-{number:05}.json"


def _read_record(path: Path) -> _Record:
    return _Record(**json.loads(path.read_bytes()))


def _records(folder: Path) -> list[_Record]:
    return [_read_record(path) for path in sorted(folder.glob("part-*.json"))]


def _replace_record(folder: Path, record: _Record) -> None:
    path = _record_path(folder, record.number)
    try:
        old = _read_record(path)
    except FileNotFoundError:
        old = None
    _write_json(folder, path.name, asdict(record))
    if old is not None and old.file != "whole":
        remove(folder / old.file)


def _assemble(folder: Path, records: Sequence[_Record]) -> str:
    """Name of a synced file of the upload that holds exactly these parts."""
    end = 0
    in_place = True
    for record in records:
        in_place = in_place and record.file == "whole" and record.offset == end
        end += record.size
    if in_place:
        fd = os.open(folder / "whole", os.O_RDWR | os.O_CLOEXEC)
        try:
            os.ftruncate(fd, end)
            os.fsync(fd)
        finally:
            os.close(fd)
        return "whole"
    temporary, target = create(folder)
    try:
        for record in records:
            source = os.open(folder / record.file, os.O_RDONLY | os.O_CLOEXEC)
            try:
                copy_range(source, record.offset, record.size, target)
            finally:
                os.close(source)
        os.fsync(target)
    except BaseException:
        remove(temporary)
        raise
    finally:
        os.close(target)
    return temporary.name


def _upload_info(folder: Path) -> UploadInfo | None:
    try:
        meta = json.loads((folder / "meta.json").read_bytes())
        # every record is renamed into the folder and so moves its time
        active = datetime.fromtimestamp(folder.stat().st_mtime, UTC)
        done = (folder / "done.json").exists()
    except FileNotFoundError:
        return None
    return UploadInfo(meta["key"], folder.name, datetime.fromisoformat(meta["started"]), active, done)
