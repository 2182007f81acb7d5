"""The server process of one cluster, as its pid file and the system tell of it."""

import os
import select
import signal
import time
from contextlib import suppress
from pathlib import Path

import psutil

STOP_DEADLINE_S = 30.0


def find(cluster: Path) -> psutil.Process | None:
    """The running server; None when the pid file is missing, or left by a killed one."""
    try:
        process = psutil.Process(_number(cluster))
    except (OSError, ValueError, psutil.Error):
        return None
    # the number may have been given to somebody else since
    return process if _works_in(process, cluster.resolve()) else None


def is_ready(cluster: Path) -> bool:
    """Whether it takes connections."""
    if find(cluster) is None:
        return False
    lines = (cluster / "postmaster.pid").read_text().split("\n")
    return len(lines) > 7 and lines[7].strip() == "ready"


def shut_down(cluster: Path) -> None:
    """SIGINT: refuse newcomers, end sessions, write a checkpoint; SIGQUIT when that takes too long."""
    postmaster = find(cluster)
    if postmaster is None:
        return
    for sign, patience_s in ((signal.SIGINT, STOP_DEADLINE_S), (signal.SIGQUIT, 5.0)):
        with suppress(psutil.NoSuchProcess):
            postmaster.send_signal(sign)
        _ended(postmaster, time.monotonic() + patience_s)
        if find(cluster) is None:
            return


def clear_stale_pid_file(cluster: Path, socket_lock: Path) -> None:
    """Remove the pid files of a killed server that nobody has reaped yet.

    The new server would take the zombie for a living one. A container whose first process reaps no
    orphans keeps it for ever. The file also guards against children of the old server that still
    write: they end by themselves when it is gone, and are waited for.
    """
    try:
        zombie = psutil.Process(_number(cluster)).status() == psutil.STATUS_ZOMBIE
    except (OSError, ValueError, psutil.Error):
        return
    deadline = time.monotonic() + STOP_DEADLINE_S
    while zombie and time.monotonic() < deadline:
        writer = next((p for p in psutil.process_iter() if _works_in(p, cluster.resolve())), None)
        if writer is None:
            (cluster / "postmaster.pid").unlink(missing_ok=True)
            socket_lock.unlink(missing_ok=True)
            return
        _ended(writer, deadline)


def _ended(process: psutil.Process, deadline: float) -> None:
    """Return when a process has ended, whether or not it was reaped, or at the deadline."""
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    try:
        waiting = select.poll()  # `select` takes no descriptor above 1023
        waiting.register(handle, select.POLLIN)
        waiting.poll(max(0.0, deadline - time.monotonic()) * 1000)
    finally:
        os.close(handle)


def _number(cluster: Path) -> int:
    return int((cluster / "postmaster.pid").read_text().split("\n", 1)[0])


def _works_in(process: psutil.Process, cluster: Path) -> bool:
    """Whether a living process belongs to the cluster: all of the server's have it as working directory."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()) == cluster
    except (OSError, psutil.Error):
        return False
