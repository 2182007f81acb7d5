"""Turn a policy into what the launcher applies. Pure but for resolving paths."""

import os
import sys
from pathlib import Path
from typing import Any

from polycast.proc.policy import SandboxPolicy
from polycast.proc.seccomp import assemble

# Debian and systemd leave 65533 unassigned, and containers with 65536 ids still have it
SANDBOX_UID = 65533

# rights of linux/landlock.h
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REMOVE_DIR, _REMOVE_FILE, _MAKE_DIR, _MAKE_REG = 1 << 4, 1 << 5, 1 << 7, 1 << 8
_REFER, _TRUNCATE = 1 << 13, 1 << 14
_READ = _READ_FILE | _READ_DIR
# no devices, sockets, named pipes or links: a link made by a child would be followed by us
_READ_WRITE = _READ | _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _REFER | _TRUNCATE

# the loader must be executable for the kernel to start any dynamic program
_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/nix/store", "/gnu/store")
_SYSTEM_FILES = ("/etc/ld.so.cache", "/etc/localtime", "/usr/share/zoneinfo", "/dev/urandom", "/dev/zero")
_NETWORK_FILES = (
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/ssl",
    "/etc/pki",
    "/usr/share/ca-certificates",
)
_SHARED_PREFIXES = ("/", "/usr", "/usr/local")

_Files = list[tuple[str, int]]  # path, rights


def _python_files() -> _Files:
    """What our own interpreter reads to run a module of this package, and no more.

    Not `sys.path`: that may hold the current folder, and with it a data folder.
    """
    found: _Files = []
    for prefix in {sys.prefix, sys.base_prefix, sys.exec_prefix}:
        if prefix in _SHARED_PREFIXES:
            found += [(f"{prefix}/lib", _READ), (f"{prefix}/lib64", _READ)]
        else:
            found.append((prefix, _READ))
    package = Path(__file__).resolve().parents[1]
    found.append((str(package), _READ))
    found.append((str(package.parent), _READ_DIR))  # the import system lists it
    return found


def _is_python(program: str) -> bool:
    return os.path.realpath(program) == os.path.realpath(sys.executable)


def file_rules(policy: SandboxPolicy, argv: list[str]) -> _Files:
    """The Landlock rules (path, rights) for a program under a policy."""
    program = argv[0]
    rules: _Files = [(path, _READ | _EXECUTE) for path in _LIBRARIES]
    rules += [(path, _READ) for path in _SYSTEM_FILES]
    rules += [("/dev/null", _READ_FILE | _WRITE_FILE), (program, _READ_FILE | _EXECUTE)]
    if policy.network:
        rules += [(path, _READ) for path in _NETWORK_FILES]
    if _is_python(program):
        rules += _python_files()
    if policy.may_fork:
        rules += [(str(Path(path).absolute()), _EXECUTE) for path in policy.read_paths]
    rules += [(str(Path(path).absolute()), _READ) for path in policy.read_paths]
    rules += [(str(Path(path).absolute()), _READ_WRITE) for path in policy.write_paths]
    return rules


def confinement(policy: SandboxPolicy, argv: list[str], namespaces: str | None) -> dict[str, Any]:
    """What the launcher applies. `namespaces`: `root` or `user`, how to enter them, or None: without."""
    return {
        "namespaces": namespaces,
        "uid": SANDBOX_UID,
        "files": file_rules(policy, argv),
        "network": policy.network,
        "seccomp": assemble(os.uname().machine, network=policy.network, may_fork=policy.may_fork),
    }
