"""Objects in a remote store, by way of obstore: everything but uploads in parts."""

import contextlib
import io
import os
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import BaseError, NotFoundError, PreconditionError
from obstore.store import AzureStore, GCSStore, S3Store

from polycast.domain.errors import Conflict, Invalid, NotFound, Unavailable
from polycast.storage.files import (
    acquire,
    create,
    discard,
    disk_errors,
    in_thread,
    open_regular,
    remove,
    write_all,
)
from polycast.storage.interface import ObjectInfo
from polycast.storage.keys import HIDDEN, check_folder, check_key, check_range

if TYPE_CHECKING:
    from obstore import Attributes, ObjectMeta
    from obstore.store import ObjectStore as Backend

_WINDOW = 8 << 20
"""bytes asked for in one request while streaming: each request ends well before the client's time-out,
however slow the reader, and a broken connection costs one window"""
_DELETED_AT_ONCE = 1000


@contextlib.contextmanager
def store_errors(key: str = "") -> Iterator[None]:
    """Turn obstore's errors into ours. Its texts name hosts and requests, so they stay in `__cause__`."""
    try:
        yield
    except (NotFoundError, FileNotFoundError):
        raise NotFound("object", key) from None
    except PreconditionError as error:
        raise Conflict("the object was replaced while it was read") from error
    except BaseError as error:
        raise Unavailable("the media store does not answer as it should") from error


class RemoteObjects:
    """Plain operations on any obstore backend.

    Args:
        backend: configured with its own credentials, retries and time-outs.
        spool: folder for parts on their way through us; the system's temporary folder if None.
    """

    def __init__(self, backend: "Backend", *, spool: Path | None = None) -> None:
        self._backend = backend
        self._spool = spool or Path(tempfile.gettempdir())

    async def put(
        self, key: str, data: bytes, *, content_type: str | None = None, durable: bool = True
    ) -> ObjectInfo:
        check_key(key)
        with store_errors(key):
            result = await obstore.put_async(self._backend, key, data, attributes=attributes(content_type))
        return ObjectInfo(key, len(data), _etag(result["e_tag"]), datetime.now(UTC))

    async def put_file(
        self,
        key: str,
        path: Path,
        *,
        move: bool = False,
        content_type: str | None = None,
        durable: bool = True,
    ) -> ObjectInfo:
        check_key(key)
        with disk_errors():
            fd = await acquire(lambda: open_regular(path), os.close)
        with io.FileIO(fd) as file:
            size = os.fstat(fd).st_size
            with store_errors(key):
                result = await obstore.put_async(
                    self._backend, key, file, attributes=attributes(content_type)
                )
        if move:
            await in_thread(remove, path)
        return ObjectInfo(key, size, _etag(result["e_tag"]), datetime.now(UTC))

    async def get(self, key: str) -> bytes:
        check_key(key)
        with store_errors(key):
            return bytes(await (await obstore.get_async(self._backend, key)).bytes_async())

    async def stream(self, key: str, start: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        check_key(key)
        async with contextlib.aclosing(self._stream_raw(key, start, length)) as blocks:
            async for block in blocks:
                yield block

    async def _stream_raw(
        self, key: str, start: int = 0, length: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        check_range(start, length)
        meta = await self._meta(key)
        size = meta["size"]
        if start > size:
            raise Invalid(f"the range starts at {start}, the object has {size} bytes", field="range")
        end = size if length is None else min(size, start + length)
        while start < end:
            stop = min(end, start + _WINDOW)
            with store_errors(key):
                result = await obstore.get_async(
                    self._backend, key, options={"range": (start, stop), "if_match": meta["e_tag"]}
                )
                block = bytes(await result.bytes_async())
            if len(block) != stop - start:
                raise Unavailable("the media store sent less than it announced")
            yield block
            start = stop

    async def head(self, key: str) -> ObjectInfo:
        check_key(key)
        return _info(await self._meta(key))

    async def _meta(self, key: str) -> "ObjectMeta":
        with store_errors(key):
            return await obstore.head_async(self._backend, key)

    async def list(self, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        folder = check_folder(prefix, allow_root=True)
        async for info in self._list_raw(folder):
            if not info.key.startswith(HIDDEN):
                yield info

    async def _list_raw(self, folder: str) -> AsyncIterator[ObjectInfo]:
        with store_errors(folder):
            async for batch in obstore.list(self._backend, prefix=folder or None):
                for meta in batch:
                    yield _info(meta)

    async def delete(self, keys: Iterable[str]) -> None:
        checked = [check_key(key) for key in keys]
        for first in range(0, len(checked), _DELETED_AT_ONCE):
            await self._delete_batch(checked[first : first + _DELETED_AT_ONCE])

    async def _delete_batch(self, keys: Sequence[str]) -> None:
        with store_errors():
            try:
                await obstore.delete_async(self._backend, keys)
            except (NotFoundError, FileNotFoundError):
                # some stores stop at the first that is absent: go on one by one
                for key in keys:
                    with contextlib.suppress(NotFoundError, FileNotFoundError):
                        await obstore.delete_async(self._backend, key)

    async def delete_prefix(self, prefix: str) -> None:
        await self._delete_folder(check_folder(prefix, allow_root=False))

    async def _delete_folder(self, folder: str) -> None:
        keys = []
        async for info in self._list_raw(folder):
            keys.append(info.key)
            if len(keys) == _DELETED_AT_ONCE:
                await self._delete_batch(keys)
                keys = []
        if keys:
            await self._delete_batch(keys)

    def local_path(self, key: str) -> Path | None:
        check_key(key)
        return None

    async def fetch(self, key: str, dest: Path) -> None:
        check_key(key)
        with disk_errors():
            try:
                temporary, fd = await acquire(lambda: create(dest.parent), discard)
            except FileNotFoundError:
                raise Invalid("the folder to fetch into does not exist", field="dest") from None
            try:
                async with contextlib.aclosing(self._stream_raw(key)) as blocks:
                    async for block in blocks:
                        await in_thread(write_all, fd, block)
                temporary.rename(dest)
            except BaseException:
                remove(temporary)
                raise
            finally:
                os.close(fd)

    async def presign_get(self, key: str, expires_s: int, *, filename: str | None = None) -> str | None:
        """As in the interface; stores other than S3 cannot carry `filename` and leave it out."""
        check_key(key)
        if not isinstance(self._backend, (AzureStore, GCSStore, S3Store)):
            return None  # memory
        with store_errors(key):
            url: str = await obstore.sign_async(
                self._backend,
                "GET",
                key,
                timedelta(seconds=expires_s),
            )
        return url

    async def flush(self) -> None:
        return None

    async def aclose(self) -> None:
        return None


def attributes(content_type: str | None) -> "Attributes | None":
    return {"Content-Type": content_type} if content_type else None


def _etag(value: str | None) -> str:
    return (value or "").removeprefix("W/").strip('"')


def _info(meta: "ObjectMeta") -> ObjectInfo:
    return ObjectInfo(meta["path"], meta["size"], _etag(meta["e_tag"]), meta["last_modified"])
