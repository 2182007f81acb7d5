"""How much was sent to viewers: counted where it is sent, written into the usage ledger every few seconds.

The hot path adds two numbers. A process that is killed loses what it counted since the last time, seconds'
worth: to write each segment down would cost more than to send it.
"""

import asyncio
import logging
from collections import Counter
from uuid import UUID

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from polycast.db.engine import Database
from polycast.db.tables import assets, usage
from polycast.domain.errors import Unavailable

log = logging.getLogger(__name__)

_EVERY_S = 5.0
_KIND = "egress_bytes"


class Egress:
    """Bytes of media by asset, and of source files by tenant, counted in this process.

    They are written down every `every_s` seconds.
    """

    def __init__(self, db: Database, *, every_s: float = _EVERY_S) -> None:
        self._db = db
        self._every_s = every_s
        self._sent: Counter[UUID] = Counter()
        self._files: Counter[int] = Counter()

    def count(self, asset: UUID, sent: int) -> None:
        """Add bytes that left for a viewer."""
        if sent:
            self._sent[asset] += sent

    def count_file(self, tenant: int, sent: int) -> None:
        """Add bytes of a source file that left; a link names its owner, who pays even if it is deleted now."""
        if sent:
            self._files[tenant] += sent

    async def run(self) -> None:
        """Write down what was counted, again and again, and once more when it is cancelled."""
        try:
            while True:
                await asyncio.sleep(self._every_s)
                await self._try_flush()
        finally:
            await self._try_flush()

    async def _try_flush(self) -> None:
        try:
            await self.flush()
        except Unavailable as error:  # the database is away for a moment: what was counted stays
            log.warning("egress is not written down yet: %s", error.message)
        except Exception:
            # what is wrong with one write must not end all counting: nobody would begin it anew
            log.exception("egress is not written down")

    async def flush(self) -> None:
        """Move what was counted into the ledger. Bytes of an asset that is gone meanwhile count for nobody."""
        sent, self._sent = self._sent, Counter()
        of_files, self._files = self._files, Counter()
        if not sent and not of_files:
            return
        try:
            async with self._db.transaction() as tx:
                rows = await tx.execute(
                    select(assets.c.uid, assets.c.tenant_num).where(assets.c.uid.in_(list(sent)))
                )
                tenants = Counter(of_files)
                for row in rows:
                    tenants[row.tenant_num] += sent[row.uid]
                for tenant, quantity in sorted(tenants.items()):
                    await _add(tx, tenant, quantity)
        except BaseException:
            self._sent.update(sent)
            self._files.update(of_files)
            raise


async def _add(tx: AsyncConnection, tenant: int, quantity: int) -> None:
    """One row for each hour, not for each time: figures are sums over these rows."""
    hour = func.date_trunc("hour", func.now())
    row = (usage.c.tenant_num == tenant, usage.c.kind == _KIND, usage.c.at == hour)
    # two processes may each begin the hour; that is two rows and the same sum
    first = select(func.min(usage.c.num)).where(*row).scalar_subquery()
    changed = await tx.execute(
        update(usage).where(usage.c.num == first).values(quantity=usage.c.quantity + quantity)
    )
    if not changed.rowcount:
        await tx.execute(insert(usage).values(tenant_num=tenant, kind=_KIND, quantity=quantity, at=hour))
