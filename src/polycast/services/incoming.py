"""Uploads whose size nobody announced: their parts are counted while they come."""

import asyncio
from collections.abc import AsyncIterator, Container
from contextlib import asynccontextmanager, suppress
from weakref import WeakValueDictionary

from sqlalchemy import BigInteger, ColumnElement, Update, cast, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from polycast.db.engine import Database
from polycast.db.tables import files
from polycast.domain.access import Caller
from polycast.domain.errors import DatabaseUnavailable, NotFound, QuotaExceeded, TooLarge
from polycast.domain.files import File
from polycast.domain.states import FileStatus
from polycast.services.quotas import RECEIVED, Quotas
from polycast.storage.interface import ObjectStore

_STEP = 64 * 1024 * 1024
"""bytes taken at once for a part that does not say how long it is"""


class Incoming:
    """What open uploads hold, in the row of each, so that size limit and quota hold before the last part.

    Bytes are taken before they are written, and given back where they did not come. What a killed process took,
    and a part that came twice, is counted too much until it matters: then the parts themselves are counted.

    Args:
        max_bytes: of the largest file.
    """

    def __init__(self, db: Database, store: ObjectStore, quotas: Quotas, max_bytes: int) -> None:
        self._db = db
        self._store = store
        self._quotas = quotas
        self._max_bytes = max_bytes
        # on their way through this process: not, or not with these bytes, in the store's list of parts
        self._coming: dict[int, set[_Part]] = {}
        self._turns: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def counted(
        self, file: File, number: int, body: AsyncIterator[bytes], length: int | None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """A part's body that has room; the block stores it.

        Args:
            length: bytes of the body, if it says so.

        Raises (here and where the body is read):
            TooLarge: the file would be larger than any may be. QuotaExceeded: the tenant's quota.
        """
        part = _Part(number)
        self._coming.setdefault(file.num, set()).add(part)
        try:
            if length is not None:
                await self._take(file, part, length)
            yield self._metered(file, part, body)
        except BaseException:
            await self._give_back(file, part, part.held)
            raise
        else:
            await self._give_back(file, part, part.held - part.came)
        finally:
            self._coming[file.num].discard(part)
            if not self._coming[file.num]:
                del self._coming[file.num]

    async def check_whole(self, caller: Caller, file: File, named: Container[int]) -> None:
        """Judge by the parts that are there, before they are joined.

        Args:
            named: numbers of the parts that the file will be made of.

        Raises:
            TooLarge, QuotaExceeded: as `counted`.
        """
        assert file.upload_id is not None
        try:
            parts = await self._store.list_parts(file.key, file.upload_id)
        except NotFound:
            return  # joined before a crash, and judged before that; or gone, which joining will tell
        size = sum(part.size for part in parts if part.number in named)
        if size > self._max_bytes:
            raise TooLarge(f"a file has at most {self._max_bytes} bytes", field="parts")
        # what it holds is counted already
        await self._quotas.check(caller, size - int(file.intent.get("received", 0)))

    async def _metered(self, file: File, part: "_Part", body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for block in body:
            part.came += len(block)
            if (needed := part.came - part.held) > 0:
                try:
                    await self._take(file, part, max(part.step, needed))
                except (TooLarge, QuotaExceeded):
                    part.step //= 8  # little room is left: it is for others, too
                    await self._take(file, part, needed)
            yield block

    async def _take(self, file: File, part: "_Part", size: int) -> None:
        """Count `size` more bytes for a part. Raises TooLarge, QuotaExceeded, NotFound."""
        # before the row says so: whoever counts meanwhile rather counts them twice than not at all
        part.held += size
        try:
            async with self._turn(file):
                try:
                    async with self._db.transaction() as tx:
                        await self._add(tx, file, size)
                except (TooLarge, QuotaExceeded):
                    await self._recount_and_add(file, size)
        except BaseException:
            part.held -= size
            raise

    def _turn(self, file: File) -> asyncio.Lock:
        """One at a time of a tenant: they all want the same row, and would wait for it on one connection each."""
        turn = self._turns.get(file.tenant_num)
        if turn is None:
            turn = self._turns[file.tenant_num] = asyncio.Lock()
        return turn

    async def _add(self, tx: AsyncConnection, file: File, size: int) -> None:
        await self._quotas.check_tenant_in_turn(tx, file.tenant_num, size)
        total = (await tx.execute(_set(file, RECEIVED + size).returning(RECEIVED))).scalar()
        if total is None:
            raise NotFound("upload", file.uid)
        if total > self._max_bytes:
            raise TooLarge(f"a file has at most {self._max_bytes} bytes", field="size")

    async def _recount_and_add(self, file: File, size: int) -> None:
        assert file.upload_id is not None
        coming = set(self._coming[file.num])
        stored = await self._store.list_parts(file.key, file.upload_id)
        async with self._db.transaction() as tx:
            # in this order, as whoever adds: first the tenant's turn, then the row
            await self._quotas.turn(tx, file.tenant_num)
            await tx.execute(select(files.c.num).where(files.c.num == file.num).with_for_update())
            # what came to its end while the list was made is in neither of the other two
            coming |= self._coming[file.num]
            numbers = {part.number for part in coming}
            total = sum(part.size for part in stored if part.number not in numbers)
            total += sum(part.held for part in coming)
            await tx.execute(_set(file, total - size))
            await self._add(tx, file, size)

    async def _give_back(self, file: File, part: "_Part", size: int) -> None:
        """Count `size` bytes less; while the database is away they are counted too much."""
        if size:
            with suppress(DatabaseUnavailable):
                async with self._turn(file), self._db.transaction() as tx:
                    await tx.execute(_set(file, func.greatest(RECEIVED - size, 0)))
                part.held -= size


class _Part:
    """One part on its way: bytes that were taken for it, and bytes that came."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.step = _STEP
        self.held = 0
        self.came = 0


def _set(file: File, value: ColumnElement[int] | int) -> Update:
    changed = files.c.intent.op("||")(func.jsonb_build_object("received", cast(value, BigInteger)))
    return (
        update(files)
        .where(files.c.num == file.num, files.c.status == FileStatus.UPLOADING)
        .values(intent=changed)
    )
