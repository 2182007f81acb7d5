"""What a sandboxed child may do, and how far this machine can hold it to that."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from polycast.domain.errors import Unavailable


class SandboxLevel(StrEnum):
    """How a sandboxed child is confined here.

    NAMESPACE: own user, network, PID and IPC namespace, Landlock and seccomp.
    LANDLOCK_SECCOMP: Landlock and seccomp alone (containers and systems that forbid user namespaces).
    NONE: files of strangers must not be opened.
    """

    NAMESPACE = "namespace"
    LANDLOCK_SECCOMP = "landlock_seccomp"
    NONE = "none"


class SandboxUnavailable(Unavailable):
    """This machine offers no sandbox, and the policy does not allow to go without."""

    code = "sandbox_unavailable"


@dataclass(frozen=True, slots=True)
class SandboxPolicy:
    """What a child that parses foreign bytes may reach.

    Attributes:
        read_paths: files and folders it may read, besides the program itself, the system's libraries
            and, for a Python child, the interpreter and this package. A folder stands for all below it.
        write_paths: existing folders it may read and write below; files it makes are its owner's alone.
        network: sockets and the machine's network; for restreamers, never for parsers.
        may_fork: may start further processes (bounded by `Limits.processes`); threads are always allowed.
        allow_unsandboxed: run with limits alone where the level is NONE. An operator's explicit choice.
    """

    read_paths: Sequence[Path] = ()
    write_paths: Sequence[Path] = ()
    network: bool = False
    may_fork: bool = False
    allow_unsandboxed: bool = False
