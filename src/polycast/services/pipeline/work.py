"""The work of an output: what its steps have to know, read with the asset held.

Whoever changes rows below an asset takes the asset's row first (`take_work`, `lock_asset`): steps of one
asset, its deletion and the replacing of its source so come one after the other and never deadlock. A step
then looks whether it is still wanted: the output's epoch is the round a plan was made in.
"""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from polycast.db.tables import (
    asset_sources,
    assets,
    files,
    organizations,
    outputs,
    tenants,
)
from polycast.domain.access import Caller, TenantRef
from polycast.domain.assets import AssetSource
from polycast.domain.files import File
from polycast.domain.presets import PRESETS, Preset
from polycast.domain.states import AssetStatus, OutputStatus
from polycast.domain.tenants import TenantSettings
from polycast.services.asset_rows import source_from_row
from polycast.services.files import QUERY as FILE_QUERY
from polycast.services.files import from_row as file_from_row
from polycast.services.making import lock_asset, scratch_folder
from polycast.services.tenants import as_system

SYSTEM = "system:pipeline"


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
