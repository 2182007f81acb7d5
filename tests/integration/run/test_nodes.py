"""Several processes and machines of one installation: one key, and nobody exchanged under another's feet."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from polycast.cli.backing_up import back_up
from polycast.cli.restoring import restore
from polycast.cli.upgrading import upgrade
from polycast.domain.errors import Conflict
from polycast.settings import SECRET_FILE, load
from tests.integration.run.installations import command, environment, install, knows, run
from tests.support.postgres import RunPostgres
from tests.support.waiting import STRETCH, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

WHERE = {"HTTP_HOST": "127.0.0.1", "HTTP_PORT": "0"}


@pytest.mark.parametrize(
    "arguments", [("up",), ("api",), ("worker",), ("keys", "list"), ("backup", "{folder}/b.tar")]
)
async def test_a_node_without_the_installations_key_is_refused(
    arguments: tuple[str, ...], tmp_path: Path, postgres: RunPostgres
) -> None:
    """It would make one of its own, and its addresses would be refused by all other nodes."""
    url = postgres.create()
    first, _ = await install(tmp_path / "one", database_url=url)
    words = [word.format(folder=tmp_path) for word in arguments]
    where = WHERE | {"DATABASE_URL": url}

    without = run(*words, DATA=str(tmp_path / "two"), **where)
    assert without.returncode == 78, without.stderr
    assert "POLYCAST_SECRET_KEY: the database was made under a key that is not here" in without.stderr
    assert not (tmp_path / "two" / SECRET_FILE).exists(), "no key of its own is made"

    other = run(*words, DATA=str(tmp_path / "two"), SECRET_KEY="another key, long enough to be one", **where)
    assert other.returncode == 78, other.stderr
    assert "POLYCAST_SECRET_KEY: the database was made under another key" in other.stderr

    with_key = run("keys", "list", DATA=str(tmp_path / "two"), SECRET_KEY=first.secret, **where)
    assert with_key.returncode == 0, with_key.stderr
    assert "Traceback" not in without.stderr + other.stderr
    postgres.drop(url)


async def test_a_lost_key_is_not_replaced_by_another(tmp_path: Path) -> None:
    settings, _ = await install(tmp_path / "data")
    kept = (settings.data / SECRET_FILE).rename(tmp_path / "kept")
    done = run("up", DATA=str(settings.data), **WHERE)
    assert done.returncode == 78, done.stderr
    assert "POLYCAST_SECRET_KEY" in done.stderr
    kept.replace(settings.data / SECRET_FILE)
    assert run("keys", "list", DATA=str(settings.data)).returncode == 0


@pytest.mark.parametrize("role", ["api", "worker"])
async def test_nothing_is_exchanged_under_a_role_that_runs_by_itself(role: str, tmp_path: Path) -> None:
    settings, key = await install(tmp_path / "one")
    await back_up(settings, tmp_path / "b.tar", objects=True)
    with _running(role, settings.data) as process:
        for work in (restore(settings, tmp_path / "b.tar", force=True), upgrade(settings)):
            with pytest.raises(Conflict, match=rf"{process.pid}.*stop it first"):
                await work
    await restore(settings, tmp_path / "b.tar", force=True)
    assert await knows(load(data=settings.data), key)


async def test_nothing_is_exchanged_under_a_node_of_another_machine(
    tmp_path: Path, postgres: RunPostgres
) -> None:
    """It shares the database alone."""
    url = postgres.create()
    settings, key = await install(tmp_path / "one", database_url=url)
    await back_up(settings, tmp_path / "b.tar", objects=True)
    with _running("worker", tmp_path / "two", DATABASE_URL=url, SECRET_KEY=settings.secret):
        await until(lambda: _users(url), timeout_s=30)
        with pytest.raises(Conflict, match=r"in use \(polycast"):
            await restore(settings, tmp_path / "b.tar", force=True)
    assert await knows(settings, key)
    await restore(settings, tmp_path / "b.tar", force=True)
    assert await knows(load(data=settings.data, database_url=url), key)
    postgres.drop(url)


def _users(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND application_name LIKE 'polycast%'"
        ).fetchone()
        return int(row[0]) if row else 0


async def test_a_worker_runs_beside_the_server(tmp_path: Path) -> None:
    settings, _ = await install(tmp_path / "one")
    with _running("up", settings.data), _running("worker", settings.data):
        pass


@contextmanager
def _running(role: str, data: Path, **settings: str) -> Iterator["subprocess.Popen[str]"]:
    """A role once it says that it works; ended in order."""
    process = subprocess.Popen(
        command(role),
        env=environment(DATA=str(data), **WHERE, **settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline(), f"{role} ended with {process.wait()}"
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30 * STRETCH)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can stand in for another account")
@pytest.mark.parametrize("role", ["up", "api", "worker", "upgrade"])
async def test_root_does_not_run_what_is_another_accounts(role: str, tmp_path: Path) -> None:
    settings, _ = await install(tmp_path / "data")
    os.chown(settings.data / SECRET_FILE, 12345, 12345)
    os.chown(settings.postgres_folder, 12345, 12345)
    done = run(role, DATA=str(settings.data), **WHERE)
    assert done.returncode == 1
    assert "belongs to '#12345'" in done.stderr
