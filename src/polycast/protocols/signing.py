"""Signed tokens: who holds one may do one thing until a time. No look-up is needed to check them.

A token is text that may stand in a path: fields joined by dots, the key id first and the signature last.

    <kid> . <field> . … . <signature>

The signature is HMAC-SHA256 (RFC 2104), cut to 16 bytes (128 bits, RFC 2104 section 5), in base64url without
padding, over the purpose and all that stands before it: a token of one purpose is nothing for another. The key
id picks the key, so that keys can be exchanged while old tokens live on. Comparison takes constant time.
Fields are not secret. Times are whole seconds since 1970; the caller passes the present one in.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from polycast.domain.errors import Invalid
from polycast.protocols.errors import BadToken, ExpiredToken

MAX_TOKEN: Final = 400
"""A token must fit into SRT's stream id of 512 bytes beside other things."""
MAX_VIEWER_BYTES: Final = 96
ROUNDING_S: Final = 300

_KID: Final = re.compile(r"[A-Za-z0-9_-]{1,16}\Z")
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_NUMBER: Final = re.compile(r"(?:0|[1-9][0-9]{0,15})\Z")
_SIGNATURE_BYTES: Final = 16
_MIN_SECRET: Final = 16


@dataclass(frozen=True, slots=True)
class Keyring:
    """Signing secrets by key id; `current` signs, all verify. Drop a key when its last token has expired."""

    current: str
    secrets: Mapping[str, bytes] = field(repr=False)

    def __post_init__(self) -> None:
        if self.current not in self.secrets:
            raise Invalid("the current signing key is not in the ring", field="current")
        for kid, secret in self.secrets.items():
            if not _KID.match(kid) or len(secret) < _MIN_SECRET:
                raise Invalid("a signing key needs a short plain id and 16 bytes", field="secrets")


@dataclass(frozen=True, slots=True)
class UploadPart:
    """Leave to put one part of one upload."""

    upload: str
    part: int
    max_bytes: int
    expires: int


@dataclass(frozen=True, slots=True)
class Session:
    """Leave to play one asset: the token of the `/s/{token}/` prefix.

    Attributes:
        asset: its uid.
        issued: when the session was admitted.
        start_until: a first manifest is served until then.
        stop_at: anything is served until then.
        viewer: who plays, for concurrency control; None for anybody. At most 96 bytes of UTF-8.
        renew_until: a new session may follow this one until then, though nobody shows a token again; it is
            the same in all that follow. None: no token opened it.
    """

    asset: str
    issued: int
    start_until: int
    stop_at: int
    viewer: str | None = None
    renew_until: int | None = None

    def rounded(self) -> "Session":
        """Times on the grid of five minutes, the end upwards: admissions close in time share one token."""
        return Session(
            asset=self.asset,
            issued=self.issued - self.issued % ROUNDING_S,
            start_until=_round_up(self.start_until),
            stop_at=_round_up(self.stop_at),
            viewer=self.viewer,
            renew_until=None if self.renew_until is None else _round_up(self.renew_until),
        )

    def check(self, now: float, *, starting: bool = False) -> None:
        """Raises ExpiredToken when it is over; with `starting`, also when it is too late to begin."""
        if now >= (min(self.start_until, self.stop_at) if starting else self.stop_at):
            raise ExpiredToken("this playback session is over")

    def wants_renewal(self, now: float) -> bool:
        """In the last third of its life: a reload of a manifest should be sent to a new session."""
        return now >= self.stop_at - (self.stop_at - self.issued) / 3


def sign_upload_part(ring: Keyring, *, upload: str, part: int, max_bytes: int, expires: int) -> str:
    """A token to PUT one part; `upload` is an id of letters, digits, `-` and `_`.

    Raises:
        Invalid: an id or number that cannot be in a token.
    """
    return _sign(ring, "upload-part", _name(upload), _number(part), _number(max_bytes), _number(expires))


def verify_upload_part(ring: Keyring, token: str, *, now: float) -> UploadPart:
    """Raises BadToken, ExpiredToken."""
    upload, part, max_bytes, expires = _verify(ring, "upload-part", token, 4)
    claims = UploadPart(upload, _read(part), _read(max_bytes), _read(expires))
    if now >= claims.expires:
        raise ExpiredToken("this upload link is over")
    return claims


def sign_session(ring: Keyring, session: Session) -> str:
    """The token of a session, its times rounded: equal claims give equal tokens under one key.

    Raises:
        Invalid: an asset or viewer id that cannot be in a token, or a time out of range.
    """
    s = session.rounded()
    viewer = (s.viewer or "").encode("utf-8", "surrogatepass")
    if len(viewer) > MAX_VIEWER_BYTES:
        raise Invalid(f"a viewer id has at most {MAX_VIEWER_BYTES} bytes", field="viewer")
    times = (_number(s.issued), _number(s.start_until), _number(s.stop_at))
    renew = "" if s.renew_until is None else _number(s.renew_until)
    return _sign(ring, "session", _name(s.asset), *times, _encode(viewer), renew)


def verify_session(ring: Keyring, token: str, *, now: float, starting: bool = False) -> Session:
    """The claims, with times as rounded; raises BadToken, ExpiredToken (see `Session.check`)."""
    session = read_session(ring, token)
    session.check(now, starting=starting)
    return session


def read_session(ring: Keyring, token: str) -> Session:
    """The claims of a session that we signed, over or not: that is for ever so, and may be remembered.

    Raises:
        BadToken: we did not sign it.
    """
    asset, issued, start_until, stop_at, viewer, renew = _verify(ring, "session", token, 6)
    try:
        name = _decode(viewer).decode("utf-8", "surrogatepass")
    except ValueError as error:
        raise BadToken("this playback session is not valid") from error
    renew_until = _read(renew) if renew else None
    return Session(asset, _read(issued), _read(start_until), _read(stop_at), name or None, renew_until)


def sign_link(ring: Keyring, path: str, *, expires: int, purpose: str) -> str:
    """A token that admits to one path for one purpose ("preview", "download"); it holds neither of them.

    Raises:
        Invalid: a purpose of other than letters, digits, `-` and `_`, or a time out of range.
    """
    return _sign(ring, _link(purpose, path), _number(expires))


def verify_link(ring: Keyring, token: str, path: str, *, purpose: str, now: float) -> int:
    """When the link ends; `path` as it was signed, decoded or not. Raises BadToken, ExpiredToken."""
    (expires,) = _verify(ring, _link(purpose, path), token, 1)
    if now >= _read(expires):
        raise ExpiredToken("this link is over")
    return _read(expires)


def _link(purpose: str, path: str) -> str:
    # a plain name ends at the line feed, whatever the path holds
    return f"link {_name(purpose)}\n{path}"


def _sign(ring: Keyring, purpose: str, *fields: str) -> str:
    signed = ".".join((ring.current, *fields))
    token = f"{signed}.{_encode(_mac(ring.secrets[ring.current], purpose, signed))}"
    if len(token) > MAX_TOKEN:
        raise Invalid("token is too long")
    return token


def _verify(ring: Keyring, purpose: str, token: str, count: int) -> list[str]:
    """The fields of a token of this purpose."""
    if len(token) > MAX_TOKEN or not token.isascii():
        raise BadToken("this link is not valid")
    signed, _, signature = token.rpartition(".")
    kid, *fields = signed.split(".")
    secret = ring.secrets.get(kid)
    if secret is None or len(fields) != count:
        raise BadToken("this link is not valid")
    # compared as text: base64 has several spellings of one value, and only ours is right
    expected = _encode(_mac(secret, purpose, signed))
    if not hmac.compare_digest(expected.encode(), signature.encode()):
        raise BadToken("this link is not valid")
    return fields


def _mac(secret: bytes, purpose: str, signed: str) -> bytes:
    # the length tells where the purpose ends: no path can pass for the fields behind it
    head = purpose.encode("utf-8", "surrogatepass")
    message = b"polycast 1\n%d\n%s\n%s" % (len(head), head, signed.encode("ascii"))
    return hmac.digest(secret, message, "sha256")[:_SIGNATURE_BYTES]


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadToken("this link is not valid") from error


def _name(value: str) -> str:
    if not _NAME.match(value):
        raise Invalid("an id in a token has 1 to 64 letters, digits, - and _")
    return value


def _number(value: int) -> str:
    text = str(int(value))
    if not _NUMBER.match(text):
        raise Invalid("a number in a token is out of range")
    return text


def _read(text: str) -> int:
    if not _NUMBER.match(text):
        raise BadToken("this link is not valid")
    return int(text)


def _round_up(seconds: int) -> int:
    return -(-seconds // ROUNDING_S) * ROUNDING_S
