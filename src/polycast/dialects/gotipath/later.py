"""Sections of the vendor's API that this version has not: each says so itself."""

from typing import NoReturn

from polycast.dialects.gotipath.auth import LibraryCaller
from polycast.dialects.routing import Section
from polycast.domain.errors import NotSupported

router = Section(prefix="/libraries/{libraryId}", include_in_schema=False)
_SECTIONS = {
    "livestreams": "live streaming is",
    "notifications": "the log of webhooks is",
    "access-controls": "access control is",
    "watermarks": "watermarks are",
    "advertisements": "advertisements are",
}
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def _add(section: str, words: str) -> None:
    async def later(caller: LibraryCaller) -> NoReturn:
        raise NotSupported(f"{words} not part of this version")

    for path in (f"/{section}", f"/{section}/{{rest:path}}"):
        router.add_api_route(path, later, methods=_METHODS, response_model=None)


for _section, _words in _SECTIONS.items():
    _add(_section, _words)
