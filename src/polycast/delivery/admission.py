"""Who may watch: the one place of delivery where sessions, tokens and policies meet.

A viewer is judged in full at every manifest and at everything else that is asked for outside a session; a
segment inside a session costs one signature check. What is not public is answered with a way into a session.
"""

import time
from dataclasses import dataclass
from functools import lru_cache, partial
from urllib.parse import parse_qs, quote
from uuid import UUID

from starlette.types import Scope

from polycast.delivery.answers import ANY_ORIGIN, EXPOSED, NOSNIFF, Headers, request_headers
from polycast.domain.errors import Forbidden
from polycast.domain.policy import AccessPolicy, Refusal, ViewerRequest, judge, origin_asked
from polycast.protocols.signing import Keyring, Session, read_session
from polycast.services.content_tokens import Ticket
from polycast.services.playback import Owner, Playback

_SESSIONS = 8192
"""signatures that are remembered, some megabytes at most"""

WORDS = {
    Refusal.BLOCKED: "This video is not available.",
    Refusal.DOMAIN: "This video may not be shown on this site.",
    Refusal.ADDRESS: "This video is not available from your network.",
    Refusal.COUNTRY: "This video is not available in your country.",
    Refusal.USER_AGENT: "This video is not available to this player.",
    Refusal.TOKEN_MISSING: "This video needs a token.",
    Refusal.TOKEN_INVALID: "The token is not valid for this video.",
}
"""Refusal -> words for the viewer."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """A viewer who may watch; `location` set: in a session that begins there. `personal`: another viewer might not."""

    headers: Headers
    location: str | None = None
    personal: bool = False

    def kept(self, cache_control: str) -> str:
        """How long the answer may be kept, and by whom: no shared cache judges viewers."""
        return cache_control.replace("public", "private") if self.personal else cache_control


class Admission:
    """Judges viewers and signs sessions.

    Args:
        own_origins: public origins of this installation, whose pages may always play.
    """

    def __init__(self, playback: Playback, ring: Keyring, own_origins: tuple[str, ...] = ()) -> None:
        self._playback = playback
        # a viewer asks for hundreds of segments with one token, and equal claims have equal tokens
        self._signed = lru_cache(_SESSIONS)(partial(read_session, ring))
        self._own = own_origins

    def session(self, token: str, asset: str) -> Session:
        """The session of a prefix, checked without any look-up.

        Raises:
            BadToken, ExpiredToken: not ours, or over. Forbidden: it is for another asset.
        """
        session = self._signed(token)
        session.check(time.time())
        if session.asset != asset:
            raise Forbidden("this playback session is for another video")
        return session

    def viewer(self, scope: Scope, *, token_valid: bool | None = None, page: bool = False) -> ViewerRequest:
        """What a request tells of its viewer.

        Args:
            page: it is the address of a page: who may frame it the browser is told by frame-ancestors, and
                whoever follows a link to it from elsewhere is welcome.
        """
        asked = request_headers(scope)
        host = asked.get("host", "")
        client = scope.get("client")
        return ViewerRequest(
            origin=None if page else origin_asked(asked),
            own_origins=(*self._own, f"http://{host}", f"https://{host}"),
            address=client[0] if client else None,
            token_valid=token_valid,
        )

    async def ticket(self, scope: Scope, owner: Owner, asset: UUID) -> Ticket | None:
        """What the `token` of the query says about an asset; None without one."""
        if b"token=" not in scope["query_string"]:
            return None
        values = parse_qs(scope["query_string"].decode("latin-1")).get("token", [])
        return await self._playback.ticket(owner, asset, values[0]) if values else None

    async def admit_page(self, scope: Scope, policy: AccessPolicy, owner: Owner, asset: UUID) -> str:
        """The prefix under which the player of a page finds its media: "" for public assets.

        Raises:
            Forbidden: nobody may watch, or only holders of a token.
        """
        ticket = await self.ticket(scope, owner, asset)
        self._judge(policy, self.viewer(scope, token_valid=ticket.valid if ticket else None, page=True))
        return "" if policy.public else f"/s/{self._playback.admit(asset, ticket)}"

    async def admit(
        self,
        scope: Scope,
        policy: AccessPolicy,
        owner: Owner,
        asset: UUID,
        session: Session | None,
        *,
        starting: bool = False,
    ) -> Admitted:
        """Judge a request for a manifest or for other content of an asset.

        Args:
            starting: playback begins here: also refused after the session's "may start until".

        Raises:
            Forbidden, ExpiredToken: see `WORDS` and `Session.check`.
        """
        # the session was given to a holder of a token: it stands for it, and cannot be renewed for ever
        ticket = Ticket(True, session.viewer) if session else await self.ticket(scope, owner, asset)
        viewer = self.viewer(scope, token_valid=ticket.valid if ticket else None)
        self._judge(policy, viewer)
        headers = cors(policy, viewer)
        if session is not None:
            now = time.time()
            if not _renewable(policy, session, now):
                session.check(now, starting=starting)
                return Admitted(headers, personal=policy.personal)
            token = self._playback.renew(session)
        elif policy.public:
            return Admitted(headers)
        else:
            token = self._playback.admit(asset, ticket)
        path: str = scope["path"]
        bare = path[path.index("/media/") :]
        return Admitted(headers, f"/s/{token}{quote(bare)}")

    def judge_again(self, scope: Scope, policy: AccessPolicy) -> Admitted:
        """Judge who asks inside a session for a whole file, which is manifest and media in one.

        The session is not renewed on the way: a player that reads on would change its address in mid-film.

        Raises:
            Forbidden: see `WORDS`.
        """
        viewer = self.viewer(scope, token_valid=True)
        self._judge(policy, viewer)
        return Admitted(cors(policy, viewer), personal=policy.personal)

    @staticmethod
    def _judge(policy: AccessPolicy, viewer: ViewerRequest) -> None:
        refusal = judge(policy, viewer)
        if refusal is not None:
            raise Forbidden(WORDS[refusal])


def _renewable(policy: AccessPolicy, session: Session, now: float) -> bool:
    """Whether a viewer is sent on to a new session now."""
    if not session.wants_renewal(now):
        return False
    # nobody shows the token again: its end is the end of what it opened
    return not policy.token_required or (session.renew_until is not None and now < session.renew_until)


def cors(policy: AccessPolicy, viewer: ViewerRequest) -> Headers:
    """Who may read an answer: everybody, or the page that was judged, since the answer depends on it."""
    if not policy.origins:
        return list(ANY_ORIGIN)
    named: Headers = [(b"vary", b"origin"), EXPOSED, NOSNIFF]
    if viewer.origin is not None:
        named.append((b"access-control-allow-origin", viewer.origin.encode("ascii", "replace")))
    return named
