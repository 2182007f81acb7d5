"""A whole Polycast in processes of its own: `polycast up`, as an operator starts it."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from uuid import UUID

import psutil

from polycast.domain.access import Role
from polycast.settings import load
from tests.support.waiting import STRETCH, until

if TYPE_CHECKING:
    from polycast.bootstrap import Platform

START_S = 30.0
STOP_S = 15.0


@dataclass(frozen=True, slots=True)
class TenantKey:
    """A tenant made for a test: its id, its slug, a key of the wanted role."""

    uid: str
    slug: str
    key: str


class PolycastServer:
    """`polycast up` on a free port.

    Args:
        data: its data folder; kept, so that a second start finds it.
        database_url: of a PostgreSQL that the caller owns; "" lets it bring its own.
        settings: further POLYCAST_… settings, without the prefix, lower case.
        port: to listen on; 0 = a free one.

    Attributes:
        url: origin, once started.
        admin_key: owner key of the first start.
        seconds: from start to ready, as the server says.
    """

    def __init__(
        self,
        data: Path,
        database_url: str = "",
        settings: Mapping[str, object] | None = None,
        port: int = 0,
    ) -> None:
        self.data = data
        self.port = port
        self.database_url = database_url
        self.settings = {"encode_workers": 1, "log_format": "text", **(settings or {})}
        self.url = ""
        self.seconds = 0.0
        self.lines: deque[str] = deque(maxlen=2000)
        self._process: subprocess.Popen[str] | None = None

    @property
    def admin_key(self) -> str:
        return (self.data / "admin.key").read_text().strip()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> "PolycastServer":
        """Start and wait until it is ready.

        Raises:
            AssertionError: not ready in time; shows what it wrote.
        """
        argv = [sys.executable, "-m", "polycast.cli.main", "up", "--data", str(self.data)]
        argv += ["--port", str(self.port), "--host", "127.0.0.1", "--key-file", str(self.data / "admin.key")]
        self.data.mkdir(parents=True, exist_ok=True)
        self.url = ""
        self._process = subprocess.Popen(
            argv, env=self._environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        threading.Thread(target=self._read, args=(self._process,), daemon=True).start()
        deadline = time.monotonic() + START_S * STRETCH
        while not self.url:
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise AssertionError("the server did not start:\n" + "\n".join(self.lines))
            time.sleep(0.01)
        return self

    def stop(self) -> float:
        """Ctrl-C, wait; returns the seconds it took.

        Raises:
            AssertionError: it did not end in time, or with an error.
        """
        assert self._process is not None
        begun = time.monotonic()
        self._process.send_signal(signal.SIGINT)
        try:
            code = self._process.wait(STOP_S * STRETCH)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("the server did not stop:\n" + "\n".join(self.lines)) from None
        assert code == 0, f"ended with {code}:\n" + "\n".join(self.lines)
        return time.monotonic() - begun

    def kill(self) -> None:
        """kill -9 of `up`; its children end with it."""
        if self._process is not None:
            family = self.family()
            self._process.kill()
            self._process.wait()
            psutil.wait_procs(family, timeout=10)

    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def family(self) -> list[psutil.Process]:
        """All processes of it, without its PostgreSQL."""
        try:
            return psutil.Process(self.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def role(self, name: str) -> list[psutil.Process]:
        """Processes of one role: `api` (Granian and its workers), `encode` or `package`; not their children."""
        words = {"api": "polycast.cli.serving", "encode": "encode", "package": "package"}[name]
        found = [child for child in self.family() if words in _command(child)]
        return [child for child in found if "polycast.cli." in " ".join(_command(child))]

    async def suspend_encoding(self) -> None:
        """Let the encoders stand still; they start while the server is ready already."""
        await until(lambda: self.role("encode"), timeout_s=20, what="the encoders' process")
        self._encoders("suspend")

    def resume_encoding(self) -> None:
        """Let them go on."""
        self._encoders("resume")

    def _encoders(self, how: Literal["suspend", "resume"]) -> None:
        for worker in self.role("encode"):
            for process in [worker, *worker.children(recursive=True)]:
                with suppress(psutil.NoSuchProcess):
                    getattr(process, how)()

    async def tenant(self, name: str, role: Role = Role.ADMIN) -> TenantKey:
        """A new tenant with a key of its own."""
        from polycast.services.tenants import as_system

        async with self.platform() as platform:
            services = platform.services
            owner = await services.tenants.default_organization()
            assert owner is not None
            made = await services.tenants.create(owner, name)
            key = await services.keys.create(as_system(made.ref, "system:test"), name, role)
        assert key.secret is not None
        return TenantKey(str(made.uid), made.ref.slug, key.secret)

    async def limit(self, tenant: str, *, quota_bytes: int) -> None:
        """What a tenant may store from now on."""
        async with self.platform() as platform:
            tenants = platform.services.tenants
            owner = await tenants.default_organization()
            assert owner is not None
            await tenants.limit(owner, UUID(tenant), quota_bytes=quota_bytes, retention_days=None)

    async def block(self, tenant: str, *, blocked: bool = True) -> None:
        """Refuse a tenant, or let it in again."""
        async with self.platform() as platform:
            tenants = platform.services.tenants
            owner = await tenants.default_organization()
            assert owner is not None
            await tenants.block(owner, UUID(tenant), blocked=blocked)

    @asynccontextmanager
    async def platform(self) -> AsyncIterator["Platform"]:
        """Its services, in this process: for what no API shows."""
        from polycast.bootstrap import build_platform, running

        assert self.database_url, "only with a database of the test's own"
        settings = load(data=self.data, **self.settings)
        async with running(build_platform(settings, self.database_url)) as platform:
            yield platform

    def _environment(self) -> dict[str, str]:
        own = {f"POLYCAST_{name.upper()}": str(value) for name, value in self.settings.items()}
        clean = {name: value for name, value in os.environ.items() if not name.startswith("POLYCAST_")}
        return clean | own | {"POLYCAST_DATABASE_URL": self.database_url, "PYTHONUNBUFFERED": "1"}

    def _read(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                self.lines.append(line.rstrip())
                if match := re.search(r"Polycast is ready at (\S+) \(([\d.]+) s\)", line):
                    self.seconds = float(match[2])
                    self.url = match[1]


def lives(process: psutil.Process) -> bool:
    """Whether it still runs; one that nobody has reaped yet does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False  # reaped between the two looks


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
