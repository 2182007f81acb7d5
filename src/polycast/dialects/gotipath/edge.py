"""What stands before every Gotipath route: CORS, slashes nobody means."""

import re

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from polycast.services.tus_pieces import CHECKSUMS

# no wild card: browser clients read this list and drop every header that is not on it
ALLOW_HEADERS = (
    "accept, accept-language, content-type, uppy-auth-token, uppy-versions, x-auth-clientid, x-auth-libraryid, "
    "x-auth-apikey, videoid, tus-resumable, upload-length, upload-metadata, upload-offset, upload-defer-length, "
    "upload-concat, upload-checksum, x-http-method-override, x-requested-with, x-request-id"
)
EXPOSE_HEADERS = (
    "etag, location, upload-offset, upload-length, upload-metadata, tus-resumable, tus-version, tus-max-size, "
    "tus-extension, tus-checksum-algorithm, retry-after, access-control-allow-headers"
)
TUS_VERSION = "1.0.0"
_SLASHES = re.compile(r"/{2,}")
# behind it stands a caller's own reference, which may well be an address
_REFERENCE = re.compile(r"(/+libraries/+[^/]+/+videos/+custom/+[^/]+/)(.+)", re.DOTALL)


class Edge:
    """Wraps the application; also its failures leave with CORS headers.

    Args:
        max_file: bytes of the largest file accepted, as tus clients are told.
    """

    def __init__(self, app: ASGIApp, *, max_file: int) -> None:
        self._app = app
        self._max_file = max_file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        below = _below(scope)
        tus = below == "/tusupload" or below.startswith("/tusupload/")
        answer = _with_cors(send, tus=tus)
        if scope["method"] == "OPTIONS":
            await _preflight(answer, self._max_file if tus else None)
            return
        await self._app({**scope, "path": scope.get("root_path", "") + below}, receive, answer)


def _below(scope: Scope) -> str:
    """The path below the mount, without doubled or trailing slashes: clients join addresses carelessly.

    A reference at its end is left as it was sent.
    """
    path: str = scope["path"]
    below = path.removeprefix(scope.get("root_path", ""))
    if (found := _REFERENCE.fullmatch(below)) is not None:
        return _SLASHES.sub("/", found[1]) + found[2]
    return _SLASHES.sub("/", below).rstrip("/") or "/"


def _with_cors(send: Send, *, tus: bool) -> Send:
    async def answer(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["access-control-allow-origin"] = "*"
            headers["access-control-expose-headers"] = EXPOSE_HEADERS
            if tus:  # "MUST be included in every request and response" (tus 1.0.0, Tus-Resumable)
                headers["tus-resumable"] = TUS_VERSION
        await send(message)

    return answer


async def _preflight(send: Send, max_file: int | None) -> None:
    """The answer to OPTIONS; with `max_file` (bytes) that of the tus section."""
    headers = {
        "access-control-allow-methods": "GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS",
        "access-control-allow-headers": ALLOW_HEADERS,
        "access-control-max-age": "86400",
        "content-length": "0",
    }
    if max_file is not None:  # tus 1.0.0, "OPTIONS"
        headers |= {
            "tus-version": TUS_VERSION,
            "tus-extension": "creation,checksum,termination",
            "tus-checksum-algorithm": ",".join(CHECKSUMS),
            "tus-max-size": str(max_file),
        }
    raw = [(k.encode(), v.encode()) for k, v in headers.items()]
    await send({"type": "http.response.start", "status": 204, "headers": raw})
    await send({"type": "http.response.body", "body": b""})
