"""What the database holds of a tenant: for what no API shows."""

from sqlalchemy import text

from polycast.bootstrap import Platform
from polycast.domain.access import Role
from polycast.services.tenants import as_system
from tests.support.server import TenantKey
from tests.support.waiting import until

# what people write, not what the workers at work write meanwhile
STATE = {
    "tenants": "uid, name, status, settings, secrets, deleted_at",
    "files": "uid, name, friendly_name, metadata, tags, attributes, purpose, upload_id",
    "assets": "uid, title, description, metadata, tags, attributes, settings, preset, collection_num",
    "asset_sources": "asset_num, file_uid, tracks",
    "outputs": "uid, name, preset, expires_at",
    "asset_images": "asset_num, name, url",
    "chapters": "uid, title, start_s, end_s",
    "collections": "uid, name, parent_num",
    "tags": "uid, name",
    "api_keys": "uid, name, role, revoked_at",
    "domains": "uid, origin",
    "players": "uid, name, theme, is_default",
}


class Rows:
    """What the database holds of a tenant."""

    def __init__(self, platform: Platform) -> None:
        self._services = platform.services

    async def rested(self, tenant: TenantKey) -> dict[str, str]:
        """`state`, once nothing is being fetched for the tenant: what a pull brings is written by a worker."""
        pulling = text(
            "SELECT count(*) FROM assets a JOIN tenants t ON t.num = a.tenant_num"
            " WHERE t.uid = CAST(:u AS uuid) AND a.status = 'pulling'"
        )

        async def over() -> bool:
            async with self._services.db.connect() as tx:
                return not (await tx.execute(pulling, {"u": tenant.uid})).scalar_one()

        await until(over, timeout_s=30, what="pulls are over")
        return await self.state(tenant)

    async def state(self, tenant: TenantKey) -> dict[str, str]:
        """A digest of its rows by table."""
        state = {}
        async with self._services.db.connect() as tx:
            find = "SELECT num FROM tenants WHERE uid = CAST(:u AS uuid)"
            num = (await tx.execute(text(find), {"u": tenant.uid})).scalar_one()
            for table, columns in STATE.items():
                own = "num = :n" if table == "tenants" else "tenant_num = :n"
                if table in ("asset_sources", "asset_images", "chapters"):
                    own = "asset_num IN (SELECT num FROM assets WHERE tenant_num = :n)"
                rows = f"SELECT row({columns})::text AS r FROM {table} WHERE {own}"
                digest = f"SELECT coalesce(md5(string_agg(r, ',' ORDER BY r)), '') FROM ({rows}) AS all_rows"
                state[table] = (await tx.execute(text(digest), {"n": num})).scalar_one()
        return state

    async def events(self, request: str) -> list[str]:
        """Types of the events that one request wrote, in order."""
        found = "SELECT type FROM events WHERE request_id = :r ORDER BY num"
        async with self._services.db.connect() as tx:
            return list((await tx.execute(text(found), {"r": request})).scalars())

    async def key(self, tenant: TenantKey, role: Role) -> str:
        """One more key of a tenant."""
        have = self._services
        owner = await have.tenants.default_organization()
        assert owner is not None
        found = next(t for t in await have.tenants.list(owner) if str(t.uid) == tenant.uid)
        made = await have.keys.create(as_system(found.ref, "system:test"), role.value, role)
        assert made.secret is not None
        return made.secret
