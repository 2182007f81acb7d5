"""Sound that is heard while it is encoded: finished segments go into the store, and are told now and then."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from polycast.media.audio import AudioPiece
from polycast.media.encode_split import EncodedChunk

_TELL_S = 1.0
"""least time between two tellings"""
_MORE = 1.25
"""and least growth: all that is known is written each time, so that a long track would cost its square"""

Store = Callable[[AudioPiece, bool], Awaitable[None]]
"""Moves a piece's file into the store; True: the init segment before it."""
Tell = Callable[[dict[str, Any]], Awaitable[None]]
"""Writes down what is there, as the result of a job that goes on."""


class Pieces:
    """Publishes audio segments while the encoder is still at work.

    Args:
        name: of the track. clock: seconds that never go back.
    """

    def __init__(
        self, name: str, store: Store, tell: Tell, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._name = name
        self._store = store
        self._tell = tell
        self._clock = clock
        self._queue: asyncio.Queue[AudioPiece | None] = asyncio.Queue()
        self._stored: set[str] = set()
        self._task = asyncio.create_task(self._work())

    def add(self, piece: AudioPiece) -> None:
        """Take the next piece, whose file is whole."""
        self._queue.put_nowait(piece)

    async def close(self) -> frozenset[str]:
        """Wait for the last piece; names of all objects stored."""
        self._queue.put_nowait(None)
        await self._task
        return frozenset(self._stored)

    async def _work(self) -> None:
        told_s, told = float("-inf"), 0
        done: list[AudioPiece] = []
        while (piece := await self._queue.get()) is not None:
            await self._store(piece, not done)
            self._stored.add(piece.segment.object)
            done.append(piece)
            now = self._clock()
            if now - told_s >= _TELL_S and len(done) >= told * _MORE:
                told_s, told = now, len(done)
                first = done[0]
                track = EncodedChunk(
                    self._name, 0, first.codec, first.timescale, first.init, tuple(p.segment for p in done)
                )
                await self._tell({"tracks": [track.to_json()], "partial": True})
