"""Upkeep: what has to happen now and then, in small steps that can be repeated and killed."""

import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import Integer, cast, delete, exists, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from polycast.db.engine import Database
from polycast.db.tables import (
    asset_sources,
    assets,
    files,
    garbage,
    outputs,
    tenants,
)
from polycast.domain.access import Caller
from polycast.domain.errors import NotFound, PolycastError
from polycast.domain.states import AssetStatus, FileStatus, OutputStatus
from polycast.jobs.pruning import prune
from polycast.jobs.queue import JobQueue
from polycast.services import ledger
from polycast.services.assets import Assets
from polycast.services.crashpoints import reached
from polycast.services.files import discard_file
from polycast.services.making import lock_asset, pictures_lock
from polycast.services.outputs import Outputs
from polycast.services.retired import drop_retired
from polycast.services.tenants import Tenants, as_system
from polycast.services.uploads import Uploads
from polycast.storage.interface import ObjectStore

log = logging.getLogger(__name__)

DELETED_TENANT_KEPT = timedelta(days=7)
_MAX_BACKOFF = timedelta(hours=6)
_ROUND_S = 40.0
"""of clearing in one round; the next one is a minute later"""


class Upkeep:
    """Each method does a bounded amount of work and says how much; the scheduler calls them again."""

    def __init__(
        self,
        db: Database,
        store: ObjectStore,
        tenants_: Tenants,
        uploads: Uploads,
        assets_: Assets,
        outputs_: Outputs,
        jobs: JobQueue,
        *,
        retention_days: int = 0,
    ) -> None:
        self._db = db
        self._store = store
        self._tenants = tenants_
        self._uploads = uploads
        self._assets = assets_
        self._outputs = outputs_
        self._jobs = jobs
        self._retention_days = retention_days

    async def run(self, now: datetime | None = None) -> dict[str, int]:
        """One round of everything; returns counts by name.

        A step that fails holds up no other one; the first failure is raised at the end.
        """
        now = now or datetime.now(UTC)
        steps: dict[str, Callable[[datetime], Awaitable[int]]] = {
            "uploads": self._uploads.expire,
            "outputs": self._outputs.expire,
            "generations": lambda now: drop_retired(self._db, now),
            "originals": self.drop_originals,
            "assets": self.apply_retention,
            "tenants": self.clear_tenants,
            "objects": self.collect_garbage,
            "jobs": self.forget_jobs,
        }
        done: dict[str, int] = {}
        failed: Exception | None = None
        for name, step in steps.items():
            try:
                done[name] = await step(now)
            except Exception as error:
                log.exception("upkeep of %s failed", name)
                failed = failed or error
        if failed is not None:
            raise failed
        return done

    async def collect_garbage(self, now: datetime, *, limit: int = 5000) -> int:
        """Delete discarded objects. A row goes only after its objects did; failures are tried again later."""
        done = 0
        until = time.monotonic() + _ROUND_S
        while done < limit and time.monotonic() < until:
            # one row a transaction: it stays locked while its objects are deleted, however many those are
            async with self._db.transaction() as tx:
                row = (
                    await tx.execute(
                        select(garbage)
                        # what this very round discarded, too: by the clock that wrote it
                        .where(garbage.c.not_before <= func.greatest(now, func.now()))
                        .order_by(garbage.c.not_before)
                        .limit(1)
                        .with_for_update(skip_locked=True)
                    )
                ).first()
                if row is None:
                    break
                try:
                    if row.upload_id:
                        await self._store.abort_multipart(row.key, row.upload_id)
                    if row.key.endswith("/"):
                        await self._store.delete_prefix(row.key)
                    else:
                        await self._store.delete([row.key])
                except PolycastError as error:
                    log.warning("clearing %s failed: %s", row.key, error)
                    wait = min(_MAX_BACKOFF, timedelta(minutes=2 ** min(row.attempts, 10)))
                    await tx.execute(
                        update(garbage)
                        .where(garbage.c.num == row.num)
                        .values(attempts=row.attempts + 1, not_before=now + wait)
                    )
                    continue
                await reached("garbage.deleted")
                await tx.execute(delete(garbage).where(garbage.c.num == row.num))
            done += 1
        return done

    async def forget_jobs(self, now: datetime) -> int:
        """Drop the records of jobs that ended long ago, so that the queue stays fast."""
        async with self._db.transaction() as tx:
            return await prune(tx)

    async def drop_originals(self, now: datetime, *, limit: int = 50) -> int:
        """Delete source files that their tenant does not keep, once nothing needs them any more.

        That is when every output of every asset that uses the file has ended, at least one of the assets
        plays, and its pictures are made.
        """
        using = asset_sources.alias()
        making = (
            select(outputs.c.num)
            .join(using, using.c.asset_num == outputs.c.asset_num)
            .where(using.c.file_num == files.c.num, outputs.c.status == OutputStatus.PROCESSING)
        )
        playing = (
            select(assets.c.num)
            .join(using, using.c.asset_num == assets.c.num)
            .where(using.c.file_num == files.c.num, assets.c.status == AssetStatus.AVAILABLE)
        )
        async with self._db.connect() as tx:
            rows = (
                await tx.execute(
                    select(files.c.num, files.c.tenant_num)
                    .join(tenants, tenants.c.num == files.c.tenant_num)
                    .where(
                        tenants.c.settings["keep_original"].astext == "false",
                        files.c.purpose == "source",
                        files.c.status == FileStatus.COMPLETED,
                        exists(playing),
                        ~exists(making),
                    )
                    .limit(limit)
                )
            ).all()
        done = 0
        for row in rows:
            system = as_system((await self._tenants.by_num(row.tenant_num)).ref, "system:upkeep")
            async with self._db.transaction() as tx:
                done += await self._drop_original(tx, system, row.num)
        return done

    async def _drop_original(self, tx: AsyncConnection, system: Caller, file: int) -> bool:
        users = (
            select(asset_sources.c.asset_num)
            .where(asset_sources.c.file_num == file)
            .order_by(asset_sources.c.asset_num)
        )
        nums = (await tx.execute(users)).scalars().all()
        for num in nums:
            await lock_asset(tx, num)
        # looked at again now that nobody can begin anything new with it, an asset neither
        await tx.execute(select(files.c.num).where(files.c.num == file).with_for_update())
        if (await tx.execute(users)).scalars().all() != nums:
            return False
        states = (
            await tx.execute(
                select(outputs.c.num, outputs.c.status, outputs.c.main).where(outputs.c.asset_num.in_(nums))
            )
        ).all()
        for output in states:
            if output.status == OutputStatus.PROCESSING:
                return False
            if output.main and await self._jobs.busy(tx, pictures_lock(output.num)):
                return False
        gone = (await tx.execute(delete(files).where(files.c.num == file).returning(files))).first()
        if gone is None:
            return False
        await discard_file(tx, gone)
        await ledger.record(
            tx, system, "file.deleted", "file", gone.uid, {"size": gone.size or 0, "reason": "not kept"}
        )
        return True

    async def apply_retention(self, now: datetime, *, limit: int = 50) -> int:
        """Delete assets older than their tenant's retention."""
        async with self._db.connect() as tx:
            rows = (
                await tx.execute(
                    select(assets.c.uid, assets.c.tenant_num)
                    .join(tenants, tenants.c.num == assets.c.tenant_num)
                    .where(
                        func.coalesce(tenants.c.retention_days, self._retention_days) > 0,
                        assets.c.created_at
                        < now
                        - func.make_interval(
                            0,
                            0,
                            0,
                            cast(func.coalesce(tenants.c.retention_days, self._retention_days), Integer),
                        ),
                    )
                    .limit(limit)
                )
            ).all()
        for row in rows:
            tenant = await self._tenants.by_num(row.tenant_num)
            with contextlib.suppress(NotFound):  # its owner was quicker
                await self._assets.delete(as_system(tenant.ref, "system:retention"), row.uid, with_files=True)
        return len(rows)

    async def clear_tenants(self, now: datetime, *, limit: int = 50) -> int:
        """Delete the media of tenants deleted some time ago, a few assets and files a round."""
        done = 0
        async with self._db.connect() as tx:
            gone = (
                await tx.execute(
                    select(tenants.c.num).where(tenants.c.deleted_at < now - DELETED_TENANT_KEPT)
                )
            ).all()
        for row in gone:
            system = as_system((await self._tenants.by_num(row.num)).ref, "system:upkeep")
            async with self._db.connect() as tx:
                left = (
                    await tx.execute(select(assets.c.uid).where(assets.c.tenant_num == row.num).limit(limit))
                ).all()
            for asset in left:
                with contextlib.suppress(NotFound):
                    await self._assets.delete(system, asset.uid, with_files=True)
                done += 1
            if not left:
                async with self._db.transaction() as tx:
                    orphans = (
                        await tx.execute(
                            delete(files)
                            .where(
                                files.c.num.in_(
                                    select(files.c.num).where(files.c.tenant_num == row.num).limit(limit)
                                )
                            )
                            .returning(files)
                        )
                    ).all()
                    for file in orphans:
                        await discard_file(tx, file)
                    done += len(orphans)
        return done
