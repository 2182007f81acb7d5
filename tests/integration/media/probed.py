"""A clip by its name with what the probe says of it: what nearly every call of the engine wants."""

from pathlib import Path

from polycast.domain.media import SourceInfo
from polycast.media.toolkit import MediaToolkit
from tests.support.media import Media


class Probed:
    """Call with the name of a clip of `tests.support.media`."""

    def __init__(self, media: Media, toolkit: MediaToolkit) -> None:
        self._media = media
        self._toolkit = toolkit

    async def __call__(self, name: str) -> tuple[Path, SourceInfo]:
        path = self._media.clip(name)
        return path, await self._toolkit.probe(path)
