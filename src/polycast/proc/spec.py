"""What a child process is: program, surroundings, limits, and what comes back."""

import os
import resource
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from polycast.proc.policy import SandboxPolicy

STACK_BYTES = 4 << 20
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one child; None means unbounded.

    Attributes:
        memory_bytes: private writable memory (RLIMIT_DATA, which unlike RLIMIT_AS does not count what
            allocators of many-threaded programs merely reserve). Address space is bounded at twice that
            plus 2 GiB, against shared mappings. Per process.
        cpu_s: processor time of all threads of a process together.
        wall_s: time from start to end.
        stall_s: longest time without progress. Progress is: an `on_line` call that did not return
            False; without `on_line`, bytes on stdout. Bytes on stderr are none.
        file_bytes: size of each file written.
        processes: processes and threads alive together (RLIMIT_NPROC); an encoder on n cores has about
            3 n threads. Binds only in a sandbox of level NAMESPACE, where the count is the child's own;
            elsewhere it would count everything the user runs.
        open_files: descriptors open at once.
    """

    memory_bytes: int | None = 2 << 30
    cpu_s: float | None = None
    wall_s: float | None = None
    stall_s: float | None = None
    file_bytes: int | None = None
    processes: int | None = 256
    open_files: int | None = 256


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """One child process.

    Attributes:
        argv: program and arguments; the program is a path, or a name looked up in the child's own PATH.
        cwd: None: the sandbox's first write path, else `/`.
        env: the whole environment but for PATH, LANG and the allocator's settings; nothing is inherited.
        stdin: given as a file; None: empty.
        stdout_bytes: most that is captured when neither callback is given; more ends the child
            (`output`). With `on_line` it bounds one line.
        sandbox: None: trusted program, limits only.
        nice: added to ours; 0 to 19.
        cpus: processors it may run on; None: ours.
        pass_fds: descriptors the child inherits under the same numbers (the caller closes its own).
        grace_s: time between SIGTERM and SIGKILL when it is stopped.
    """

    argv: Sequence[str]
    cwd: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    stdin: bytes | None = None
    limits: Limits = field(default_factory=Limits)
    sandbox: SandboxPolicy | None = None
    nice: int = 0
    cpus: frozenset[int] | None = None
    pass_fds: Sequence[int] = ()
    stdout_bytes: int = 16 * _MIB
    grace_s: float = 5.0

    @property
    def program(self) -> str:
        """Name for messages: the Python module, else the file name of argv[0]."""
        if self.argv[1:2] == ["-I"] and "-m" in self.argv[:-1]:
            return str(self.argv[self.argv.index("-m") + 1])
        return Path(self.argv[0]).name


@dataclass(frozen=True, slots=True)
class ChildResult:
    """A child that ended with code 0.

    Attributes:
        stdout: what it wrote, empty when a callback took it.
        stderr_tail: its last 8 KiB.
        max_rss_bytes: peak resident memory of its largest process.
    """

    returncode: int
    stdout: bytes
    stderr_tail: str
    wall_s: float
    cpu_s: float
    max_rss_bytes: int


def python_child(
    module: str,
    args: Sequence[str] = (),
    *,
    python: str = sys.executable,
) -> list[str]:
    """Command line of `python -m module args`, kept from the surroundings.

    `-I` ignores PYTHON* variables, the user's site folder and the current folder, yet processes the
    virtual environment's .pth files, so an editable install of polycast is found.
    """
    return [
        python,
        "-I",
        "-B",  # no .pyc: the sandbox could not write it, an unsandboxed child should not
        "-X",
        "faulthandler",  # a crash inside a decoder leaves a trace in stderr_tail
        "-m",
        module,
        *args,
    ]


def environment(spec: ChildSpec) -> dict[str, str]:
    """The child's whole environment."""
    base = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        # glibc reserves 64 MiB of address space per arena, and makes up to 8 per core
        "MALLOC_ARENA_MAX": "4",
    }
    writable = spec.sandbox.write_paths if spec.sandbox is not None else ()
    if writable:
        base["TMPDIR"] = base["HOME"] = str(writable[0])
    return {**base, **spec.env}


def rlimits(limits: Limits, *, sandbox: SandboxPolicy | None, own_count: bool) -> list[tuple[int, int, int]]:
    """(resource, soft, hard) to set. `own_count`: RLIMIT_NPROC counts this sandbox alone."""
    # a dump would hold somebody's media. 1, since 0 still starts a collector that the core pattern pipes to
    found: list[tuple[int, int, int]] = [(resource.RLIMIT_CORE, 1, 1)]
    if limits.memory_bytes is not None:
        found.append((resource.RLIMIT_DATA, limits.memory_bytes, limits.memory_bytes))
        space = 2 * limits.memory_bytes + (2 << 30)
        found.append((resource.RLIMIT_AS, space, space))
        # each thread's stack counts as data at this size
        found.append((resource.RLIMIT_STACK, STACK_BYTES, STACK_BYTES))
    if limits.cpu_s is not None:
        whole = max(1, round(limits.cpu_s + 0.499))
        # SIGXCPU at the soft limit names the cause; SIGKILL at the hard one if it was ignored
        found.append((resource.RLIMIT_CPU, whole, whole + 1))
    if limits.file_bytes is not None:
        found.append((resource.RLIMIT_FSIZE, limits.file_bytes, limits.file_bytes))
    if limits.open_files is not None:
        found.append((resource.RLIMIT_NOFILE, limits.open_files, limits.open_files))
    if sandbox is not None and own_count and limits.processes is not None:
        # shim and init share the count
        found.append((resource.RLIMIT_NPROC, limits.processes + 2, limits.processes + 2))
    return found


def plan(
    spec: ChildSpec, *, argv: Sequence[str], sandbox: dict[str, Any] | None, status_fd: int, fork: bool
) -> dict[str, Any]:
    """What the launcher is told: plain values only, so that `marshal` can carry them."""
    cwd = spec.cwd
    if cwd is None:
        writable = spec.sandbox.write_paths if spec.sandbox is not None else ()
        cwd = Path(writable[0]) if writable else Path("/")
    own_count = sandbox is not None and sandbox["namespaces"] is not None
    return {
        "argv": list(argv),
        "env": environment(spec),
        "cwd": str(cwd),
        "nice": spec.nice,
        "cpus": sorted(spec.cpus) if spec.cpus is not None else None,
        "rlimits": rlimits(spec.limits, sandbox=spec.sandbox, own_count=own_count),
        "parent_pid": os.getpid(),
        "status_fd": status_fd,
        "sandbox": sandbox,
        "fork": fork,
    }
