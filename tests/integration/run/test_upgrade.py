"""The way from an older PostgreSQL, also when it is cut short."""

import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import pytest

from polycast.cli.backing_up import back_up
from polycast.cli.installation import database
from polycast.cli.restoring import restore
from polycast.cli.upgrading import upgrade
from polycast.db import binaries, migrate
from polycast.db.embedded import EmbeddedPostgres, NeedsUpgrade
from polycast.domain.errors import Conflict, Unavailable
from polycast.settings import Settings, load
from tests.integration.run.installations import command, environment, run
from tests.support.waiting import until

pytestmark = pytest.mark.timeout(180)

OLD = 16


async def _old_cluster(settings: Settings) -> None:
    """An installation as a release with PostgreSQL 16 left it."""
    settings.data.mkdir()
    (settings.data / "store").mkdir()
    async with _old_server(settings) as url:
        await migrate.upgrade(url)
        with psycopg.connect(url) as connection:
            connection.execute(
                "INSERT INTO organizations (name) SELECT 'Ünï ' || n FROM generate_series(1, 500) n"
            )


def _names(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM organizations WHERE name LIKE 'Ünï %'").fetchone()
        return int(row[0]) if row else 0


async def test_the_way_from_an_older_postgresql(tmp_path: Path) -> None:
    settings = load(data=tmp_path / "data")
    await _old_cluster(settings)
    with pytest.raises(NeedsUpgrade, match="polycast upgrade"):
        async with database(settings):
            pass
    await upgrade(settings)
    async with database(settings) as url:
        assert _names(url) == 500
        with psycopg.connect(url) as connection:
            assert connection.info.server_version // 10000 == binaries.current().major
            # numbers go on where they were
            row = connection.execute("INSERT INTO organizations (name) VALUES ('x') RETURNING num").fetchone()
            assert row == (501,)
    assert (settings.postgres_folder / f"cluster.{OLD}" / "PG_VERSION").read_text().strip() == str(OLD)
    await upgrade(settings)  # nothing left to do


async def test_an_upgrade_that_fails_leaves_the_old_cluster(tmp_path: Path) -> None:
    settings = load(data=tmp_path / "data")
    await _old_cluster(settings)
    async with _old_server(settings) as url, await psycopg.AsyncConnection.connect(url) as connection:
        # rows that no database would take again
        await connection.execute("CREATE FUNCTION fits(int) RETURNS bool IMMUTABLE RETURN true")
        await connection.execute("CREATE TABLE stubborn (x int CHECK (fits(x)))")
        await connection.execute("INSERT INTO stubborn VALUES (1)")
        await connection.execute("CREATE OR REPLACE FUNCTION fits(int) RETURNS bool IMMUTABLE RETURN false")
    with pytest.raises(Unavailable, match="stubborn"):
        await upgrade(settings)
    assert _left(settings) == [], "nothing of the attempt stays"
    async with _old_server(settings) as url:
        assert _names(url) == 500
        with psycopg.connect(url) as plain:
            plain.execute("DROP TABLE stubborn")
    await upgrade(settings)
    assert await _names_now(settings) == 500


@pytest.mark.parametrize("moment", ["upgrade.dump", "upgrade.new/cluster/postmaster.pid"])
async def test_an_upgrade_that_is_killed_is_begun_anew(moment: str, tmp_path: Path) -> None:
    settings = load(data=tmp_path / "data")
    await _old_cluster(settings)
    process = subprocess.Popen(  # noqa: ASYNC220 - nothing else runs in this loop
        command("upgrade"),
        env=environment(DATA=str(settings.data)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    await until((settings.postgres_folder / moment).exists, timeout_s=30)
    process.send_signal(signal.SIGKILL)
    process.wait()
    with pytest.raises(NeedsUpgrade):  # and no empty installation
        async with database(settings):
            pass
    done = run("upgrade", DATA=str(settings.data))
    assert done.returncode == 0, done.stderr
    assert f"PostgreSQL {OLD} ->" in done.stdout
    assert await _names_now(settings) == 500
    assert _left(settings) == []


async def test_an_upgrade_that_ends_between_its_two_renames_is_put_back(tmp_path: Path) -> None:
    settings = load(data=tmp_path / "data")
    await _old_cluster(settings)
    server = EmbeddedPostgres(settings.postgres_folder)
    server.cluster.rename(server.kept(OLD))
    assert server.version() == OLD
    with pytest.raises(NeedsUpgrade):
        async with database(settings):
            pass
    server.cluster.rename(server.kept(OLD))
    await upgrade(settings)
    assert await _names_now(settings) == 500


async def test_a_database_in_use_is_not_moved(tmp_path: Path) -> None:
    """What others write after the dump would be lost."""
    settings = load(data=tmp_path / "data")
    await _old_cluster(settings)
    async with _old_server(settings) as url:
        with pytest.raises(Conflict, match="another process"):
            await upgrade(settings)
        assert _names(url) == 500
    await upgrade(settings)


async def test_a_backup_before_the_upgrade(tmp_path: Path) -> None:
    """Also of a database that only its own PostgreSQL can run."""
    settings = load(data=tmp_path / "data")
    await _old_cluster(settings)
    await back_up(settings, tmp_path / "b.tar", objects=True)
    assert EmbeddedPostgres(settings.postgres_folder).version() == OLD
    other = load(data=tmp_path / "other")
    await restore(other, tmp_path / "b.tar", force=False)
    assert await _names_now(other) == 500


@asynccontextmanager
async def _old_server(settings: Settings) -> AsyncIterator[str]:
    old = EmbeddedPostgres(settings.postgres_folder, release=binaries.bundled()[OLD])
    url = await old.start()
    try:
        yield url
    finally:
        await old.stop()


async def _names_now(settings: Settings) -> int:
    async with database(settings) as url:
        return _names(url)


def _left(settings: Settings) -> list[str]:
    return sorted(path.name for path in settings.postgres_folder.glob("upgrade*"))
