"""The system call filter of a sandboxed child, assembled as a BPF program. Pure.

A deny list with a ceiling: calls that media code never needs and that reach other processes, the
network, other namespaces or seldom-tested kernel code get EPERM; calls newer than the table get
ENOSYS, so that programs fall back; a foreign architecture's calls (32-bit) end the process. Landlock
does the paths; the filter covers what Landlock does not see: modes, owners, times and attributes of files.

Sources: linux/filter.h, linux/seccomp.h, arch/x86/entry/syscalls/syscall_64.tbl, asm-generic/unistd.h.
"""

import struct
import sys
from dataclasses import dataclass

from polycast.proc.launcher import PLACEHOLDER_PID

# BPF: load a word of the data at an absolute offset; compare and jump; bit test and jump; return
_LOAD, _EQUAL, _ABOVE, _ANY_BIT, _RETURN = 0x20, 0x15, 0x25, 0x45, 0x06
_ALLOW, _KILL_PROCESS, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_EPERM, _ENOSYS = 1, 38
# struct seccomp_data: nr, arch, instruction pointer (8 bytes), six arguments of 8 bytes
_AT_NR, _AT_ARCH, _AT_ARGS = 0, 4, 16

_O_ACCMODE, _O_TRUNC = 0o3, 0o1000
_CLONE_THREAD = 0x00010000
# CLONE_NEW{TIME,NS,CGROUP,UTS,IPC,USER,PID,NET}
_CLONE_NAMESPACES = (
    0x00000080 | 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000
)
_PID_HERE = int.from_bytes(PLACEHOLDER_PID, sys.byteorder)


@dataclass(frozen=True, slots=True)
class Architecture:
    """`column`: which of the two numbers in the tables below; `ceiling`: the last call the tables know."""

    audit: int
    column: int
    ceiling: int = 462


ARCHITECTURES = {
    "x86_64": Architecture(audit=0xC000003E, column=0),
    "aarch64": Architecture(audit=0xC00000B7, column=1),
}

# name -> (x86_64, aarch64); -1: not there
_Table = dict[str, tuple[int, int]]

_SOCKETS: _Table = {
    "socket": (41, 198), "socketpair": (53, 199), "connect": (42, 203), "bind": (49, 200),
    "listen": (50, 201), "accept": (43, 202), "accept4": (288, 242),
    "sendto": (44, 206), "sendmsg": (46, 211), "sendmmsg": (307, 269),
}  # fmt: skip
_OTHER_PROCESSES: _Table = {
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "kcmp": (312, 272), "pidfd_open": (434, 434), "pidfd_send_signal": (424, 424), "pidfd_getfd": (438, 438),
    "process_madvise": (440, 440), "process_mrelease": (448, 448), "perf_event_open": (298, 241),
    "tkill": (200, 130), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240),
    "setpriority": (141, 140), "ioprio_set": (251, 30), "sched_setaffinity": (203, 122),
    "migrate_pages": (256, 238), "move_pages": (279, 239),
    # leaving the process group would escape the group's signals
    "setsid": (112, 157), "setpgid": (109, 154),
}  # fmt: skip
_SYSTEM: _Table = {
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51),
    "unshare": (272, 97), "setns": (308, 268), "open_tree": (428, 428), "move_mount": (429, 429),
    "fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433),
    "mount_setattr": (442, 442), "statmount": (457, 457), "listmount": (458, 458),
    "swapon": (167, 224), "swapoff": (168, 225), "reboot": (169, 142), "kexec_load": (246, 104),
    "kexec_file_load": (320, 294), "init_module": (175, 105), "finit_module": (313, 273),
    "delete_module": (176, 106), "iopl": (172, -1), "ioperm": (173, -1), "modify_ldt": (154, -1),
    "quotactl": (179, 60), "quotactl_fd": (443, 443), "acct": (163, 89), "syslog": (103, 116),
    "settimeofday": (164, 170), "clock_settime": (227, 112), "adjtimex": (159, 171),
    "clock_adjtime": (305, 266), "sethostname": (170, 161), "setdomainname": (171, 162),
    "personality": (135, 92), "vhangup": (153, 58), "nfsservctl": (180, 42), "lookup_dcookie": (212, 18),
}  # fmt: skip
_KERNEL_SURFACE: _Table = {
    "bpf": (321, 280), "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265),
    "fanotify_init": (300, 262), "fanotify_mark": (301, 263),
    "inotify_init": (253, -1), "inotify_init1": (294, 26), "inotify_add_watch": (254, 27),
    "io_setup": (206, 0), "uselib": (134, -1),
    # memory that no rlimit counts, and channels to others
    "memfd_create": (319, 279), "memfd_secret": (447, 447),
    "shmget": (29, 194), "shmat": (30, 196), "shmctl": (31, 195),
    "semget": (64, 190), "semop": (65, 193), "semtimedop": (220, 192), "semctl": (66, 191),
    "msgget": (68, 186), "msgsnd": (69, 189), "msgrcv": (70, 188), "msgctl": (71, 187),
    "mq_open": (240, 180), "mq_unlink": (241, 181),
}  # fmt: skip
_FILE_ATTRIBUTES: _Table = {
    # Landlock lets these pass on any path; before its third version truncate too
    "chmod": (90, -1), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452),
    "chown": (92, -1), "fchown": (93, 55), "lchown": (94, -1), "fchownat": (260, 54),
    "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7),
    "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16),
    "utime": (132, -1), "utimes": (235, -1), "futimesat": (261, -1), "utimensat": (280, 88),
    "truncate": (76, 45),
    # its flags lie in memory, where a filter cannot look
    "openat2": (437, 437),
}  # fmt: skip
_FORKS: _Table = {"fork": (57, -1), "vfork": (58, -1)}
# open, openat: numbers per architecture, and which argument holds the flags
_OPENS, _OPEN_FLAGS = ((2, 257), (-1, 56)), (1, 2)
_CLONE, _CLONE3, _PRLIMIT, _KILL, _TGKILL = (56, 220), (435, 435), (302, 261), (62, 129), (234, 131)


def denied_calls(*, network: bool, may_fork: bool) -> _Table:
    """Calls refused whatever their arguments, by name."""
    found = _OTHER_PROCESSES | _SYSTEM | _KERNEL_SURFACE | _FILE_ATTRIBUTES
    if not network:
        found |= _SOCKETS
    if not may_fork:
        found |= _FORKS
    return found


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


def _when(number: int, *body: bytes) -> list[bytes]:
    """`body` runs for this call only, and must return on every path: it may overwrite the number."""
    return [_instruction(_EQUAL, number, 0, len(body)), *body]


def _argument(index: int) -> bytes:
    """Load the low word of an argument (both architectures are little-endian)."""
    return _instruction(_LOAD, _AT_ARGS + 8 * index)


def assemble(machine: str, *, network: bool = False, may_fork: bool = False) -> bytes:
    """The filter for a machine (`os.uname().machine`).

    A child that may not fork may signal itself alone: the launcher writes its process id over the
    placeholder. One that may is held by its PID namespace or Landlock's signal scope.

    Raises:
        KeyError: an architecture without a table.
    """
    arch = ARCHITECTURES[machine]
    column = arch.column
    allow, refuse = _instruction(_RETURN, _ALLOW), _instruction(_RETURN, _ERRNO | _EPERM)
    unknown = _instruction(_RETURN, _ERRNO | _ENOSYS)
    code = [
        _instruction(_LOAD, _AT_ARCH),
        _instruction(_EQUAL, arch.audit, 1, 0),
        _instruction(_RETURN, _KILL_PROCESS),
        _instruction(_LOAD, _AT_NR),
        # also x32, whose numbers start at 2**30
        _instruction(_ABOVE, arch.ceiling, 0, 1),
        unknown,
        # its flags lie in memory, where a filter cannot look: libraries fall back to clone
        *_when(_CLONE3[column], unknown),
    ]
    clone = [_argument(0), _instruction(_ANY_BIT, _CLONE_NAMESPACES, 0, 1), refuse]
    if not may_fork:
        clone += [_instruction(_ANY_BIT, _CLONE_THREAD, 1, 0), refuse]
    code += _when(_CLONE[column], *clone, allow)
    # limits of other processes: only 0 (itself)
    code += _when(_PRLIMIT[column], _argument(0), _instruction(_EQUAL, 0, 1, 0), refuse, allow)
    # opening for reading with O_TRUNC empties the file, which Landlock before Linux 6.2 does not see
    for number, flags in zip(_OPENS[column], _OPEN_FLAGS, strict=True):
        if number >= 0:
            code += _when(
                number,
                _argument(flags),
                _instruction(_ANY_BIT, _O_TRUNC, 0, 2),
                _instruction(_ANY_BIT, _O_ACCMODE, 1, 0),
                refuse,
                allow,
            )
    if not may_fork:
        for call in (_KILL, _TGKILL):
            code += _when(call[column], _argument(0), _instruction(_EQUAL, _PID_HERE, 1, 0), refuse, allow)
    numbers = sorted(
        {row[column] for row in denied_calls(network=network, may_fork=may_fork).values()} - {-1}
    )
    for number in numbers:
        code += [_instruction(_EQUAL, number, 0, 1), refuse]
    code.append(allow)
    return b"".join(code)
