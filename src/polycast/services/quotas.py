"""Disk quotas: how many bytes a tenant may store."""

from sqlalchemy import BigInteger, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from polycast.db.engine import Database
from polycast.db.tables import assets, files, tenants
from polycast.domain.access import Caller
from polycast.domain.errors import QuotaExceeded
from polycast.domain.states import FileStatus

_LOCK = 0x71756F74  # "quot"
RECEIVED = func.coalesce(cast(files.c.intent["received"].astext, BigInteger), 0)
"""bytes that an upload of unannounced size holds; see services/incoming"""


class Quotas:
    """Judges what is about to be stored.

    Args:
        default_bytes: of tenants without a quota of their own; 0: no limit.
    """

    def __init__(self, db: Database, *, default_bytes: int = 0) -> None:
        self._db = db
        self._default = default_bytes

    async def limit(self, caller: Caller) -> int | None:
        """Bytes the tenant may store in all; None: no limit."""
        async with self._db.read() as tx:
            return await self._limit(tx, caller.tenant.num)

    async def check(self, caller: Caller, size: int) -> None:
        """Raises QuotaExceeded when `size` more bytes are more than the tenant may store, open uploads counted
        with what they announced, or else hold."""
        async with self._db.read() as tx:
            await self._check(tx, caller.tenant.num, size)

    async def check_in_turn(self, tx: AsyncConnection, caller: Caller, size: int) -> None:
        """As `check`, one at a time until the end of the transaction: of many that begin at once only those
        that fit may go on. All of it on the transaction's own connection, since others wait for it."""
        await self.check_tenant_in_turn(tx, caller.tenant.num, size)

    async def check_tenant_in_turn(self, tx: AsyncConnection, tenant_num: int, size: int) -> None:
        """As `check_in_turn`, where nobody calls: a part of an upload knows its tenant alone."""
        if await self.turn(tx, tenant_num):
            await self._check(tx, tenant_num, size)

    async def turn(self, tx: AsyncConnection, tenant_num: int) -> bool:
        """Be alone with a tenant's room until the transaction ends; to be called before any row of it is locked.

        Returns:
            Whether its room has a limit at all; without one nobody waits.
        """
        if await self._limit(tx, tenant_num) is None:
            return False
        await tx.execute(select(func.pg_advisory_xact_lock(_LOCK, tenant_num)))
        return True

    async def _limit(self, tx: AsyncConnection, tenant_num: int) -> int | None:
        own = await tx.execute(select(tenants.c.quota_bytes).where(tenants.c.num == tenant_num))
        return own.scalar() or self._default or None

    async def _check(self, tx: AsyncConnection, tenant_num: int, size: int) -> None:
        limit = await self._limit(tx, tenant_num)
        if limit is None:
            return
        held = func.coalesce(files.c.declared_size, RECEIVED)
        coming = func.sum(held).filter(files.c.status == FileStatus.UPLOADING)
        sources = select(func.coalesce(func.sum(files.c.size), 0) + func.coalesce(coming, 0)).where(
            files.c.tenant_num == tenant_num
        )
        media = select(func.coalesce(func.sum(assets.c.stored_size), 0)).where(
            assets.c.tenant_num == tenant_num
        )
        used = (await tx.execute(select(sources.scalar_subquery() + media.scalar_subquery()))).scalar_one()
        if int(used) + size > limit:
            raise QuotaExceeded(f"the disk quota of {limit} bytes would be exceeded")
