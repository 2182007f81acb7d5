"""The embedded PostgreSQL: crash, sharing, and what it leaves untouched."""

import asyncio
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import psycopg
import pytest
import pytest_asyncio

from polycast.db import binaries, postmaster
from polycast.db.embedded import EmbeddedPostgres, NeedsUpgrade
from polycast.domain.errors import Conflict, Unavailable
from tests.support.waiting import until

OWNER = """
import asyncio, os, signal, sys
from pathlib import Path
from polycast.db.embedded import EmbeddedPostgres
async def main():
    server = EmbeddedPostgres(Path(sys.argv[1]))
    print(await server.start(), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await server.stop()
asyncio.run(main())
"""


@pytest_asyncio.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedPostgres]:
    made = EmbeddedPostgres(tmp_path / "pg")
    yield made
    await made.start()  # attach, so that stop is the last user's, whatever the test did
    await made.stop()
    assert not made.running()


def _value(url: str, query: str) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(query.encode()).fetchone()
        return row and row[0]


def _owner(folder: Path) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("postgresql://")
    return process


async def test_keeps_data_is_durable_and_opens_no_port(server: EmbeddedPostgres) -> None:
    url = await server.start()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS x")
    assert _value(url, "SHOW fsync") == "on"
    assert _value(url, "SHOW data_checksums") == "on"
    assert _value(url, "SHOW listen_addresses") == ""
    assert _value(url, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
    await server.stop()
    assert not server.running()
    assert _value(await server.start(), "SELECT x FROM kept") == 7


async def test_outlives_a_killed_owner_and_is_taken_over(server: EmbeddedPostgres) -> None:
    owner = _owner(server.folder)
    owner.kill()
    owner.communicate()
    assert server.running()
    url = await server.start()
    assert _value(url, "SELECT 1") == 1
    await server.stop()
    assert not server.running(), "the new owner is its last user"


async def test_recovers_when_the_server_itself_was_killed(server: EmbeddedPostgres) -> None:
    url = await server.start()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS x")
    pid = int((server.cluster / "postmaster.pid").read_text().split()[0])
    family = [psutil.Process(pid), *psutil.Process(pid).children()]
    os.kill(pid, signal.SIGKILL)
    await until(lambda: not server.running())
    # its children notice by themselves; only then is the shared memory free
    await until(lambda: not any(p.is_running() and p.status() != "zombie" for p in family))
    assert _value(await server.start(), "SELECT x FROM kept") == 7


async def test_a_long_recovery_is_waited_for_while_its_log_moves(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "pg", patience_s=1.0)
    with psycopg.connect(await server.start(), autocommit=True) as connection:
        # some WAL to replay, so that there is a moment between its start and its being ready
        connection.execute("CREATE TABLE t AS SELECT n FROM generate_series(1, 300000) n")
    killed = postmaster.find(server.cluster)
    assert killed is not None
    family = [killed, *killed.children()]
    killed.kill()
    # its children notice by themselves; only then is the shared memory free
    await until(lambda: not any(p.is_running() and p.status() != "zombie" for p in family))
    starting = asyncio.create_task(server.start())
    recovering = await until(lambda: postmaster.find(server.cluster))
    recovering.suspend()
    assert not postmaster.is_ready(server.cluster), "stopped too late to show anything"
    with (server.folder / "log" / "server.log").open("a", buffering=1) as log:
        written, done = 0, False
        while not done:
            log.write(f"LOG:  redo in progress {written}\n")
            written += 1
            done = bool((await asyncio.wait([starting], timeout=0.25))[0])
            if written == 8:  # twice as long as a silent one is waited for
                assert not done, "given up"
                recovering.resume()
    assert _value(await starting, "SELECT count(*) FROM t") == 300_000
    await server.stop()


async def test_a_silent_start_is_given_up(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "pg", patience_s=0.0)
    with pytest.raises(Unavailable, match="did not start"):
        await server.start()
    await server.remove()
    assert not server.folder.exists()


async def test_the_last_user_stops_it(server: EmbeddedPostgres) -> None:
    owner = _owner(server.folder)
    await server.start()
    await server.stop()
    assert server.running(), "the other process still relies on it"
    owner.communicate("")
    assert not server.running()


async def test_started_at_once_by_many(server: EmbeddedPostgres) -> None:
    others = [EmbeddedPostgres(server.folder) for _ in range(4)]
    urls = await asyncio.gather(*(other.start() for other in others))
    assert len(set(urls)) == 1
    pid = (server.cluster / "postmaster.pid").read_text().split()[0]
    for other in others:
        assert server.running()
        assert (server.cluster / "postmaster.pid").read_text().split()[0] == pid
        await other.stop()
    assert not server.running()


async def test_changes_no_folder_that_it_did_not_make(tmp_path: Path) -> None:
    """As root it runs under another account, which a closed folder must not stop, nor be opened for."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    folders = [closed, *closed.parents]
    before = [stat.S_IMODE(folder.stat().st_mode) for folder in folders]
    # the programs too: a clone in /root has both there
    release = binaries.current()
    [wheel, install, bin_folder] = release.folder.parts[-3:]
    shutil.copytree(release.folder.parent, closed / wheel / install, symlinks=True)
    (closed / f"{wheel}.libs").symlink_to(release.folder.parents[2] / f"{wheel}.libs")
    programs = binaries.Binaries(release.major, closed / wheel / install / bin_folder)
    server = EmbeddedPostgres(closed / "a b" / "pg", release=programs)
    assert _value(await server.start(), "SELECT 1") == 1
    cluster = server.cluster.stat()
    await server.stop()
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in folders] == before
    assert stat.S_IMODE(cluster.st_mode) == 0o700
    assert cluster.st_uid != 0


async def test_a_path_too_long_for_a_socket(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / ("long" * 25) / "pg")
    url = await server.start()
    assert _value(url, "SELECT 1") == 1
    sockets = Path(url.partition("host=")[2])
    assert not sockets.is_relative_to(tmp_path)
    assert stat.S_IMODE(sockets.stat().st_mode) == 0o700  # noqa: ASYNC240
    await server.stop()
    assert not sockets.exists()  # noqa: ASYNC240


async def test_a_half_made_cluster_is_made_anew(server: EmbeddedPostgres) -> None:
    half = server.folder / "initdb-1"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    assert _value(await server.start(), "SELECT 1") == 1
    assert not half.exists()


async def test_a_first_start_right_after_one_that_was_killed(server: EmbeddedPostgres) -> None:
    """Its initdb goes on for a moment."""
    owner = subprocess.Popen(  # noqa: ASYNC220
        [sys.executable, "-c", OWNER, str(server.folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    await until(lambda: list(server.folder.glob("initdb-*/global")), timeout_s=30)
    owner.kill()
    assert _value(await server.start(), "SELECT 1") == 1
    owner.communicate()


@pytest.mark.parametrize(("version", "error"), [("16", NeedsUpgrade), ("99", Conflict)])
async def test_refuses_other_major_versions(tmp_path: Path, version: str, error: type[Exception]) -> None:
    server = EmbeddedPostgres(tmp_path / "pg")
    server.cluster.mkdir(parents=True)
    (server.cluster / "PG_VERSION").write_text(f"{version}\n")
    with pytest.raises(error, match=version):
        await server.start()
