"""The built pages: where they lie and which files each names."""

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

PLAYER, API_DOCS = "src/player.ts", "src/api_docs.ts"
"""what a page begins with, by its name in the sources"""


class BuildMissing(Exception):
    """The pages have not been built; `make web` builds them."""


@dataclass(frozen=True, slots=True)
class PageAssets:
    """File names relative to `dist_dir()`; each carries a hash of its content, so it may be cached for ever."""

    script: str
    styles: tuple[str, ...]
    preload: tuple[str, ...]


def dist_dir() -> Path:
    """Return the folder of the built pages, to be served as static files. It may not exist yet."""
    return Path(__file__).resolve().parents[2] / "web" / "dist"


def page_assets(entry: str, dist: Path | None = None) -> PageAssets:
    """Find a page's files through the bundler's manifest.

    Args:
        entry: `PLAYER` or `API_DOCS`.

    Raises:
        BuildMissing: there is no build, or what is there is none of ours.
    """
    manifest = (dist or dist_dir()) / "manifest.json"
    try:
        changed = manifest.stat().st_mtime_ns
    except OSError as missing:
        raise BuildMissing(f"no pages in {manifest.parent}: run `make web`") from missing
    return _read(manifest, changed, entry)


@lru_cache(maxsize=8)
def _read(manifest: Path, _changed_ns: int, entry: str) -> PageAssets:
    try:
        chunks = json.loads(manifest.read_text())
        found = chunks[entry]
        return PageAssets(
            script=str(found["file"]),
            styles=tuple(str(name) for name in found.get("css", ())),
            preload=tuple(str(chunks[name]["file"]) for name in found.get("dynamicImports", ())),
        )
    except (OSError, ValueError, KeyError, TypeError) as broken:
        raise BuildMissing(f"{manifest} is no manifest of the pages: run `make web`") from broken
