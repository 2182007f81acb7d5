"""`polycast doctor`: each thing Polycast needs here, whether it is there, and how to mend it."""

import errno
import os
import secrets
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from polycast.cli.doctor_media import MEDIA_CHECKS
from polycast.cli.findings import Check, Finding, Verdict
from polycast.cli.installation import cause, check_key
from polycast.cli.preflight import WrongSetting, check_certificate
from polycast.db.urls import plain_url
from polycast.domain.errors import Conflict, PolycastError
from polycast.settings import Settings

_LOW_DISK_BYTES = 10 * 1024**3
_NO_DISK_BYTES = 1024**3
_CLOCK_SKEW_S = 30


async def report(settings: Settings, console: Console | None = None) -> int:
    """Print all findings; returns the exit code."""
    console = console or Console()
    findings = await examine(settings)
    colours = {Verdict.OK: "green", Verdict.WARN: "yellow", Verdict.FAIL: "red"}
    for each in findings:
        console.print(
            f"[{colours[each.verdict]}]{each.verdict:<4}[/] {each.name:<18} {escape(each.detail)}",
            highlight=False,
            soft_wrap=True,
        )
        if each.mend:
            console.print(f"     {'':<18} -> {escape(each.mend)}", highlight=False, soft_wrap=True)
    return 1 if any(each.verdict is Verdict.FAIL for each in findings) else 0


async def examine(settings: Settings, checks: Sequence[Check] = ()) -> list[Finding]:
    """All findings, or those of some checks, in order; a check that breaks is itself a finding."""
    found = []
    for check in checks or CHECKS:
        name = (check.__doc__ or check.__name__).strip(". ").lower()
        try:
            found.append(await check(settings))
        except (PolycastError, OSError) as error:
            found.append(Finding(name, Verdict.FAIL, str(error)))
        except Exception as error:
            # of a package that is missing or broken: what a doctor is asked for most
            why = f"{type(error).__name__}: {error}"
            found.append(Finding(name, Verdict.FAIL, why, "reinstall the environment (uv sync)"))
    return found


async def _data(settings: Settings) -> Finding:
    """Data folder."""
    folder = settings.data
    there = _nearest(folder)
    mend = "set POLYCAST_DATA or --data, or change its owner"
    if not there.is_dir():
        return Finding("data folder", Verdict.FAIL, f"{there} is no folder", mend)
    try:
        if there != folder and not os.access(there, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        if there == folder:
            tempfile.TemporaryFile(dir=folder).close()  # a read-only disk shows only so
    except OSError as error:
        return Finding("data folder", Verdict.FAIL, f"{folder} cannot be written: {error.strerror}", mend)
    secret = folder / "secret.key"
    if secret.exists() and secret.stat().st_mode & 0o077:
        return Finding("data folder", Verdict.FAIL, f"{secret} is readable by others", f"chmod 600 {secret}")
    return Finding(
        "data folder", Verdict.OK, str(folder) if folder.exists() else f"{folder} (made at first start)"
    )


async def _disk(settings: Settings) -> Finding:
    """Disk."""
    there = _nearest(settings.data)
    free = shutil.disk_usage(there).free
    detail = f"{free / 1024**3:.1f} GiB free at {there}"
    mend = "make room, or point POLYCAST_DATA or POLYCAST_STORE elsewhere"
    if free < _NO_DISK_BYTES:
        return Finding("disk", Verdict.FAIL, detail, mend)
    return (
        Finding("disk", Verdict.WARN, detail, mend)
        if free < _LOW_DISK_BYTES
        else Finding("disk", Verdict.OK, detail)
    )


def _nearest(folder: Path) -> Path:
    """The folder itself, or the closest one above it that is there and may be looked at."""
    for each in (folder, *folder.parents):
        with suppress(OSError):
            if each.exists():
                return each
    return Path("/")


async def _store(settings: Settings) -> Finding:
    """Media store."""
    from polycast.media_store import open_media_store
    from polycast.storage.s3 import S3Store

    url = settings.store_url
    if "://" not in url:
        return Finding("media store", Verdict.OK, url)
    store = open_media_store(settings)
    key, mend = (
        f"doctor/{secrets.token_hex(8)}",
        "check POLYCAST_STORE, POLYCAST_S3_… and the bucket's rights",
    )
    try:
        await store.put(key, b"polycast doctor")
        same = await store.get(key) == b"polycast doctor"
        await store.delete([key])
        pages = await store.browser_uploads() if isinstance(store, S3Store) else True
    except PolycastError as error:
        return Finding("media store", Verdict.FAIL, f"{url}: {error.message}", mend)
    finally:
        await store.aclose()
    if not same:
        return Finding("media store", Verdict.FAIL, f"{url}: it gives back other bytes than it took", mend)
    if not pages:
        detail = f"{url} works, but pages in browsers may not upload to it"
        return Finding(
            "media store", Verdict.WARN, detail, "give the bucket the CORS rules of docs/storage.md"
        )
    return Finding("media store", Verdict.OK, url)


async def _database(settings: Settings) -> Finding:
    """Database."""
    from polycast.db import binaries, migrate
    from polycast.db.embedded import EmbeddedPostgres

    name, url, state = "database", settings.database_url, "reachable"
    if not url:
        server = EmbeddedPostgres(settings.postgres_folder)
        release, found = binaries.current(), server.version()
        made = f"made by PostgreSQL {found}, this is {release.major}"
        if found is not None and found < release.major:
            return Finding(name, Verdict.FAIL, made, "polycast upgrade")
        if found is not None and found > release.major:
            return Finding(name, Verdict.FAIL, made, "use the Polycast that made it, or a newer one")
        state = f"embedded PostgreSQL {release.major}"
        if not server.running():
            return Finding(name, Verdict.OK, f"{state}, {'not running' if found else 'made at first start'}")
        url, state = server.url(), f"{state}, running"
    try:
        if await migrate.pending(url):
            state += ", its tables are older (the next start brings them up)"
        await check_key(settings, url)
    except WrongSetting as error:
        return Finding(name, Verdict.FAIL, error.message, "its own key is in every backup of it")
    except Conflict as error:
        return Finding(name, Verdict.FAIL, error.message, "use the Polycast that wrote it, or a newer one")
    except PolycastError as error:
        mend = "check POLYCAST_DATABASE_URL and that server" if settings.database_url else "polycast up"
        return Finding(name, Verdict.FAIL, f"{error.message}{cause(error)}", mend)
    return Finding(name, Verdict.OK, state)


async def _port(settings: Settings) -> Finding:
    """Port."""
    from polycast.cli.ports import check_free
    from polycast.cli.readiness import is_ready

    name, number = "port", settings.http_port
    try:
        check_free(settings.http_host, number)
    except PolycastError as error:
        if await is_ready(settings.http_host, number, tls=settings.tls_certificate is not None):
            return Finding(name, Verdict.OK, f"{number}: Polycast answers")
        return Finding(name, Verdict.FAIL, error.message, "stop that program, or set POLYCAST_HTTP_PORT")
    return Finding(name, Verdict.OK, f"{number} is free")


async def _tls(settings: Settings) -> Finding:
    """TLS."""
    if settings.tls_certificate is None:
        return Finding("TLS", Verdict.OK, "not configured (HTTP, or a proxy does it)")
    try:
        check_certificate(settings)
    except WrongSetting as error:
        return Finding("TLS", Verdict.FAIL, error.message, "check both PEM files")
    return Finding("TLS", Verdict.OK, str(settings.tls_certificate))


async def _clock(settings: Settings) -> Finding:
    """Clock."""
    year = datetime.now(UTC).year
    if year < 2026:
        return Finding("clock", Verdict.FAIL, f"the year is {year}", "set the clock; run an NTP client")
    skew = await _skew_s(settings.database_url) if settings.database_url else None
    if skew is not None:
        if abs(skew) > _CLOCK_SKEW_S:
            detail = f"{skew:+.0f} s against the database's"
            return Finding("clock", Verdict.FAIL, detail, "run an NTP client on both machines")
        return Finding("clock", Verdict.OK, f"{skew:+.1f} s against the database's")
    return Finding("clock", Verdict.OK, f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC")


async def _skew_s(url: str) -> float | None:
    """This machine's clock minus the database's; None when that cannot be asked, as its own check says."""
    import psycopg

    try:
        async with await psycopg.AsyncConnection.connect(plain_url(url), connect_timeout=5) as connection:
            row = await (await connection.execute("SELECT clock_timestamp()")).fetchone()
    except psycopg.Error:
        return None
    return (datetime.now(UTC) - row[0]).total_seconds() if row else None


async def _player(settings: Settings) -> Finding:
    """Player pages."""
    built = Path(__file__).parent.parent / "web" / "dist"
    if built.is_dir() and any(built.iterdir()):
        return Finding("player pages", Verdict.OK, "built")
    return Finding("player pages", Verdict.FAIL, "not built", "make web")


CHECKS: tuple[Check, ...] = (
    *MEDIA_CHECKS, _player, _data, _disk, _store, _database, _port, _tls, _clock,
)  # fmt: skip
