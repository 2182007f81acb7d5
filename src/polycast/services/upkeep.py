"""Upkeep: what has to happen now and then, in small steps that can be repeated and killed."""

import logging
from datetime import UTC, datetime, timedelta

from sqlalchemy import Integer, and_, cast, delete, func, or_, select, update

from polycast.db.engine import Database
from polycast.db.tables import assets, files, garbage, generations, tenants, tracks
from polycast.domain.errors import PolycastError
from polycast.domain.states import GenerationState
from polycast.services import ledger
from polycast.services.assets import Assets
from polycast.services.outputs import Outputs
from polycast.services.tenants import Tenants, as_system
from polycast.services.uploads import Uploads
from polycast.storage.interface import ObjectStore

log = logging.getLogger(__name__)

RETIRED_KEPT = timedelta(hours=24)
"""old playback sessions end within this time; then a retired generation's own bytes go"""
DELETED_TENANT_KEPT = timedelta(days=7)
_MAX_BACKOFF = timedelta(hours=6)


class Upkeep:
    """Each method does a bounded amount of work and says how much; the scheduler calls them again."""

    def __init__(
        self,
        db: Database,
        store: ObjectStore,
        tenants_: Tenants,
        uploads: Uploads,
        assets_: Assets,
        outputs: Outputs,
    ) -> None:
        self._db = db
        self._store = store
        self._tenants = tenants_
        self._uploads = uploads
        self._assets = assets_
        self._outputs = outputs

    async def run(self, now: datetime | None = None) -> dict[str, int]:
        """One round of everything; returns counts by name."""
        now = now or datetime.now(UTC)
        return {
            "uploads": await self._uploads.expire(now),
            "outputs": await self._outputs.expire(now),
            "generations": await self.drop_retired(now),
            "assets": await self.apply_retention(now),
            "tenants": await self.clear_tenants(now),
            "objects": await self.collect_garbage(now),
        }

    async def collect_garbage(self, now: datetime, *, limit: int = 200) -> int:
        """Delete discarded objects. A row goes only after its objects did; failures are tried again later."""
        done = 0
        async with self._db.transaction() as tx:
            rows = (
                await tx.execute(
                    select(garbage)
                    .where(garbage.c.not_before <= now)
                    .order_by(garbage.c.not_before)
                    .limit(limit)
                    .with_for_update(skip_locked=True)
                )
            ).all()
            for row in rows:
                try:
                    if row.upload_id:
                        await self._store.abort_multipart(row.key, row.upload_id)
                    if row.key.endswith("/"):
                        await self._store.delete_prefix(row.key)
                    else:
                        await self._store.delete([row.key])
                except PolycastError as error:
                    log.warning("clearing %s failed: %s", row.key, error)
                    wait = min(_MAX_BACKOFF, timedelta(minutes=2**row.attempts))
                    await tx.execute(
                        update(garbage)
                        .where(garbage.c.num == row.num)
                        .values(attempts=row.attempts + 1, not_before=now + wait)
                    )
                    continue
                await tx.execute(delete(garbage).where(garbage.c.num == row.num))
                done += 1
        return done

    async def drop_retired(self, now: datetime, *, limit: int = 50) -> int:
        """Remove generations retired long ago, but not bytes that a later generation shares."""
        async with self._db.transaction() as tx:
            rows = (
                await tx.execute(
                    select(generations, assets.c.uid.label("asset_uid"), assets.c.tenant_num)
                    .join(assets, assets.c.num == generations.c.asset_num)
                    .where(
                        or_(
                            and_(
                                generations.c.state == GenerationState.RETIRED,
                                generations.c.retired_at < now - RETIRED_KEPT,
                            ),
                            and_(
                                generations.c.state == GenerationState.FAILED,
                                generations.c.updated_at < now - RETIRED_KEPT,
                            ),
                        )
                    )
                    .limit(limit)
                    .with_for_update(of=generations, skip_locked=True)
                )
            ).all()
            for row in rows:
                users = select(tracks.c.name).where(
                    tracks.c.folder == str(row.uid), tracks.c.generation_num != row.num
                )
                shared = {r.name for r in await tx.execute(users)}
                own = (
                    await tx.execute(
                        select(tracks.c.name, tracks.c.size).where(
                            tracks.c.generation_num == row.num, tracks.c.folder == str(row.uid)
                        )
                    )
                ).all()
                prefix = f"media/{row.asset_uid}/g/{row.uid}/"
                if not shared:
                    await ledger.discard(tx, [prefix])
                else:
                    await ledger.discard(tx, [f"{prefix}{t.name}/" for t in own if t.name not in shared])
                freed = sum(t.size for t in own if t.name not in shared)
                await tx.execute(delete(generations).where(generations.c.num == row.num))
                await tx.execute(
                    update(assets)
                    .where(assets.c.num == row.asset_num)
                    .values(stored_size=func.greatest(assets.c.stored_size - freed, 0))
                )
                await ledger.count(tx, row.tenant_num, "stored_bytes", -freed, row.asset_uid)
        return len(rows)

    async def apply_retention(self, now: datetime, *, limit: int = 50) -> int:
        """Delete assets older than their tenant's retention."""
        async with self._db.connect() as tx:
            rows = (
                await tx.execute(
                    select(assets.c.uid, assets.c.tenant_num)
                    .join(tenants, tenants.c.num == assets.c.tenant_num)
                    .where(
                        tenants.c.retention_days.is_not(None),
                        assets.c.created_at
                        < now - func.make_interval(0, 0, 0, cast(tenants.c.retention_days, Integer)),
                    )
                    .limit(limit)
                )
            ).all()
        for row in rows:
            tenant = await self._tenants.by_num(row.tenant_num)
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
                            .returning(files.c.key, files.c.upload_id, files.c.status)
                        )
                    ).all()
                    for file in orphans:
                        await ledger.discard(
                            tx,
                            [file.key],
                            upload_id=file.upload_id if file.status != "completed" else None,
                        )
                    done += len(orphans)
        return done
