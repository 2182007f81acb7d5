"""Small answers as plain ASGI messages: texts, redirects, refusals. The hot path uses no framework."""

import gzip
import hashlib
from typing import Final

from starlette.types import Scope, Send

from polycast.protocols.coding import takes_gzip
from polycast.protocols.conditional import ETag, parse_etags
from polycast.services.keeping import Kept

Headers = list[tuple[bytes, bytes]]

EXPOSED: Final = (
    b"access-control-expose-headers",
    b"content-length, content-range, etag, accept-ranges, date",
)
NOSNIFF: Final = (b"x-content-type-options", b"nosniff")
"""On everything that holds bytes or words of users: a browser would run text of any type as a script of ours."""
ANY_ORIGIN: Final = ((b"access-control-allow-origin", b"*"), EXPOSED, NOSNIFF)
"""For what anybody may read: media inside a session (its token is the permission), public media, errors."""
PREFLIGHT: Final = (
    (b"access-control-allow-methods", b"GET, HEAD, OPTIONS"),
    (b"access-control-allow-headers", b"range, if-range, if-none-match, if-modified-since"),
    (b"access-control-max-age", b"86400"),
)


_WORTH_PACKING: Final = 1024
"""bytes; what is shorter fits into one packet either way"""
_ENTRY_BYTES: Final = 256
_PACKED: Final[Kept[str, bytes]] = Kept(8 * 1024 * 1024)
"""packed texts by the tag of the plain one: some 2 000 playlists of two hours"""


def request_headers(scope: Scope) -> dict[str, str]:
    """Header fields of a request, names in lower case; repeated ones joined by commas (RFC 9110 5.3)."""
    fields: dict[str, str] = {}
    for raw, value in scope["headers"]:
        name = raw.decode("latin-1").lower()
        text = value.decode("latin-1")
        fields[name] = f"{fields[name]}, {text}" if name in fields else text
    return fields


async def plain(send: Send, status: int, text: str, headers: Headers, *, head: bool = False) -> None:
    """A short text; with an empty one there is no content and no type. `head`: send the headers only."""
    body = text.encode()
    if status != 204:
        headers = [*headers, (b"content-length", str(len(body)).encode())]
    if body:
        headers.append((b"content-type", b"text/plain; charset=utf-8"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else body})


async def redirect(send: Send, location: str, headers: Headers) -> None:
    """307, never cached: where it leads differs from viewer to viewer."""
    extra = [(b"location", location.encode("ascii")), (b"cache-control", b"private, no-store")]
    await plain(send, 307, "", [*headers, *extra])


async def document(
    scope: Scope, send: Send, text: str, media_type: str, headers: Headers, cache_control: str
) -> None:
    """A text made for this answer, with a strong ETag of its bytes; 304 when the client has it.

    From `_WORTH_PACKING` on it goes by gzip to clients that take that.
    """
    body = text.encode()
    asked = request_headers(scope)
    etag = ETag(hashlib.sha256(body).hexdigest()[:24])
    headers = [*headers, (b"cache-control", cache_control.encode())]
    coding: Headers = []
    if len(body) >= _WORTH_PACKING:
        headers.append((b"vary", b"accept-encoding"))
        if takes_gzip(asked.get("accept-encoding", "")):
            # other bytes, so another strong tag (RFC 9110 8.8.3.3)
            body, coding = _packed(etag.tag, body), [(b"content-encoding", b"gzip")]
            etag = ETag(f"{etag.tag}-gzip")
    headers.append((b"etag", etag.render().encode()))
    known = parse_etags(asked.get("if-none-match", ""))
    if known == "*" or (known and any(etag.weakly_equals(tag) for tag in known)):
        await send({"type": "http.response.start", "status": 304, "headers": headers})
        await send({"type": "http.response.body", "body": b""})
        return
    headers += [*coding, (b"content-type", media_type.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


def _packed(tag: str, body: bytes) -> bytes:
    """Every viewer gets the same bytes, so they are made once; `tag` stands for them."""
    found = _PACKED.get(tag)
    if found is None:
        # 6: a fifth of the time of 9, for a twentieth more bytes
        found = gzip.compress(body, 6, mtime=0)
        _PACKED.keep(tag, found, _ENTRY_BYTES + len(found))
    return found
