"""Who holds a key: asked of the database with every call, so that a revoked key is refused at once, everywhere."""

from typing import LiteralString, NamedTuple
from uuid import UUID

from polycast.db.reader import Reader
from polycast.domain.access import Caller, Role, TenantRef
from polycast.domain.errors import Forbidden, Unauthorized

# of the tenants within the key's reach the one that is named, else the oldest
_STATEMENT: LiteralString = """
SELECT k.uid, k.role, k.organization_num, o.uid, t.num, t.uid, t.slug, t.status
FROM api_keys k
JOIN organizations o ON o.num = k.organization_num
LEFT JOIN LATERAL (
    SELECT num, uid, slug, status FROM tenants
    WHERE organization_num = k.organization_num AND deleted_at IS NULL
      AND (k.tenant_num IS NULL OR num = k.tenant_num)
    ORDER BY (uid::text = %(tenant)s OR slug = %(tenant)s) DESC, num
    LIMIT 1
) t ON true
WHERE k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now()) AND """
_BY_HASH: LiteralString = _STATEMENT + "k.key_hash = %(key)s"
_BY_UID: LiteralString = _STATEMENT + "k.uid = %(key)s"


class HeldKey(NamedTuple):
    """A key in force: what it may do, and the tenant that a call with it means; None: there is none (any more)."""

    uid: UUID
    role: str
    organization_num: int
    organization_uid: UUID
    tenant_num: int | None
    tenant_uid: UUID
    tenant_slug: str
    tenant_status: str

    def caller(self, tenant: UUID | str | None, request_id: str | None, *, blocked_too: bool) -> Caller:
        """The caller in the tenant that the key was looked up with.

        Raises:
            Unauthorized: the tenant is gone. Forbidden: it is not the key's own, or blocked.
        """
        if self.tenant_num is None:
            raise Unauthorized("the key's tenant is gone")
        if tenant is not None and _named(tenant) not in (str(self.tenant_uid), self.tenant_slug):
            raise Forbidden("the key does not belong to this tenant")
        if self.tenant_status != "active" and not blocked_too:
            raise Forbidden(f"the tenant is {self.tenant_status}")
        found = TenantRef(
            self.tenant_num,
            self.tenant_uid,
            self.organization_num,
            self.organization_uid,
            self.tenant_slug,
            self.tenant_status,
        )
        return Caller(found, Role(self.role), f"key:{self.uid}", request_id)


async def find_key(reader: Reader, key: bytes | UUID, tenant: UUID | str | None) -> HeldKey | None:
    """A key by the hash of its secret or by its uid; None when there is none, or it is revoked or expired.

    Args:
        tenant: uid or slug of the tenant to work in; None for the oldest one within the key's reach.
    """
    statement = _BY_HASH if isinstance(key, bytes) else _BY_UID
    row = await reader.one(statement, {"key": key, "tenant": _named(tenant)})
    return None if row is None else HeldKey(*row)


def _named(tenant: UUID | str | None) -> str:
    return "" if tenant is None else str(tenant).lower()
