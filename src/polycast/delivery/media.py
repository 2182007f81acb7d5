"""Delivery of media: `/media/…` and, inside a playback session, `/s/{token}/media/…`.

A bare ASGI application: a segment is one signature check (or one look at a five-second-old policy), one
`stat` and one path handed to the server. Addresses equal object keys, so nothing is looked up for them.
"""

import hashlib
import re
import time
from urllib.parse import quote
from uuid import UUID

from starlette.types import Receive, Scope, Send

from polycast.delivery.manifests import Manifests, subtitle_playlist
from polycast.delivery.objects import IMMUTABLE, Objects, request_headers
from polycast.domain.assets import Asset
from polycast.domain.errors import Forbidden, NotFound, PolycastError, Unavailable
from polycast.domain.ids import parse_uid
from polycast.domain.policy import AccessPolicy, Refusal, ViewerRequest, judge, origin_of
from polycast.domain.states import GenerationState
from polycast.protocols.conditional import parse_etags
from polycast.protocols.errors import BadToken, ExpiredToken
from polycast.protocols.signing import Keyring, Session, verify_session
from polycast.protocols.vtt_metadata import Storyboard, chapters_vtt, storyboard_vtt
from polycast.services.playback import Playback, Presentation

HLS = "application/vnd.apple.mpegurl"
DASH = "application/dash+xml"
VTT = "text/vtt; charset=utf-8"

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_OBJECT = re.compile(r"[A-Za-z0-9_-]{1,64}\.(?:m4s|mp4)")
_PLAIN = re.compile(
    r"(?:thumbnail\.jpg|preview\.webp|storyboard-\d{1,4}\.jpg|frames/\d{1,4}\.jpg|captions/\d{1,4}\.vtt"
    r"|play_\d{2,4}p\.mp4|o/[0-9a-f-]{36}/[A-Za-z0-9_]{1,64}\.mp4)"
)
_PREFLIGHT = [
    (b"access-control-allow-methods", b"GET, HEAD, OPTIONS"),
    (b"access-control-allow-headers", b"range, if-range, if-none-match, if-modified-since"),
    (b"access-control-max-age", b"86400"),
    (b"content-length", b"0"),
]
# media are readable from any origin: who may watch is judged at the manifest, not by the browser
_CORS = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"content-length, content-range, etag, accept-ranges, date"),
)


class Media:
    """The ASGI application behind `/media` and `/s`.

    Args:
        ring: signs playback sessions.
        own_origins: public origins of this installation, whose pages may always play.
    """

    def __init__(
        self,
        playback: Playback,
        objects: Objects,
        manifests: Manifests,
        ring: Keyring,
        own_origins: tuple[str, ...] = (),
    ) -> None:
        self._playback = playback
        self._objects = objects
        self._manifests = manifests
        self._ring = ring
        self._own = own_origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; errors become short texts with the right status and CORS headers."""
        cors = list(_CORS)
        if scope["method"] == "OPTIONS":
            await _plain(send, 204, b"", [*cors, *_PREFLIGHT])
            return
        if scope["method"] not in ("GET", "HEAD"):
            await _plain(send, 405, b"method not allowed", [*cors, (b"allow", b"GET, HEAD, OPTIONS")])
            return
        try:
            await self._route(scope, send, cors)
        except (BadToken, ExpiredToken, Forbidden) as error:
            await _plain(send, 403, error.message.encode(), cors)
        except NotFound:
            await _plain(send, 404, b"not found", cors)
        except Unavailable as error:
            await _plain(send, 503, error.message.encode(), [*cors, (b"retry-after", b"2")])
        except PolycastError as error:
            await _plain(send, 400, error.message.encode(), cors)

    async def _route(self, scope: Scope, send: Send, cors: list[tuple[bytes, bytes]]) -> None:
        parts = scope["path"].split("/")[1:]
        session: Session | None = None
        if parts[0] == "s" and len(parts) > 3:
            session = verify_session(self._ring, parts[1], now=time.time())
            parts = parts[2:]
        asset = parse_uid(parts[1]) if len(parts) > 2 and parts[0] == "media" else None
        if asset is None:
            raise NotFound("address")
        if session is not None and session.asset != str(asset):
            raise Forbidden("this playback session is for another video")
        rest = parts[2:]
        if len(rest) == 4 and rest[0] == "g" and _OBJECT.fullmatch(rest[3]):
            await self._segment(scope, send, cors, asset, rest, session)
        else:
            await self._other(scope, send, cors, asset, rest, session)

    async def _segment(
        self,
        scope: Scope,
        send: Send,
        cors: list[tuple[bytes, bytes]],
        asset: UUID,
        rest: list[str],
        session: Session | None,
    ) -> None:
        if parse_uid(rest[1]) is None or not _NAME.fullmatch(rest[2]):
            raise NotFound("segment")
        if session is None:
            await self._require_public(asset)
        key = f"media/{asset}/g/{rest[1].lower()}/{rest[2]}/{rest[3]}"
        kind = "audio/mp4" if rest[2].startswith("audio") and rest[3].endswith(".mp4") else None
        headers = [*cors, (b"cache-control", IMMUTABLE.encode())]
        await self._objects.serve(scope, send, key, headers, media_type=kind)

    async def _require_public(self, asset: UUID) -> None:
        policy = await self._playback.policy(asset)
        if policy is None:
            raise NotFound("asset")
        if not policy.public:
            raise Forbidden("this video plays only inside a playback session")

    async def _other(
        self,
        scope: Scope,
        send: Send,
        cors: list[tuple[bytes, bytes]],
        asset: UUID,
        rest: list[str],
        session: Session | None,
    ) -> None:
        path = "/".join(rest)
        if _PLAIN.fullmatch(path):
            if path.endswith(".mp4") and session is None:
                await self._require_public(asset)
            elif await self._playback.policy(asset) is None:
                raise NotFound("asset")
            headers = [*cors, (b"cache-control", b"public, max-age=300")]
            await self._objects.serve(scope, send, f"media/{asset}/{path}", headers)
        elif rest[0] == "images" and len(rest) == 2:
            key, kind = await self._playback.image(asset, rest[1])
            headers = [*cors, (b"cache-control", b"public, max-age=300")]
            await self._objects.serve(scope, send, key, headers, media_type=kind)
        else:
            await self._manifest(scope, send, cors, asset, rest, session)

    async def _manifest(
        self,
        scope: Scope,
        send: Send,
        cors: list[tuple[bytes, bytes]],
        asset: UUID,
        rest: list[str],
        session: Session | None,
    ) -> None:
        output: UUID | None = None
        up = ""
        if rest[0] == "o" and len(rest) == 3:
            output, rest, up = parse_uid(rest[1]), rest[2:], "../../"
            if output is None:
                raise NotFound("output")
        if len(rest) == 3 and rest[0] == "g" and rest[2].endswith(".m3u8"):
            generation = parse_uid(rest[1])
            if generation is None:
                raise NotFound("generation")
            shown = await self._playback.generation(asset, generation)
            if await self._sent_to_session(scope, send, cors, shown.policy, asset, session):
                return
            text, final = await self._manifests.media(asset, shown.generation, rest[2].removesuffix(".m3u8"))
            await _text(scope, send, text, HLS, cors, "public, max-age=3600" if final else "no-cache")
            return
        name = "/".join(rest)
        if name in ("playlist.m3u8", "manifest.mpd"):
            shown = await self._playback.presentation(asset, output)
            if await self._sent_to_session(scope, send, cors, shown.policy, asset, session):
                return
            text = await self._presentation(name, shown, up)
            growing = shown.generation.state is GenerationState.GROWING
            kind = HLS if name.endswith("m3u8") else DASH
            await _text(scope, send, text, kind, cors, "no-cache" if growing else "public, max-age=10")
            return
        found = await self._playback.find(str(asset))
        if name == "storyboard.vtt":
            text = storyboard_text(found.asset)
        elif name == "chapters.vtt":
            text = chapters_text(found.asset)
        elif len(rest) == 2 and rest[0] == "captions" and rest[1].endswith(".m3u8"):
            text = subtitle_playlist(found.asset, rest[1].removesuffix(".m3u8"))
            await _text(scope, send, text, HLS, cors, "public, max-age=300")
            return
        else:
            raise NotFound("address")
        await _text(scope, send, text, VTT, cors, "public, max-age=300")

    async def _presentation(self, name: str, shown: Presentation, up: str) -> str:
        captions = [a for a in shown.attachments if a.kind == "caption"]
        if name == "playlist.m3u8":
            return self._manifests.multivariant(shown.generation, captions, up)
        boards = [a for a in shown.attachments if a.kind == "storyboard"]
        return await self._manifests.dash(
            shown.asset_uid, shown.generation, captions, boards, up, shown.available_from
        )

    async def _sent_to_session(
        self,
        scope: Scope,
        send: Send,
        cors: list[tuple[bytes, bytes]],
        policy: AccessPolicy,
        asset: UUID,
        session: Session | None,
    ) -> bool:
        """Judge the viewer in full; redirect into a session, or into a newer one. True when answered."""
        asked = request_headers(scope)
        if session is None:
            refusal = judge(policy, self.viewer(scope, asked))
            if refusal is not None:
                raise Forbidden(_WORDS[refusal])
            if policy.public:
                return False
        elif not session.wants_renewal(time.time()):
            return False
        viewer = session.viewer if session is not None else None
        token = self._playback.admit(asset, viewer=viewer)
        path = scope["path"]
        bare = path if session is None else path[path.index("/media/") :]
        location = f"/s/{token}{quote(bare)}".encode()
        await _plain(
            send, 307, b"", [*cors, (b"location", location), (b"cache-control", b"private, no-store")]
        )
        return True

    def viewer(self, scope: Scope, asked: dict[str, str]) -> ViewerRequest:
        """What the request tells of its viewer."""
        host = asked.get("host", "")
        own = (*self._own, f"http://{host}", f"https://{host}")
        client = scope.get("client")
        return ViewerRequest(
            origin=origin_of(asked.get("origin")) or origin_of(asked.get("referer")),
            own_origins=own,
            address=client[0] if client else None,
        )


_WORDS = {
    Refusal.BLOCKED: "this video is not available",
    Refusal.DOMAIN: "this video may not be shown on this site",
    Refusal.ADDRESS: "this video is not available from your network",
    Refusal.COUNTRY: "this video is not available in your country",
    Refusal.USER_AGENT: "this video is not available to this player",
    Refusal.TOKEN_MISSING: "this video needs a token",
    Refusal.TOKEN_INVALID: "the token is not valid for this video",
}


def storyboard_text(asset: Asset) -> str:
    """The storyboard of an asset as WebVTT. Raises NotFound when it has none."""
    sheets = [a for a in asset.attachments if a.kind == "storyboard"]
    if not sheets:
        raise NotFound("storyboard")
    facts = sheets[0].data
    board = Storyboard(
        count=facts["count"],
        columns=facts["columns"],
        rows=facts["rows"],
        width=facts["tile_w"],
        height=facts["tile_h"],
        interval_ms=round(facts["interval_s"] * 1000),
        duration_ms=asset.duration_ms or round(facts["count"] * facts["interval_s"] * 1000),
    )
    return storyboard_vtt(board, sheet_uri=lambda n: f"storyboard-{n}.jpg")


def chapters_text(asset: Asset) -> str:
    """Chapters of an asset as WebVTT; one without an end lasts to the next one, the last to the end."""
    chapters = sorted(asset.chapters, key=lambda c: c.start_s)
    total = (asset.duration_ms or 0) / 1000
    rows = []
    for n, chapter in enumerate(chapters):
        following = chapters[n + 1].start_s if n + 1 < len(chapters) else max(total, chapter.start_s + 1)
        rows.append(
            (chapter.start_s, chapter.end_s if chapter.end_s is not None else following, chapter.title)
        )
    return chapters_vtt(rows)


async def _text(
    scope: Scope,
    send: Send,
    text: str,
    media_type: str,
    cors: list[tuple[bytes, bytes]],
    cache: str,
) -> None:
    body = text.encode()
    etag = f'"{hashlib.sha256(body).hexdigest()[:24]}"'
    headers = [*cors, (b"etag", etag.encode()), (b"cache-control", cache.encode())]
    known = parse_etags(request_headers(scope).get("if-none-match", ""))
    if known == "*" or (known and any(f'"{tag.tag}"' == etag for tag in known)):
        await send({"type": "http.response.start", "status": 304, "headers": headers})
        await send({"type": "http.response.body", "body": b""})
        return
    headers += [(b"content-type", media_type.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


async def _plain(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    if not any(k == b"content-length" for k, _ in headers):
        headers = [*headers, (b"content-length", str(len(body)).encode())]
    if body:
        headers = [*headers, (b"content-type", b"text/plain; charset=utf-8")]
    if status >= 400:
        headers = [*headers, (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
