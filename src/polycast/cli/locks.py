"""Who works on a data folder now: locks of the kernel (flock), gone with the process that holds them.

    up.lock      held by one `up`, `restore` or `upgrade`
    roles.lock   shared by every `api` and `worker` that runs by itself; `restore` and `upgrade` hold it alone

A worker may run beside `up`; under neither may the database or the key be exchanged.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from polycast.domain.errors import Conflict

_UP, _ROLES = "up.lock", "roles.lock"


@contextmanager
def alone(data: Path) -> Iterator[None]:
    """Hold the data folder for one `up`, `restore` or `upgrade`.

    Raises:
        Conflict: another one holds it; names the process.
    """
    with _opened(data / _UP) as descriptor:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 20, 0).decode().strip()
            raise Conflict(f"Polycast already runs on {data} (process {holder or 'unknown'})") from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield


@contextmanager
def role(data: Path) -> Iterator[None]:
    """Be one of the servers and workers that run on a data folder.

    Raises:
        Conflict: it is being restored or upgraded.
    """
    with _opened(data / _ROLES) as descriptor:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(f"{data} is being restored or upgraded: start this when that is done") from None
        yield


@contextmanager
def undisturbed(data: Path) -> Iterator[None]:
    """Hold the data folder against `up`, `api` and `worker`.

    Raises:
        Conflict: one of them runs; names the processes.
    """
    with alone(data), _opened(data / _ROLES) as descriptor:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(
                f"`polycast api` or `polycast worker` runs on {data} (process {_holders(descriptor)}): stop it first"
            ) from None
        yield


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _holders(descriptor: int) -> str:
    """Numbers of the processes that hold a file's lock, as far as the kernel tells: '12, 13'."""
    inode = str(os.fstat(descriptor).st_ino)
    try:
        lines = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    except OSError:
        lines = []
    # 1: FLOCK  ADVISORY  READ 1234 08:01:393229 0 EOF
    found = {words[4] for words in lines if words[1] == "FLOCK" and words[5].endswith(f":{inode}")}
    return ", ".join(sorted(found - {"0", "-1"})) or "unknown"
