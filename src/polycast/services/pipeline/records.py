"""What the steps of the pipeline read and write in the database, in one place.

Whoever changes rows below an asset takes the asset's row first (`take_work`, `lock_asset`): steps of one
asset, its deletion and the replacing of its source so come one after the other and never deadlock. A step
then looks whether it is still wanted: the output's epoch is the round a plan was made in.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import String, and_, cast, delete, exists, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from polycast.db.tables import (
    asset_sources,
    assets,
    chunk_jobs,
    files,
    generations,
    organizations,
    outputs,
    tenants,
    tracks,
)
from polycast.domain.access import Caller, TenantRef
from polycast.domain.assets import AssetSource
from polycast.domain.files import File
from polycast.domain.presets import PRESETS, Preset
from polycast.domain.states import AssetStatus, GenerationState, OutputStatus, check_generation_move
from polycast.domain.tenants import TenantSettings
from polycast.domain.tracks import TrackLog
from polycast.jobs.queue import JobQueue
from polycast.jobs.registry import running_job
from polycast.services import ledger
from polycast.services.asset_rows import source_from_row
from polycast.services.files import QUERY as FILE_QUERY
from polycast.services.files import from_row as file_from_row
from polycast.services.making import ASSEMBLE_JOB, lock_asset, scratch_folder
from polycast.services.originals import drop_replaced
from polycast.services.tenants import as_system

SYSTEM = "system:pipeline"
OPEN = (GenerationState.BUILDING, GenerationState.GROWING)
UNPLANNED = -1
"""`chunks` of a plan that is still being made"""
FIRST_ROUND = 1
"""the epoch of outputs whose asset has got files once"""


@dataclass(frozen=True, slots=True)
class Work:
    """An output with all that its work needs.

    Attributes:
        sources: (file, how it is used), in order; deleted files are left out.
        preset: already limited to the resolutions the tenant allows.
    """

    output_num: int
    output_uid: UUID
    epoch: int
    name: str
    main: bool
    asset_num: int
    asset_uid: UUID
    asset_status: AssetStatus
    caller: Caller
    settings: TenantSettings
    preset: Preset
    sources: tuple[tuple[File, AssetSource], ...]

    @property
    def folder(self) -> str:
        """Key prefix of all media of the asset."""
        return f"media/{self.asset_uid}/"

    @property
    def round(self) -> str:
        """Which making of the output this is; another source or a repair begins another."""
        return str(self.epoch)

    @property
    def scratch(self) -> str:
        """Key prefix of what is kept only while this round is made."""
        return scratch_folder(self.output_uid, self.epoch)


async def take_work(
    tx: AsyncConnection, output_num: int, epoch: int | None = None, *, settled: bool = False
) -> Work | None:
    """The work of an output, its asset locked; None when it is gone, settled, or of another round.

    Args:
        epoch: the round that is meant; None: whichever it is.
    """
    asset = (await tx.execute(select(outputs.c.asset_num).where(outputs.c.num == output_num))).scalar()
    if asset is None or not await lock_asset(tx, asset):
        return None
    work = await load_work(tx, output_num, settled=settled)
    return work if work is not None and epoch in (None, work.epoch) else None


async def load_work(tx: AsyncConnection, output_num: int, *, settled: bool = False) -> Work | None:
    """The work of an output; None when it (or its asset or tenant) is gone. To act on it, use `take_work`.

    Args:
        settled: also one that is available or failed already; else that is None too.
    """
    row = (
        await tx.execute(
            select(
                outputs.c.num,
                outputs.c.uid,
                outputs.c.epoch,
                outputs.c.name,
                outputs.c.preset,
                outputs.c.main,
                outputs.c.status,
                assets.c.num.label("asset_num"),
                assets.c.uid.label("asset_uid"),
                assets.c.status.label("asset_status"),
                tenants.c.num.label("tenant_num"),
                tenants.c.uid.label("tenant_uid"),
                tenants.c.slug,
                tenants.c.status.label("tenant_status"),
                tenants.c.settings,
                tenants.c.organization_num,
                organizations.c.uid.label("organization_uid"),
            )
            .join(assets, assets.c.num == outputs.c.asset_num)
            .join(tenants, tenants.c.num == assets.c.tenant_num)
            .join(organizations, organizations.c.num == tenants.c.organization_num)
            .where(outputs.c.num == output_num, tenants.c.deleted_at.is_(None))
        )
    ).first()
    if row is None or (row.status != OutputStatus.PROCESSING and not settled):
        return None
    used = (
        await tx.execute(
            select(asset_sources)
            .where(asset_sources.c.asset_num == row.asset_num, asset_sources.c.file_num.is_not(None))
            .order_by(asset_sources.c.position)
        )
    ).all()
    found = {
        f.num: file_from_row(f)
        for f in await tx.execute(FILE_QUERY.where(files.c.num.in_([u.file_num for u in used])))
    }
    settings = TenantSettings.from_json(row.settings)
    preset = PRESETS[row.preset]
    if settings.resolutions and not preset.audio_only:
        preset = preset.limited_to(settings.resolutions)
    ref = TenantRef(
        row.tenant_num,
        row.tenant_uid,
        row.organization_num,
        row.organization_uid,
        row.slug,
        row.tenant_status,
    )
    return Work(
        output_num=row.num,
        output_uid=row.uid,
        epoch=row.epoch,
        name=row.name,
        main=row.main,
        asset_num=row.asset_num,
        asset_uid=row.asset_uid,
        asset_status=AssetStatus(row.asset_status),
        caller=as_system(ref, SYSTEM),
        settings=settings,
        preset=preset,
        sources=tuple((found[u.file_num], source_from_row(u)) for u in used if u.file_num in found),
    )


@dataclass(frozen=True, slots=True)
class GenerationRow:
    num: int
    uid: UUID
    number: int
    state: GenerationState


async def new_generation(tx: AsyncConnection, work: Work) -> GenerationRow:
    """The next generation of an output, as `building`."""
    row = (
        await tx.execute(
            insert(generations)
            .values(
                asset_num=work.asset_num,
                output_num=work.output_num,
                number=select(func.coalesce(func.max(generations.c.number), 0) + 1)
                .where(generations.c.output_num == work.output_num)
                .scalar_subquery(),
            )
            .returning(generations)
        )
    ).one()
    return GenerationRow(row.num, row.uid, row.number, GenerationState(row.state))


async def generations_of(tx: AsyncConnection, output_num: int) -> list[GenerationRow]:
    """All generations of an output, newest first."""
    rows = await tx.execute(
        select(generations)
        .where(generations.c.output_num == output_num)
        .order_by(generations.c.number.desc())
    )
    return [GenerationRow(r.num, r.uid, r.number, GenerationState(r.state)) for r in rows]


async def newest_published(tx: AsyncConnection, output_num: int) -> Any:
    """The row of the generation that new viewers of an output get; None while nothing is published."""
    query = (
        select(generations)
        .where(generations.c.output_num == output_num, generations.c.state == GenerationState.PUBLISHED)
        .order_by(generations.c.number.desc())
        .limit(1)
    )
    return (await tx.execute(query)).first()


@dataclass(frozen=True, slots=True)
class NewTrack:
    """A track about to be listed in a generation."""

    name: str
    rendition: str
    folder: str
    log: TrackLog
    is_default: bool = False
    size: int = 0


async def list_tracks(
    tx: AsyncConnection, generation: int, new: Sequence[NewTrack], *, after: int = 0
) -> None:
    """Write (or rewrite, while a generation grows) the tracks of a generation, behind the first `after`."""
    for position, track in enumerate(new, after):
        header = track.log.header
        values = {
            "kind": header.kind,
            "position": position,
            "rendition": track.rendition,
            "folder": track.folder,
            "codec": header.codec,
            "width": header.width,
            "height": header.height,
            "frame_rate": header.frame_rate,
            "bandwidth": header.bandwidth,
            "average_bandwidth": header.average_bandwidth,
            "channels": header.channels,
            "sample_rate": header.sample_rate,
            "language": header.language,
            "label": header.label,
            "is_default": track.is_default,
            "duration_ms": round(track.log.duration_s * 1000),
            "size": track.size,
        }
        await tx.execute(
            upsert(tracks)
            .values(generation_num=generation, name=track.name, **values)
            .on_conflict_do_update(
                index_elements=["generation_num", "name"], set_={**values, "updated_at": func.now()}
            )
        )


async def move_generation(
    tx: AsyncConnection, work: Work, generation: int, to: GenerationState, *, duration_ms: int | None = None
) -> None:
    """Change a generation's state by the table; publishing retires the older ones of the output.

    A published or growing generation of the main output makes the asset available; a published one of another
    round ends the files that it replaced.
    """
    row = (
        await tx.execute(select(generations).where(generations.c.num == generation).with_for_update())
    ).one()
    check_generation_move(GenerationState(row.state), to)
    values: dict[str, Any] = {"state": to, "updated_at": func.now()}
    if duration_ms is not None:
        values["duration_ms"] = duration_ms
    if to in (GenerationState.GROWING, GenerationState.PUBLISHED) and row.published_at is None:
        values["published_at"] = func.now()
    await tx.execute(update(generations).where(generations.c.num == generation).values(**values))
    if to is GenerationState.PUBLISHED:
        await tx.execute(
            update(generations)
            .where(
                generations.c.output_num == row.output_num,
                generations.c.number < row.number,
                generations.c.state.in_([GenerationState.PUBLISHED, GenerationState.GROWING]),
            )
            .values(state=GenerationState.RETIRED, retired_at=func.now(), updated_at=func.now())
        )
    if to in (GenerationState.GROWING, GenerationState.PUBLISHED) and work.main:
        await make_available(tx, work)
    if to is GenerationState.PUBLISHED and work.main and work.epoch > FIRST_ROUND:
        await drop_replaced(tx, work.caller, work.asset_uid)


async def make_available(tx: AsyncConnection, work: Work) -> None:
    """The asset plays from now on; told once."""
    changed = (
        await tx.execute(
            update(assets)
            .where(assets.c.num == work.asset_num, assets.c.status != AssetStatus.AVAILABLE)
            .values(
                status=AssetStatus.AVAILABLE,
                error=None,
                playable_at=func.coalesce(assets.c.playable_at, func.now()),
                updated_at=func.now(),
            )
            .returning(assets.c.num)
        )
    ).first()
    if changed is not None:
        await ledger.record(tx, work.caller, "asset.available", "asset", work.asset_uid)


async def book_bytes(tx: AsyncConnection, work: Work, size: int, *, generation: int | None = None) -> None:
    """Add to the stored bytes of the asset, and of a generation, and to the ledger; track logs do not count."""
    if generation is not None:
        await tx.execute(
            update(generations)
            .where(generations.c.num == generation)
            .values(size=generations.c.size + size, updated_at=func.now())
        )
    await tx.execute(
        update(assets).where(assets.c.num == work.asset_num).values(stored_size=assets.c.stored_size + size)
    )
    await ledger.count(tx, work.caller.tenant.num, "stored_bytes", size, work.asset_uid)


async def wake_assembly(tx: AsyncConnection, jobs: JobQueue, generation: int) -> None:
    """Have a generation looked at; several wishes become one job."""
    await jobs.enqueue(
        tx, ASSEMBLE_JOB, {"generation": generation}, queueing_lock=f"assemble:{generation}", priority=50
    )


async def open_generations(tx: AsyncConnection, work: Work) -> list[int]:
    """Generations of this round that are still being made, oldest first."""
    rows = await tx.execute(
        select(generations.c.num)
        .where(
            generations.c.output_num == work.output_num,
            generations.c.state.in_(OPEN),
            generations.c.plan["round"].astext == work.round,
        )
        .order_by(generations.c.number)
    )
    return [row.num for row in rows]


async def settle(tx: AsyncConnection, jobs: JobQueue, work: Work) -> None:
    """After a generation was published or failed: end the output when nothing of it is left to do, else wake
    what waits for the change."""
    waiting = await open_generations(tx, work)
    for num in waiting:
        await wake_assembly(tx, jobs, num)
    if waiting:
        return
    failed = (
        await tx.execute(
            select(outputs.c.error)
            .join(generations, generations.c.output_num == outputs.c.num)
            .where(
                outputs.c.num == work.output_num,
                generations.c.state == GenerationState.FAILED,
                generations.c.plan["round"].astext == work.round,
                generations.c.plan["step"].astext == "ladder",
            )
            .limit(1)
        )
    ).first()
    if failed is not None:
        await fail_output(tx, jobs, work, failed.error or "the processing failed")
    else:
        await finish_output(tx, work)


async def finish_output(
    tx: AsyncConnection, work: Work, *, key: str | None = None, size: int | None = None
) -> None:
    """The output is whole; what was kept while it was made goes."""
    await tx.execute(delete(chunk_jobs).where(chunk_jobs.c.output_num == work.output_num))
    await tx.execute(
        update(outputs)
        .where(outputs.c.num == work.output_num)
        .values(
            status=OutputStatus.AVAILABLE,
            progress=1,
            error=None,
            key=key,
            size=size,
            completed_at=func.now(),
            updated_at=func.now(),
        )
    )
    await tx.execute(update(assets).where(assets.c.num == work.asset_num).values(updated_at=func.now()))
    await ledger.discard(tx, [work.scratch])
    await ledger.record(tx, work.caller, "output.available", "asset", work.asset_uid, {"output": work.name})


async def drop_chunks(tx: AsyncConnection, jobs: JobQueue, where: Any) -> None:
    """Forget chunk jobs: waiting ones never start, running ones are cancelled (but not who calls this)."""
    own = running_job()
    gone = await tx.execute(
        delete(chunk_jobs).where(where).returning(chunk_jobs.c.job_id, chunk_jobs.c.state)
    )
    for row in gone.all():
        if row.state == "released" and row.job_id is not None and (own is None or own.id != row.job_id):
            await jobs.cancel(tx, row.job_id)


async def fail_generation(
    tx: AsyncConnection, jobs: JobQueue, work: Work, generation: int, message: str
) -> None:
    """A generation cannot be made. A first rung below it is finished nevertheless; without one all fails."""
    row = (await tx.execute(select(generations).where(generations.c.num == generation))).first()
    if row is None or row.state not in OPEN or row.plan["round"] != work.round:
        return
    if row.plan["step"] != "ladder":
        await fail_output(tx, jobs, work, message)
        return
    await tx.execute(
        update(generations)
        .where(generations.c.num == generation)
        .values(state=GenerationState.FAILED, updated_at=func.now())
    )
    await drop_chunks(tx, jobs, chunk_jobs.c.generation_num == generation)
    await tx.execute(update(outputs).where(outputs.c.num == work.output_num).values(error=message))
    await settle(tx, jobs, work)


async def fail_output(tx: AsyncConnection, jobs: JobQueue, work: Work, message: str) -> None:
    """The output cannot be made; the asset fails with it only if it is the main one and nothing plays.

    A generation that was still growing ends, too: it has a beginning and will never have an end.
    """
    await tx.execute(
        update(outputs)
        .where(outputs.c.num == work.output_num)
        .values(status=OutputStatus.ERROR, error=message, completed_at=func.now(), updated_at=func.now())
    )
    await tx.execute(
        update(generations)
        .where(generations.c.output_num == work.output_num, generations.c.state.in_(OPEN))
        .values(state=GenerationState.FAILED, updated_at=func.now())
    )
    await drop_chunks(tx, jobs, chunk_jobs.c.output_num == work.output_num)
    await ledger.discard(tx, [work.scratch])
    await ledger.record(
        tx,
        work.caller,
        "output.failed",
        "asset",
        work.asset_uid,
        {"output": work.name, "reason": message},
    )
    if not work.main:
        return
    plays = select(generations.c.num).where(
        generations.c.output_num == work.output_num, generations.c.state == GenerationState.PUBLISHED
    )
    if (await tx.execute(plays.limit(1))).first() is None:
        await tx.execute(
            update(assets)
            .where(assets.c.num == work.asset_num)
            .values(status=AssetStatus.ERROR, error=message, updated_at=func.now())
        )
        await ledger.record(tx, work.caller, "asset.failed", "asset", work.asset_uid, {"reason": message})


async def refresh_progress(tx: AsyncConnection, output_num: int) -> None:
    """The output's progress: the chunk jobs of its round by weight; 1 is said only by `finish_output`.

    It never falls. As long as a part is not planned yet nobody knows the share of what is, and it stands still.
    """
    of_round = and_(
        generations.c.output_num == outputs.c.num,
        generations.c.plan["round"].astext == cast(outputs.c.epoch, String),
    )
    share = (
        select(
            func.coalesce(
                func.sum(chunk_jobs.c.weight * chunk_jobs.c.progress)
                / func.nullif(func.sum(chunk_jobs.c.weight), 0),
                0,
            )
        )
        .join(generations, generations.c.num == chunk_jobs.c.generation_num)
        .where(of_round)
        .correlate(outputs)
        .scalar_subquery()
    )
    unplanned = select(generations.c.num).where(
        of_round, generations.c.state.in_(OPEN), generations.c.plan["chunks"].astext == str(UNPLANNED)
    )
    await tx.execute(
        update(outputs)
        .where(
            outputs.c.num == output_num,
            outputs.c.status == OutputStatus.PROCESSING,
            ~exists(unplanned.correlate(outputs)),
        )
        .values(progress=func.greatest(outputs.c.progress, func.least(share, 0.999)))
    )
