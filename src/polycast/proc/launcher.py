"""The stage between `fork` and the target program: limits and sandbox, then `execve`.

`preexec_fn` may deadlock in a process with threads, so everything that must happen inside the child
happens here, in a fresh single-threaded interpreter (`python -I -S -c ...`) that receives this module's
code object and a plan through a memory file (`spec.py` writes both). It imports the standard library
only, and little of it: `json`, `signal`, `enum`, `pathlib` would each cost more than the rest of the
work. Start-up costs are recorded in docs/decisions/0010-child-processes.md.

Stages, each a process:

    shim    the direct child: enters the namespaces, waits, reports the target's rusage
    init    only with a PID namespace: its PID 1. When it ends the kernel kills all that is left inside
    target  limits, capabilities, Landlock, seccomp, execve

Without `fork` in the plan the shim becomes the target itself (long-running own services). Every stage
asks for SIGKILL when its parent ends, so that none outlives Polycast. Shim and init ignore the signals
that are meant for the target; these reach it because all stages share one process group.

Reports go to the status pipe, one line each: `E step errno text` (could not start),
`X waitstatus user_s system_s maxrss_kib` (ended).
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` would import enum
import ctypes
import os
import resource
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any  # would take half as long again as all the rest

_LIBC = ctypes.CDLL(None, use_errno=True)

# linux/prctl.h
PR_SET_PDEATHSIG, PR_SET_KEEPCAPS, PR_SET_SECCOMP, PR_CAPBSET_DROP = 1, 8, 22, 24
PR_SET_SECUREBITS, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 28, 38, 47
SECCOMP_MODE_FILTER = 2
PR_CAP_AMBIENT_RAISE, PR_CAP_AMBIENT_CLEAR_ALL = 2, 4
SECBIT_NOROOT_AND_LOCKED = 0b11  # uid 0 is no longer special at execve
# linux/sched.h
CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER = 0x04000000, 0x08000000, 0x10000000
CLONE_NEWPID, CLONE_NEWNET = 0x20000000, 0x40000000
# linux/capability.h
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_SETPCAP = 1, 2, 8
CAP_LAST = 63
# linux/landlock.h; the numbers are the same on all architectures
NR_LANDLOCK_CREATE_RULESET, NR_LANDLOCK_ADD_RULE, NR_LANDLOCK_RESTRICT_SELF = 444, 445, 446
_ACCESS_BITS_OF_ABI = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}  # how many file rights each ABI knows
_FILE_RIGHTS = (
    0b1100_0000_0000_0111  # execute, write, read, truncate, ioctl: all that a rule on a file may name
)
PLACEHOLDER_PID = 0x7EADBEEF.to_bytes(4, sys.byteorder)


class StepFailed(Exception):
    """A step towards the target failed; `step` names it."""

    def __init__(self, step: str, error: OSError) -> None:
        super().__init__(step)
        self.step = step
        self.error = error


def _check(step: str, result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise StepFailed(step, OSError(number, os.strerror(number)))
    return result


def _prctl(step: str, option: int, *values: int) -> None:
    padded = (*values, 0, 0, 0, 0)[:4]
    _check(step, _LIBC.prctl(option, *(ctypes.c_ulong(value) for value in padded)))


def die_with_parent(alive_fd: int | None, parent_pid: int | None) -> None:
    """Ask for SIGKILL when the parent ends; leave at once if it already has.

    Must come after every change of credentials: those clear the request. Inside a PID namespace
    `getppid()` is 0, so there the parent's end shows as end-of-file on a pipe only it writes to.
    """
    _prctl("pdeathsig", PR_SET_PDEATHSIG, _signal.SIGKILL)
    if parent_pid is not None and os.getppid() != parent_pid:
        os._exit(1)
    if alive_fd is not None:
        os.set_blocking(alive_fd, False)
        try:
            os.read(alive_fd, 1)
        except BlockingIOError:
            return
        os._exit(1)


# --- namespaces and credentials ---------------------------------------------------------------------


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def unshare_as_user(network: bool) -> None:
    """Namespaces without privilege: a user namespace in which our own id is the only one."""
    uid, gid = os.geteuid(), os.getegid()
    flags = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | (0 if network else CLONE_NEWNET)
    _check("namespaces", _LIBC.unshare(flags))
    try:
        _write("/proc/self/setgroups", "deny")  # the kernel's condition for writing a gid_map unprivileged
        _write("/proc/self/uid_map", f"{uid} {uid} 1")
        _write("/proc/self/gid_map", f"{gid} {gid} 1")
    except OSError as error:
        raise StepFailed("id map", error) from error


def unshare_as_root(network: bool) -> None:
    """Namespaces with root's own privilege; the user namespace follows in `init`, see `become_nobody`."""
    flags = CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | (0 if network else CLONE_NEWNET)
    _check("namespaces", _LIBC.unshare(flags))


def map_all_ids(pid: int) -> None:
    """Give the user namespace of `pid` the ids of ours, each as itself (needs root, from outside)."""
    for name in ("uid_map", "gid_map"):
        fd = os.open(f"/proc/self/{name}", os.O_RDONLY)
        extents = [line.split() for line in os.read(fd, 65536).decode().splitlines()]
        os.close(fd)
        _write(f"/proc/{pid}/{name}", "\n".join(f"{start} {start} {count}" for start, _, count in extents))


def become_nobody(uid: int) -> None:
    """Leave root's ids inside a fresh user namespace, keeping only the right to pass file modes.

    Root's work folders, sources and interpreter may be readable by root alone (mode 0700), so the child
    keeps CAP_DAC_OVERRIDE, valid in its own user namespace only, and Landlock bounds what it can reach
    with it. What it gains by not being uid 0: RLIMIT_NPROC binds it (root is exempt), it owns no file
    outside its work folder, and may signal no process of root's.
    """
    kept = (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH)
    try:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        _prctl("keep capabilities", PR_SET_KEEPCAPS, 1)
        os.setresuid(uid, uid, uid)
    except OSError as error:
        raise StepFailed("ids", error) from error
    set_capabilities((*kept, CAP_SETPCAP))
    drop_privileges(kept)


class _CapHeader(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _CapData(ctypes.Structure):
    _fields_ = [
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    ]


def set_capabilities(kept: tuple[int, ...]) -> None:
    """Make `kept` (all below 32) the effective, permitted and inheritable set."""
    mask = sum(1 << number for number in kept)
    header = _CapHeader(0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3: two 32-bit halves
    data = (_CapData * 2)(_CapData(mask, mask, mask), _CapData(0, 0, 0))
    _check("capabilities", _LIBC.capset(ctypes.byref(header), data))


def drop_privileges(kept: tuple[int, ...] = ()) -> None:
    """Empty every capability set but for `kept`, for good."""
    for number in range(CAP_LAST + 1):
        if number not in kept:
            # refused for a process without CAP_SETPCAP, which has nothing to drop; and past the last one
            _LIBC.prctl(PR_CAPBSET_DROP, ctypes.c_ulong(number), 0, 0, 0)
    _LIBC.prctl(PR_SET_SECUREBITS, ctypes.c_ulong(SECBIT_NOROOT_AND_LOCKED), 0, 0, 0)
    _LIBC.prctl(PR_CAP_AMBIENT, ctypes.c_ulong(PR_CAP_AMBIENT_CLEAR_ALL), 0, 0, 0)
    set_capabilities(kept)
    for number in kept:
        _prctl("ambient capability", PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number)


# --- Landlock and seccomp -----------------------------------------------------------------------------


class _Ruleset(ctypes.Structure):
    _fields_ = [
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    ]


class _PathRule(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32)]


def landlock_abi() -> int:
    """Version of the kernel's Landlock, 0 where there is none."""
    return max(0, int(_LIBC.syscall(NR_LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), 1)))


def restrict_files(rules: list[tuple[str, int]], network: bool) -> None:
    """Allow file access below the paths of `rules` (path, rights) and nowhere else. Absent paths are skipped."""
    abi = landlock_abi()
    if abi < 1:
        raise StepFailed("landlock", OSError(38, "not supported by this kernel"))
    handled = (1 << _ACCESS_BITS_OF_ABI.get(abi, 16)) - 1
    attributes = _Ruleset(handled, 0 if network or abi < 4 else 0b11, 0 if abi < 6 else 0b11)
    size = 8 if abi < 4 else 16 if abi < 6 else 24  # the structure grew with the ABI
    ruleset = _check(
        "landlock",
        _LIBC.syscall(NR_LANDLOCK_CREATE_RULESET, ctypes.byref(attributes), ctypes.c_size_t(size), 0),
    )
    for path, rights in rules:
        try:
            fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise StepFailed(f"open {path}", error) from error
        is_folder = os.fstat(fd).st_mode & 0o170000 == 0o040000
        rule = _PathRule(rights & handled & (-1 if is_folder else _FILE_RIGHTS), fd)
        _check("landlock rule", _LIBC.syscall(NR_LANDLOCK_ADD_RULE, ruleset, 1, ctypes.byref(rule), 0))
        os.close(fd)
    _check("landlock", _LIBC.syscall(NR_LANDLOCK_RESTRICT_SELF, ruleset, 0))
    os.close(ruleset)


class _FilterProgram(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def filter_syscalls(program: bytes) -> None:
    """Install a BPF program; the placeholder process id in it becomes our own."""
    program = program.replace(PLACEHOLDER_PID, os.getpid().to_bytes(4, sys.byteorder))
    argument = _FilterProgram(len(program) // 8, program)
    _prctl("seccomp", PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(argument))


# --- stages -------------------------------------------------------------------------------------------


def _report(status_fd: int, text: str) -> None:
    try:
        os.write(status_fd, text.encode(errors="replace")[:4000] + b"\n")
    except OSError:
        return  # nobody reads any more


def _close_all_but(kept: tuple[int, ...]) -> None:
    """Close what belongs to the target, so that its pipes end when it closes them."""
    start = 0
    for fd in sorted(kept):
        os.closerange(start, fd)
        start = fd + 1
    os.closerange(start, 4096)


def become_target(plan: dict[str, Any]) -> None:
    """Apply everything that binds the target only, then execve. Never returns."""
    status_fd: int = plan["status_fd"]
    sandbox: dict[str, Any] | None = plan["sandbox"]
    try:
        for number in (_signal.SIGTERM, _signal.SIGINT, _signal.SIGHUP, _signal.SIGPIPE, _signal.SIGXFSZ):
            _signal.signal(number, _signal.SIG_DFL)
        _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
        os.umask(0o077)
        if plan["nice"]:
            os.nice(plan["nice"])
        if plan["cpus"]:
            os.sched_setaffinity(0, plan["cpus"])
        if sandbox is not None:
            _prctl("no new privileges", PR_SET_NO_NEW_PRIVS, 1)
        os.chdir(plan["cwd"])
        for name, soft, hard in plan["rlimits"]:
            most = resource.getrlimit(name)[1]
            top = hard if most == resource.RLIM_INFINITY else min(hard, most)
            resource.setrlimit(name, (min(soft, top), top))
        if sandbox is not None:
            if sandbox["namespaces"] != "root":
                drop_privileges()
            restrict_files(sandbox["files"], sandbox["network"])
        # the last but one: dropping capabilities above cleared an earlier request
        if not plan["fork"]:
            die_with_parent(None, plan["parent_pid"])
        elif sandbox is None or sandbox["namespaces"] is None:
            die_with_parent(plan["alive_fd"], None)
        if sandbox is not None:
            filter_syscalls(sandbox["seccomp"])
        os.execve(plan["argv"][0], plan["argv"], plan["env"])  # noqa: S606 (the purpose of this file)
    except StepFailed as failed:
        _report(status_fd, f"E {failed.step.replace(' ', '-')} {failed.error.errno} {failed.error.strerror}")
    except OSError as error:
        _report(status_fd, f"E exec {error.errno} {error.strerror}: {error.filename or plan['argv'][0]}")
    except BaseException as error:
        _report(status_fd, f"E exec 0 {type(error).__name__}: {error}")
    os._exit(127)


def supervise(plan: dict[str, Any]) -> None:
    """Fork the target, reap until it ends, report how. Never returns."""
    status_fd: int = plan["status_fd"]
    alive_read, alive_write = os.pipe()
    target = os.fork()
    if target == 0:
        os.close(alive_write)
        become_target({**plan, "alive_fd": alive_read})
    _close_all_but((status_fd, alive_write))
    while True:
        pid, status, usage = os.wait4(-1, 0)  # as PID 1 also orphans come here
        if pid == target:
            break
    _report(status_fd, f"X {status} {usage.ru_utime:.3f} {usage.ru_stime:.3f} {usage.ru_maxrss}")
    os._exit(0)


def run(plan: dict[str, Any]) -> None:
    """Entry of the code object: from the shim to the target. Never returns."""
    status_fd: int = plan["status_fd"]
    os.set_inheritable(status_fd, False)
    sandbox: dict[str, Any] | None = plan["sandbox"]
    if not plan["fork"]:
        become_target(plan)
    for number in (_signal.SIGTERM, _signal.SIGINT, _signal.SIGHUP):
        _signal.signal(number, _signal.SIG_IGN)
    try:
        mode: str | None = sandbox["namespaces"] if sandbox is not None else None
        if sandbox is None or mode is None:
            die_with_parent(None, plan["parent_pid"])
            supervise(plan)
            return  # never reached
        if mode == "root":
            unshare_as_root(sandbox["network"])
        else:
            unshare_as_user(sandbox["network"])
        die_with_parent(None, plan["parent_pid"])
        _run_inside(plan, mode)
    except StepFailed as failed:
        _report(status_fd, f"E {failed.step.replace(' ', '-')} {failed.error.errno} {failed.error.strerror}")
    except OSError as error:
        _report(status_fd, f"E launch {error.errno} {error.strerror}")
    except BaseException as error:
        _report(status_fd, f"E launch 0 {type(error).__name__}: {error}")
    os._exit(127)


def _run_inside(plan: dict[str, Any], mode: str) -> None:
    alive_read, alive_write = os.pipe()
    asked_read, asked_write = os.pipe()
    init = os.fork()
    if init == 0:
        os.close(alive_write)
        os.close(asked_read)
        if mode == "root":
            _check("user namespace", _LIBC.unshare(CLONE_NEWUSER))
            os.write(asked_write, b"m")
            if os.read(alive_read, 1) != b"m":  # the shim wrote our id map, or is dead
                os._exit(1)
            become_nobody(plan["sandbox"]["uid"])
        os.close(asked_write)
        die_with_parent(alive_read, None)
        os.close(alive_read)
        supervise(plan)
    os.close(alive_read)
    os.close(asked_write)
    _close_all_but((plan["status_fd"], alive_write, asked_read))
    if mode == "root" and os.read(asked_read, 1) == b"m":
        map_all_ids(init)
        os.write(alive_write, b"m")
    _, status = os.waitpid(init, 0)
    os._exit(0 if status == 0 else 126)
