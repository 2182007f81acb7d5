"""A source that is packaged as it is plays while it is packaged: its first segments first, the rest as it comes."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from polycast.domain.errors import PolycastError
from polycast.domain.tracks import Segment, TrackHeader, TrackLog
from polycast.media.package import PackageEvent, TrackBegun
from polycast.services.pipeline.records import NewTrack
from polycast.services.pipeline.workspace import Workspace

log = logging.getLogger(__name__)

# a copy of what the end writes anyway: enough to play without a wait, little beside the whole
_FIRST, _MORE = 4, 12
"""Segments of each track shown at first, and each time after that, at most: those that are there."""
EVERY_S = 1.5

Show = Callable[[list[NewTrack]], Awaitable[bool]]
"""Lists growing tracks; False when nobody wants them any more."""
Named = Callable[[str, TrackHeader], NewTrack]
"""The track to list for a packaged one's id and header, with an empty log."""


class Early:
    """`async with Early(…) as early: await media.package(…, on_event=early.heard)`.

    Nothing here is flushed, and everything is written again in the end: after a crash the job repeats itself.

    Args:
        expected: how many tracks are packaged; nothing is shown before all have begun.
        out: where the packager writes. prefix: key of the generation's folder.
        every_s: seconds between two looks at what is there.
    """

    def __init__(
        self,
        space: Workspace,
        out: Path,
        prefix: str,
        expected: int,
        *,
        named: Named,
        show: Show,
        every_s: float = EVERY_S,
    ) -> None:
        self._space = space
        self._out = out
        self._prefix = prefix
        self._expected = expected
        self._named = named
        self._show = show
        self._every_s = every_s
        self._headers: dict[str, TrackHeader] = {}
        self._segments: dict[str, list[Segment]] = {}
        self._shown: dict[str, int] = {}
        self._begun, self._over = asyncio.Event(), asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def heard(self, event: PackageEvent) -> None:
        """Take note of a file that is whole."""
        if isinstance(event, TrackBegun):
            self._headers[event.track] = event.header
            return
        self._segments.setdefault(event.track, []).append(event.segment)
        if len(self._segments) == self._expected:
            self._begun.set()

    async def __aenter__(self) -> "Early":
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._begun.set()
        if self._task is not None:
            # a step that began is finished: the end must not meet it half way
            await self._task

    async def _run(self) -> None:
        await self._begun.wait()
        try:
            while not self._over.is_set():
                if not await self._show([await self._copy(track) for track in self._headers]):
                    return
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._over.wait(), self._every_s)
        except (PolycastError, OSError) as error:
            # only the early look is lost
            log.warning("%s is not shown before it is packaged: %s", self._prefix, error)

    async def _copy(self, track: str) -> NewTrack:
        """The next segments of a track, into the store; what is listed is there."""
        header, start = self._headers[track], self._shown.get(track, 0)
        segments = tuple(self._segments[track][: start + (_MORE if start else _FIRST)])
        listed = self._named(track, header)
        folder = f"{self._prefix}{listed.name}/"
        names = [segment.object for segment in segments[start:]]
        if not start and header.init is not None:
            names.insert(0, header.init.object)
        for name in names:
            await self._space.store.put_file(folder + name, self._out / track / name, durable=False)
        self._shown[track] = len(segments)
        growing = TrackLog(header, segments, complete=False)
        await self._space.put_log(folder, growing, durable=False)
        return NewTrack(
            listed.name,
            listed.rendition,
            listed.folder,
            growing,
            listed.is_default,
            sum(s.size for s in segments),
        )
