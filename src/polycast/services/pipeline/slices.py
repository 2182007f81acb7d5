"""Slices: where the store is remote, a chunk job reads the piece of the source that it needs, not all of it.

The job that has the source on its disk anyway, to plan the output, cuts them in order and stores them beside
the output's other scratch objects. A chunk job waits as `uncut` until its slice is there.
"""

import logging
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, select, update

from polycast.db.engine import Database
from polycast.db.tables import chunk_jobs, generations
from polycast.domain.errors import ChildFailed, Unreadable
from polycast.jobs.dispatcher import Dispatcher
from polycast.media.chunks import Chunk
from polycast.media.encode_source import PreparedSource
from polycast.media.toolkit import MediaToolkit
from polycast.services.pipeline.work import Work, take_work
from polycast.services.pipeline.workspace import Workspace

log = logging.getLogger(__name__)

UNCUT = "uncut"
"""state of a chunk job whose slice is not stored yet"""
_FEW = 2
"""so many chunks are read from the source itself: cutting, storing and reading slices of it would cost more"""


class Slices:
    """Cuts and stores slices; safe to repeat, and goes on where a killed run stopped."""

    def __init__(self, db: Database, workspace: Workspace, media: MediaToolkit) -> None:
        self._db = db
        self._space = workspace
        self._media = media

    def wanted(self, prepared: PreparedSource, chunks: int) -> bool:
        """Whether the chunk jobs of a source are to read slices."""
        return self._space.remote and prepared.frames is not None and chunks > _FEW

    @staticmethod
    def key(work: Work, chunk: Chunk) -> str:
        """The object that a chunk's slice is stored as, one for all generations of the round."""
        return f"{work.scratch}slices/{chunk.number}"

    async def missing(self, work: Work) -> dict[int, dict[str, Any]]:
        """Arguments of the chunk jobs that wait for their slice, by number of the chunk, in order."""
        async with self._db.connect() as tx:
            rows = await tx.execute(
                select(chunk_jobs.c.position, chunk_jobs.c.args)
                .where(*_waiting(work))
                .order_by(chunk_jobs.c.position)
            )
            return {row.position: row.args for row in rows}

    async def cut(self, work: Work, prepared: PreparedSource) -> None:
        """Store the slices that are missing, the first one first, and let their chunk jobs begin.

        Raises:
            StorageFull, Unavailable: the slice could not be written or stored.
        """
        for position, args in (await self.missing(work)).items():
            async with self._space.scratch("slice") as folder:
                stored = await self._store(prepared, args, folder)
            async with self._db.transaction() as tx:
                if await take_work(tx, work.output_num, work.epoch) is None:
                    return
                free: dict[str, Any] = {"state": "held"}
                if not stored:
                    free["args"] = chunk_jobs.c.args.op("-")("slice")
                await tx.execute(
                    update(chunk_jobs)
                    .where(*_waiting(work), chunk_jobs.c.position == position)
                    .values(**free)
                )
                await Dispatcher.ring(tx)

    async def _store(self, prepared: PreparedSource, args: dict[str, Any], folder: Path) -> bool:
        """False: this source cannot be cut there; its chunk is encoded from the whole."""
        chunk, target = Chunk.from_json(args["chunk"]), folder / "slice"
        try:
            await self._media.cut_slice(prepared, chunk, target)
        except (Unreadable, ChildFailed) as error:
            if isinstance(error, ChildFailed) and error.reason in ("start", "sandbox"):
                raise
            await self._space.blame_space(error)
            log.warning("no slice for chunk %s: %s", chunk.number, error)
            return False
        await self._space.store.put_file(args["slice"], target, move=True)
        return True


def _waiting(work: Work) -> tuple[ColumnElement[bool], ...]:
    own = select(generations.c.num).where(
        generations.c.output_num == work.output_num, generations.c.plan["round"].astext == work.round
    )
    return chunk_jobs.c.generation_num.in_(own), chunk_jobs.c.state == UNCUT
