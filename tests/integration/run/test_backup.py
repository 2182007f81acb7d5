"""Backup, restore, and the way from an older PostgreSQL."""

import asyncio
import os
import tarfile
from pathlib import Path

import psycopg
import pytest

from polycast.cli import maintenance
from polycast.cli.archive import MANIFEST, extract, read_manifest
from polycast.cli.installation import database, platform
from polycast.db import binaries
from polycast.db.embedded import EmbeddedPostgres, NeedsUpgrade
from polycast.domain.errors import Conflict, Invalid
from polycast.settings import Settings, load

pytestmark = pytest.mark.timeout(180)


async def _install(data: Path) -> tuple[Settings, str]:
    """An installation with a tenant, a key and an object; returns its admin key."""
    settings = load(data=data)
    async with platform(settings) as wired:
        from polycast.bootstrap import first_start

        made = await first_start(wired.services)
        await wired.services.store.put("t/x/f/y/source", b"bytes of a video")
    assert made.key is not None
    assert made.key.secret is not None
    return settings, made.key.secret


async def _knows(settings: Settings, key: str) -> bool:
    async with platform(settings) as wired:
        caller = await wired.services.keys.authenticate(key)
        opened = await wired.services.tenants.secret(caller.tenant.num, "content")
        return bool(opened) and await wired.services.store.get("t/x/f/y/source") == b"bytes of a video"


async def test_a_backup_brings_everything_back_elsewhere(tmp_path: Path) -> None:
    settings, key = await _install(tmp_path / "one")
    archive = tmp_path / "backup.tar"
    await maintenance._backup(settings, archive, objects=True)
    assert archive.stat().st_mode & 0o777 == 0o600
    other = load(data=tmp_path / "two")
    await maintenance._restore(other, archive, force=False)
    assert await _knows(other, key), "key, secrets sealed under the old secret key, and media"
    assert (other.data / "secret.key").stat().st_mode & 0o777 == 0o600


async def test_restore_does_not_overwrite_unless_told(tmp_path: Path) -> None:
    settings, key = await _install(tmp_path / "one")
    archive = tmp_path / "backup.tar"
    await maintenance._backup(settings, archive, objects=True)
    other, other_key = await _install(tmp_path / "two")
    with pytest.raises(Conflict, match="--force"):
        await maintenance._restore(other, archive, force=False)
    assert await _knows(other, other_key)
    await maintenance._restore(load(data=tmp_path / "two"), archive, force=True)
    assert await _knows(load(data=tmp_path / "two"), key)


async def test_without_objects_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings, _ = await _install(tmp_path / "one")
    await maintenance._backup(settings, tmp_path / "b.tar", objects=False)
    assert "media are not in it" in capsys.readouterr().out
    assert not read_manifest(tmp_path / "b.tar").objects


@pytest.mark.parametrize("content", [b"", b"no tar", b"\0" * 10240])
def test_what_is_no_backup_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.tar").write_bytes(content)
    with pytest.raises(Invalid):
        read_manifest(tmp_path / "x.tar")


@pytest.mark.parametrize("name", ["../outside", "/etc/outside", "objects/../../outside"])
def test_an_archive_cannot_write_elsewhere(tmp_path: Path, name: str) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        (tmp_path / "f").write_text("x")
        tar.add(tmp_path / "f", MANIFEST)
        info = tarfile.TarInfo(name)
        tar.addfile(info)
    with pytest.raises(Invalid, match="outside"):
        extract(tmp_path / "x.tar", tmp_path / "to")
    assert not (tmp_path / "outside").exists()


def test_an_archive_cannot_bring_links(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        info = tarfile.TarInfo("objects/link")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(info)
    with pytest.raises(Invalid):
        extract(tmp_path / "x.tar", tmp_path / "to")


OLD = 16


async def _old_cluster(settings: Settings) -> None:
    """An installation as a release with PostgreSQL 16 left it."""
    settings.data.mkdir()
    old = EmbeddedPostgres(settings.postgres_folder, release=binaries.bundled()[OLD])
    url = await old.start()
    from polycast.db import migrate

    await migrate.upgrade(url)
    with psycopg.connect(url) as connection:
        connection.execute(
            "INSERT INTO organizations (name) SELECT 'Ünï ' || n FROM generate_series(1, 500) n"
        )
    await old.stop()


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
    await maintenance._upgrade(settings)
    async with database(settings) as url:
        assert _names(url) == 500
        with psycopg.connect(url) as connection:
            assert connection.info.server_version // 10000 == binaries.current().major
            # numbers go on where they were
            row = connection.execute("INSERT INTO organizations (name) VALUES ('x') RETURNING num").fetchone()
            assert row == (501,)
    assert (settings.postgres_folder / f"cluster.{OLD}" / "PG_VERSION").read_text().strip() == str(OLD)
    await maintenance._upgrade(settings)  # nothing left to do


async def test_an_upgrade_that_fails_leaves_the_old_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load(data=tmp_path / "data")
    await _old_cluster(settings)
    from polycast.cli import pgtools

    async def broken(url: str, path: Path, *, clean: bool = False) -> None:
        raise Conflict("no room left")

    monkeypatch.setattr(pgtools, "load", broken)
    with pytest.raises(Conflict, match="no room"):
        await maintenance._upgrade(settings)
    monkeypatch.undo()
    assert EmbeddedPostgres(settings.postgres_folder).version() == OLD
    await maintenance._upgrade(settings)
    async with database(settings) as url:
        assert _names(url) == 500


def test_passwords_do_not_stand_in_command_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pg_dump is given its connection by the environment."""
    from polycast.cli import pgtools

    seen = tmp_path / "seen"
    program = tmp_path / "pg_dump"
    program.write_text(f'#!/bin/sh\necho "$@" > {seen}\necho "$PGPASSWORD $PGHOST" >> {seen}\n')
    program.chmod(0o755)
    monkeypatch.setattr(binaries, "current", lambda: binaries.Binaries(18, tmp_path))
    asyncio.run(pgtools.dump("postgresql://u:s3cret@db.example/x", tmp_path / "d"))
    arguments, environment = seen.read_text().splitlines()
    assert "s3cret" not in arguments
    assert environment == "s3cret db.example"
    assert os.environ.get("PGPASSWORD") is None
