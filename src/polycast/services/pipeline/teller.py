"""How far a running job is, written down now and then."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

log = logging.getLogger(__name__)

_TELL_S = 1.0


class Teller:
    """Takes shares as often as they come, writes the newest about once a second."""

    def __init__(self, write: Callable[[float], Awaitable[None]]) -> None:
        self._write = write
        self._newest: float | None = None
        self._wake = asyncio.Event()
        self._task = asyncio.create_task(self._work())

    def __call__(self, share: float) -> None:
        """The job is so far, 0 to 1."""
        self._newest = share
        self._wake.set()

    async def close(self) -> None:
        """Write nothing more."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _work(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self._newest is not None:
                try:
                    await self._write(self._newest)
                except Exception:
                    log.exception("progress could not be written")
            await asyncio.sleep(_TELL_S)
