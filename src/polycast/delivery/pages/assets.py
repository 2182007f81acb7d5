"""The built player: where it lies and which files the page names."""

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

ENTRY = "src/player.ts"


class BuildMissing(Exception):
    """The player pages have not been built; `make web` builds them."""


@dataclass(frozen=True, slots=True)
class PlayerAssets:
    """File names relative to `dist_dir()`; each carries a hash of its content, so it may be cached for ever."""

    script: str
    styles: tuple[str, ...]
    preload: tuple[str, ...]


def dist_dir() -> Path:
    """Return the folder of the built player, to be served as static files. It may not exist yet."""
    return Path(__file__).resolve().parents[2] / "web" / "dist"


def player_assets(dist: Path | None = None) -> PlayerAssets:
    """Find the player's files through the bundler's manifest.

    Raises:
        BuildMissing: there is no build, or what is there is none of ours.
    """
    manifest = (dist or dist_dir()) / "manifest.json"
    try:
        changed = manifest.stat().st_mtime_ns
    except OSError as missing:
        raise BuildMissing(f"no player in {manifest.parent}: run `make web`") from missing
    return _read(manifest, changed)


@lru_cache(maxsize=4)
def _read(manifest: Path, _changed_ns: int) -> PlayerAssets:
    try:
        chunks = json.loads(manifest.read_text())
        entry = chunks[ENTRY]
        return PlayerAssets(
            script=str(entry["file"]),
            styles=tuple(str(name) for name in entry.get("css", ())),
            preload=tuple(str(chunks[name]["file"]) for name in entry.get("dynamicImports", ())),
        )
    except (OSError, ValueError, KeyError, TypeError) as broken:
        raise BuildMissing(f"{manifest} is no manifest of the player: run `make web`") from broken
