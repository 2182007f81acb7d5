"""From a URL to a store."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from polycast.domain.errors import Invalid
from polycast.storage.interface import ObjectStore
from polycast.storage.local import LocalStore


def open_store(url: str) -> ObjectStore:
    """Open the store that a URL names.

    `file:///absolute/folder` or a plain path: files below that folder (made if absent).

    Raises:
        Invalid: a URL that names no store (field 'url').
    """
    parts = urlsplit(url)
    match parts.scheme:
        case "":
            return LocalStore(Path(url))
        case "file":
            return LocalStore(Path(unquote(parts.path)))
        case _:
            raise Invalid(f"no store knows URLs of the scheme {parts.scheme}", field="url")
