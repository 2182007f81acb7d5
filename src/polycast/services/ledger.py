"""The ledgers every use case writes to, in its own transaction: events, usage and garbage."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from polycast.db.tables import events, garbage, usage
from polycast.domain.access import Caller


async def record(
    tx: AsyncConnection,
    caller: Caller,
    type_: str,
    subject_kind: str,
    subject_uid: UUID | None,
    payload: Mapping[str, Any] | None = None,
) -> None:
    """Append one event; `type_` is `noun.verb` in the past tense (`asset.created`)."""
    await tx.execute(
        insert(events).values(
            tenant_num=caller.tenant.num,
            type=type_,
            subject_kind=subject_kind,
            subject_uid=subject_uid,
            actor=caller.actor,
            request_id=caller.request_id,
            payload=dict(payload or {}),
        )
    )


async def count(
    tx: AsyncConnection, tenant_num: int, kind: str, quantity: float, subject_uid: UUID | None = None
) -> None:
    """Append to the usage ledger: stored_bytes (signed), encoded_ms, egress_bytes, live_ms, views."""
    if quantity:
        await tx.execute(
            insert(usage).values(tenant_num=tenant_num, kind=kind, quantity=quantity, subject_uid=subject_uid)
        )


async def discard(
    tx: AsyncConnection, keys: Iterable[str], *, after: timedelta = timedelta(), upload_id: str | None = None
) -> None:
    """Have objects deleted once this transaction is through; a key ending in `/` is a prefix."""
    rows = [
        {"key": key, "upload_id": upload_id, "not_before": func.now() + after if after else func.now()}
        for key in keys
    ]
    for row in rows:
        await tx.execute(insert(garbage).values(**row))
