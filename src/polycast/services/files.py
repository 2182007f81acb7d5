"""Uploaded files: look at them, change what is said of them, delete them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import UUID

from sqlalchemy import Row, Select, and_, delete, func, select, update
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncConnection

from polycast.db.engine import DEADLOCK, Database, retrying
from polycast.db.tables import asset_sources, assets, files
from polycast.domain.access import Caller, Permission
from polycast.domain.errors import NotFound
from polycast.domain.files import File
from polycast.domain.media import SourceInfo
from polycast.domain.paging import Page, PageRequest, grams
from polycast.domain.states import FileStatus
from polycast.services import ledger
from polycast.services.checks import checked_file_name, checked_metadata, checked_words
from polycast.services.filters import (
    COMMON,
    ListFilter,
    Listing,
    flat,
    given,
    searched,
)
from polycast.services.intents import end_fetch

# as answers show it: of an unfinished upload what was announced
_SIZE: LiteralString = "coalesce(size, declared_size)"
_LISTING = Listing(
    "files",
    conditions=COMMON
    | {
        "tenant": "tenant_num = %(tenant)s",
        "purpose": "purpose = %(purpose)s",
        "kind": "kinds @> ARRAY[%(kind)s]::varchar[]",
        "asset": "asset_num = (SELECT a.num FROM assets a WHERE a.uid = %(asset)s)",
        "query": searched("uid::text", "name", "friendly_name", "metadata::text"),
    },
    sorts={
        "createdate": "created_at",
        "lastmodificationdate": "updated_at",
        "filesize": _SIZE,
        "id": "uid",
        "name": "name",
        "friendlyname": "friendly_name",
        "metadata.friendlyname": "friendly_name",
        "metadata.name": "name",
        "status": "status",
    },
    nullable={_SIZE},
)

# an asset may use a file twice, for its picture and for its sound
_ASSETS_OF = (
    select(func.array_agg(aggregate_order_by(assets.c.uid, assets.c.num)))
    .where(
        assets.c.num.in_(
            select(asset_sources.c.asset_num).where(asset_sources.c.file_num == files.c.num).correlate(files)
        )
    )
    .correlate(files)
    .scalar_subquery()
)
# the trigrams are for the index alone: hundreds of words a row that nobody reads
QUERY: Select[Any] = select(*(c for c in files.c if c.name != "grams"), _ASSETS_OF.label("asset_uids"))


@dataclass(frozen=True, slots=True)
class FileChanges:
    """What may change of a file; None stays as it is. `metadata` is merged by key."""

    name: str | None = None
    friendly_name: str | None = None
    metadata: Mapping[str, Any] | None = None
    tags: Sequence[str] | None = None
    attributes: Sequence[str] | None = None


class Files:
    """Use cases on completed and unfinished files; uploading itself is in services/uploads."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def get(
        self, caller: Caller, uid: UUID, *, purpose: str = "source", asset: UUID | None = None
    ) -> File:
        """One file of the tenant, NotFound otherwise; images only below their own asset."""
        async with self._db.connect() as tx:
            row = (await tx.execute(QUERY.where(_own(caller, uid, purpose, asset)))).first()
        if row is None:
            raise NotFound("file", uid)
        return from_row(row)

    async def list(
        self,
        caller: Caller,
        page: PageRequest,
        chosen: ListFilter,
        *,
        purpose: str = "source",
        kind: str | None = None,
        asset: UUID | None = None,
    ) -> Page[File]:
        """A page of the tenant's files, oldest first unless sorted; `kind` is video, audio or caption."""
        values = {"tenant": caller.tenant.num, "purpose": purpose, **given(chosen)}
        if kind is not None:
            values["kind"] = kind
        if asset is not None:
            values["asset"] = asset
        total, nums = await _LISTING.page(self._db.reader, values, page)
        async with self._db.read() as tx:
            rows = {row.num: row for row in await tx.execute(QUERY.where(files.c.num.in_(nums)))}
        return Page([from_row(rows[num]) for num in nums if num in rows], total, page)

    async def update(self, caller: Caller, uid: UUID, changes: FileChanges) -> File:
        """Change names, metadata, tags or attributes.

        Raises:
            Invalid: a name is empty or over 1024 characters, or metadata is over 64 KiB.
        """
        caller.require(Permission.WRITE)
        values: dict[str, Any] = {}
        for name, field in (("name", "name"), ("friendly_name", "friendlyName")):
            if (text := getattr(changes, name)) is not None:
                values[name] = checked_file_name(text, field)
        if changes.tags is not None:
            values["tags"] = checked_words(changes.tags, "tags")
        if changes.attributes is not None:
            values["attributes"] = checked_words(changes.attributes, "attributes")
        async with self._db.transaction() as tx:
            old = (
                await tx.execute(
                    select(files).where(_own(caller, uid, "source", None)).with_for_update(of=files)
                )
            ).first()
            if old is None:
                raise NotFound("file", uid)
            if changes.metadata is not None:
                values["metadata"] = checked_metadata({**old.metadata, **changes.metadata})
            merged = {
                k: values.get(k, getattr(old, k)) for k in ("name", "friendly_name", "metadata", "tags")
            }
            values["grams"] = search_grams(uid, **merged)
            await tx.execute(
                update(files).where(files.c.num == old.num).values(**values, updated_at=func.now())
            )
            await ledger.record(tx, caller, "file.updated", "file", uid, {"fields": sorted(values)})
            return from_row((await tx.execute(QUERY.where(files.c.num == old.num))).one())

    async def delete(
        self, caller: Caller, uid: UUID, *, purpose: str = "source", asset: UUID | None = None
    ) -> str:
        """Delete record and bytes, also of an unfinished upload; assets made from it play on.

        An asset for which it was still being fetched fails.

        Returns:
            The storage key of what was removed.
        """
        caller.require(Permission.WRITE)
        # as `Uploads.cancel`
        return await retrying(lambda: self._delete(caller, uid, purpose, asset), states=frozenset({DEADLOCK}))

    async def _delete(self, caller: Caller, uid: UUID, purpose: str, asset: UUID | None) -> str:
        async with self._db.transaction() as tx:
            row = (
                await tx.execute(delete(files).where(_own(caller, uid, purpose, asset)).returning(files))
            ).first()
            if row is None:
                raise NotFound("file", uid)
            await discard_file(tx, row)
            await ledger.record(tx, caller, "file.deleted", "file", uid, {"size": row.size or 0})
            await end_fetch(tx, caller, row, "the file was deleted before it had arrived")
        return str(row.key)


async def discard_file(tx: AsyncConnection, row: Row[Any]) -> None:
    """Have the bytes of a deleted file row cleared, parts of an open upload too; book the freed bytes."""
    # of a completed upload the store still keeps what it answers repeated completions from
    await ledger.discard(tx, [row.key], upload_id=row.upload_id)
    if row.protocol == "tus":
        await ledger.discard(tx, [tail_folder(row.key)])
    await ledger.count(tx, row.tenant_num, "stored_bytes", -(row.size or 0), row.uid)


def tail_folder(key: str) -> str:
    """Where an upload that may stop anywhere (tus) keeps what does not fill a part yet; `key` is the file's."""
    return f"{key.rpartition('/')[0]}/tail/"


def _asset_num(uid: UUID) -> Any:
    return select(assets.c.num).where(assets.c.uid == uid).scalar_subquery()


def _own(caller: Caller, uid: UUID, purpose: str, asset: UUID | None) -> Any:
    where = and_(files.c.uid == uid, files.c.tenant_num == caller.tenant.num, files.c.purpose == purpose)
    return and_(where, files.c.asset_num == _asset_num(asset)) if asset is not None else where


def search_grams(
    uid: UUID, name: str, friendly_name: str, metadata: Mapping[str, Any], tags: Sequence[str]
) -> list[str]:
    """The trigrams a file is found by."""
    return grams(str(uid), name, friendly_name, flat(dict(metadata)), *tags)


def from_row(row: Row[Any]) -> File:
    """A row of `QUERY` (or of the table alone) as a value."""
    m = row._mapping
    return File(
        num=m["num"],
        uid=m["uid"],
        tenant_num=m["tenant_num"],
        purpose=m["purpose"],
        asset_num=m["asset_num"],
        name=m["name"],
        original_name=m["original_name"],
        friendly_name=m["friendly_name"],
        content_type=m["content_type"],
        key=m["key"],
        status=FileStatus(m["status"]),
        error=m["error"],
        protocol=m["protocol"],
        upload_id=m["upload_id"],
        part_size=m["part_size"],
        declared_size=m["declared_size"],
        size=m["size"],
        intent=m["intent"],
        kinds=tuple(m["kinds"]),
        probe=SourceInfo.from_json(m["probe"]) if m["probe"] else None,
        width=m["width"],
        height=m["height"],
        metadata=m["metadata"],
        tags=tuple(m["tags"]),
        attributes=tuple(m["attributes"]),
        uploaded_at=m["uploaded_at"],
        expires_at=m["expires_at"],
        created_at=m["created_at"],
        updated_at=m["updated_at"],
        asset_uids=tuple(m.get("asset_uids") or ()),
    )
