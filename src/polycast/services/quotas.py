"""Disk quotas: how many bytes a tenant may store."""

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from polycast.db.engine import Database
from polycast.db.tables import assets, files, tenants
from polycast.domain.access import Caller
from polycast.domain.errors import QuotaExceeded
from polycast.domain.states import FileStatus

_LOCK = 0x71756F74  # "quot"


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
            return await self._limit(tx, caller)

    async def check(self, caller: Caller, size: int) -> None:
        """Raises QuotaExceeded when `size` more bytes are more than the tenant may store, open uploads counted
        with what they announced."""
        async with self._db.read() as tx:
            await self._check(tx, caller, size)

    async def check_in_turn(self, tx: AsyncConnection, caller: Caller, size: int) -> None:
        """As `check`, one at a time until the end of the transaction: of many that begin at once only those
        that fit may go on. All of it on the transaction's own connection, since others wait for it."""
        if await self._limit(tx, caller) is not None:
            await tx.execute(select(func.pg_advisory_xact_lock(_LOCK, caller.tenant.num)))
            await self._check(tx, caller, size)

    async def _limit(self, tx: AsyncConnection, caller: Caller) -> int | None:
        own = await tx.execute(select(tenants.c.quota_bytes).where(tenants.c.num == caller.tenant.num))
        return own.scalar() or self._default or None

    async def _check(self, tx: AsyncConnection, caller: Caller, size: int) -> None:
        limit = await self._limit(tx, caller)
        if limit is None:
            return
        coming = func.sum(files.c.declared_size).filter(files.c.status == FileStatus.UPLOADING)
        sources = select(func.coalesce(func.sum(files.c.size), 0) + func.coalesce(coming, 0)).where(
            files.c.tenant_num == caller.tenant.num
        )
        media = select(func.coalesce(func.sum(assets.c.stored_size), 0)).where(
            assets.c.tenant_num == caller.tenant.num
        )
        used = (await tx.execute(select(sources.scalar_subquery() + media.scalar_subquery()))).scalar_one()
        if int(used) + size > limit:
            raise QuotaExceeded(f"the disk quota of {limit} bytes would be exceeded")
