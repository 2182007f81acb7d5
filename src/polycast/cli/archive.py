"""The file that `backup` writes and `restore` reads: a tar of a manifest, the database, the key, the objects.

manifest.json   first, so that a reader knows at once what it holds
secret.key      0600
database.dump   PostgreSQL's custom format
objects/…       when the store is a folder, and wanted
"""

import io
import json
import os
import shutil
import stat
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path, PurePosixPath

from polycast.domain.errors import Invalid

FORMAT = 1
MANIFEST, SECRET, DATABASE, OBJECTS = "manifest.json", "secret.key", "database.dump", "objects"

_VANISHED = (FileNotFoundError, NotADirectoryError)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an archive holds.

    Attributes:
        made_at: ISO 8601, UTC.
        schema: revision of the database's tables.
        postgres: major version of the pg_dump that wrote it.
        queue: revision of the job queue's tables.
        store: where the objects are when they are not in the archive.
    """

    format: int
    polycast: str
    made_at: str
    schema: str
    postgres: int
    objects: bool
    store: str
    queue: str = ""


_NAMES = {each.name for each in fields(Manifest)}


def write(path: Path, manifest: Manifest, secret: str, dump: Path, objects: Path | None) -> int:
    """Write an archive beside its place and rename it; returns how many objects went in.

    Objects that disappear meanwhile are left out: they were deleted after the dump, and the scrubber
    finds what the dump still names.

    Args:
        objects: folder of the media store.
    """
    fresh = path.with_name(f".{path.name}.new")
    count = 0
    try:
        with fresh.open("wb") as raw:
            fresh.chmod(0o600)  # it holds the key of all secrets
            with tarfile.open(fileobj=raw, mode="w") as tar:
                _add_text(tar, MANIFEST, json.dumps(asdict(manifest), indent=1))
                _add_text(tar, SECRET, secret)
                tar.add(dump, DATABASE)
                for file in _files(objects) if objects is not None else ():
                    try:
                        tar.add(file, f"{OBJECTS}/{file.relative_to(objects).as_posix()}", recursive=False)  # type: ignore[arg-type]
                        count += 1
                    except _VANISHED:
                        continue
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    return count


def read_manifest(path: Path) -> Manifest:
    """What an archive holds.

    Raises:
        Invalid: not one of ours, damaged, or of a later format.
    """
    try:
        with tarfile.open(path) as tar:
            first = tar.next()
            file = tar.extractfile(first) if first is not None and first.name == MANIFEST else None
            if file is None:
                raise Invalid(f"{path} is not a backup of Polycast")
            content = json.loads(file.read(65_536))
            # a later release may say more
            manifest = Manifest(**{name: content[name] for name in _NAMES & set(content)})
    except OSError as error:
        raise Invalid(f"{path}: {error.strerror or error}") from error
    except (tarfile.TarError, ValueError, TypeError) as error:
        raise Invalid(f"{path} is not a backup of Polycast") from error
    if manifest.format > FORMAT:
        raise Invalid(f"{path} was written by a later Polycast ({manifest.polycast})")
    return manifest


def extract(path: Path, folder: Path, on_file: Callable[[str], None] = lambda _: None) -> None:
    """Unpack into an empty folder. Only plain files below it are made, whatever the archive says.

    Raises:
        Invalid: damaged, or it names a place outside.
    """
    try:
        with tarfile.open(path) as tar:
            for member in tar:
                name = PurePosixPath(member.name)
                if name.is_absolute() or ".." in name.parts or not (member.isfile() or member.isdir()):
                    raise Invalid(f"{path} names {member.name!r}, which no backup holds")
                if member.isdir():
                    continue
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                source = tar.extractfile(member)
                assert source is not None
                with target.open("wb") as out:
                    shutil.copyfileobj(source, out, 1 << 20)
                on_file(member.name)
    except (tarfile.TarError, EOFError) as error:
        raise Invalid(f"{path} is damaged: {error}") from error


def _files(folder: Path) -> Iterator[Path]:
    """All stored objects, folder by folder. What is still being written or uploaded lies elsewhere in the store,
    and is nobody's after a restore. Folders and files that vanish meanwhile are passed over."""
    for place, folders, names in os.walk(folder / "objects"):
        folders.sort()
        for name in sorted(names):
            path = Path(place, name)
            if _is_file(path):
                yield path


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except _VANISHED:
        return False


def _add_text(tar: tarfile.TarFile, name: str, text: str) -> None:
    data = text.encode()
    info = tarfile.TarInfo(name)
    info.size = len(data)
    info.mode = 0o600
    tar.addfile(info, io.BytesIO(data))
