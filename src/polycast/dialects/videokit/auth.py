"""Who calls: `X-Api-Key` with an optional `X-Tenant-Id`, or a bearer token of the older OAuth call."""

import time
from typing import Annotated, Any
from uuid import UUID

import jwt
from fastapi import Depends, Request

from polycast.dialects.bodies import found_by, known
from polycast.domain.access import Caller
from polycast.domain.errors import Unauthorized
from polycast.services.registry import Services

TOKEN_LIFE_S = 86_400


def services(request: Request) -> Services:
    """The services behind this application."""
    found: Services = request.app.state.services
    return found


async def _active_caller(request: Request) -> Caller:
    return await _caller(request, blocked_too=False)


async def _any_caller(request: Request) -> Caller:
    return await _caller(request, blocked_too=True)


@found_by(_active_caller)
async def caller(request: Request) -> Caller:
    """The caller behind the headers.

    Raises:
        Unauthorized: neither a good key nor a good token. Forbidden: another tenant's id, a blocked tenant.
    """
    return await known(request, _active_caller)


@found_by(_any_caller)
async def blocked_caller(request: Request) -> Caller:
    """As `caller`, also for a blocked tenant: where it is told that it is."""
    return await known(request, _any_caller)


async def _caller(request: Request, *, blocked_too: bool) -> Caller:
    have = services(request)
    key, tenant = request.headers.get("x-api-key"), request.headers.get("x-tenant-id")
    request_id = request.headers.get("x-request-id", "")[:64] or None
    if key:
        return await have.keys.authenticate(
            key, tenant=tenant or None, request_id=request_id, blocked_too=blocked_too
        )
    if token := bearer(request):
        return await have.keys.caller_for(
            read_token(have, token), tenant=tenant or None, request_id=request_id, blocked_too=blocked_too
        )
    raise Unauthorized("the header X-Api-Key is missing")


def bearer(request: Request) -> str | None:
    """The token of `Authorization: Bearer` (RFC 6750 2.1)."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token or None if scheme.lower() == "bearer" else None


def issue_token(have: Services, key: UUID) -> str:
    """A bearer token for a key, good for a day (RFC 7519, HS256)."""
    claims = {"sub": str(key), "iss": "polycast", "exp": int(time.time()) + TOKEN_LIFE_S}
    return jwt.encode(claims, have.vault.derive("oauth"), algorithm="HS256")


def read_token(have: Services, token: str) -> UUID:
    """The key a bearer token was issued for. Raises Unauthorized."""
    try:
        claims: dict[str, Any] = jwt.decode(
            token, have.vault.derive("oauth"), algorithms=["HS256"], issuer="polycast"
        )
        return UUID(claims["sub"])
    except (jwt.PyJWTError, KeyError, ValueError, RecursionError) as error:
        raise Unauthorized("the bearer token is not valid") from error


def base_url(request: Request) -> str:
    """Public origin for absolute addresses, without a slash at the end."""
    return services(request).public_url or f"{request.scope['scheme']}://{request.headers.get('host', '')}"


def root_url(request: Request) -> str:
    """Where this dialect answers, without a slash at the end: below its mount, or on a host of its own."""
    return base_url(request) + str(request.scope.get("root_path", "")).rstrip("/")


CallerDep = Annotated[Caller, Depends(caller)]
BlockedCallerDep = Annotated[Caller, Depends(blocked_caller)]


async def _services(request: Request) -> Services:
    # not async, it would go through a thread for each call
    return services(request)


async def _base_url(request: Request) -> str:
    return base_url(request)


async def _root_url(request: Request) -> str:
    return root_url(request)


ServicesDep = Annotated[Services, Depends(_services)]
BaseDep = Annotated[str, Depends(_base_url)]
RootDep = Annotated[str, Depends(_root_url)]
