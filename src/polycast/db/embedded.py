"""The PostgreSQL that Polycast brings along: one cluster in the data folder, reached by a unix socket.

    <folder>/cluster/     the cluster; owned by the account the server runs under, 0700
    <folder>/socket/      its unix socket, 0700: who cannot enter cannot connect; no TCP port is opened
    <folder>/log/         the server's own log
    <folder>/start.lock   held while somebody starts or stops the server
    <folder>/users.lock   held, shared, by every process that relies on the server

The server outlives a killed owner: whoever comes next attaches to it. It is stopped by the last user that
leaves in order. Locks are the kernel's (flock), so a killed process never leaves one behind.
"""

import asyncio
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import psutil

from polycast.db import binaries
from polycast.db.account import Account, as_account, server_account
from polycast.domain.errors import Conflict, Unavailable

START_DEADLINE_S = 60.0
"""A cluster that was killed replays its log first; ten seconds are common on a slow disk."""
STOP_DEADLINE_S = 30.0
_SOCKET_NAME = ".s.PGSQL.5432"
_SOCKET_PATH_MAX = 107  # sun_path of unix(7), without its final zero
_LOG_MAX_BYTES = 10 * 1024 * 1024
_ROLE = "polycast"


class NeedsUpgrade(Conflict):
    """The cluster was made by an older PostgreSQL; `polycast upgrade` moves it.

    Attributes:
        found, wanted: major versions.
    """

    def __init__(self, found: int, wanted: int) -> None:
        super().__init__(
            f"the database was made by PostgreSQL {found}, this release brings {wanted}: run `polycast upgrade`"
        )
        self.found = found
        self.wanted = wanted


class EmbeddedPostgres:
    """One embedded cluster.

    Args:
        folder: made when missing; nothing outside it is changed (but for a socket folder in the
            temporary folder when this path is too long for a unix socket).
        durable: False gives up fsync, for tests.
        release: PostgreSQL to run; the newest bundled one by default.
    """

    def __init__(
        self, folder: Path, *, durable: bool = True, release: binaries.Binaries | None = None
    ) -> None:
        self.folder = folder.absolute()
        self.cluster = self.folder / "cluster"
        self._durable = durable
        self._release = release
        self._users: int | None = None
        self._account: Account | None = None

    @property
    def release(self) -> binaries.Binaries:
        return self._release or binaries.current()

    async def start(self) -> str:
        """Make the cluster if there is none, start it unless it runs, and rely on it until `stop`.

        Returns:
            URL of the database `polycast` as its owner, who is not a superuser.

        Raises:
            NeedsUpgrade: the cluster is of an older major version.
            Conflict: it is of a newer one.
            Unavailable: it cannot be started; the message holds the end of the server's log.
        """
        return await asyncio.to_thread(self._start)

    async def stop(self) -> None:
        """Stop relying on the server; the last user stops it, in order. Idempotent."""
        await asyncio.to_thread(self._stop)

    def url(self, *, database: str = _ROLE, role: str = _ROLE) -> str:
        """Connection URL through the unix socket."""
        return f"postgresql://{role}@/{database}?host={quote(str(self._socket_folder()), safe='/')}"

    def superuser_url(self, database: str = "postgres") -> str:
        return self.url(database=database, role="postgres")

    def running(self) -> bool:
        """Whether a server works on this cluster now, whoever started it."""
        return self._postmaster() is not None

    def version(self) -> int | None:
        """Major version that made the cluster; None when there is none."""
        try:
            return int((self.cluster / "PG_VERSION").read_text())
        except (FileNotFoundError, ValueError):
            return None

    # -- start

    def _start(self) -> str:
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._exclusive():
            self._check_version()
            self._account = server_account(self.cluster)
            if self.version() is None:
                self._initialise()
            if not self._ready():
                self._launch()
            self._rely()
            self._ensure_database()
        return self.url()

    def _check_version(self) -> None:
        found, wanted = self.version(), self.release.major
        if found is None or found == wanted:
            return
        if found < wanted:
            raise NeedsUpgrade(found, wanted)
        raise Conflict(
            f"the database was made by PostgreSQL {found}, this release brings {wanted}: use a newer Polycast"
        )

    def _initialise(self) -> None:
        """Make the cluster beside its place and rename it: a crash in between leaves no half cluster."""
        fresh = self.folder / "cluster.new"
        shutil.rmtree(fresh, ignore_errors=True)
        self._own_folder(fresh)
        argv = ["--pgdata", str(fresh), "--username=postgres", "--encoding=UTF8"]
        # the socket's folder is the guard; over TCP nobody is let in even if a port is opened by mistake
        argv += ["--auth-local=trust", "--auth-host=reject"]
        # collation that no upgrade of the C library can change under an index
        argv += ["--locale=C"]
        if self.release.major >= 17:
            argv += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        if not self._durable:
            argv += ["--no-sync"]
        done = self._run("initdb", argv, touched=fresh)
        if done.returncode != 0:
            raise Unavailable(f"initdb failed: {done.stderr.strip() or done.stdout.strip()}")
        fresh.rename(self.cluster)

    def _launch(self) -> None:
        self._own_folder(self.folder / "log")
        self._own_folder(self._socket_folder())
        log = self.folder / "log" / "server.log"
        if log.exists() and log.stat().st_size > _LOG_MAX_BYTES:
            log.replace(log.with_suffix(".log.1"))
        self._clear_stale_pid_file()
        options = " ".join(f"-c {name}={value}" for name, value in self._server_settings().items())
        # -W: pg_ctl itself looks only ten times a second, we look more often
        argv = ["-D", str(self.cluster), "-l", str(log), "-s", "-W", "-o", options, "start"]
        done = self._run("pg_ctl", argv, touched=self.cluster)
        deadline = time.monotonic() + START_DEADLINE_S
        seen = False
        while not self._ready():
            alive = self._postmaster() is not None
            if done.returncode != 0 or (seen and not alive) or time.monotonic() > deadline:
                raise Unavailable(f"the embedded PostgreSQL did not start: {_tail(log) or done.stderr}")
            seen = seen or alive
            if not seen and time.monotonic() > deadline - START_DEADLINE_S + 5:
                raise Unavailable(f"the embedded PostgreSQL did not start: {_tail(log)}")
            time.sleep(0.01)

    def _clear_stale_pid_file(self) -> None:
        """Remove the pid files of a killed server that nobody has reaped yet.

        The new server would take the zombie for a living one. A container whose first process reaps no
        orphans keeps it for ever. The file also guards against children of the old server that still
        write: they end by themselves when it is gone, and are waited for.
        """
        pid_file = self.cluster / "postmaster.pid"
        try:
            zombie = (
                psutil.Process(int(pid_file.read_text().split("\n", 1)[0])).status() == psutil.STATUS_ZOMBIE
            )
        except (OSError, ValueError, psutil.Error):
            return
        deadline = time.monotonic() + STOP_DEADLINE_S
        while zombie and time.monotonic() < deadline:
            if not any(_works_in(process, self.cluster.resolve()) for process in psutil.process_iter()):
                pid_file.unlink(missing_ok=True)
                (self._socket_folder() / f"{_SOCKET_NAME}.lock").unlink(missing_ok=True)
                return
            time.sleep(0.05)

    def _server_settings(self) -> dict[str, str]:
        settings = {
            "listen_addresses": "''",
            # pg_ctl passes these through a shell
            "unix_socket_directories": f"'{self._socket_folder()}'",
            "unix_socket_permissions": "0700",
            "max_connections": "200",
            "shared_buffers": "128MB",
            "jit": "off",  # short queries: compiling costs more than it saves
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_min_duration_statement": "2000",
        }
        if self.release.major >= 18:
            settings["io_method"] = "sync"  # spares three processes; matters for scans far larger than ours
        if not self._durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        return settings

    def _rely(self) -> None:
        if self._users is None:
            self._users = os.open(self.folder / "users.lock", os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(self._users, fcntl.LOCK_SH)

    def _ensure_database(self) -> None:
        import psycopg

        with psycopg.connect(self.superuser_url(), autocommit=True, connect_timeout=10) as connection:
            if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (_ROLE,)).fetchone():
                connection.execute(f"CREATE ROLE {_ROLE} LOGIN")
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (_ROLE,)).fetchone():
                connection.execute(f"CREATE DATABASE {_ROLE} OWNER {_ROLE}")

    # -- stop

    def _stop(self) -> None:
        if self._users is None:
            return
        with self._exclusive():
            users, self._users = self._users, None
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._shut_down(self._postmaster())
            except BlockingIOError:
                pass  # somebody else relies on it
            finally:
                os.close(users)

    def _shut_down(self, postmaster: psutil.Process | None) -> None:
        """SIGINT: refuse newcomers, end sessions, write a checkpoint; SIGQUIT when that takes too long."""
        if postmaster is None:
            return
        for sign, patience_s in ((signal.SIGINT, STOP_DEADLINE_S), (signal.SIGQUIT, 5.0)):
            with suppress(psutil.NoSuchProcess):
                postmaster.send_signal(sign)
            deadline = time.monotonic() + patience_s
            while time.monotonic() < deadline:
                if self._postmaster() is None:
                    if (sockets := self._socket_folder()).parent != self.folder:
                        shutil.rmtree(sockets, ignore_errors=True)
                    return
                time.sleep(0.01)

    # -- facts

    def _postmaster(self) -> psutil.Process | None:
        """The running server; None when the pid file is missing, or left by a killed one."""
        try:
            pid = int((self.cluster / "postmaster.pid").read_text().split("\n", 1)[0])
            process = psutil.Process(pid)
        except (OSError, ValueError, psutil.Error):
            return None
        # the number may have been given to somebody else since
        return process if _works_in(process, self.cluster.resolve()) else None

    def _ready(self) -> bool:
        if self._postmaster() is None:
            return False
        lines = (self.cluster / "postmaster.pid").read_text().split("\n")
        return len(lines) > 7 and lines[7].strip() == "ready"

    def _socket_folder(self) -> Path:
        near = self.folder / "socket"
        if len(os.fsencode(near / _SOCKET_NAME)) <= _SOCKET_PATH_MAX:
            return near
        name = hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"polycast-{name}"

    # -- plumbing

    def _own_folder(self, path: Path) -> None:
        """A folder of ours, 0700, owned by the server's account; refuses one that somebody else made."""
        owner = self._account.uid if self._account else os.geteuid()
        with suppress(FileExistsError):
            path.mkdir(mode=0o700)
        facts = path.lstat()
        if not path.is_dir() or path.is_symlink() or facts.st_uid not in (owner, os.geteuid()):
            raise Unavailable(f"{path} belongs to somebody else")
        if self._account and facts.st_uid != owner:
            os.chown(path, self._account.uid, self._account.gid, follow_symlinks=False)

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        lock = os.open(self.folder / "start.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _run(self, program: str, argv: list[str], *, touched: Path) -> subprocess.CompletedProcess[str]:
        path = self.release.program(program)
        # our own environment holds secrets, and PG* variables that would bend the programs
        environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
        full = as_account(self._account, [str(path), *argv], [path, touched, self._socket_folder()])
        # files, not pipes: the server inherits them and would keep a pipe open
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            code = subprocess.run(
                full, cwd="/", env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err, check=False
            ).returncode
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(full, code, out.read(), err.read())


def _works_in(process: psutil.Process, cluster: Path) -> bool:
    """Whether a living process belongs to the cluster: all of the server's have it as working directory."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()) == cluster
    except (OSError, psutil.Error):
        return False


def _tail(log: Path, lines: int = 15) -> str:
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""
