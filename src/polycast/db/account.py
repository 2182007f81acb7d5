"""Under which system account the embedded PostgreSQL runs.

PostgreSQL refuses to run as root. Started by root it therefore runs under an account of its own. That
account must reach the programs and the data; folders that Polycast did not make keep their modes, so where
one of them is closed (a clone in /root, say) the server process is given the one capability to pass
through closed folders instead.
"""

import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from polycast.domain.errors import Unavailable

ACCOUNT = "polycast"


@dataclass(frozen=True, slots=True)
class Account:
    """A system account other than the caller's own."""

    name: str
    uid: int
    gid: int


def server_account(cluster: Path) -> Account | None:
    """Whose process the server shall be.

    Args:
        cluster: the data folder; an existing one decides, since PostgreSQL insists on owning it.

    Returns:
        None: run as we are (not root).

    Raises:
        Unavailable: root, and no account could be found or made.
    """
    if os.geteuid() != 0:
        return None
    if cluster.exists() and (owner := cluster.stat()).st_uid != 0:
        return Account(_name_of(owner.st_uid), owner.st_uid, owner.st_gid)
    entry = _entry(ACCOUNT) or _entry("postgres") or _create()
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def as_account(account: Account | None, argv: list[str], touched: Iterable[Path]) -> list[str]:
    """The command line that runs `argv` under `account`.

    Args:
        touched: paths the program must reach.

    Raises:
        Unavailable: a path is closed to the account and `setpriv` is not there to pass through.
    """
    if account is None:
        return argv
    setpriv = shutil.which("setpriv") or shutil.which("setpriv", path="/usr/bin:/bin:/usr/sbin:/sbin")
    if setpriv is None:
        raise Unavailable("setpriv (package util-linux) is needed to run the embedded PostgreSQL as root")
    ids = [f"--reuid={account.uid}", f"--regid={account.gid}", "--clear-groups"]
    if all(reachable(path, account) for path in touched):
        # nothing left to gain: no capability survives into the server
        return [setpriv, *ids, "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs", *argv]
    capability = _passing_capability()
    # ambient: survives the change of account and the exec, without a set-uid file. no_setuid_fixup: else access(2),
    # by which initdb looks for its fellow programs, judges any account but root without its capabilities
    capable = [f"--inh-caps=-all,+{capability}", f"--ambient-caps=+{capability}"]
    return [setpriv, *ids, *capable, "--securebits=+no_setuid_fixup", *argv]


def reachable(path: Path, account: Account) -> bool:
    """Whether every folder above `path` lets the account pass, judged by mode bits."""
    return all(_passable(folder.stat(), account) for folder in path.absolute().parents)


def _passable(facts: os.stat_result, account: Account) -> bool:
    if facts.st_uid == account.uid:
        return bool(facts.st_mode & stat.S_IXUSR)
    if facts.st_gid == account.gid:
        return bool(facts.st_mode & stat.S_IXGRP)
    return bool(facts.st_mode & stat.S_IXOTH)


def _passing_capability() -> str:
    """The narrowest capability at hand that passes closed folders (capabilities(7))."""
    held = _permitted()
    for name, bit in (("dac_read_search", 2), ("dac_override", 1)):
        if held & (1 << bit):
            return name
    raise Unavailable(
        "the embedded PostgreSQL cannot reach its data from its own account here: "
        "put POLYCAST_DATA and the environment where other accounts may pass, or run as an ordinary user"
    )


def _permitted() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapPrm:"):
            return int(line.split()[1], 16)
    return 0


def _entry(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _create() -> pwd.struct_passwd:
    useradd = shutil.which("useradd") or shutil.which("useradd", path="/usr/sbin:/sbin")
    said = ""
    if useradd is not None:
        argv = [useradd, "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", "--user-group"]
        said = subprocess.run(
            [*argv, "--comment", "Polycast database", ACCOUNT], capture_output=True, text=True, check=False
        ).stderr.strip()
    if (entry := _entry(ACCOUNT)) is not None:
        return entry
    raise Unavailable(
        f"PostgreSQL does not run as root and the system account {ACCOUNT!r} could not be made"
        f"{': ' + said if said else ''}; make it, or run as an ordinary user, or set POLYCAST_DATABASE_URL"
    )
