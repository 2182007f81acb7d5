"""The filter, run by a small BPF interpreter: no kernel needed, so both architectures are tested anywhere."""

import os
import struct

import pytest

from polycast.proc.launcher import PLACEHOLDER_PID
from polycast.proc.seccomp import ARCHITECTURES, assemble, denied_calls

ALLOW, EPERM, ENOSYS, KILL = 0x7FFF0000, 0x00050001, 0x00050026, 0x80000000
MY_PID = 4242
MACHINES = sorted(ARCHITECTURES)


def verdict(program: bytes, *, arch: int, number: int, args: tuple[int, ...] = ()) -> int:
    """What the kernel would answer; fails if the program runs out."""
    program = program.replace(PLACEHOLDER_PID, MY_PID.to_bytes(4, "little"))
    padded = (*args, *(0,) * (6 - len(args)))
    data = struct.pack("<IIQ6Q", number, arch, 0, *padded)
    code = [struct.unpack_from("=HBBI", program, at) for at in range(0, len(program), 8)]
    accumulator, at = 0, 0
    while True:
        operation, if_true, if_false, value = code[at]
        at += 1
        if operation == 0x06:
            return int(value)
        if operation == 0x20:
            accumulator = struct.unpack_from("<I", data, value)[0]
            continue
        holds = {0x15: accumulator == value, 0x25: accumulator > value, 0x45: bool(accumulator & value)}[
            operation
        ]
        at += if_true if holds else if_false


def ask(machine: str, number: int, *args: int, **options: bool) -> int:
    return verdict(assemble(machine, **options), arch=ARCHITECTURES[machine].audit, number=number, args=args)


@pytest.mark.parametrize("machine", MACHINES)
def test_every_denied_call_is_refused(machine: str) -> None:
    column = ARCHITECTURES[machine].column
    for name, numbers in denied_calls(network=False, may_fork=False).items():
        if numbers[column] >= 0:
            assert ask(machine, numbers[column]) == EPERM, name


@pytest.mark.parametrize("machine", MACHINES)
def test_ordinary_calls_pass(machine: str) -> None:
    x86 = {"read": 0, "write": 1, "mmap": 9, "openat": 257, "futex": 202, "exit_group": 231, "execve": 59}
    arm = {"read": 63, "write": 64, "mmap": 222, "openat": 56, "futex": 98, "exit_group": 94, "execve": 221}
    for name, number in (x86 if machine == "x86_64" else arm).items():
        assert ask(machine, number) == ALLOW, name


@pytest.mark.parametrize("machine", MACHINES)
def test_threads_pass_and_processes_do_not(machine: str) -> None:
    clone = 56 if machine == "x86_64" else 220
    thread, process, user_namespace = 0x003D0F00, 0x01200011, 0x10000011
    assert ask(machine, clone, thread) == ALLOW
    assert ask(machine, clone, process) == EPERM
    assert ask(machine, clone, process, may_fork=True) == ALLOW
    assert ask(machine, clone, user_namespace, may_fork=True) == EPERM
    assert ask(machine, 435) == ENOSYS  # clone3: libraries fall back


@pytest.mark.parametrize("machine", MACHINES)
def test_only_itself_may_be_signalled(machine: str) -> None:
    kill, tgkill = (62, 234) if machine == "x86_64" else (129, 131)
    for call in (kill, tgkill):
        assert ask(machine, call, MY_PID) == ALLOW
        assert ask(machine, call, 1) == EPERM
        assert ask(machine, call, 0xFFFFFFFF) == EPERM  # -1: everybody
        assert ask(machine, call, 1, may_fork=True) == ALLOW


@pytest.mark.parametrize("machine", MACHINES)
def test_reading_does_not_truncate(machine: str) -> None:
    openat = 257 if machine == "x86_64" else 56
    assert ask(machine, openat, 0, 0, os.O_RDONLY | os.O_TRUNC) == EPERM
    for flags in (os.O_RDONLY, os.O_RDONLY | os.O_CLOEXEC, os.O_WRONLY | os.O_TRUNC, os.O_RDWR | os.O_TRUNC):
        assert ask(machine, openat, 0, 0, flags) == ALLOW
    if machine == "x86_64":
        assert ask(machine, 2, 0, os.O_RDONLY | os.O_TRUNC) == EPERM


@pytest.mark.parametrize("machine", MACHINES)
def test_limits_of_others(machine: str) -> None:
    prlimit = 302 if machine == "x86_64" else 261
    assert ask(machine, prlimit, 0) == ALLOW
    assert ask(machine, prlimit, MY_PID + 1) == EPERM


@pytest.mark.parametrize("machine", MACHINES)
def test_unknown_and_foreign_calls(machine: str) -> None:
    arch = ARCHITECTURES[machine]
    assert ask(machine, arch.ceiling + 1) == ENOSYS
    assert ask(machine, 0x40000000) == ENOSYS  # x32
    assert verdict(assemble(machine), arch=0x40000003, number=1) == KILL  # i386


@pytest.mark.parametrize("machine", MACHINES)
def test_sockets_follow_the_policy(machine: str) -> None:
    socket = 41 if machine == "x86_64" else 198
    assert ask(machine, socket) == EPERM
    assert ask(machine, socket, network=True) == ALLOW


@pytest.mark.parametrize("machine", MACHINES)
def test_it_fits_the_kernel(machine: str) -> None:
    assert len(assemble(machine)) // 8 < 4096  # BPF_MAXINSNS
    assert assemble(machine).count(PLACEHOLDER_PID) == 2
    assert assemble(machine, may_fork=True).count(PLACEHOLDER_PID) == 0


def test_a_machine_without_a_table() -> None:
    with pytest.raises(KeyError):
        assemble("riscv64")
