"""Answers made of stored objects: whole files by the server's own sendfile, byte ranges, conditions.

Granian takes a path (the ASGI extension `http.response.pathsend`) and sends the file without a byte passing
through Python; that is the way of every segment. Ranges are read in large blocks.
"""

import asyncio
import mimetypes
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from starlette.types import Scope, Send

from polycast.domain.errors import NotFound
from polycast.protocols.conditional import ETag, Outcome, http_date, if_range_holds, preconditions
from polycast.protocols.range import ByteSpan, Unsatisfiable, single_range, unsatisfied_content_range
from polycast.storage.interface import ObjectStore

_BLOCK = 1 << 20
TYPES = {
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
IMMUTABLE = "public, max-age=31536000, immutable"


def content_type(key: str) -> str:
    """The media type of an object by its extension."""
    suffix = os.path.splitext(key)[1].lower()  # noqa: PTH122 - a key is not a path
    return TYPES.get(suffix) or mimetypes.guess_type(key)[0] or "application/octet-stream"


class Objects:
    """Serves objects of a store."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    async def serve(
        self,
        scope: Scope,
        send: Send,
        key: str,
        headers: list[tuple[bytes, bytes]],
        *,
        media_type: str | None = None,
    ) -> None:
        """Answer GET or HEAD with an object: 200, 206, 304, 412 or 416 (RFC 9110 sections 13 and 14).

        Args:
            headers: of the answer, beside those about the object itself.

        Raises:
            NotFound: no such object; nothing was sent yet.
        """
        path = self._store.local_path(key)
        if path is None:
            await self._serve_remote(scope, send, key, headers, media_type)
            return
        try:
            found = path.stat()
        except OSError:
            raise NotFound("object") from None
        seen = _Seen(
            size=found.st_size,
            etag=ETag(f"{found.st_mtime_ns:x}-{found.st_size:x}"),
            modified=datetime.fromtimestamp(found.st_mtime, UTC),
        )
        answer = _answer(scope, seen, headers, media_type or content_type(key))
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        if answer.span is None or scope["method"] == "HEAD":
            await send({"type": "http.response.body", "body": answer.body})
        elif answer.status == 200 and "http.response.pathsend" in scope.get("extensions", {}):
            await send({"type": "http.response.pathsend", "path": str(path)})
        else:
            await _send_span(send, path, answer.span)

    async def _serve_remote(
        self, scope: Scope, send: Send, key: str, headers: list[tuple[bytes, bytes]], media_type: str | None
    ) -> None:
        info = await self._store.head(key)
        seen = _Seen(info.size, ETag(info.etag), info.modified)
        answer = _answer(scope, seen, headers, media_type or content_type(key))
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        if answer.span is None or scope["method"] == "HEAD":
            await send({"type": "http.response.body", "body": answer.body})
            return
        async for block in self._store.stream(key, answer.span.start, answer.span.length):
            await send({"type": "http.response.body", "body": block, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


@dataclass(frozen=True, slots=True)
class _Seen:
    size: int
    etag: ETag
    modified: datetime


@dataclass(frozen=True, slots=True)
class _Answer:
    """`span` None: `body` is all there is to send."""

    status: int
    headers: list[tuple[bytes, bytes]]
    span: ByteSpan | None = None
    body: bytes = b""


def _answer(scope: Scope, seen: _Seen, extra: list[tuple[bytes, bytes]], media_type: str) -> _Answer:
    asked = request_headers(scope)
    headers = [
        (b"etag", seen.etag.render().encode()),
        (b"last-modified", http_date(seen.modified).encode()),
        (b"accept-ranges", b"bytes"),
        *extra,
    ]
    if _CONDITIONS & asked.keys():
        outcome = preconditions(
            etag=seen.etag,
            modified=seen.modified,
            if_match=asked.get("if-match"),
            if_unmodified_since=asked.get("if-unmodified-since"),
            if_none_match=asked.get("if-none-match"),
            if_modified_since=asked.get("if-modified-since"),
        )
        if outcome is Outcome.NOT_MODIFIED:
            return _Answer(304, headers)
        if outcome is Outcome.FAILED:
            return _Answer(412, [*headers, (b"content-length", b"0")])
    headers.append((b"content-type", media_type.encode()))
    span: ByteSpan | Unsatisfiable | None = None
    if "range" in asked and if_range_holds(asked.get("if-range"), etag=seen.etag, modified=seen.modified):
        span = single_range(asked["range"], seen.size)
    if isinstance(span, Unsatisfiable):
        unsatisfied = (b"content-range", unsatisfied_content_range(seen.size).encode())
        return _Answer(416, [*headers, unsatisfied, (b"content-length", b"0")])
    if span is None:
        headers.append((b"content-length", str(seen.size).encode()))
        return _Answer(200, headers, ByteSpan(0, seen.size))
    headers.append((b"content-length", str(span.length).encode()))
    headers.append((b"content-range", span.content_range(seen.size).encode()))
    return _Answer(206, headers, span)


_CONDITIONS = {"if-match", "if-none-match", "if-modified-since", "if-unmodified-since"}


def request_headers(scope: Scope) -> dict[str, str]:
    """Header fields of a request, names in lower case, the last of repeated ones."""
    return {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}


async def _send_span(send: Send, path: Path, span: ByteSpan) -> None:
    file = await asyncio.to_thread(path.open, "rb")
    try:
        left, at = span.length, span.start
        while left:
            block = await asyncio.to_thread(os.pread, file.fileno(), min(_BLOCK, left), at)
            if not block:
                break  # cut short on disk: the server closes the connection on the missing bytes
            left -= len(block)
            at += len(block)
            await send({"type": "http.response.body", "body": block, "more_body": left > 0})
        if left:
            raise NotFound("object")
        if not span.length:
            await send({"type": "http.response.body", "body": b""})
    finally:
        await asyncio.to_thread(file.close)
