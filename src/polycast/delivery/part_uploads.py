"""PUT /upload/{token}: parts of uploads, answered as an object store answers them: ETag, errors as XML."""

from collections.abc import Sequence
from xml.sax.saxutils import escape

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from polycast.domain.errors import (
    Conflict,
    NotFound,
    PolycastError,
    QuotaExceeded,
    TooLarge,
    TooSlow,
    Unavailable,
)
from polycast.protocols.errors import BadToken, ExpiredToken
from polycast.services.uploads import Uploads

_CORS = {
    "access-control-allow-origin": "*",
    "access-control-expose-headers": "etag",
    "access-control-max-age": "86400",
}
_PREFLIGHT = {
    **_CORS,
    "access-control-allow-methods": "PUT, OPTIONS",
    "access-control-allow-headers": "content-type, content-md5, x-requested-with, access-control-allow-origin",
}
_ERRORS: dict[type[PolycastError], tuple[int, str, str | None]] = {
    ExpiredToken: (403, "AccessDenied", "Request has expired"),
    BadToken: (403, "SignatureDoesNotMatch", "The request signature does not match"),
    NotFound: (404, "NoSuchUpload", "The upload does not exist"),
    Conflict: (409, "InvalidRequest", None),
    # as S3 says it: uploaders try a 400 again and give up for good at a 408
    TooSlow: (400, "RequestTimeout", None),
    TooLarge: (413, "EntityTooLarge", None),
    QuotaExceeded: (403, "QuotaExceeded", None),
    Unavailable: (503, "SlowDown", None),
    PolycastError: (400, "InvalidRequest", None),
}
"""class -> status, code of S3's REST API, message (None: the error's own)"""


class PartUploads:
    """Receives the bodies of signed part addresses."""

    def __init__(self, uploads: Uploads) -> None:
        self._uploads = uploads

    def routes(self) -> Sequence[Route]:
        """All routes of this module."""
        return [Route("/upload/{token}", self.put, methods=["PUT", "OPTIONS"])]

    async def put(self, request: Request) -> Response:
        """200 with the part's ETag (MD5 of its bytes); a length is not required."""
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=_PREFLIGHT)
        length = request.headers.get("content-length", "")
        try:
            part = await self._uploads.put_part(
                request.path_params["token"],
                request.stream(),
                int(length) if length.isascii() and length.isdigit() and len(length) < 16 else None,
            )
        except ClientDisconnect:
            # nobody reads this; the part stays as it was before
            return Response(status_code=400)
        except PolycastError as error:
            kind = next(k for k in type(error).__mro__ if k in _ERRORS)
            status, code, message = _ERRORS[kind]
            return _error(status, code, error.message if message is None else message)
        return Response(headers={**_CORS, "etag": f'"{part.etag}"', "content-length": "0"})


def _error(status: int, code: str, message: str) -> Response:
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>'
    return Response(text, status, media_type="application/xml", headers=_CORS)
