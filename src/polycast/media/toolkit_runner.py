"""How the media engine starts its children: sandboxed Python modules and the ffmpeg command.

Every parser of foreign bytes runs in one of these two. The modules that know what to ask for
(`probe`, `package`, `encode`, `images`, ...) are mix-ins over `Tools`; `toolkit.MediaToolkit` is their sum.
"""

import asyncio
import compileall
import importlib.util
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from polycast.domain.errors import (
    ChildFailed,
    Encrypted,
    LimitExceeded,
    MediaError,
    NoPlayableTracks,
    Unreadable,
)
from polycast.media.package_errors import NotPackageable
from polycast.media.toolkit_allowlist import CODEC_WHITELIST, FORMAT_WHITELIST, PROTOCOL_WHITELIST
from polycast.proc.child import ChildResult, ChildSpec, Limits, SandboxPolicy, python_child, run_child

_ERRORS: dict[str, type[MediaError]] = {
    cls.__name__: cls
    for cls in (MediaError, Unreadable, NoPlayableTracks, Encrypted, LimitExceeded, NotPackageable)
}

Report = Callable[[Any], None]
"""Called in the event loop with each progress or event value of a child, in order."""


@dataclass(frozen=True, slots=True)
class ToolLimits:
    """What one child may use. Bytes and seconds; `stall_s` is the time without a line of progress."""

    memory_bytes: int = 4 << 30
    cpu_s: float = 6 * 3600
    wall_s: float = 12 * 3600
    stall_s: float = 120
    file_bytes: int = 64 << 30
    processes: int = 64
    open_files: int = 64


PROBE_LIMITS = ToolLimits(memory_bytes=1 << 30, cpu_s=30, wall_s=60, stall_s=60, file_bytes=1 << 20)
"""A probe reads headers: half a minute of CPU is already a hostile file."""


def input_args(path: Path, *options: str, threads: int = 1, container: str | None = None) -> list[str]:
    """The ffmpeg arguments that open `path` safely; to be used before *every* input.

    The white-lists are options of one input, not global ones: a second `-i` without them is open to all.

    Args:
        container: `SourceInfo.container`, needed for stills alone: by its name a `.jpg` would be taken for
            a pattern of files (`image2`), which the white-list refuses.
    """
    still = ("-f", container) if container is not None and container.endswith("_pipe") else ()
    return [
        "-protocol_whitelist", PROTOCOL_WHITELIST,  # playlists and references in uploads never reach the network
        "-format_whitelist", FORMAT_WHITELIST,  # no demuxer that opens further files
        "-codec_whitelist", CODEC_WHITELIST,  # no decoder outside the list (toolkit_allowlist)
        "-threads", str(threads),  # decoder threads; the workers share the machine by cores, not by luck
        *still,
        *options,
        "-i", f"file:{path}",  # `file:` so that a name with a colon is no protocol, nor one with a dash an option
    ]  # fmt: skip


FFMPEG_GLOBAL = (
    "-nostdin",  # never wait for a key, never eat a pipe meant for an input
    "-hide_banner",
    "-loglevel", "error",  # what remains on stderr is worth keeping in an error
    "-nostats",  # progress goes to stdout in a form made for machines
    "-progress", "pipe:1",
    "-y",  # outputs live in a fresh scratch folder; a retry overwrites what a killed run left
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What every part of the media engine needs to start a child.

    Attributes:
        ffmpeg: path of the ffmpeg binary (at least 8.1.2).
        python: interpreter for the Python children, which needs our packages.
        sandbox: run children confined. False: never.
        unconfined_too: run them without confinement where this machine has none to offer; else they are refused.
        work_root: existing folder for scratch files of the engine's callers.
        limits: for children that work through whole files.
        nice: added niceness of every child.
        cpus: processors the children may run on; None: those of this process.
    """

    ffmpeg: str
    work_root: Path
    python: str = sys.executable
    sandbox: bool = True
    unconfined_too: bool = False
    limits: ToolLimits = field(default_factory=ToolLimits)
    nice: int = 0
    cpus: frozenset[int] | None = None

    async def warm_up(self) -> None:
        """Compile what the Python children import; call it once when a process that starts them starts.

        Sandboxed children cannot write bytecode. Installed without it (the habit of uv) each probe would
        compile a hundred modules again: (measured) 0.6 s in place of 0.25 s. Idempotent, a few
        milliseconds when nothing is to do; does nothing where the installation is read-only.
        """
        await asyncio.to_thread(_compile)

    async def _run_python_child(
        self,
        module: str,
        request: Mapping[str, Any],
        *,
        read: Sequence[Path] = (),
        write: Sequence[Path] = (),
        limits: ToolLimits | None = None,
        on_progress: Report | None = None,
    ) -> Any:
        """Run `polycast.media.children.<module>` with `request` as JSON on stdin.

        The child answers JSON lines: any number of `{"progress": value}`, then one `{"result": value}` or
        `{"error": {"class": ..., "message": ...}}`.

        Args:
            read, write: the only files and folders (beside the interpreter's own) the child can open.
            on_progress: gets each progress value as it arrives.

        Returns:
            The value of `result`.

        Raises:
            MediaError: or the subclass the child named.
            ChildFailed: it crashed, was killed by a limit, or answered nothing.
        """
        answer: dict[str, Any] = {}

        def line(raw: str) -> None:
            message = _parse(raw)
            if "progress" in message:
                if on_progress is not None:
                    on_progress(message["progress"])
            elif message:
                answer.update(message)

        argv = python_child(f"polycast.media.children.{module}", python=self.python)
        spec = self._spec(argv, json.dumps(dict(request)).encode(), read, write, limits)
        try:
            result: ChildResult | None = await run_child(spec, on_line=line)
        except ChildFailed:
            if "error" not in answer:
                raise
            result = None
        if "error" in answer:
            raise _ERRORS.get(answer["error"].get("class"), MediaError)(str(answer["error"].get("message")))
        if "result" not in answer:
            raise ChildFailed(
                module, "output", returncode=0, stderr_tail=result.stderr_tail if result else ""
            )
        return answer["result"]

    async def _run_ffmpeg(
        self,
        args: Sequence[str],
        *,
        read: Sequence[Path] = (),
        write: Sequence[Path] = (),
        stdin: bytes | None = None,
        limits: ToolLimits | None = None,
        on_progress: Report | None = None,
    ) -> ChildResult:
        """Run ffmpeg with `FFMPEG_GLOBAL` and then `args` (inputs made by `input_args`).

        Args:
            on_progress: gets the output position in seconds (float) about twice a second.

        Raises:
            ChildFailed: with ffmpeg's last words in `stderr_tail`.
        """

        reached = -1

        def line(raw: str) -> bool:
            nonlocal reached
            key, _, value = raw.partition("=")
            if key != "out_time_us" or not value.isdigit() or int(value) <= reached:
                return False  # it speaks, but does not advance: the stall clock keeps running
            reached = int(value)
            if on_progress is not None:
                on_progress(reached / 1e6)
            return True

        argv = [self.ffmpeg, *FFMPEG_GLOBAL, *args]
        return await run_child(self._spec(argv, stdin, read, write, limits), on_line=line)

    def _spec(
        self,
        argv: list[str],
        stdin: bytes | None,
        read: Sequence[Path],
        write: Sequence[Path],
        limits: ToolLimits | None,
    ) -> ChildSpec:
        limits = limits or self.limits
        policy = SandboxPolicy(
            read_paths=tuple(read), write_paths=tuple(write), allow_unsandboxed=self.unconfined_too
        )
        return ChildSpec(
            argv=argv,
            stdin=stdin,
            limits=Limits(
                memory_bytes=limits.memory_bytes,
                cpu_s=limits.cpu_s,
                wall_s=limits.wall_s,
                stall_s=limits.stall_s,
                file_bytes=limits.file_bytes,
                processes=limits.processes,
                open_files=limits.open_files,
            ),
            sandbox=policy if self.sandbox else None,
            nice=self.nice,
            cpus=self.cpus,
        )


def _compile() -> None:
    package = Path(__file__).resolve().parents[1]
    folders = [package / name for name in ("domain", "protocols", "media")]
    # find_spec does not run the package: libav stays out of this process
    spec = importlib.util.find_spec("av")
    folders += [Path(p) for p in (spec.submodule_search_locations or ())] if spec is not None else []
    for folder in folders:
        compileall.compile_dir(folder, quiet=2)


def _parse(raw: str) -> dict[str, Any]:
    """A child's line as a message; anything else (a library that prints) is ignored."""
    try:
        value = json.loads(raw)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
