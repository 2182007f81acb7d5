"""Who calls: three headers together, or one header with the three as JSON below /uploads/."""

import json
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Path, Request

from polycast.dialects.bodies import found_by, known
from polycast.dialects.gotipath.errors import LimitReached
from polycast.domain.access import Caller, OrganizationCaller, Role
from polycast.domain.errors import Forbidden, Unauthorized
from polycast.domain.ids import parse_uid
from polycast.services.registry import Services

CLIENT, LIBRARY, KEY = "X-Auth-ClientId", "X-Auth-LibraryId", "X-Auth-ApiKey"
TOKEN = "uppy-auth-token"  # noqa: S105 - a header's name


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the headers say; "" = not sent."""

    client: str
    library: str
    key: str


def services(request: Request) -> Services:
    """The services behind this application."""
    found: Services = request.app.state.services
    return found


def base_url(request: Request) -> str:
    """Public origin for absolute addresses, without a slash at the end."""
    return services(request).public_url or f"{request.scope['scheme']}://{request.headers.get('host', '')}"


async def _library_caller(request: Request) -> Caller:
    given = _headers(request)
    wanted = parse_uid(str(request.path_params.get("libraryId", "")))
    caller = await _authenticate(request, given, parse_uid(given.library) if given.library else wanted)
    if wanted is None or caller.tenant.uid != wanted:
        raise Forbidden("the key does not belong to this library")
    if not given.library and caller.role is not Role.OWNER:
        raise Unauthorized(f"the header {LIBRARY} is missing")
    return caller


@found_by(_library_caller)
async def library_caller(
    request: Request, libraryId: Annotated[str, Path(description="Id of the library.")]
) -> Caller:
    """The caller, working in the library of the path.

    Raises:
        Unauthorized: the three headers are not a good set. Forbidden: they are, of another library.
    """
    return await known(request, _library_caller)


async def header_caller(request: Request) -> Caller:
    """The caller of a path without a library, by the three headers (tus)."""
    return await _of_library(request, _headers(request))


async def _upload_caller(request: Request) -> Caller:
    token = request.headers.get(TOKEN)
    return await _of_library(request, _from_token(token) if token else _headers(request))


@found_by(_upload_caller)
async def upload_caller(request: Request) -> Caller:
    """The caller of /uploads/: browser clients send the one header, all others the three."""
    return await known(request, _upload_caller)


async def _organization_caller(request: Request) -> tuple[OrganizationCaller, Caller | None]:
    given = _headers(request)
    client = _checked(request, given)
    found = await services(request).keys.authenticate_organization(given.key, request_id=_id(request))
    if found.organization_uid != client:
        raise Unauthorized("the credentials are not valid")
    if found.role is Role.OWNER and not given.library:
        return found, None
    caller = await _of_library(request, given, counted=True)
    return found, None if caller.role is Role.OWNER else caller


@found_by(_organization_caller)
async def organization_caller(request: Request) -> tuple[OrganizationCaller, Caller | None]:
    """The caller of /libraries as a member of the organization, and in its library for a library's key.

    Raises:
        Unauthorized, Forbidden: as `library_caller`.
    """
    return await known(request, _organization_caller)


async def _of_library(request: Request, given: Credentials, *, counted: bool = False) -> Caller:
    library = parse_uid(given.library)
    if library is None:
        raise Unauthorized(f"{LIBRARY} is missing or not valid")
    return await _authenticate(request, given, library, counted=counted)


async def _authenticate(
    request: Request, given: Credentials, library: UUID | None, *, counted: bool = False
) -> Caller:
    client = _checked(request, given, counted=counted)
    caller = await services(request).keys.authenticate(given.key, tenant=library, request_id=_id(request))
    if caller.tenant.organization_uid != client:
        raise Unauthorized("the credentials are not valid")
    return caller


def _checked(request: Request, given: Credentials, *, counted: bool = False) -> UUID:
    """The client's id, of headers that may be right; counts the request once.

    Raises:
        Unauthorized: something is missing or malformed. LimitReached: over the rate limit.
    """
    if not given.key or not given.client:
        raise Unauthorized(f"{CLIENT}, {LIBRARY} and {KEY} are required")
    client = parse_uid(given.client)
    if client is None or (given.library and parse_uid(given.library) is None):
        raise Unauthorized("the credentials are not valid")
    wait = 0.0 if counted else request.app.state.limiter.take(given.key)
    if wait:
        raise LimitReached(wait)
    return client


def _id(request: Request) -> str | None:
    return request.headers.get("x-request-id", "")[:64] or None


def _headers(request: Request) -> Credentials:
    headers = request.headers
    return Credentials(headers.get(CLIENT, ""), headers.get(LIBRARY, ""), headers.get(KEY, ""))


def _from_token(text: str) -> Credentials:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unauthorized(f"{TOKEN} is not valid") from error
    if not isinstance(data, dict):
        raise Unauthorized(f"{TOKEN} is not valid")
    # half a surrogate pair is no character: no key, and nothing that could be looked up, has one
    values = {str(k).lower(): v for k, v in data.items() if isinstance(v, str) and v.isascii()}
    return Credentials(*(values.get(name.lower(), "") for name in (CLIENT, LIBRARY, KEY)))


LibraryCaller = Annotated[Caller, Depends(library_caller)]
UploadCaller = Annotated[Caller, Depends(upload_caller)]
HeaderCaller = Annotated[Caller, Depends(header_caller)]
OrganizationDep = Annotated[tuple[OrganizationCaller, Caller | None], Depends(organization_caller)]


async def _services(request: Request) -> Services:
    # not async, it would go through a thread for each call
    return services(request)


async def _base_url(request: Request) -> str:
    return base_url(request)


ServicesDep = Annotated[Services, Depends(_services)]
BaseDep = Annotated[str, Depends(_base_url)]
