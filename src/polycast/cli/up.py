"""`polycast up`: the whole installation on one machine, under one supervisor."""

import asyncio
import logging
import os
import shutil
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from polycast.cli import preflight
from polycast.cli.installation import check_key, connected, make_folder, require_owner
from polycast.cli.locks import alone
from polycast.cli.ports import check_free, free_port
from polycast.cli.readiness import is_ready
from polycast.db import migrate
from polycast.db.embedded import EmbeddedPostgres
from polycast.proc.spec import ChildSpec, Limits
from polycast.proc.supervisor import Backoff, ServiceSpec, Supervisor
from polycast.settings import PREFIX, SECRET_FILE, Settings

log = logging.getLogger(__name__)

_STALE_SCRATCH_S = 86_400
_DATABASE_LOOK_S = 1.0
# the roles hold many sockets, and their children have limits of their own
_UNLIMITED = Limits(memory_bytes=None, processes=None, open_files=65_536)


@dataclass(frozen=True, slots=True)
class Ready:
    """What `up` can say once it serves.

    Attributes:
        url: for a browser on this machine.
        key: the admin key, only when this start made it.
        seconds: since `up` began.
    """

    url: str
    key: str | None
    seconds: float
    settings: Settings


OnReady = Callable[[Ready], Awaitable[None]]
OnLine = Callable[[str, str], None]


async def up(settings: Settings, *, on_ready: OnReady, on_line: OnLine) -> None:
    """Run everything until SIGINT, SIGTERM or SIGHUP; returns when all is stopped.

    Args:
        settings: port 0 takes a free one.
        on_ready: awaited in the background once the server answers; what it raises ends everything.
        on_line: (process, line) of each line the processes write.

    Raises:
        PortTaken: the HTTP port is taken.
        WrongSetting: a setting names what is not there, or the secret key is not that of the database.
        Conflict: another `up` runs on the data folder, or the database is of another release.
        ChildFailed: a process ended in a way a restart cannot mend.
    """
    begun = time.monotonic()
    require_owner(settings.data / SECRET_FILE)
    make_folder(settings.data)
    with alone(settings.data):
        port = settings.http_port or free_port(settings.http_host)
        settings = settings.model_copy(update={"http_port": port})
        check_free(settings.http_host, port)
        await preflight.check(settings)
        if settings.database_url:
            await check_key(settings, settings.database_url)  # before another key is made here
        _clear_scratch(settings.work_folder)
        _clear_scratch(settings.parts_folder)
        _ = settings.secret  # made now, before several processes want it
        store = _Store(settings)
        # no long pauses: nothing else can be done meanwhile, and a start costs a second of one processor
        pause_s = settings.restart_pause_s
        backoff = Backoff(first_s=pause_s, most_s=10 * pause_s, healthy_s=10.0)
        supervisor = Supervisor(_services(settings, store.url), on_output=on_line, backoff=backoff)

        async def announce() -> None:
            key = await store.open()
            tls = settings.tls_certificate is not None
            while not await is_ready(settings.http_host, port, tls=tls):  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.02)
            await on_ready(_ready(settings, key, begun))

        # the server loads while the database starts; it waits for its schema by itself
        announcing = asyncio.create_task(announce())
        announcing.add_done_callback(
            # an announcement that failed leaves nobody who knows: stop
            lambda task: supervisor.stop() if not task.cancelled() and task.exception() else None
        )
        # what an announcement still does needs the processes that go now: its failing then is none
        leaving = asyncio.create_task(supervisor.stopping())
        leaving.add_done_callback(lambda _: announcing.cancel())
        try:
            await supervisor.run(handle_signals=True)
        finally:
            leaving.cancel()
            announcing.cancel()
            [result] = await asyncio.gather(announcing, return_exceptions=True)
            await store.close()
        if isinstance(result, Exception):
            raise result


class _Store:
    """The database of this `up`: its URL is known before it runs."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._server = None if settings.database_url else EmbeddedPostgres(settings.postgres_folder)
        self.url = settings.database_url or EmbeddedPostgres(settings.postgres_folder).url()
        self._opening: asyncio.Task[str | None] | None = None
        self._watching: asyncio.Task[None] | None = None

    async def open(self) -> str | None:
        """Start, migrate, make the first tenant; the admin key when that was now."""
        self._opening = asyncio.create_task(self._open())
        return await asyncio.shield(self._opening)

    async def _open(self) -> str | None:
        if self._server is not None:
            await self._server.start()
            self._watching = asyncio.create_task(self._keep_up(self._server))
        await migrate.upgrade(self.url)
        await check_key(self._settings, self.url)
        return await _first_start(self._settings, self.url)

    @staticmethod
    async def _keep_up(server: EmbeddedPostgres) -> None:
        """Start the embedded server again when it was killed: nobody else would."""
        while True:
            await asyncio.sleep(_DATABASE_LOOK_S)
            if not await asyncio.to_thread(server.running):
                log.error("the embedded database has died: starting it again")
                try:
                    await asyncio.shield(server.start())
                except Exception:
                    log.exception("the embedded database does not start")

    async def close(self) -> None:
        """Stop the embedded server; what `open` began is finished first, since a thread cannot be cut off."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        if self._opening is not None:
            await asyncio.gather(self._opening, return_exceptions=True)
        if self._server is not None:
            await self._server.stop()


def _ready(settings: Settings, key: str | None, begun: float) -> Ready:
    return Ready(settings.local_url, key, time.monotonic() - begun, settings)


def _services(settings: Settings, url: str) -> list[ServiceSpec]:
    """The roles; encoding has a process of its own, all other queues share one."""
    form = "text" if settings.log_format == "auto" and sys.stderr.isatty() else settings.log_format
    environment = dict(os.environ) | {
        f"{PREFIX}DATA": str(settings.data),
        f"{PREFIX}DATABASE_URL": url,
        f"{PREFIX}HTTP_HOST": settings.http_host,
        f"{PREFIX}HTTP_PORT": str(settings.http_port),
        # they run in another folder
        f"{PREFIX}STORE": settings.store,
        f"{PREFIX}FFMPEG": settings.ffmpeg,
        f"{PREFIX}TLS_CERTIFICATE": str(settings.tls_certificate or ""),
        f"{PREFIX}TLS_KEY": str(settings.tls_key or ""),
        "PYTHONUNBUFFERED": "1",
        # they write into our pipe, we maybe to a terminal
        f"{PREFIX}LOG_FORMAT": form,
    }

    def role(name: str, module: str, *args: str, ready: bool = False) -> ServiceSpec:
        child = ChildSpec(
            [sys.executable, "-m", f"polycast.cli.{module}", *args],
            cwd=Path("/"),
            env=environment,
            limits=_UNLIMITED,
        )
        probe = partial(
            is_ready, settings.http_host, settings.http_port, tls=settings.tls_certificate is not None
        )
        return ServiceSpec(
            name, child, ready=probe if ready else None, stop_within_s=settings.stop_grace_s + 7
        )

    return [
        # first, and alone until it is ready: whoever waits, waits for it
        role("api", "serving", ready=True),
        role("package", "working", "package", "pictures", "pull", "upkeep"),
        role("encode", "working", "encode"),
    ]


async def _first_start(settings: Settings, url: str) -> str | None:
    """Make tenant and admin key when the installation is empty; the key is returned that once.

    Looks before it loads: all starts but the first need nothing of the services here.
    """
    async with connected(url) as connection:
        cursor = await connection.execute(
            "SELECT EXISTS (SELECT FROM tenants) AND EXISTS (SELECT FROM api_keys)"
        )
        row = await cursor.fetchone()
    if row is not None and row[0]:
        return None
    from polycast.bootstrap import build_platform, first_start, running

    async with running(build_platform(settings, url)) as platform:
        made = await first_start(platform.services)
    return made.key.secret if made.key else None


def _clear_scratch(folder: Path) -> None:
    """Remove what killed jobs left, but nothing young: a worker may run beside us on the same folder."""
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        if time.time() - path.stat().st_mtime > _STALE_SCRATCH_S:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
