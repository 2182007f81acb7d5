"""Turns at an upload: one writer at a time on all machines, as long as it shows that it lives."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from uuid import uuid4

from sqlalchemy import Double, cast, func, or_, update

from polycast.db.engine import Database
from polycast.db.tables import files
from polycast.domain.errors import Conflict, DatabaseUnavailable
from polycast.domain.files import File

log = logging.getLogger(__name__)

HOLD_S = 30.0
"""after so long without a sign of life a writer is taken for dead"""
_SAFE = 0.8
"""the part of it after which it stops by itself: what it has begun to write then ends before others begin"""


class UploadTurns:
    """Who writes to an upload now, said in its row.

    Args:
        hold_s: seconds, see `HOLD_S`.
    """

    def __init__(self, db: Database, hold_s: float = HOLD_S) -> None:
        self._db = db
        self._hold_s = hold_s

    @asynccontextmanager
    async def alone(self, file: File) -> AsyncIterator[None]:
        """Be the only one, on all machines, who writes to an upload; for as long as this process lives.

        Others are let in once the database was not told for `hold_s` that this one lives; the block is ended
        before that, wherever it is.

        Raises:
            Conflict: somebody else is at it, or may be from now on.
        """
        holder = uuid4().hex
        clock = asyncio.get_running_loop().time
        begun = clock()
        if not await self._hold(file, holder):
            raise Conflict("another request is writing to this upload")

        async def stay(turn: asyncio.Timeout) -> None:
            while True:
                await asyncio.sleep(self._hold_s / 6)
                asked = clock()
                try:
                    held = await self._hold(file, holder)
                except DatabaseUnavailable as error:  # it may be back in time
                    log.warning("the turn at upload %s is not renewed yet: %s", file.uid, error.message)
                    continue
                turn.reschedule(asked + _SAFE * self._hold_s if held else clock())
                if not held:
                    return

        staying: asyncio.Task[None] | None = None
        try:
            async with asyncio.timeout_at(begun + _SAFE * self._hold_s) as turn:
                staying = asyncio.create_task(stay(turn))
                yield
        except TimeoutError as error:
            if not turn.expired():
                raise
            raise Conflict(
                "the turn at this upload was lost: ask where it stands, and go on there"
            ) from error
        finally:
            if staying is not None:
                staying.cancel()
                await asyncio.gather(staying, return_exceptions=True)
            # else the turn ends by itself
            with suppress(DatabaseUnavailable):
                await self._let_go(file, holder)

    async def _let_go(self, file: File, holder: str) -> None:
        async with self._db.transaction() as tx:
            await tx.execute(
                update(files)
                .where(files.c.num == file.num, files.c.intent["writer"]["holder"].astext == holder)
                .values(intent=files.c.intent.op("-")("writer"))
            )

    async def _hold(self, file: File, holder: str) -> bool:
        now = func.extract("epoch", func.now())
        writer = func.jsonb_build_object("holder", holder, "until", now + self._hold_s)
        async with self._db.transaction() as tx:
            held = await tx.execute(
                update(files)
                .where(
                    files.c.num == file.num,
                    or_(
                        files.c.intent["writer"].is_(None),
                        files.c.intent["writer"]["holder"].astext == holder,
                        cast(files.c.intent["writer"]["until"].astext, Double) < now,
                    ),
                )
                .values(intent=files.c.intent.op("||")(func.jsonb_build_object("writer", writer)))
                .returning(files.c.num)
            )
            return held.first() is not None
