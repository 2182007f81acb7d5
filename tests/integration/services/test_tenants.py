"""Tenants by their short names."""

from pathlib import Path

import pytest

from polycast.bootstrap import first_start
from polycast.cli.installation import platform
from polycast.db.engine import Database
from polycast.domain.errors import Conflict, Invalid
from polycast.services.tenants import Tenants
from polycast.services.vault import Vault
from tests.integration.run.installations import install
from tests.support.postgres import RunPostgres


async def test_a_slug_that_is_asked_for_is_had_as_it_is_or_refused(database: Database) -> None:
    """Headers and commands name a tenant by it, in small letters."""
    tenants = Tenants(database, Vault(b"k" * 32))
    owner = await tenants.create_organization("O")
    assert (await tenants.create(owner, "North", slug="north-1")).ref.slug == "north-1"
    for slug in ("North", "north 1", "-north", "north--1", "n" * 41, ""):
        with pytest.raises(Invalid, match="slug"):
            await tenants.create(owner, "Again", slug=slug)
    with pytest.raises(Conflict, match="north-1 is taken"):
        await tenants.create(owner, "Again", slug="north-1")
    # one that is made of the name gives way
    assert (await tenants.create(owner, "North 1")).ref.slug == "north-1-2"


async def test_an_installation_whose_last_tenant_was_deleted_starts_with_a_new_one(
    postgres: RunPostgres, tmp_path: Path
) -> None:
    url = postgres.create()
    settings, _ = await install(tmp_path, database_url=url)
    async with platform(settings) as wired:
        tenants = wired.services.tenants
        owner = await tenants.default_organization()
        assert owner is not None
        [only] = await tenants.list(owner)
        await tenants.delete(owner, only.ref.uid)
        made = await first_start(wired.services)
        assert (made.tenant.ref.slug, made.key) == ("default-2", None)
    postgres.drop(url)
