"""Keys of the whole installation: listed and revoked apart from those of a tenant."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from polycast.db.engine import Database
from polycast.domain.access import Role
from polycast.domain.errors import Forbidden, Invalid, NotFound, Unauthorized
from polycast.domain.paging import PageRequest
from polycast.services.keys import ApiKeys
from polycast.services.tenants import Tenants, as_system
from polycast.services.vault import Vault


async def test_a_lost_owner_key_is_found_and_refused(database: Database) -> None:
    vault = Vault(b"k" * 32)
    tenants, keys = Tenants(database, vault), ApiKeys(database, vault)
    owner = await tenants.create_organization("O")
    tenant = await tenants.create(owner, "T", slug="t")
    system = as_system(tenant.ref, "system:test")
    lost = await keys.create_for_organization(system, "Lost")
    kept = await keys.create_for_organization(system, "Kept")
    own = await keys.create(system, "Own", Role.ADMIN)
    assert lost.secret
    assert own.secret
    caller = await keys.authenticate(lost.secret)
    assert [key.name for key in await keys.list_of_organization(caller)] == ["Lost", "Kept"]
    assert [key.name for key in (await keys.list(caller, PageRequest())).items] == ["Own"]
    with pytest.raises(NotFound):
        await keys.revoke(system, lost.uid)
    with pytest.raises(Forbidden):
        await keys.revoke_of_organization(await keys.authenticate(own.secret), kept.uid)
    await keys.revoke_of_organization(system, lost.uid)
    with pytest.raises(Unauthorized):
        await keys.authenticate(lost.secret)
    assert [key.name for key in await keys.list_of_organization(system)] == ["Kept"]


async def test_a_key_with_an_end_is_refused_from_then_on(database: Database) -> None:
    vault = Vault(b"k" * 32)
    tenants, keys = Tenants(database, vault), ApiKeys(database, vault)
    tenant = await tenants.create(await tenants.create_organization("O"), "T", slug="t")
    system = as_system(tenant.ref, "system:test")
    end = datetime.now(UTC) + timedelta(days=1)
    for made in (
        await keys.create(system, "Guest", Role.VIEWER, expires_at=end),
        await keys.create_for_organization(system, "Contractor", expires_at=end),
    ):
        assert made.secret
        assert (await keys.authenticate(made.secret)).actor == f"key:{made.uid}"
        bearer = await keys.caller_for(made.uid)
        assert bearer.actor == f"key:{made.uid}"
        async with database.transaction() as tx:  # its day has come
            await tx.execute(
                text("UPDATE api_keys SET expires_at = now() WHERE uid = :uid"), {"uid": made.uid}
            )
        with pytest.raises(Unauthorized):
            await keys.authenticate(made.secret)
        with pytest.raises(Unauthorized):
            await keys.caller_for(made.uid)
    with pytest.raises(Invalid) as refused:
        await keys.create(system, "Late", Role.VIEWER, expires_at=datetime.now(UTC))
    assert refused.value.field == "expires_at"
