"""Answers made of stored objects: byte ranges, conditions, and the cheapest way to send the bytes.

Small objects (most audio segments, pictures) are read in one go while they are open, so that nothing can
vanish under way. Large ones are handed to the server as a path (the ASGI extension `http.response.pathsend`):
no byte passes through Python. Ranges are read in blocks. The border was measured: docs/decisions/0100.

Other ways, by setting: nginx sends the file (`X-Accel-Redirect`), or the viewer goes to the remote store
itself by a presigned URL.
"""

import asyncio
import contextlib
import mimetypes
import os
import stat
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from starlette.types import Receive, Scope, Send

from polycast.delivery.answers import Headers
from polycast.delivery.conditions import Answer, Seen, answer_for
from polycast.delivery.guard import CutShort
from polycast.delivery.presigned import Granted, Presigned
from polycast.domain.errors import NotFound, Unavailable
from polycast.protocols.conditional import ETag
from polycast.storage.files import in_thread
from polycast.storage.interface import FileStore, ObjectStore

SMALL: Final = 256 * 1024
"""bytes up to which an object is read in one go"""
_BLOCK: Final = 128 * 1024
"""of a range: the server keeps several for a viewer that does not take them"""
_SHARED: Final = memoryview(bytearray(max(SMALL, _BLOCK)))
"""read into, and copied from, by the event loop's thread alone, with no wait in between"""
_REVALIDATE_S: Final = 30.0
"""a cached copy of what may be replaced (a poster, captions) is compared with its store this often"""
_OPEN: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
TYPES: Final = {
    ".m4s": "video/iso.segment",
    ".mp4": "video/mp4",
    ".m4a": "audio/mp4",
    ".m3u8": "application/vnd.apple.mpegurl",
    ".mpd": "application/dash+xml",
    ".vtt": "text/vtt; charset=utf-8",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
    ".gif": "image/gif",
}


def content_type(key: str) -> str:
    """The media type of an object by its extension."""
    suffix = os.path.splitext(key)[1].lower()  # noqa: PTH122 - a key is not a path
    return TYPES.get(suffix) or mimetypes.guess_type(key)[0] or "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Body:
    """An object to be sent.

    Attributes:
        media_type: None = by the key's extension.
        immutable: the key is never written twice: any copy of it is right, and its name is its version. It is
            plain: letters, digits, `-`, `_`, one dot, no empty or relative steps.
        fresh: no copy is sent that was not compared with its store for this very request.
    """

    key: str
    media_type: str | None = None
    immutable: bool = False
    fresh: bool = False


class Objects:
    """Serves objects of a store.

    Args:
        accel: internal location of an nginx in front that serves the object folder, "" = send them here.
        presigned: gives addresses in the remote store to send viewers to, None = pass the bytes through.
    """

    def __init__(self, store: ObjectStore, *, accel: str = "", presigned: Presigned | None = None) -> None:
        self._store = store
        self._files = store if isinstance(store, FileStore) else None
        # a store of files knows the path of any key, present or not
        probe = store.local_path("probe")
        self._root = None if probe is None else str(probe.parent)
        self._accel = accel if not accel or accel.endswith("/") else f"{accel}/"
        self._presigned = presigned

    async def serve(self, scope: Scope, receive: Receive, send: Send, body: Body, headers: Headers) -> int:
        """Answer GET or HEAD with an object: 200, 206, 304, 307, 412 or 416 (RFC 9110 sections 13 and 14).

        Args:
            headers: of the answer, beside those about the object itself.

        Returns:
            Bytes of content that went to the viewer, or that nginx or a remote store was told to send.

        Raises:
            NotFound: no such object; nothing was sent yet.
            Unavailable: the remote store does not answer; nothing was sent yet.
            CutShort: the bytes ended or the store failed half-way.
        """
        if self._presigned is not None and body.immutable:
            granted = await self._presigned.grant(body.key)
            if granted is not None:
                return await _send_on(scope, send, granted, headers)
        if self._root is None:
            path = await self._bring(body)
        elif body.immutable:
            # the address was matched letter by letter: no need to check the key again for each segment
            path = f"{self._root}/{body.key}"
        else:
            path = str(self._store.local_path(body.key))
        if path is None:
            return await self._stream(scope, receive, send, body, headers)
        if self._accel:
            return await self._by_nginx(scope, send, path, body, headers)
        return await self._file(scope, receive, send, path, body, headers)

    async def _bring(self, body: Body) -> str | None:
        """A remote object on this disk; None where there is no cache, or no room in it."""
        if self._files is None:
            return None
        max_age_s = None if body.immutable else 0.0 if body.fresh else _REVALIDATE_S
        found = await self._files.ensure_local(body.key, max_age_s=max_age_s)
        return None if found is None else str(found)

    async def _by_nginx(self, scope: Scope, send: Send, path: str, body: Body, headers: Headers) -> int:
        # nginx answers 404 itself, but without CORS headers a player could not read that
        try:
            status = os.stat(path)  # noqa: PTH116 - one stat is cheaper than a thread
        except OSError:
            raise NotFound("object") from None
        if not stat.S_ISREG(status.st_mode):
            raise NotFound("object")
        # nginx makes its own ETags, so conditions are not ours to judge; ranges without them are
        seen = Seen(status.st_size, self._etag(body, status), status.st_mtime)
        span = answer_for(scope, seen, [], "").span
        extra = [
            (b"x-accel-redirect", (self._accel + quote(body.key)).encode()),
            (b"content-type", (body.media_type or content_type(body.key)).encode()),
            (b"content-length", b"0"),
        ]
        await _headers_only(send, Answer(200, [*headers, *extra]))
        return 0 if span is None or scope["method"] == "HEAD" else span.length

    async def _file(
        self, scope: Scope, receive: Receive, send: Send, path: str, body: Body, headers: Headers
    ) -> int:
        try:
            fd = os.open(path, _OPEN)
        except (FileNotFoundError, NotADirectoryError):
            raise NotFound("object") from None
        except OSError as error:
            raise Unavailable("the media store cannot be used now") from error
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                raise NotFound("object")
            seen = Seen(status.st_size, self._etag(body, status), status.st_mtime)
            answer = answer_for(scope, seen, headers, body.media_type or content_type(body.key))
            span = answer.span
            if span is None or scope["method"] == "HEAD":
                return await _headers_only(send, answer)
            if span.length <= SMALL:
                data = await _read(fd, span.start, span.length)
                if len(data) != span.length:
                    raise NotFound("object")
                await send(
                    {"type": "http.response.start", "status": answer.status, "headers": answer.headers}
                )
                await send({"type": "http.response.body", "body": data})
            elif span.length == status.st_size and "http.response.pathsend" in scope.get("extensions", {}):
                await send(
                    {"type": "http.response.start", "status": answer.status, "headers": answer.headers}
                )
                # a file deleted right now becomes Granian's own 404
                await send({"type": "http.response.pathsend", "path": path})
            else:
                return await _send_blocks(receive, send, answer, _blocks(fd, span.start, span.length))
            return span.length
        finally:
            os.close(fd)

    def _etag(self, body: Body, status: os.stat_result) -> ETag:
        if self._root is not None or not body.immutable:
            return ETag(f"{status.st_mtime_ns:x}-{status.st_size:x}")
        # times of cached copies differ from machine to machine; the key does not
        return ETag(f"{body.key.rpartition('/g/')[2].replace('/', '-')}-{status.st_size:x}")

    async def _stream(self, scope: Scope, receive: Receive, send: Send, body: Body, headers: Headers) -> int:
        info = await self._store.head(body.key)
        seen = Seen(info.size, ETag(info.etag), info.modified.timestamp())
        answer = answer_for(scope, seen, headers, body.media_type or content_type(body.key))
        if answer.span is None or scope["method"] == "HEAD":
            return await _headers_only(send, answer)
        blocks = self._store.stream(body.key, answer.span.start, answer.span.length)
        return await _send_blocks(receive, send, answer, blocks)


async def _send_on(scope: Scope, send: Send, granted: Granted, headers: Headers) -> int:
    """Send a viewer to the store. Returns what the store will send, should the viewer go there and stay."""
    extra = [(b"location", granted.url.encode()), (b"cache-control", b"private, max-age=300")]
    kept = [h for h in headers if h[0] != b"cache-control"]
    await _headers_only(send, Answer(307, [*kept, *extra, (b"content-length", b"0")]))
    info = granted.info
    span = answer_for(scope, Seen(info.size, ETag(info.etag), info.modified.timestamp()), [], "").span
    return 0 if span is None or scope["method"] == "HEAD" else span.length


async def _headers_only(send: Send, answer: Answer) -> int:
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
    await send({"type": "http.response.body", "body": b""})
    return 0


async def _read(fd: int, start: int, length: int) -> bytes:
    """Bytes of an open file: at once when they are in memory, else in a thread, since a disk may be slow."""
    view = _SHARED[:length]
    with contextlib.suppress(OSError):  # not in memory, or a file system that cannot tell
        if os.preadv(fd, [view], start, os.RWF_NOWAIT) == length:
            return bytes(view)
    # a cancelled request must not close the descriptor under the thread
    return await in_thread(os.pread, fd, length, start)


async def _blocks(fd: int, start: int, length: int) -> AsyncIterator[bytes]:
    while length:
        block = await _read(fd, start, min(_BLOCK, length))
        if not block:
            return
        start += len(block)
        length -= len(block)
        yield block


async def _send_blocks(receive: Receive, send: Send, answer: Answer, blocks: AsyncIterator[bytes]) -> int:
    """Send what comes; stop when the viewer leaves (Granian drops what is sent to nobody without a word).

    Returns the bytes sent.
    """
    assert answer.span is not None
    left = answer.span.length
    gone = asyncio.ensure_future(_disconnected(receive))
    begun = False
    try:
        async for block in blocks:
            if not begun:
                begun = True
                await send(
                    {"type": "http.response.start", "status": answer.status, "headers": answer.headers}
                )
            left -= len(block)
            await send({"type": "http.response.body", "body": block, "more_body": left > 0})
            if gone.done():
                return answer.span.length - left
    except Exception as error:
        if begun:
            raise CutShort("the object could not be read to its end") from error
        raise
    finally:
        gone.cancel()
        aclose = getattr(blocks, "aclose", None)
        if aclose is not None:
            await aclose()
    if left:
        if not begun:
            raise NotFound("object")
        # closing the connection is the only way left to say that bytes are missing
        raise CutShort("the object is shorter than it was")
    return answer.span.length


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
