"""`polycast up` as an operator meets it: first and second start, taken ports, stop, kill -9."""

import os
import pty
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from polycast.db.embedded import EmbeddedPostgres
from tests.integration.run.installations import command, environment, run, run_in
from tests.support.postgres import RunPostgres
from tests.support.server import PolycastServer, lives
from tests.support.waiting import STRETCH, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture
def own(tmp_path: Path) -> Iterator[PolycastServer]:
    """A server with its own embedded database; whatever is left of it is ended."""
    server = PolycastServer(tmp_path / "data")
    yield server
    if server.running():
        server.kill()
    _end_postgres(server.data)


def _end_postgres(data: Path) -> None:
    try:
        pid = int((data / "postgres" / "cluster" / "postmaster.pid").read_text().split()[0])
        process = psutil.Process(pid)
    except (FileNotFoundError, psutil.NoSuchProcess):
        return
    process.send_signal(signal.SIGINT)
    psutil.wait_procs([process], timeout=10)


def _run(*arguments: str, data: Path, **settings: str) -> "subprocess.CompletedProcess[str]":
    return run(*arguments, "--data", str(data), **settings)


def _status(url: str) -> int:
    return httpx.get(url, timeout=30).status_code


def _presets(server: PolycastServer, key: str) -> int:
    url = f"{server.url}/videokit/transcoder/v1/presets"
    return httpx.get(url, headers={"X-Api-Key": key}, timeout=30).status_code


def test_first_start_stop_second_start(own: PolycastServer) -> None:
    """The key of the first start still works after the second; nothing runs after the stop."""
    own.start()
    key = own.admin_key
    assert (own.data / "admin.key").stat().st_mode & 0o777 == 0o600
    assert not any(key in line for line in own.lines), "a key in a file is not in the log too"
    assert _presets(own, key) == 200
    assert _presets(own, "wrong") == 401
    family = own.family()
    own.stop()
    assert not any(process.is_running() for process in family)
    assert not EmbeddedPostgres(own.data / "postgres").running()
    own.start()
    assert own.admin_key == key
    assert _presets(own, key) == 200
    own.stop()


def test_the_key_is_shown_once_without_a_file(tmp_path: Path, postgres: RunPostgres) -> None:
    url = postgres.create()
    argv = command("up", "--data", str(tmp_path), "--port", "0")
    shown = []
    for _ in range(2):
        with subprocess.Popen(
            argv,
            env=os.environ | {"POLYCAST_DATABASE_URL": url},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if "is ready" in line:
                    break
            process.send_signal(signal.SIGTERM)
            shown.append(process.stdout.read())
            assert process.wait(30 * STRETCH) == 0
    assert "admin key: pc_" in shown[0]
    assert "admin key" not in shown[1]
    postgres.drop(url)


def test_a_second_up_on_the_same_data_is_refused(own: PolycastServer) -> None:
    own.start()
    second = _run("up", "--port", "0", data=own.data)
    assert second.returncode == 1
    assert f"already runs on {own.data} (process {own.pid})" in second.stderr
    assert _presets(own, own.admin_key) == 200
    own.stop()


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = _run("up", "--port", str(port), "--host", "127.0.0.1", data=tmp_path / "data")
    assert done.returncode == 78
    assert f"port {port} on 127.0.0.1 is taken" in done.stderr
    assert f"process {os.getpid()}" in done.stderr
    assert not (tmp_path / "data" / "postgres").exists(), "found out before anything was made"


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    done = _run("up", data=tmp_path, API_WORKERS="none")
    assert done.returncode == 78
    assert "POLYCAST_API_WORKERS" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_documents_example_of_private_servers_is_taken(own: PolycastServer) -> None:
    own.settings |= {"outbound_allow": "10.1.0.0/16,nas.lan", "trusted_proxies": "10.0.0.7/8"}
    own.start()
    assert _presets(own, own.admin_key) == 200
    own.stop()


def test_a_relative_store_is_one_place_for_all(tmp_path: Path) -> None:
    """For the processes of `up`, which run in another folder, and for commands."""
    (tmp_path / "here").mkdir()
    given = {"DATA": str(tmp_path / "data"), "STORE": "media"}
    process = subprocess.Popen(
        command("up"),
        env=environment(HTTP_HOST="127.0.0.1", HTTP_PORT="0", **given),
        cwd=tmp_path / "here",
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    url = process.stdout.readline().split()[4]
    key = process.stdout.readline().split()[2]
    (tmp_path / "here" / "clip [dvd].mp4").write_bytes(b"no film, but bytes")
    published = run_in(tmp_path / "here", "publish", "clip [dvd].mp4", "--url", url, "--key", key, **given)
    backup = run_in(tmp_path / "here", "backup", "b.tar", **given)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30 * STRETCH)
    assert "upload clip [dvd].mp4" in published.stdout, "a name is shown as it is"
    assert " 1 objects" in backup.stdout, backup.stderr
    assert (tmp_path / "here" / "media" / "objects").is_dir()


async def test_a_closed_terminal_stops_everything(tmp_path: Path) -> None:
    """Also the database, which has a session of its own."""
    ours, theirs = pty.openpty()
    data = tmp_path / "data"
    process = subprocess.Popen(  # noqa: ASYNC220
        # where tests run under `nohup` they would pass on that nothing is to end with a terminal
        ["env", "--default-signal=HUP", "setsid", "--ctty", *command("up")],
        env=environment(DATA=str(data), HTTP_HOST="127.0.0.1", HTTP_PORT="0"),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    while b"is ready" not in shown:
        shown += os.read(ours, 65536)
    family = psutil.Process(process.pid).children(recursive=True)
    os.close(ours)
    await until(lambda: process.poll() is not None, timeout_s=30)
    assert not any(map(lives, family))
    assert not EmbeddedPostgres(data / "postgres").running()


async def test_kill_9_of_up_ends_its_processes_and_the_next_one_goes_on(own: PolycastServer) -> None:
    own.start()
    key = own.admin_key
    # ready is said as soon as the server answers; the workers start in the same moment
    await until(lambda: len(own.family()) >= 4, timeout_s=20)
    family = own.family()
    own.kill()
    await until(lambda: not any(map(lives, family)), timeout_s=20)
    own.start()
    assert own.admin_key == key
    assert _presets(own, key) == 200
    own.stop()
    assert not EmbeddedPostgres(own.data / "postgres").running()


@pytest.mark.parametrize("role", ["api", "encode", "package"])
async def test_a_killed_role_comes_back(own: PolycastServer, role: str) -> None:
    own.start()
    await until(lambda: own.role(role), timeout_s=20)
    for process in own.role(role):
        process.kill()

    def answers() -> bool:
        try:
            return bool(own.role(role)) and _presets(own, own.admin_key) == 200
        except httpx.HTTPError:
            return False

    await until(answers, timeout_s=30)
    own.stop()


async def test_a_killed_database_comes_back_with_the_next_start(own: PolycastServer) -> None:
    own.start()
    pid = int((own.data / "postgres" / "cluster" / "postmaster.pid").read_text().split()[0])
    os.kill(pid, signal.SIGKILL)
    await until(lambda: not EmbeddedPostgres(own.data / "postgres").running())
    assert _status(f"{own.url}/readyz") == 503
    own.stop()
    own.start()
    assert _presets(own, own.admin_key) == 200
    own.stop()


def test_keys_and_tenants_while_it_runs_and_while_not(own: PolycastServer) -> None:
    own.start()
    made = _run("keys", "create", "ci", "--role", "viewer", data=own.data)
    key = made.stdout.strip()
    assert key.startswith("pc_"), made.stderr
    assert _presets(own, key) == 200
    assert "ci" in _run("keys", "list", data=own.data).stdout
    tenant = _run("tenants", "create", "Second One", data=own.data).stdout.strip()
    client = _run("tenants", "organization", data=own.data).stdout.strip()
    names = {"X-Auth-ClientId": client, "X-Auth-ApiKey": own.admin_key}
    libraries = httpx.get(f"{own.url}/gotipath/v1/libraries", headers=names).json()["result"]
    assert tenant in [library["id"] for library in libraries]
    own.stop()
    listed = _run("tenants", "list", data=own.data).stdout
    assert tenant in listed
    assert "second-one" in listed
    ident = next(
        line.split()[0] for line in _run("keys", "list", data=own.data).stdout.splitlines() if "ci" in line
    )
    assert _run("keys", "revoke", ident, data=own.data).returncode == 0
    assert not EmbeddedPostgres(own.data / "postgres").running(), "a command leaves no server behind"
    own.start()
    assert _presets(own, key) == 401
    own.stop()
