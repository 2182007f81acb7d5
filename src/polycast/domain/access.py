"""Who may call what: roles, permissions, and the caller that every use case is told of."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from polycast.domain.errors import Forbidden


class Permission(StrEnum):
    READ = "read"
    WRITE = "write"
    """create, change and delete media and what is shown around it"""
    MANAGE = "manage"
    """keys, domains, tenant settings and whatever shows a signing key"""
    ORGANIZE = "organize"
    """create, list and delete the tenants of the organization"""


class Role(StrEnum):
    OWNER = "owner"
    """of the whole organization"""
    ADMIN = "admin"
    EDITOR = "editor"
    VIEWER = "viewer"


PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.OWNER: frozenset(Permission),
    Role.ADMIN: frozenset({Permission.READ, Permission.WRITE, Permission.MANAGE}),
    Role.EDITOR: frozenset({Permission.READ, Permission.WRITE}),
    Role.VIEWER: frozenset({Permission.READ}),
}


@dataclass(frozen=True, slots=True)
class TenantRef:
    """The tenant a call works in."""

    num: int
    uid: UUID
    organization_num: int
    organization_uid: UUID
    slug: str
    status: str = "active"


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody with a key, or the system itself; every service takes one.

    Attributes:
        actor: who, as the ledger shows it: `key:<uid>` or `system:<job>`.
        request_id: from the edge, to find one call in log and ledger.
    """

    tenant: TenantRef
    role: Role
    actor: str
    request_id: str | None = None

    def require(self, permission: Permission) -> None:
        """Raises Forbidden unless the role has the permission."""
        require(self.role, permission)


@dataclass(frozen=True, slots=True)
class OrganizationCaller:
    """A key of a whole organization, not yet narrowed to one of its tenants."""

    organization_num: int
    organization_uid: UUID
    role: Role
    actor: str
    request_id: str | None = None

    def require(self, permission: Permission) -> None:
        """Raises Forbidden unless the role has the permission."""
        require(self.role, permission)

    def within(self, tenant: TenantRef) -> Caller:
        """The same caller, in the same call, at work in one of the organization's tenants."""
        return Caller(tenant, self.role, self.actor, self.request_id)


def require(role: Role, permission: Permission) -> None:
    """Raises Forbidden unless the role has the permission."""
    if permission not in PERMISSIONS[role]:
        raise Forbidden(f"the role {role.value} may not do this ({permission.value})")
