"""Outputs: further packagings of an asset, their progress, their end."""

import re
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from polycast.db.engine import Database
from polycast.db.tables import asset_sources, assets, chunk_jobs, generations, outputs
from polycast.domain.access import Caller, Permission
from polycast.domain.assets import Output, OutputProgress, RenditionProgress
from polycast.domain.errors import Conflict, Invalid, NotFound
from polycast.domain.presets import PRESETS
from polycast.domain.states import AssetStatus, OutputStatus
from polycast.jobs.queue import JobQueue
from polycast.services import ledger
from polycast.services.asset_rows import output_from_row
from polycast.services.making import (
    cancel_work,
    discard_later,
    enqueue_process,
    lock_asset,
    scratch_folder,
)
from polycast.services.tenants import Tenants, as_system

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_WITHOUT_FILE = {
    AssetStatus.PENDING: "the asset has no file yet",
    AssetStatus.PULLING: "the file of the asset is still being fetched",
}


class Outputs:
    """Use cases on outputs."""

    def __init__(self, db: Database, jobs: JobQueue, tenants: Tenants) -> None:
        self._db = db
        self._jobs = jobs
        self._tenants = tenants

    async def add(
        self,
        caller: Caller,
        asset: UUID,
        preset: str,
        *,
        name: str | None = None,
        expires_at: datetime | None = None,
    ) -> Output:
        """Start one more output of an asset that has a file.

        Args:
            name: unique inside the asset; minted when None.
            expires_at: removed with its media after this moment.

        Raises:
            NotFound: asset or preset unknown. Invalid: bad name, or an expiry in the past.
            Conflict: the name is taken, or the asset has no source file any more.
        """
        caller.require(Permission.WRITE)
        if preset not in PRESETS:
            raise NotFound("preset", preset)
        name = name if name is not None else str(uuid4())
        if not _NAME.fullmatch(name):
            raise Invalid(
                "an output id has 1 to 128 letters, digits, dots, dashes or underscores", field="id"
            )
        if expires_at is not None and expires_at <= datetime.now(UTC):
            raise Invalid("the expiration date is in the past", field="expires_at")
        async with self._db.transaction() as tx:
            row = await _locked(tx, caller, asset)
            if row.status not in (AssetStatus.AVAILABLE, AssetStatus.PROCESSING, AssetStatus.QUEUED):
                raise Conflict(_WITHOUT_FILE.get(row.status) or f"the asset failed: {row.error}")
            sources = (
                await tx.execute(select(asset_sources.c.file_num).where(asset_sources.c.asset_num == row.num))
            ).all()
            if not sources or all(s.file_num is None for s in sources):
                raise Conflict("the source file of the asset was deleted")
            taken = (
                await tx.execute(
                    select(outputs.c.num).where(outputs.c.asset_num == row.num, outputs.c.name == name)
                )
            ).first()
            if taken is not None:
                raise Conflict(f"the asset has an output {name} already")
            made = (
                await tx.execute(
                    insert(outputs)
                    .values(
                        asset_num=row.num,
                        tenant_num=row.tenant_num,
                        name=name,
                        preset=preset,
                        kind=PRESETS[preset].kind,
                        expires_at=expires_at,
                    )
                    .returning(outputs)
                )
            ).one()
            await tx.execute(update(assets).where(assets.c.num == row.num).values(updated_at=func.now()))
            await enqueue_process(tx, self._jobs, row.tenant_num, made.num, made.epoch)
            await ledger.record(
                tx, caller, "output.created", "asset", asset, {"output": name, "preset": preset}
            )
        return output_from_row(made)

    async def remove(self, caller: Caller, asset: UUID, name: str) -> None:
        """Remove an output with its media; its running jobs are cancelled.

        Raises:
            NotFound: the asset, or an output of that name.
            Conflict: it is the output the asset was created with; delete the asset instead.
        """
        caller.require(Permission.WRITE)
        async with self._db.transaction() as tx:
            row = await _locked(tx, caller, asset)
            output = (
                await tx.execute(
                    select(outputs).where(outputs.c.asset_num == row.num, outputs.c.name == name)
                )
            ).first()
            if output is None:
                raise NotFound("output", name)
            if output.main:
                raise Conflict("the output the asset was created with goes only with the asset")
            await self._drop(tx, caller, asset, output)

    async def _drop(self, tx: AsyncConnection, caller: Caller, asset: UUID, output: Any) -> None:
        await cancel_work(tx, self._jobs, [output.num])
        made = (await tx.execute(select(generations).where(generations.c.output_num == output.num))).all()
        freed = int(output.size or 0) + sum(int(generation.size) for generation in made)
        await discard_later(
            tx,
            [
                *(f"media/{asset}/g/{generation.uid}/" for generation in made),
                f"media/{asset}/o/{output.uid}/",
                scratch_folder(output.uid),
            ],
        )
        await tx.execute(delete(outputs).where(outputs.c.num == output.num))
        await tx.execute(
            update(assets)
            .where(assets.c.num == output.asset_num)
            .values(stored_size=assets.c.stored_size - freed, updated_at=func.now())
        )
        await ledger.count(tx, output.tenant_num, "stored_bytes", -freed, asset)
        await ledger.record(tx, caller, "output.removed", "asset", asset, {"output": output.name})

    async def progress(self, caller: Caller, pairs: Sequence[tuple[UUID, str]]) -> list[OutputProgress]:
        """How far some outputs are, in the order asked.

        Raises:
            NotFound: one of them is not the tenant's.
        """
        uids = {uid for uid, _ in pairs}
        async with self._db.connect() as tx:
            rows = (
                await tx.execute(
                    select(outputs, assets.c.uid.label("asset_uid"))
                    .join(assets, assets.c.num == outputs.c.asset_num)
                    .where(assets.c.uid.in_(uids), assets.c.tenant_num == caller.tenant.num)
                )
            ).all()
            found = {(row.asset_uid, row.name): row for row in rows}
            steps = await tx.execute(
                select(
                    chunk_jobs.c.output_num, chunk_jobs.c.args, chunk_jobs.c.weight, chunk_jobs.c.progress
                ).where(chunk_jobs.c.output_num.in_([row.num for row in rows]))
            )
            done: dict[int, dict[str, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
            for step in steps:
                for name in step.args.get("renditions", []):
                    done[step.output_num][name].append((step.weight, step.progress))
        answer = []
        for uid, name in pairs:
            row = found.get((uid, name))
            if row is None:
                raise NotFound("output", name)
            answer.append(
                OutputProgress(
                    output_from_row(row),
                    uid,
                    tuple(
                        RenditionProgress(n, sum(w * p for w, p in s) / (sum(w for w, _ in s) or 1))
                        for n, s in done[row.num].items()
                    ),
                )
            )
        return answer

    async def expire(self, now: datetime, *, limit: int = 100) -> int:
        """Remove outputs past their expiration; returns how many. For upkeep."""
        async with self._db.connect() as tx:
            rows = (
                await tx.execute(
                    select(
                        outputs.c.num,
                        outputs.c.asset_num,
                        outputs.c.tenant_num,
                        assets.c.uid.label("asset_uid"),
                    )
                    .join(assets, assets.c.num == outputs.c.asset_num)
                    .where(outputs.c.expires_at < now, outputs.c.main.is_(False))
                    .limit(limit)
                )
            ).all()
        for row in rows:
            system = as_system((await self._tenants.by_num(row.tenant_num)).ref, "system:upkeep")
            async with self._db.transaction() as tx:
                if not await lock_asset(tx, row.asset_num):
                    continue
                output = (await tx.execute(select(outputs).where(outputs.c.num == row.num))).first()
                if output is not None:
                    await self._drop(tx, system, row.asset_uid, output)
        return len(rows)

    @staticmethod
    def settled(output: Output) -> bool:
        """Whether nothing more will happen to it."""
        return output.status is not OutputStatus.PROCESSING


async def _locked(tx: AsyncConnection, caller: Caller, uid: UUID) -> Any:
    row = (
        await tx.execute(
            select(assets)
            .where(assets.c.uid == uid, assets.c.tenant_num == caller.tenant.num)
            .with_for_update()
        )
    ).first()
    if row is None:
        raise NotFound("asset", uid)
    return row
