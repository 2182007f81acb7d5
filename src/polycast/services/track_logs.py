"""Track logs as viewers' manifests need them: kept when they are finished, shared while they grow."""

import asyncio
from contextlib import suppress
from typing import Final
from uuid import UUID

from polycast.domain.errors import NotFound
from polycast.domain.tracks import TrackLog
from polycast.protocols import tracklog
from polycast.services.freshness import Fresh
from polycast.services.keeping import Kept
from polycast.storage.interface import ObjectStore

LOGS_BYTES: Final = 64 * 1024 * 1024
"""memory for track logs, in each process: 180 hours of segments of four seconds, in one rendition"""
LOG_BYTES, SEGMENT_BYTES = 4096, 340
"""memory that a log takes, and each of its segments"""
GROWING_S: Final = 0.5
"""how old what is known of a growing track may be: far less than one of its segments is long"""
_KNOWN_GROWING: Final = 64
_SHORT: Final = 256 * 1024
"""bytes of a log that is parsed at once"""


class TrackLogs:
    """Reads track logs, without their hashes."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._finished: Kept[str, TrackLog] = Kept(LOGS_BYTES)
        self._growing: Fresh[str, TrackLog] = Fresh(self._read, max_age_s=GROWING_S, kept=_KNOWN_GROWING)

    async def get(self, asset: UUID, folder: str, track: str, *, growing: bool = False) -> TrackLog:
        """A track's log.

        Args:
            growing: its generation is not whole: all its viewers ask again and again, and may be told what was
                there `GROWING_S` ago.

        Raises:
            NotFound: no such track.
        """
        place = f"media/{asset}/g/{folder}/{track}"
        log = self._finished.get(place) or (
            await self._growing.get(place) if growing else await self._read(place)
        )
        if log is None:
            raise NotFound("track", track)
        return log

    async def _read(self, place: str) -> TrackLog | None:
        # as long as it grows it is written under the second name (services/pipeline/workspace); it may become
        # whole between the two looks
        for name in ("log.jsonl", "growing.jsonl", "log.jsonl"):
            with suppress(NotFound):
                data = await self._store.get(f"{place}/{name}")
                if len(data) < _SHORT:
                    log = tracklog.loads(data, hashes=False)
                else:  # two days of segments take a fifth of a second, in which others would wait
                    log = await asyncio.to_thread(tracklog.loads, data, hashes=False)
                if log.complete:
                    self._finished.keep(place, log, LOG_BYTES + SEGMENT_BYTES * len(log.segments))
                return log
        return None
