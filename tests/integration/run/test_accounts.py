"""`polycast tenants` on a database of its own, without a server."""

from pathlib import Path

import pytest

from tests.integration.run.installations import install, run
from tests.support.postgres import RunPostgres

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


async def test_a_limit_that_is_not_named_stays(tmp_path: Path, postgres: RunPostgres) -> None:
    url = postgres.create()
    settings, _ = await install(tmp_path, database_url=url)
    where = {"DATA": str(settings.data), "DATABASE_URL": url, "RETENTION_DAYS": "90"}
    shown = [
        run("tenants", "limit", "default", *words, **where).stdout.strip()
        for words in (("--quota-bytes", "1000"), ("--retention-days", "3"), ("--quota-bytes", "0"), ())
    ]
    assert shown == [
        "default: quota 1000 bytes, retention 90 days (the installation's)",
        "default: quota 1000 bytes, retention 3 days",
        "default: quota without limit (the installation's), retention 3 days",
        "default: quota without limit (the installation's), retention 3 days",
    ]
    postgres.drop(url)
