"""What a job writes into the store is cleared again when its asset or output was deleted meanwhile."""

import asyncio
from types import TracebackType

from sqlalchemy import select

from polycast.db.engine import Database
from polycast.db.tables import assets, generations, outputs
from polycast.services import ledger
from polycast.services.making import scratch_folder
from polycast.services.pipeline.work import Work


class Trail:
    """A block in which a job writes objects.

    A deletion has the objects cleared that are there; the job hears of it a moment later and may have
    written more. At the end of the block, cancelled or not, what belongs to nobody is discarded once more.
    (What a job writes that is killed in this moment is cleared by the deletion's second, later round.)

    Args:
        scratch: the job also writes objects that are kept only while the output is made.
    """

    def __init__(self, db: Database, work: Work, *, scratch: bool = False) -> None:
        self._db = db
        self._work = work
        self._scratch = scratch
        self._generations: dict[int, str] = {}

    def writes(self, generation: int, uid: object) -> None:
        """The job writes into the folder of this generation."""
        self._generations[generation] = f"{self._work.folder}g/{uid}/"

    async def __aenter__(self) -> "Trail":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        clearing = asyncio.create_task(self._clear())
        try:
            await asyncio.shield(clearing)
        except asyncio.CancelledError:
            await clearing
            raise

    async def _clear(self) -> None:
        work = self._work
        async with self._db.transaction() as tx:
            gone: list[str] = []
            if (await tx.execute(select(assets.c.num).where(assets.c.num == work.asset_num))).first() is None:
                gone.append(work.folder)
            output = select(outputs.c.epoch, outputs.c.status).where(outputs.c.num == work.output_num)
            row = (await tx.execute(output)).first()
            if row is None:
                gone += [scratch_folder(work.output_uid), f"{work.folder}o/{work.output_uid}/"]
                known = generations.c.num.in_(self._generations)
                left = {r.num for r in await tx.execute(select(generations.c.num).where(known))}
                gone += [prefix for num, prefix in self._generations.items() if num not in left]
            elif self._scratch and (row.epoch != work.epoch or row.status != "processing"):
                gone.append(work.scratch)
            await ledger.discard(tx, gone)
