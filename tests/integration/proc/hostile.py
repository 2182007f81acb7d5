"""A child that misbehaves: `python -I hostile.py CASE ARGS`. Standard library only; every attempt is bounded."""

import contextlib
import ctypes
import fcntl
import json
import mmap
import os
import resource
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)
X86 = os.uname().machine == "x86_64"


def call(number_x86: int, number_arm: int, *values: object) -> None:
    if LIBC.syscall(number_x86 if X86 else number_arm, *values) < 0:
        raise OSError(ctypes.get_errno(), "refused")


def escape(work: str, secret: str, parent: int, *names: str) -> dict[str, str]:
    """Try each way out (or those named); `open` marks the ones that worked."""
    folder = Path(work)
    outside = Path(secret).parent
    ways: dict[str, Callable[[], object]] = {
        "inet": lambda: socket.socket(socket.AF_INET),
        "inet6": lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM),
        "unix": lambda: socket.socket(socket.AF_UNIX),
        "socketpair": socket.socketpair,
        "netlink": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
        "passwd": lambda: Path("/etc/passwd").read_bytes(),
        "secret": lambda: Path(secret).read_bytes(),
        "list /": lambda: os.listdir("/"),
        "list outside": lambda: os.listdir(outside),
        "write outside": lambda: (outside / "made").write_bytes(b"x"),
        "append outside": lambda: os.close(os.open(secret, os.O_WRONLY | os.O_APPEND)),
        "through a link": (folder / "planted-link").read_bytes,
        "make a link": lambda: os.symlink(secret, folder / "link"),
        "hard link": lambda: os.link(secret, folder / "hard"),
        "move in": lambda: os.rename(secret, folder / "moved"),
        "move out": lambda: os.rename(folder / "own", outside / "own"),
        "remove": lambda: os.unlink(secret),
        "truncate": lambda: os.truncate(secret, 0),
        "truncate by reading": lambda: os.close(os.open(secret, os.O_RDONLY | os.O_TRUNC)),
        "chmod": lambda: os.chmod(secret, 0o777),
        "utime": lambda: os.utime(secret),
        "fifo": lambda: os.mkfifo(folder / "fifo"),
        "environ of parent": lambda: Path(f"/proc/{parent}/environ").read_bytes(),
        "own memory": lambda: os.close(os.open("/proc/self/mem", os.O_RDONLY)),
        "shared memory": lambda: Path("/dev/shm/polycast-hostile").write_bytes(b"x"),
        "signal parent": lambda: os.kill(parent, 0),
        "fork": fork_once,
        "setsid": os.setsid,
        "setuid": lambda: os.setuid(0 if os.getuid() else 1),
        "raise a limit": lambda: resource.setrlimit(resource.RLIMIT_DATA, (-1, -1)),
        "limit of parent": lambda: resource.prlimit(parent, resource.RLIMIT_CORE),
        "faster": lambda: os.nice(-1),
        "chroot": lambda: os.chroot(work),
        "ptrace": lambda: call(101, 117, 16, parent, None, None),
        "unshare": lambda: call(272, 97, 0x10000000),
        "mount": lambda: call(165, 40, b"none", work.encode(), b"tmpfs", 0, None),
        "keyctl": lambda: call(250, 219, 0, -3, 1),
        "bpf": lambda: call(321, 280, 0, None, 0),
        "io_uring": lambda: call(425, 425, 1, None),
        "userfaultfd": lambda: call(323, 282, 1),
        "memfd": lambda: os.memfd_create("x"),
        "future call": lambda: call(470, 470),
        "clone3": lambda: call(435, 435, None, 0),
    }
    (folder / "own").write_bytes(b"x")
    found = {}
    for name in names or ways:
        try:
            ways[name]()
        except (OSError, ValueError) as error:
            found[name] = type(error).__name__
        else:
            found[name] = "open"
    return found


def fork_once() -> None:
    if os.fork() == 0:
        os._exit(0)


def allowed(work: str, source: str) -> dict[str, object]:
    """What a media child must be able to do."""
    folder = Path(work)
    (folder / "sub").mkdir()
    (folder / "sub" / "a.part").write_bytes(b"12345")
    os.rename(folder / "sub" / "a.part", folder / "a")
    with open(folder / "a", "r+b") as file:
        file.truncate(3)
    (folder / "b").write_bytes(b"")
    os.unlink(folder / "b")
    counted: list[int] = []
    threads = [threading.Thread(target=counted.append, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {
        "source": Path(source).read_text(),
        "a": (folder / "a").read_text(),
        "threads": len(counted),
        "env": sorted(os.environ),
        "fds": sorted(fd for fd in range(3, 256) if _is_open(fd)),
        "capabilities": resource.getrlimit(resource.RLIMIT_CORE)[1],
        "cwd": os.getcwd(),
    }


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def forks(count: int) -> dict[str, int]:
    """Fork up to `count` children that wait for ever; says how many came to life."""
    made = 0
    for _ in range(count):
        try:
            pid = os.fork()
        except OSError:
            break
        if pid == 0:
            while True:
                signal.pause()
        made += 1
    return {"made": made}


def threads(count: int) -> dict[str, int]:
    made = 0
    stay = threading.Event()
    threading.stack_size(64 << 10)
    for _ in range(count):
        try:
            threading.Thread(target=stay.wait, daemon=True).start()
        except RuntimeError:
            break
        made += 1
    return {"made": made}


def lock(path: str) -> None:
    """Hold a lock as long as we live, and never leave."""
    fd = os.open(path, os.O_CREAT | os.O_RDWR, 0o666)
    fcntl.flock(fd, fcntl.LOCK_EX)
    print("locked", flush=True)
    while True:
        signal.pause()


def daemon(path: str) -> None:
    """Leave a grandchild behind that holds the lock, in a session of its own where that is possible."""
    read, write = os.pipe()
    if os.fork() == 0:
        with contextlib.suppress(OSError):
            os.setsid()
        fd = os.open(path, os.O_CREAT | os.O_RDWR, 0o666)
        fcntl.flock(fd, fcntl.LOCK_EX)
        os.write(write, b"x")
        while True:
            signal.pause()
    os.read(read, 1)
    print(json.dumps("left behind"))


def main() -> None:
    case, *args = sys.argv[1:]
    if case == "escape":
        print(json.dumps(escape(args[0], args[1], int(args[2]), *args[3:])))
    elif case == "allowed":
        print(json.dumps(allowed(args[0], args[1])))
    elif case == "forks":
        print(json.dumps(forks(int(args[0]))), flush=True)
    elif case == "threads":
        print(json.dumps(threads(int(args[0]))), flush=True)
        os._exit(0)
    elif case == "memory":
        kept = bytearray(8 << 30)
        print(json.dumps(len(kept)))
    elif case == "shared-memory":
        print(json.dumps(len(mmap.mmap(-1, 8 << 30))))
    elif case == "spin":
        print("{}", flush=True)
        while True:
            pass
    elif case == "ignore-cpu":
        signal.signal(signal.SIGXCPU, signal.SIG_IGN)
        while True:
            pass
    elif case == "hang":
        print("{}", flush=True)
        while True:
            signal.pause()
    elif case == "chatter":
        while True:
            print("out_time_us=1", flush=True)
    elif case == "ignore-term":
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        lock(args[0])
    elif case == "flood":
        while True:
            sys.stdout.write("x" * 65536)
    elif case == "long-line":
        while True:
            sys.stdout.write("x" * 65536)
            sys.stdout.flush()
    elif case == "close":
        os.close(1)
        os.close(2)
        while True:
            signal.pause()
    elif case == "big-file":
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        with open(args[0], "wb") as file:
            for _ in range(64):
                file.write(b"x" * (1 << 20))
    elif case == "crash":
        print("last words", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGSEGV)
    elif case == "lock":
        lock(args[0])
    elif case == "daemon":
        daemon(args[0])
    else:
        raise SystemExit(f"unknown case {case}")


main()
