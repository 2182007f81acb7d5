"""Delivery of media: `/media/…` and, inside a playback session, `/s/{token}/media/…`.

A bare ASGI application: a segment is one signature check (or one look at a five-second-old policy), one
`open` and its bytes. Addresses equal object keys, so nothing is looked up for them.

    g/{generation}/{track}/{object}     segments                 session or public asset; for ever
    g/{generation}/{track}.m3u8         HLS media playlist       judged
    playlist.m3u8, manifest.mpd         of the main output       judged; playback begins here
    o/{output}/playlist.m3u8 …          of another output        judged
    captions/, storyboard, frames, chapters.vtt                  judged unless in a session
    *.mp4                                                        judged: a whole video, as a manifest is
    thumbnail.jpg, preview.webp, images/{uid}                    open: shown in lists before anybody may watch
"""

import re
from uuid import UUID

from starlette.types import Receive, Scope, Send

from polycast.delivery.admission import Admission
from polycast.delivery.answers import ANY_ORIGIN, PREFLIGHT, Headers, document, plain, redirect
from polycast.delivery.guard import guarded
from polycast.delivery.manifests import Manifests
from polycast.delivery.objects import Body, Objects
from polycast.delivery.texts import caption_playlist, chapters_text, storyboard_text
from polycast.domain.errors import Forbidden, NotFound, NotStreamed
from polycast.domain.ids import parse_uid
from polycast.domain.states import GenerationState
from polycast.protocols.signing import Session
from polycast.services.egress import Egress
from polycast.services.playback import Playback

HLS = "application/vnd.apple.mpegurl"
DASH = "application/dash+xml"
VTT = "text/vtt; charset=utf-8"

_UID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_ADDRESS = re.compile(rf"(?:/s/([A-Za-z0-9._-]{{1,400}}))?/media/({_UID})/(.+)")
_SEGMENT = re.compile(rf"g/{_UID}/([A-Za-z0-9_-]{{1,64}})/[A-Za-z0-9_-]{{1,64}}\.(?:m4s|mp4)")
_OPEN = re.compile(r"thumbnail\.jpg|preview\.webp")
_CONTENT = re.compile(
    r"storyboard-\d{1,4}\.jpg|frames/\d{1,4}\.jpg|captions/\d{1,4}\.vtt"
    rf"|play_\d{{2,4}}p\.mp4|o/{_UID}/[A-Za-z0-9_]{{1,64}}\.mp4"
)
_PLAYLIST = re.compile(rf"g/({_UID})/([A-Za-z0-9_-]{{1,64}})\.m3u8")
_PRESENTATION = re.compile(rf"(?:o/({_UID})/)?(playlist\.m3u8|manifest\.mpd)")
_CAPTION_LIST = re.compile(r"captions/(\d{1,4})\.m3u8")

_IMMUTABLE = (b"cache-control", b"public, max-age=31536000, immutable")
_MINUTES = (b"cache-control", b"public, max-age=300")
_ASKED_AGAIN = (b"cache-control", b"public, no-cache")
"""kept, but not shown before its ETag was compared: a file that is made anew keeps its address"""
_FINAL = "public, max-age=3600"
_BRIEFLY = "public, max-age=10"
_GROWING = "no-cache"


class Media:
    """The ASGI application behind `/media` and `/s`."""

    def __init__(
        self,
        playback: Playback,
        objects: Objects,
        manifests: Manifests,
        admission: Admission,
        egress: Egress,
    ) -> None:
        self._playback = playback
        self._objects = objects
        self._manifests = manifests
        self._admission = admission
        self._egress = egress

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; errors become short texts with the right status and CORS headers."""
        method = scope["method"]
        if method == "OPTIONS":
            await plain(send, 204, "", [*ANY_ORIGIN, *PREFLIGHT])
            return
        if method not in ("GET", "HEAD"):
            await plain(send, 405, "method not allowed", [*ANY_ORIGIN, (b"allow", b"GET, HEAD, OPTIONS")])
            return
        await guarded(scope, send, self._route(scope, receive, send))

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        address = _ADDRESS.fullmatch(scope["path"])
        if address is None:
            raise NotFound("address")
        token, name, rest = address.groups()
        asset = UUID(name)
        session = self._admission.session(token, name) if token is not None else None
        if (segment := _SEGMENT.fullmatch(rest)) is not None:
            await self._may_fetch(asset, session)
            # Safari judges sound by its type; video players ask for nothing of the kind
            kind = "audio/mp4" if segment[1].startswith("audio") else None
            body = Body(f"media/{name}/{rest}", kind, immutable=True)
            sent = await self._objects.serve(scope, receive, send, body, [*ANY_ORIGIN, _IMMUTABLE])
            self._egress.count(asset, sent)
        elif _OPEN.fullmatch(rest):
            policy = await self._playback.policy(asset)
            if policy is None or policy.blocked:
                raise NotFound("asset")
            body = Body(f"media/{asset}/{rest}")
            sent = await self._objects.serve(scope, receive, send, body, [*ANY_ORIGIN, _MINUTES])
            self._egress.count(asset, sent)
        elif rest.startswith("images/"):
            key, kind = await self._playback.image(asset, rest.removeprefix("images/"))
            sent = await self._objects.serve(scope, receive, send, Body(key, kind), [*ANY_ORIGIN, _MINUTES])
            self._egress.count(asset, sent)
        elif _CONTENT.fullmatch(rest):
            await self._content(scope, receive, send, asset, rest, session)
        else:
            await self._manifest(scope, send, asset, rest, session)

    async def _may_fetch(self, asset: UUID, session: Session | None) -> None:
        """Whether segments are given out: inside a session no answer of the database is waited for."""
        if session is not None:
            if self._playback.is_gone(asset):
                raise NotFound("asset")
            return
        policy = await self._playback.policy(asset)
        if policy is None:
            raise NotFound("asset")
        if not policy.public:
            raise Forbidden("this video plays only inside a playback session")

    async def _content(
        self, scope: Scope, receive: Receive, send: Send, asset: UUID, rest: str, session: Session | None
    ) -> None:
        film = rest.endswith(".mp4")
        lasting = _ASKED_AGAIN if film else _MINUTES
        headers: Headers = [*ANY_ORIGIN, lasting]
        if session is not None and not film:
            await self._may_fetch(asset, session)
        else:
            known = await self._playback.access(asset)
            if known is None:
                raise NotFound("asset")
            if session is not None:
                again = self._admission.judge_again(scope, known.policy)
                headers = [*again.headers, (lasting[0], again.kept(lasting[1].decode()).encode())]
            else:
                admitted = await self._admission.admit(scope, known.policy, known.owner, asset, None)
                if admitted.location is not None:
                    await redirect(send, admitted.location, admitted.headers)
                    return
        body = Body(f"media/{asset}/{rest}", fresh=film)
        sent = await self._objects.serve(scope, receive, send, body, headers)
        self._egress.count(asset, sent)

    async def _manifest(
        self, scope: Scope, send: Send, asset: UUID, rest: str, session: Session | None
    ) -> None:
        if (playlist := _PLAYLIST.fullmatch(rest)) is not None:
            shown = await self._playback.generation(asset, UUID(playlist[1]))
            admitted = await self._admission.admit(scope, shown.policy, shown.owner, asset, session)
            if admitted.location is not None:
                await redirect(send, admitted.location, admitted.headers)
                return
            text, final = await self._manifests.media(asset, shown.generation, playlist[2])
            await document(
                scope, send, text, HLS, admitted.headers, admitted.kept(_FINAL if final else _GROWING)
            )
            return
        if (presentation := _PRESENTATION.fullmatch(rest)) is not None:
            output = parse_uid(presentation[1]) if presentation[1] else None
            shown = await self._playback.presentation(asset, output)
            admitted = await self._admission.admit(
                scope, shown.policy, shown.owner, asset, session, starting=True
            )
            if admitted.location is not None:
                await redirect(send, admitted.location, admitted.headers)
                return
            if not shown.generation.streams:
                raise NotStreamed
            up = "../../" if output else ""
            growing = shown.generation.state is GenerationState.GROWING
            if presentation[2].endswith("m3u8"):
                text, kind = self._manifests.multivariant(shown, up), HLS
            else:
                text, kind = await self._manifests.dash(shown, up), DASH
            kept = admitted.kept(_GROWING if growing else _BRIEFLY)
            await document(scope, send, text, kind, admitted.headers, kept)
            return
        await self._text(scope, send, asset, rest, session)

    async def _text(self, scope: Scope, send: Send, asset: UUID, rest: str, session: Session | None) -> None:
        caption = _CAPTION_LIST.fullmatch(rest)
        if caption is None and rest not in ("storyboard.vtt", "chapters.vtt"):
            raise NotFound("address")
        found = await self._playback.find(str(asset))
        admitted = await self._admission.admit(scope, found.policy, found.owner, asset, session)
        if admitted.location is not None:
            await redirect(send, admitted.location, admitted.headers)
            return
        if caption is not None:
            text, kind = caption_playlist(found.asset, caption[1]), HLS
        else:
            text = storyboard_text(found.asset) if rest == "storyboard.vtt" else chapters_text(found.asset)
            kind = VTT
        await document(scope, send, text, kind, admitted.headers, admitted.kept("public, max-age=300"))
