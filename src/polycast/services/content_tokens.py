"""Content tokens: leave to watch one asset, made by a customer's own server under the tenant's content key.

A JWT (RFC 7519), HS256 only, with the claims `tenantid`, `assetid` and mostly `exp`.
"""

import base64
import binascii
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import jwt

from polycast.protocols.signing import MAX_VIEWER_BYTES

MAX_TOKEN = 4096
_VIEWER_CLAIMS = ("userid", "sub")


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a token says: whether it admits, who the viewer is where it names one, and when it ends (seconds
    since 1970; None: never)."""

    valid: bool
    viewer: str | None = None
    ends: int | None = None


REFUSED = Ticket(False)


def asset_named(token: str) -> str:
    """The asset a token says it is for, nothing of it proven; "" where it says none or is no token."""
    if len(token) > MAX_TOKEN:
        return ""
    try:
        claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, RecursionError):
        return ""
    named = claims.get("assetid")
    return named if isinstance(named, str) else ""


def read_content_token(token: str, secret: str, *, tenant: UUID, asset: UUID) -> Ticket:
    """Judge a token; never raises, since it comes from anybody.

    Args:
        secret: the tenant's content key in base64; "" admits nobody.
    """
    if not secret or len(token) > MAX_TOKEN:
        return REFUSED
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            base64.b64decode(secret, validate=True),
            # the one algorithm of the contract: `none` and public-key tricks are refused by name
            algorithms=["HS256"],
            # registered claims that we know nothing of must not refuse a good token
            options={"verify_aud": False, "verify_iss": False, "verify_sub": False, "verify_jti": False},
        )
    except (jwt.PyJWTError, binascii.Error, ValueError, TypeError, OverflowError, RecursionError):
        return REFUSED
    for name, wanted in (("tenantid", tenant), ("assetid", asset)):
        if str(claims.get(name, "")).lower() != str(wanted):
            return REFUSED
    viewer = next((str(claims[name]) for name in _VIEWER_CLAIMS if claims.get(name)), None)
    if viewer is not None and len(viewer.encode("utf-8", "surrogatepass")) > MAX_VIEWER_BYTES:
        return REFUSED
    # the library has proven that it is a number
    return Ticket(True, viewer, int(claims["exp"]) if "exp" in claims else None)
