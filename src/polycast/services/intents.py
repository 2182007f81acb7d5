"""What a file is for: the asset whose upload or fetch it is, as the file's row says it.

`{"asset": uid, "upload_type": word}`, which stays for as long as the file does; of a fetch, until that is over,
also where from, with which headers, which state of it was seen, and how many parts of that are there.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Text, cast, func, literal, literal_column, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from polycast.db.tables import assets, files
from polycast.domain.access import Caller
from polycast.domain.states import AssetStatus, FileStatus
from polycast.services import ledger

_OF_THE_FETCH = ["url", "headers", "size", "source", "held"]


def meant_for(asset: UUID) -> ColumnElement[bool]:
    """The files that were begun for an asset, whether they arrived or not."""
    # in just these words, which are those of the index
    named: ColumnElement[str] = literal_column("(files.intent ->> 'asset')", Text)
    return named == str(asset)


def without_address() -> ColumnElement[Any]:
    """The intent of a file that nobody fetches any more: addresses and headers may hold credentials."""
    return files.c.intent.op("-")(cast(literal(_OF_THE_FETCH, ARRAY(Text)), ARRAY(Text)))


async def end_fetch(tx: AsyncConnection, caller: Caller, file: Any, message: str) -> None:
    """A file that was still coming will not come: an asset that was being fetched fails with it.

    Args:
        file: its row, as it was before it was given up.
        message: why, for people.
    """
    if file.protocol != "pull" or file.status != FileStatus.UPLOADING:
        return
    failed = (
        await tx.execute(
            update(assets)
            # by now it may have got its file another way
            .where(assets.c.uid == UUID(file.intent["asset"]), assets.c.status == AssetStatus.PULLING)
            .values(status=AssetStatus.ERROR, error=message, updated_at=func.now())
            .returning(assets.c.uid)
        )
    ).first()
    if failed is not None:
        await ledger.record(tx, caller, "asset.failed", "asset", failed.uid, {"reason": message})
