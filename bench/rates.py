"""How much CPU a server needs per request: it runs pinned to one core, the client on another.

Requests per CPU-second, not per second of the clock: other work on the machine hardly spoils them.
"""

import os
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import psutil

CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, CLIENT_CORE = CORES[0], CORES[-1]
WRK = shutil.which("wrk")


def pin(process: psutil.Process, core: int) -> None:
    """Keep a process, its threads and its children on one core."""
    for one in [process, *process.children(recursive=True)]:
        for thread in one.threads():
            os.sched_setaffinity(thread.id, {core})


def cpu_s(pids: list[int]) -> float:
    """CPU seconds of processes with their children so far."""
    total = 0.0
    for pid in pids:
        process = psutil.Process(pid)
        for one in [process, *process.children(recursive=True)]:
            used = one.cpu_times()
            total += used.user + used.system
    return total


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds per request: of CPU, and by the clock while the server was kept busy."""

    cpu_ms: float
    clock_ms: float


def ms_per_request(
    pids: list[int],
    url: str,
    seconds: float,
    *,
    connections: int = 16,
    headers: Mapping[str, str] | None = None,
) -> float:
    """Milliseconds of CPU that the processes spend on one request; errors as `cost`."""
    return cost(pids, url, seconds, connections=connections, headers=headers).cpu_ms


def cost(
    pids: list[int],
    url: str,
    seconds: float,
    *,
    connections: int = 16,
    headers: Mapping[str, str] | None = None,
) -> Cost:
    """What one request costs the processes.

    Raises:
        RuntimeError: nothing but good answers is a measurement.
    """
    before, begun = cpu_s(pids), time.monotonic()
    done = (
        _wrk(url, seconds, connections, headers or {})
        if WRK and seconds >= 1  # it counts in whole ones
        else _own(url, seconds, connections, headers or {})
    )
    passed = time.monotonic() - begun
    # the kernel counts CPU in hundredths of a second
    return Cost((cpu_s(pids) - before) * 1000 / max(1, done), passed * 1000 / max(1, done))


def _wrk(url: str, seconds: float, connections: int, headers: Mapping[str, str]) -> int:
    assert WRK is not None
    fields = [f"-H{name}: {value}" for name, value in headers.items()]
    argv = ["taskset", "-c", str(CLIENT_CORE), WRK, "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}"]
    printed = subprocess.run([*argv, *fields, url], capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in printed or "Socket errors" in printed:
        raise RuntimeError(f"{url} failed under load:\n{printed}")
    found = re.search(r"(\d+) requests in", printed)
    if found is None:
        raise RuntimeError(f"wrk said nothing of requests:\n{printed}")
    return int(found[1])


def _own(url: str, seconds: float, connections: int, headers: Mapping[str, str]) -> int:
    """Without wrk: plain sockets in threads; reading frees the interpreter's lock."""
    parts = urlsplit(url)
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    request = f"GET {parts.path}{'?' + parts.query if parts.query else ''} HTTP/1.1\r\nhost: {parts.netloc}\r\n{fields}\r\n".encode()
    end = time.monotonic() + seconds
    counts = [0] * connections
    failures: list[bytes] = []

    def one(number: int) -> None:
        with socket.create_connection((parts.hostname or "", parts.port or 80), 10) as link:
            buffer = bytearray(1 << 20)
            while time.monotonic() < end and not failures:
                link.sendall(request)
                head = b""
                while b"\r\n\r\n" not in head:
                    head += link.recv(65536)
                fields_, _, body = head.partition(b"\r\n\r\n")
                length = re.search(rb"(?i)content-length: (\d+)", fields_)
                if not fields_.startswith(b"HTTP/1.1 200") or length is None:
                    failures.append(fields_)
                    return
                left = int(length[1]) - len(body)
                while left > 0:
                    left -= link.recv_into(buffer)
                counts[number] += 1

    threads = [threading.Thread(target=one, args=(n,)) for n in range(min(connections, 8))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise RuntimeError(f"{url} failed under load: {failures[0][:200]!r}")
    return sum(counts)
