"""Section API keys. Parameters are in PascalCase here."""

from typing import Annotated, Any

from fastapi import Query
from starlette.responses import Response

from polycast.dialects.routing import Section
from polycast.dialects.videokit.auth import CallerDep, ServicesDep
from polycast.dialects.videokit.strict import StrictRoute
from polycast.dialects.videokit.wire import MAX_PAGE, Wire, page_of, uid
from polycast.domain.access import Role
from polycast.domain.errors import NotFound
from polycast.domain.paging import PageRequest
from polycast.services.keys import ApiKey

router = Section(route_class=StrictRoute, tags=["core.api_keys"])
ROLES = {"role-admin": Role.ADMIN, "role-editor": Role.EDITOR, "role-viewer": Role.VIEWER}
_NAMES = {Role.ADMIN: "Admin", Role.EDITOR: "Editor", Role.VIEWER: "Viewer", Role.OWNER: "Admin"}


class KeyBody(Wire):
    """create_api_key, update_api_key"""

    name: str
    role_id: str


def _role(role_id: str) -> Role:
    """Raises NotFound for an unknown role."""
    if role_id not in ROLES:
        raise NotFound("role", role_id[:64])
    return ROLES[role_id]


def _result(key: ApiKey) -> dict[str, str]:
    role_id = next((k for k, v in ROLES.items() if v is key.role), "role-admin")
    return {"id": str(key.uid), "name": key.name, "roleId": role_id}


@router.get("/core/v1/api-key", operation_id="list_api_keys")
async def list_keys(
    caller: CallerDep,
    have: ServicesDep,
    query: Annotated[str | None, Query(alias="Query")] = None,
    sort: Annotated[str | None, Query(alias="Sort")] = None,
    desc: Annotated[bool, Query(alias="Desc")] = False,
    page: Annotated[int, Query(alias="Page", ge=1)] = 1,
    limit: Annotated[int, Query(alias="Limit", ge=1, le=MAX_PAGE)] = 100,
) -> dict[str, Any]:
    """Page through API keys."""
    asked = PageRequest(limit=limit, page=page, sort=sort or None, descending=desc, max_limit=MAX_PAGE)
    found = await have.keys.list(caller, asked, query or "")
    items = [
        {
            **_result(k),
            "roleName": _NAMES[k.role],
            "createdAt": k.created_at.isoformat(timespec="microseconds"),
        }
        for k in found.items
    ]
    return page_of(found, items)


@router.post("/core/v1/api-key", operation_id="create_api_key")
async def create(body: KeyBody, caller: CallerDep, have: ServicesDep) -> dict[str, Any]:
    """Make an API key bound to a role; its secret is the extra property apiKey, this once."""
    key = await have.keys.create(caller, body.name, _role(body.role_id))
    return {**_result(key), "apiKey": key.secret}


@router.get("/core/v1/api-key/{id}", operation_id="get_api_key")
async def get(id: str, caller: CallerDep, have: ServicesDep) -> dict[str, Any]:
    """One API key."""
    return _result(await have.keys.get(caller, uid(id, "API key")))


@router.put("/core/v1/api-key/{id}", operation_id="update_api_key")
async def update(id: str, body: KeyBody, caller: CallerDep, have: ServicesDep) -> dict[str, Any]:
    """Rename a key or change its role."""
    return _result(await have.keys.update(caller, uid(id, "API key"), body.name, _role(body.role_id)))


@router.delete("/core/v1/api-key/{id}", operation_id="delete_api_key")
async def delete(id: str, caller: CallerDep, have: ServicesDep) -> Response:
    """Revoke a key."""
    await have.keys.revoke(caller, uid(id, "API key"))
    return Response()
