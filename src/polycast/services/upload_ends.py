"""Uploads that end without a file: cancelled, or not completed in time."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from polycast.db.tables import files
from polycast.domain.access import Caller
from polycast.domain.errors import Conflict, NotFound
from polycast.domain.files import CANCELLED
from polycast.domain.states import FileStatus
from polycast.services import ledger
from polycast.services.files import discard_file
from polycast.services.intents import end_fetch, without_address
from polycast.services.tenants import Tenants, as_system


async def cancel_upload(
    tx: AsyncConnection, caller: Caller, uid: UUID, *, remove: bool, purpose: str
) -> None:
    """Free what came of an upload; its record stays with status error unless `remove`.

    Raises:
        NotFound: the tenant has no such file. Conflict: the upload is completed already.
    """
    row = (
        await tx.execute(
            select(files)
            .where(
                files.c.uid == uid,
                files.c.tenant_num == caller.tenant.num,
                files.c.purpose == purpose,
            )
            .with_for_update()
        )
    ).first()
    if row is None:
        raise NotFound("file", uid)
    if row.status == FileStatus.COMPLETED:
        raise Conflict("the upload is completed already")
    await discard_file(tx, row)
    if remove:
        await tx.execute(delete(files).where(files.c.num == row.num))
    else:
        await tx.execute(
            update(files)
            .where(files.c.num == row.num)
            .values(
                status=FileStatus.ERROR,
                error=CANCELLED,
                upload_id=None,
                expires_at=None,
                intent=without_address(),
                updated_at=func.now(),
            )
        )
    await ledger.record(tx, caller, "file.cancelled", "file", uid, {"removed": remove})
    await end_fetch(tx, caller, row, "the fetch was cancelled")


async def expire_uploads(tx: AsyncConnection, tenants: Tenants, now: datetime, limit: int) -> int:
    """Drop at most `limit` uploads whose time ended before `now`; returns how many."""
    rows = (
        await tx.execute(
            select(files)
            .where(files.c.status == FileStatus.UPLOADING, files.c.expires_at < now)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
    ).all()
    for row in rows:
        await discard_file(tx, row)
        await tx.execute(delete(files).where(files.c.num == row.num))
        system = as_system((await tenants.by_num(row.tenant_num)).ref, "system:upkeep")
        await ledger.record(tx, system, "file.expired", "file", row.uid)
        await end_fetch(tx, system, row, "the file did not arrive in time")
    return len(rows)
