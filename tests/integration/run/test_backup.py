"""Backup and restore."""

import asyncio
import json
import os
import shutil
import tarfile
from dataclasses import asdict
from pathlib import Path
from threading import Thread

import psycopg
import pytest

from polycast.cli import archive as archives
from polycast.cli.archive import MANIFEST, Manifest, extract, read_manifest
from polycast.cli.backing_up import back_up
from polycast.cli.installation import database
from polycast.cli.preflight import WrongSetting
from polycast.cli.restoring import restore
from polycast.db import binaries, migrate
from polycast.domain.errors import Conflict, Invalid, Unavailable
from polycast.settings import SECRET_FILE, load
from tests.integration.run.installations import install, knows, run
from tests.support.postgres import RunPostgres

pytestmark = pytest.mark.timeout(180)


async def test_a_backup_brings_everything_back_elsewhere(tmp_path: Path) -> None:
    settings, key = await install(tmp_path / "one")
    archive = tmp_path / "backup.tar"
    await back_up(settings, archive, objects=True)
    assert archive.stat().st_mode & 0o777 == 0o600
    other = load(data=tmp_path / "two")
    await restore(other, archive, force=False)
    assert await knows(other, key), "key, secrets sealed under the old secret key, and media"
    assert (other.data / "secret.key").stat().st_mode & 0o777 == 0o600


async def test_restore_does_not_overwrite_unless_told(tmp_path: Path) -> None:
    settings, key = await install(tmp_path / "one")
    archive = tmp_path / "backup.tar"
    await back_up(settings, archive, objects=True)
    other, other_key = await install(tmp_path / "two")
    with pytest.raises(Conflict, match="--force"):
        await restore(other, archive, force=False)
    assert await knows(other, other_key)
    await restore(load(data=tmp_path / "two"), archive, force=True)
    assert await knows(load(data=tmp_path / "two"), key)


async def test_what_a_restore_lays_out_is_for_its_user_alone(tmp_path: Path) -> None:
    settings, _ = await install(tmp_path / "one")
    await back_up(settings, tmp_path / "b.tar", objects=True)
    other = load(data=tmp_path / "two", store="s3://films")
    umask = os.umask(0o022)
    try:
        with pytest.raises(Conflict, match="copy them there"):
            await restore(other, tmp_path / "b.tar", force=False)
    finally:
        os.umask(umask)
    # the media are left there to be copied; the database and the key are where they belong
    staging = other.data / "restore.new"
    assert staging.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in staging.iterdir() if path.name != MANIFEST] == ["objects"]


async def test_without_objects_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings, _ = await install(tmp_path / "one")
    await back_up(settings, tmp_path / "b.tar", objects=False)
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


async def test_a_backup_changes_nothing_in_the_database(tmp_path: Path, postgres: RunPostgres) -> None:
    """Taken between installing a newer release and upgrading: it is the way back."""
    url = postgres.create()
    settings, _ = await install(tmp_path / "one", database_url=url)
    with psycopg.connect(url) as connection:
        connection.execute("DROP TABLE procrastinate_periodic_defers, queue_schema CASCADE")
    await back_up(settings, tmp_path / "b.tar", objects=True)
    assert (await migrate.written(url)).queue is None
    manifest = read_manifest(tmp_path / "b.tar")
    assert (manifest.schema, manifest.queue) == (migrate.head(), "")
    postgres.drop(url)


async def test_there_is_nothing_to_back_up_in_an_empty_database(
    tmp_path: Path, postgres: RunPostgres
) -> None:
    url = postgres.create(empty=True)
    with pytest.raises(Invalid, match="nothing to back up"):
        await back_up(load(data=tmp_path, database_url=url), tmp_path / "b.tar", objects=True)
    assert os.listdir(tmp_path) == []
    postgres.drop(url)


async def test_media_that_are_not_where_they_should_be_are_missed(
    tmp_path: Path, postgres: RunPostgres
) -> None:
    """As where the server was started with another POLYCAST_STORE than this command."""
    url = postgres.create()
    settings, _ = await install(tmp_path / "one", database_url=url)
    elsewhere = load(data=settings.data, database_url=url, store=str(tmp_path / "elsewhere"))
    with pytest.raises(WrongSetting, match="no folder"):
        await back_up(elsewhere, tmp_path / "b.tar", objects=True)
    assert sorted(os.listdir(tmp_path)) == ["one"]
    await back_up(elsewhere, tmp_path / "b.tar", objects=False)
    postgres.drop(url)


async def test_parts_of_unfinished_uploads_are_not_in_it(tmp_path: Path) -> None:
    settings, _ = await install(tmp_path / "one")
    for folder in ("uploads/u1", "tmp"):
        place = settings.data / "store" / folder
        place.mkdir(parents=True, exist_ok=True)
        (place / "whole").write_bytes(b"half a video")
    await back_up(settings, tmp_path / "b.tar", objects=True)
    with tarfile.open(tmp_path / "b.tar") as tar:
        assert [name for name in tar.getnames() if name.startswith("objects/")] == [
            "objects/objects/t/x/f/y/source"
        ]


def test_folders_may_vanish_while_it_is_made(tmp_path: Path) -> None:
    """As those of a deleted asset do while the server runs."""
    store = tmp_path / "store"
    for number in range(1500):
        for group in ("going", "staying"):
            folder = store / "objects" / f"{group}{number}" / "g" / "1"
            folder.mkdir(parents=True)
            (folder / "1.m4s").write_bytes(b"x")
    (tmp_path / "dump").write_bytes(b"")
    going = [path for path in (store / "objects").iterdir() if path.name.startswith("going")]
    deleter = Thread(target=_remove, args=[going])
    deleter.start()
    written = archives.write(tmp_path / "b.tar", _manifest(), "k" * 40, tmp_path / "dump", store)
    deleter.join()
    with tarfile.open(tmp_path / "b.tar") as tar:
        staying = [name for name in tar.getnames() if "staying" in name]
    assert len(staying) == 1500
    assert written >= 1500


async def test_an_archive_of_a_newer_release_is_refused_before_anything_is_touched(tmp_path: Path) -> None:
    settings, key = await install(tmp_path / "one")
    await back_up(settings, tmp_path / "b.tar", objects=True)
    newer: tuple[dict[str, object], ...] = (
        {"schema": "9999"},
        {"queue": "99.00.00_01_x.sql"},
        {"postgres": 99},
    )
    for number, facts in enumerate(newer):
        archive = tmp_path / f"{number}.tar"
        _rewrite(tmp_path / "b.tar", archive, facts)
        for force in (False, True):
            with pytest.raises(Conflict, match="needs Polycast"):
                await restore(settings, archive, force=force)
    assert await knows(settings, key)


async def test_it_goes_back_over_what_a_later_release_added(tmp_path: Path) -> None:
    settings, key = await install(tmp_path / "one")
    await back_up(settings, tmp_path / "b.tar", objects=True)
    async with database(settings) as url, await psycopg.AsyncConnection.connect(url) as connection:
        for statement in (
            "CREATE TYPE mood AS ENUM ('good')",
            "CREATE TABLE later (tenant bigint REFERENCES tenants, mood mood)",
            "CREATE VIEW seen AS SELECT name FROM tenants",
            "CREATE FUNCTION f(later) RETURNS mood RETURN 'good'::mood",
            "UPDATE alembic_version SET version_num = '9999'",
        ):
            await connection.execute(statement.encode())
    await restore(settings, tmp_path / "b.tar", force=True)
    assert await knows(load(data=settings.data), key)
    async with database(settings) as url, await psycopg.AsyncConnection.connect(url) as connection:
        cursor = await connection.execute(
            "SELECT to_regclass('later'), to_regclass('seen'), to_regtype('mood'), to_regproc('f')"
        )
        assert await cursor.fetchone() == (None, None, None, None)


async def test_what_cannot_be_filled_in_leaves_the_database_as_it_was(tmp_path: Path) -> None:
    settings, _ = await install(tmp_path / "one")
    async with database(settings) as url, await psycopg.AsyncConnection.connect(url) as connection:
        # rows that no database would take again
        await connection.execute("CREATE FUNCTION fits(int) RETURNS bool IMMUTABLE RETURN true")
        await connection.execute("CREATE TABLE stubborn (x int CHECK (fits(x)))")
        await connection.execute("INSERT INTO stubborn VALUES (1)")
        await connection.execute("CREATE OR REPLACE FUNCTION fits(int) RETURNS bool IMMUTABLE RETURN false")
    await back_up(settings, tmp_path / "b.tar", objects=True)
    other, key = await install(tmp_path / "two")
    with pytest.raises(Unavailable, match="stubborn"):
        await restore(other, tmp_path / "b.tar", force=True)
    assert await knows(other, key)
    assert not (other.data / "restore.new").exists()


async def test_a_store_whose_name_is_quoted(tmp_path: Path) -> None:
    place = f"file://{tmp_path}/my%20media"
    settings, _ = await install(tmp_path / "one", store=place)
    assert (tmp_path / "my media" / "objects").is_dir()
    await back_up(settings, tmp_path / "b.tar", objects=True)
    assert read_manifest(tmp_path / "b.tar").objects
    other = load(data=tmp_path / "two", store=f"file://{tmp_path}/the%20other")
    await restore(other, tmp_path / "b.tar", force=False)
    assert (tmp_path / "the other" / "objects" / "t/x/f/y/source").is_file()


async def test_a_database_that_does_not_answer_is_told_in_a_line(tmp_path: Path) -> None:
    settings, _ = await install(tmp_path / "one")
    await back_up(settings, tmp_path / "b.tar", objects=True)
    done = run(
        "restore",
        str(tmp_path / "b.tar"),
        DATA=str(tmp_path / "two"),
        DATABASE_URL="postgresql://127.0.0.1:9/x",
    )
    assert done.returncode == 1
    assert done.stderr.startswith("polycast: the database is not available: ")
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can stand in for another account")
async def test_root_does_not_restore_into_another_accounts_folder(tmp_path: Path) -> None:
    """What root makes there, the service could not use."""
    settings, _ = await install(tmp_path / "one")
    await back_up(settings, tmp_path / "b.tar", objects=True)
    service = tmp_path / "service"
    service.mkdir()
    os.chown(service, 12345, 12345)
    done = run("restore", str(tmp_path / "b.tar"), DATA=str(service))
    assert done.returncode == 1
    assert "sudo -u '#12345' polycast" in done.stderr
    assert os.listdir(service) == []


def _remove(folders: list[Path]) -> None:
    for folder in folders:
        shutil.rmtree(folder)


def _manifest() -> Manifest:
    return Manifest(archives.FORMAT, "0", "2026-01-01T00:00:00+00:00", migrate.head(), 1, True, "")


def _rewrite(path: Path, target: Path, facts: dict[str, object]) -> None:
    """An archive whose manifest says something else."""
    folder = path.parent / target.stem
    extract(path, folder)
    (folder / MANIFEST).write_text(json.dumps(asdict(read_manifest(path)) | facts))
    with tarfile.open(target, "w") as tar:
        for name in (MANIFEST, SECRET_FILE, archives.DATABASE, archives.OBJECTS):
            tar.add(folder / name, name)


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
