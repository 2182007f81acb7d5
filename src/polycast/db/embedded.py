"""The PostgreSQL that Polycast brings along: one cluster in the data folder, reached by a unix socket.

    <folder>/cluster/     the cluster; owned by the account the server runs under, 0700
    <folder>/cluster.<N>/ what `polycast upgrade` left of PostgreSQL N
    <folder>/socket/      its unix socket, 0700: who cannot enter cannot connect; no TCP port is opened
    <folder>/log/         the server's own log
    <folder>/start.lock   held while somebody starts or stops the server, or exchanges the cluster
    <folder>/users.lock   held, shared, by every process that relies on the server

The server outlives a killed owner: whoever comes next attaches to it. It is stopped by the last user that
leaves in order. Locks are the kernel's (flock), so a killed process never leaves one behind.
"""

import asyncio
import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from polycast.db import binaries, cluster_exchange, postmaster
from polycast.db.account import Account, as_account, server_account
from polycast.domain.errors import Conflict, Unavailable

START_DEADLINE_S = 60.0
"""Without a word in its log. A cluster that was killed replays what it wrote, and says so every ten seconds."""
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
        patience_s: a start fails when the server is not ready and has logged nothing for so long.
    """

    def __init__(
        self,
        folder: Path,
        *,
        durable: bool = True,
        release: binaries.Binaries | None = None,
        patience_s: float = START_DEADLINE_S,
    ) -> None:
        self.folder = folder.absolute()
        self.cluster = self.folder / cluster_exchange.CLUSTER
        self._durable = durable
        self._patience_s = patience_s
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
        return postmaster.find(self.cluster) is not None

    def version(self) -> int | None:
        """Major version that made the cluster; None when there is none."""
        present = cluster_exchange.present_cluster(self.folder) or self.cluster
        try:
            return int((present / "PG_VERSION").read_text())
        except (FileNotFoundError, ValueError):
            return None

    # -- the way to a newer major version

    def kept(self, version: int) -> Path:
        """Where the cluster of an older major version is left by `exchange`."""
        return cluster_exchange.kept_cluster(self.folder, version)

    async def settle(self) -> None:
        """Undo an exchange that was cut short; every start does so first."""
        await asyncio.to_thread(self._alone, lambda: cluster_exchange.put_back(self.folder))

    async def exchange(self, fresh: Path, version: int) -> None:
        """Keep the present cluster, which is of this major version, and put another one in its place.

        Raises:
            Conflict: a server still works on it, or one of that version is kept already.
        """

        def exchanged() -> None:
            if self.running():
                raise Conflict("another process works on the database: stop it first")
            cluster_exchange.exchange(self.folder, fresh, version)

        await asyncio.to_thread(self._alone, exchanged)

    async def in_use(self) -> bool:
        """Whether any process relies on the server."""
        return await asyncio.to_thread(self._relied_on)

    async def remove(self) -> None:
        """Stop the server, whoever relies on it, and remove the whole folder. Idempotent."""
        await asyncio.to_thread(self._remove)

    def _alone(self, work: Callable[[], None]) -> None:
        with self._exclusive():
            work()

    def _relied_on(self) -> bool:
        with self._exclusive():
            users = os.open(self.folder / "users.lock", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            finally:
                os.close(users)
        return False

    def _remove(self) -> None:
        postmaster.shut_down(self.cluster)
        shutil.rmtree(self._socket_folder(), ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    # -- start

    def _start(self) -> str:
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._exclusive():
            cluster_exchange.put_back(self.folder)
            self._check_version()
            self._account = server_account(self.cluster)
            if self.version() is None:
                self._initialise()
            if not postmaster.is_ready(self.cluster):
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
        """Make the cluster beside its place and rename it: a crash in between leaves no half cluster.

        Each try has a folder of its own: the initdb of a process that was killed may still be writing.
        """
        for left in self.folder.glob("initdb-*"):
            shutil.rmtree(left, ignore_errors=True)
        fresh = self.folder / f"initdb-{os.getpid()}"
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
        postmaster.clear_stale_pid_file(self.cluster, self._socket_folder() / f"{_SOCKET_NAME}.lock")
        options = " ".join(f"-c {name}={value}" for name, value in self._server_settings().items())
        # -W: pg_ctl itself looks only ten times a second, we look more often
        argv = ["-D", str(self.cluster), "-l", str(log), "-s", "-W", "-o", options, "start"]
        done = self._run("pg_ctl", argv, touched=self.cluster)
        if done.returncode != 0:
            raise Unavailable(f"the embedded PostgreSQL did not start: {_tail(log) or done.stderr}")
        self._await_ready(log)

    def _await_ready(self, log: Path) -> None:
        appears_by = time.monotonic() + 5
        seen, size, deadline = False, -1, 0.0
        while not postmaster.is_ready(self.cluster):
            alive = postmaster.find(self.cluster) is not None
            if (now := log.stat().st_size if log.exists() else 0) != size:
                size, deadline = now, time.monotonic() + self._patience_s
            gone = not alive and (seen or time.monotonic() > appears_by)
            if gone or time.monotonic() > deadline:
                raise Unavailable(f"the embedded PostgreSQL did not start: {_tail(log)}")
            seen = seen or alive
            time.sleep(0.01)

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
                self._shut_down()
            except BlockingIOError:
                pass  # somebody else relies on it
            finally:
                os.close(users)

    def _shut_down(self) -> None:
        postmaster.shut_down(self.cluster)
        if not self.running() and (sockets := self._socket_folder()).parent != self.folder:
            shutil.rmtree(sockets, ignore_errors=True)

    # -- facts

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


def _tail(log: Path, lines: int = 15) -> str:
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""
