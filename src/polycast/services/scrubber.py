"""The scrubber: stored media are read again and held against their track logs; what is damaged is re-made.

A disk that loses a byte says nothing. Each round looks at the tracks that were verified longest ago.
"""

import asyncio
import hashlib
import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import func, or_, select, update

from polycast.db.engine import Database
from polycast.db.tables import asset_sources, assets, generations, outputs, tenants, tracks
from polycast.domain.errors import NotFound, PolycastError
from polycast.domain.states import GenerationState, OutputStatus
from polycast.domain.tracks import TrackLog
from polycast.jobs.queue import JobQueue
from polycast.protocols import tracklog
from polycast.services import ledger
from polycast.services.making import lock_asset, start_again
from polycast.services.tenants import Tenants, as_system
from polycast.storage.interface import ObjectStore

log = logging.getLogger(__name__)

EVERY = timedelta(days=30)
"""each track is read once in this time"""


@dataclass(frozen=True, slots=True)
class Damage:
    """What is wrong with a stored track."""

    object: str
    reason: str


class Scrubber:
    """Verifies some tracks each time it is called."""

    def __init__(self, db: Database, store: ObjectStore, jobs: JobQueue, tenants_: Tenants) -> None:
        self._db = db
        self._store = store
        self._jobs = jobs
        self._tenants = tenants_

    async def run(self, *, limit: int = 5, every: timedelta = EVERY) -> int:
        """Verify the `limit` tracks that are due first; returns how many damaged ones were found."""
        async with self._db.connect() as tx:
            rows = (
                await tx.execute(
                    select(
                        tracks.c.num,
                        tracks.c.name,
                        tracks.c.folder,
                        assets.c.uid.label("asset_uid"),
                        generations.c.output_num,
                        generations.c.asset_num,
                        assets.c.tenant_num,
                    )
                    .join(generations, generations.c.num == tracks.c.generation_num)
                    .join(assets, assets.c.num == generations.c.asset_num)
                    .join(tenants, tenants.c.num == assets.c.tenant_num)
                    .where(
                        generations.c.state == GenerationState.PUBLISHED,
                        tenants.c.deleted_at.is_(None),
                        tracks.c.kind != "iframe",  # it has no bytes of its own
                        or_(
                            tracks.c.verified_at.is_(None),
                            tracks.c.verified_at < func.now() - every,
                        ),
                    )
                    .order_by(tracks.c.verified_at.asc().nulls_first(), tracks.c.num)
                    .limit(limit)
                )
            ).all()
        damaged = 0
        for row in rows:
            damage = await self.verify(f"media/{row.asset_uid}/g/{row.folder}/{row.name}/")
            if damage is None:
                await self._mark(row.num)
            else:
                damaged += 1
                log.error("track %s of asset %s is damaged: %s", row.name, row.asset_uid, damage)
                await self._repair(row, damage)
        return damaged

    async def verify(self, prefix: str) -> Damage | None:
        """Read all objects of a track and compare length and SHA-256 with its log; None when all is well."""
        try:
            found: TrackLog = tracklog.loads(await self._store.get(f"{prefix}log.jsonl"))
        except (NotFound, PolycastError) as error:
            return Damage("log.jsonl", str(error))
        refs = [(s.object, s.offset, s.size, s.sha256) for s in found.segments]
        if found.header.init is not None:
            init = found.header.init
            refs.insert(0, (init.object, init.offset, init.size, init.sha256))
        for name, offset, size, sha256 in refs:
            digest, length = hashlib.sha256(), 0
            try:
                async for block in self._store.stream(prefix + name, offset, size):
                    length += len(block)
                    await asyncio.to_thread(digest.update, block)
            except PolycastError as error:
                return Damage(name, str(error))
            if length != size:
                return Damage(name, f"{length} bytes instead of {size}")
            if digest.hexdigest() != sha256:
                return Damage(name, "other bytes than were written")
        return None

    async def _mark(self, num: int) -> None:
        async with self._db.transaction() as tx:
            await tx.execute(update(tracks).where(tracks.c.num == num).values(verified_at=func.now()))

    async def _repair(self, row: Any, damage: Damage) -> None:
        """Have the output made anew from its source; until then the old generation plays on as it can."""
        caller = as_system((await self._tenants.by_num(row.tenant_num)).ref, "system:scrubber")
        async with self._db.transaction() as tx:
            if not await lock_asset(tx, row.asset_num):
                return
            status = (
                await tx.execute(select(outputs.c.status).where(outputs.c.num == row.output_num))
            ).scalar()
            if status == OutputStatus.PROCESSING:
                return  # what is being made may share this track: looked at again when it is done
            await tx.execute(update(tracks).where(tracks.c.num == row.num).values(verified_at=func.now()))
            has_source = (
                await tx.execute(
                    select(asset_sources.c.file_num)
                    .join(assets, assets.c.num == asset_sources.c.asset_num)
                    .where(assets.c.uid == row.asset_uid, asset_sources.c.file_num.is_not(None))
                    .limit(1)
                )
            ).first()
            begun = 0
            if has_source is not None:
                begun = await start_again(tx, self._jobs, row.tenant_num, outputs.c.num == row.output_num)
            await ledger.record(
                tx,
                caller,
                "track.damaged",
                "asset",
                row.asset_uid,
                {
                    "track": row.name,
                    "object": damage.object,
                    "reason": damage.reason,
                    "remade": begun > 0,
                },
            )
