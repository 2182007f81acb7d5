"""A cluster in the place of one of an older PostgreSQL; a crash between two steps is mended by whoever comes next.

    cluster        the one in use
    cluster.<N>    what an upgrade from PostgreSQL N left; it stays until somebody deletes it

Between the two renames there is no `cluster`: the kept one is then still the installation's.
"""

import os
from pathlib import Path

from polycast.domain.errors import Conflict

CLUSTER = "cluster"


def kept_cluster(folder: Path, version: int) -> Path:
    """Where an upgrade leaves the cluster of a major version."""
    return folder / f"{CLUSTER}.{version}"


def exchange(folder: Path, fresh: Path, version: int) -> None:
    """Keep the cluster of this major version, and put another one in its place. Neither may be running.

    Raises:
        Conflict: one of that version is kept already.
    """
    kept = kept_cluster(folder, version)
    if kept.exists():
        raise Conflict(f"{kept} is in the way: an earlier upgrade left it; move it away")
    _rename(folder / CLUSTER, kept)
    _rename(fresh, folder / CLUSTER)


def present_cluster(folder: Path) -> Path | None:
    """The installation's cluster: the one in use, else what an exchange left that ended between its two renames."""
    if (folder / CLUSTER).exists():
        return folder / CLUSTER
    versions = [int(path.suffix[1:]) for path in folder.glob(f"{CLUSTER}.*") if path.suffix[1:].isdecimal()]
    return kept_cluster(folder, max(versions)) if versions else None


def put_back(folder: Path) -> None:
    """Undo an exchange that ended between its two renames."""
    present = present_cluster(folder)
    if present is not None and present != folder / CLUSTER:
        _rename(present, folder / CLUSTER)


def _rename(old: Path, new: Path) -> None:
    """Rename, and have it on the disk before the next step."""
    old.rename(new)
    for folder in {old.parent, new.parent}:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
