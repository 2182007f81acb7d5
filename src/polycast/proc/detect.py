"""How far this machine can confine a child: found out by confining one and letting it try."""

import os
import sys

from polycast.domain.errors import ChildFailed
from polycast.proc.launch import launch
from polycast.proc.policy import SandboxLevel, SandboxPolicy
from polycast.proc.run import Run
from polycast.proc.sandbox import confinement
from polycast.proc.seccomp import ARCHITECTURES
from polycast.proc.spec import ChildSpec, Limits

# Each line is a way out; the probe says `confined` only if all are closed. 0x10000000: CLONE_NEWUSER
_PROBE = """
import os
def opened(attempt):
    try:
        attempt()
    except OSError:
        return False
    return True
import _socket
ways = [
    lambda: open("/etc/passwd"),
    lambda: os.listdir("/"),
    lambda: open("/tmp/polycast-probe", "w"),
    lambda: _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM),
    lambda: _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM),
    lambda: os.kill(os.getpid() + 1, 0),
    lambda: os.fork(),
]
print("open" if any([opened(way) for way in ways]) else "confined")
"""

_found: list[tuple[SandboxLevel, str | None]] = []


async def detected() -> tuple[SandboxLevel, str | None]:
    """The level, and how namespaces are entered (`root`, `user`, None). A success is remembered."""
    if not _found:
        if os.uname().machine not in ARCHITECTURES:
            return SandboxLevel.NONE, None
        # as root first with root's means; a root without privilege (containers) like any user
        for namespaces in ("root", "user", None) if os.geteuid() == 0 else ("user", None):
            if await _holds(namespaces):
                level = SandboxLevel.NAMESPACE if namespaces else SandboxLevel.LANDLOCK_SECCOMP
                _found.append((level, namespaces))
                break
        else:
            return SandboxLevel.NONE, None
    return _found[0]


async def sandbox_level() -> SandboxLevel:
    """How far children are confined here; runs up to three short children the first time."""
    return (await detected())[0]


async def _holds(namespaces: str | None) -> bool:
    policy = SandboxPolicy()
    spec = ChildSpec(
        argv=[sys.executable, "-I", "-S", "-B", "-c", _PROBE],
        limits=Limits(wall_s=10, cpu_s=5),
        sandbox=policy,
    )
    argv = list(spec.argv)
    try:
        child = await launch(spec, argv, confinement(policy, argv, namespaces))
        result = await Run(spec, child, None, None).to_end()
    except ChildFailed:
        return False
    return result.stdout.strip() == b"confined"
