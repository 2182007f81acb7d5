"""Assets: create, find, change and delete what can be played."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString, TypedDict, Unpack
from uuid import UUID, uuid4

from sqlalchemy import (
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from polycast.db.engine import DEADLOCK, Database, retrying
from polycast.db.tables import (
    asset_sources,
    assets,
    files,
    outputs,
)
from polycast.domain.access import Caller, Permission
from polycast.domain.assets import Asset, AssetSource
from polycast.domain.errors import Conflict, NotFound
from polycast.domain.files import upload_stands
from polycast.domain.paging import Page, PageRequest
from polycast.domain.presets import DEFAULT_PRESET, PRESETS
from polycast.domain.states import AssetStatus, FileStatus
from polycast.domain.titles import settled
from polycast.jobs.queue import JobQueue
from polycast.services import ledger
from polycast.services.asset_changes import (
    AssetChanges,
    change_asset,
    collection_num,
    own_asset,
    reference,
    searchable,
)
from polycast.services.asset_details import find_asset, find_assets, load_asset
from polycast.services.checks import check_source, checked_metadata, checked_text
from polycast.services.crashpoints import reached
from polycast.services.filters import COMMON, ListFilter, Listing, given, searched
from polycast.services.making import cancel_work, discard_later, lock_asset, scratch_folder, start_again
from polycast.services.originals import drop_belongings

# as the index has it; titles that agree so far are in the order of their creation
_TITLE: LiteralString = '"left"(title, 200)'
_LISTING = Listing(
    "assets",
    conditions=COMMON
    | {
        "tenant": "tenant_num = %(tenant)s",
        "query": searched(
            "uid::text", "title", "description", "metadata::text", "array_to_string(tags, E'\\n')"
        ),
        "presets": "preset = ANY(%(presets)s)",
        "kinds": "kind = ANY(%(kinds)s)",
        "duration_from": "duration_ms >= %(duration_from)s",
        "duration_to": "duration_ms <= %(duration_to)s",
        "without": "status <> %(without)s",
        "file": "EXISTS (SELECT FROM asset_sources s WHERE s.asset_num = assets.num AND s.file_uid = %(file)s)",
        "collection": "collection_num = %(collection)s",
        "uncollected": "collection_num IS NULL",
    },
    sorts={
        "createdate": "created_at",
        "lastmodificationdate": "updated_at",
        "id": "uid",
        "title": _TITLE,
        "metadata.title": _TITLE,
        "status": "status",
        "preset": "preset",
        "durationmilliseconds": "duration_ms",
    },
    nullable={"duration_ms"},
)


class NewAsset(TypedDict, total=False):
    """What may be said of a new asset; as the arguments of `Assets.create_within`."""

    title: str
    preset: str | None
    sources: Sequence[AssetSource]
    metadata: Mapping[str, Any] | None
    description: str
    collection: UUID | str | None
    reference_id: str | None
    custom_id: str | None
    upload_type: str
    output_name: str
    status: AssetStatus | None


@dataclass(frozen=True, slots=True)
class AssetFilter:
    """Filters of assets beside the common ones; durations in milliseconds, inclusive."""

    presets: Sequence[str] = ()
    kinds: Sequence[str] = ()
    file: UUID | None = None
    collection: UUID | str | None = None
    duration_from: int | None = None
    duration_to: int | None = None
    with_file: bool = False


class Assets:
    """Use cases on assets of every kind."""

    def __init__(self, db: Database, jobs: JobQueue) -> None:
        self._db = db
        self._jobs = jobs

    async def create(self, caller: Caller, **about: Unpack[NewAsset]) -> Asset:
        """A new asset; with sources its work starts at once, without it waits for a file as `pending`.

        Raises:
            Invalid: bad text or metadata.
            NotFound: no such preset; a file or the collection is not the tenant's.
            Conflict: a file is not completed.
        """
        async with self._db.transaction() as tx:
            return await self.create_within(tx, caller, **about)

    async def create_within(
        self,
        tx: AsyncConnection,
        caller: Caller,
        *,
        uid: UUID | None = None,
        title: str = "",
        preset: str | None = None,
        sources: Sequence[AssetSource] = (),
        metadata: Mapping[str, Any] | None = None,
        description: str = "",
        collection: UUID | str | None = None,
        reference_id: str | None = None,
        custom_id: str | None = None,
        upload_type: str = "api",
        output_name: str = "main",
        status: AssetStatus | None = None,
    ) -> Asset:
        """As `create`, in the caller's transaction; `uid` where it was given out before."""
        caller.require(Permission.WRITE)
        uid = uid or uuid4()
        preset = preset or DEFAULT_PRESET
        reference_id, custom_id = reference(reference_id, "reference_id"), reference(custom_id, "custom_id")
        if preset not in PRESETS:
            raise NotFound("preset", preset)
        title, meta = settled(title or None, metadata or {})
        title = checked_text(title, "title", 1024)
        description = checked_text(description, "description", 64 * 1024)
        meta = checked_metadata(meta)
        num = (
            await tx.execute(
                insert(assets)
                .values(
                    uid=uid,
                    tenant_num=caller.tenant.num,
                    title=title,
                    description=description,
                    metadata=meta,
                    grams=searchable(uid, title, description, meta, ()),
                    preset=preset,
                    collection_num=await collection_num(tx, caller, collection, held=True),
                    reference_id=reference_id,
                    custom_id=custom_id,
                    upload_type=upload_type,
                    status=status or AssetStatus.PENDING,
                )
                .returning(assets.c.num)
            )
        ).scalar_one()
        await tx.execute(
            insert(outputs).values(
                asset_num=num,
                tenant_num=caller.tenant.num,
                name=output_name,
                preset=preset,
                kind=PRESETS[preset].kind,
                main=True,
            )
        )
        await ledger.record(tx, caller, "asset.created", "asset", uid, {"preset": preset, "title": title})
        if sources:
            await self.attach(tx, caller, num, uid, sources)
        return await load_asset(tx, num)

    async def attach(
        self,
        tx: AsyncConnection,
        caller: Caller,
        asset_num: int,
        asset_uid: UUID,
        sources: Sequence[AssetSource],
    ) -> None:
        """Give an asset its files (replacing those it had) and start its outputs, in the caller's transaction.

        Raises:
            NotFound, Conflict: a file is unknown, or not completed.
        """
        await lock_asset(tx, asset_num)
        # held before the old sources go, as whoever deletes a file does it: one waits, neither for ever
        held = await tx.execute(
            select(files)
            .where(
                files.c.uid.in_([source.file_uid for source in sources]),
                files.c.tenant_num == caller.tenant.num,
                files.c.purpose == "source",
            )
            .order_by(files.c.num)
            .with_for_update(read=True, key_share=True)
        )
        found = {row.uid: row for row in held}
        await tx.execute(delete(asset_sources).where(asset_sources.c.asset_num == asset_num))
        total = 0
        for position, source in enumerate(sources):
            row = found.get(source.file_uid)
            if row is None:
                raise NotFound("file", source.file_uid)
            if row.status != FileStatus.COMPLETED:
                stands = upload_stands(FileStatus(row.status), row.error)
                raise Conflict(f"the upload of file {source.file_uid} {stands}")
            check_source(row.probe, source)
            total += row.size or 0
            await tx.execute(
                insert(asset_sources).values(
                    asset_num=asset_num,
                    position=position,
                    file_num=row.num,
                    file_uid=row.uid,
                    kinds=list(source.kinds or row.kinds),
                    tracks=[
                        {"track": t.track, "kind": t.kind, "language": t.language, "name": t.name}
                        for t in source.tracks
                    ]
                    if source.tracks or not source.auto_audio
                    else {"auto": True},
                )
            )
        await tx.execute(
            update(assets)
            .where(assets.c.num == asset_num)
            .values(
                # a replaced source: the old generation plays on
                status=func.coalesce(
                    select(assets.c.status)
                    .where(assets.c.num == asset_num, assets.c.status == AssetStatus.AVAILABLE)
                    .scalar_subquery(),
                    AssetStatus.QUEUED,
                ),
                error=None,
                source_size=total,
                uploaded_at=func.now(),
                updated_at=func.now(),
            )
        )
        await start_again(tx, self._jobs, caller.tenant.num, outputs.c.asset_num == asset_num)
        await ledger.record(
            tx, caller, "asset.queued", "asset", asset_uid, {"files": [str(s.file_uid) for s in sources]}
        )

    async def get(self, caller: Caller, uid: UUID) -> Asset:
        """One asset of the tenant with all its details; NotFound otherwise."""
        found = await find_asset(self._db.reader, uid=uid, tenant=caller.tenant.num)
        if found is None:
            raise NotFound("asset", uid)
        return found

    async def find(
        self, caller: Caller, *, reference_id: str | None = None, custom_id: str | None = None
    ) -> Asset:
        """The newest asset with the caller's own reference; NotFound when none matches."""
        where = [assets.c.tenant_num == caller.tenant.num]
        if reference_id is not None:
            where.append(assets.c.reference_id == reference_id)
        if custom_id is not None:
            where.append(assets.c.custom_id == custom_id)
        async with self._db.connect() as tx:
            num = (
                await tx.execute(select(assets.c.num).where(*where).order_by(assets.c.num.desc()).limit(1))
            ).scalar()
            if num is None:
                raise NotFound("asset", reference_id or custom_id or "")
            return await load_asset(tx, num)

    async def list(
        self,
        caller: Caller,
        page: PageRequest,
        chosen: ListFilter,
        more: AssetFilter | None = None,
        *,
        presentation: bool = False,
    ) -> Page[Asset]:
        """A page of assets, oldest first unless sorted, with sources and outputs of each.

        Args:
            presentation: with chapters, captions and named pictures, too.
        """
        total, nums = await self._found(caller, page, chosen, more)
        found = await find_assets(self._db.reader, nums, presentation=presentation) if nums else ()
        return Page(found, total, page)

    async def list_in_pieces(
        self,
        caller: Caller,
        page: PageRequest,
        chosen: ListFilter,
        more: AssetFilter | None = None,
        *,
        presentation: bool = False,
        piece: int = 250,
    ) -> AsyncIterator[Sequence[Asset]]:
        """The assets of `list`, at most `piece` of them at a time: thousands at once would fill the memory, and
        hold up everybody else while they are read."""
        _, nums = await self._found(caller, page, chosen, more)
        for at in range(0, len(nums), piece):
            yield await find_assets(self._db.reader, nums[at : at + piece], presentation=presentation)

    async def _found(
        self, caller: Caller, page: PageRequest, chosen: ListFilter, more: AssetFilter | None
    ) -> tuple[int, Sequence[int]]:
        more = more or AssetFilter()
        values: dict[str, Any] = {"tenant": caller.tenant.num, **given(chosen)}
        for name in ("presets", "kinds"):
            if words := getattr(more, name):
                values[name] = list(words)
        for name in ("duration_from", "duration_to", "file"):
            if (value := getattr(more, name)) is not None:
                values[name] = value
        if more.with_file:
            values["without"] = AssetStatus.PENDING.value
        if more.collection is not None:
            async with self._db.read() as tx:
                number = await collection_num(tx, caller, more.collection)
            values["uncollected" if number is None else "collection"] = number
        return await _LISTING.page(self._db.reader, values, page)

    async def update(self, caller: Caller, uid: UUID, changes: AssetChanges) -> Asset:
        """Change what is said of an asset.

        Raises:
            Invalid: a text, map or switch is not acceptable; names the field.
        """
        caller.require(Permission.WRITE)
        async with self._db.transaction() as tx:
            num = await change_asset(tx, caller, uid, changes)
            return await load_asset(tx, num)

    async def delete(self, caller: Caller, uid: UUID, *, with_files: bool = False) -> None:
        """Delete an asset, its outputs and media; running jobs are cancelled.

        Args:
            with_files: also the source files that no other asset uses.
        """
        caller.require(Permission.WRITE)
        # deleting takes rows in an order of the database's choosing, others may hold one of them
        await retrying(lambda: self._delete(caller, uid, with_files), states=frozenset({DEADLOCK}))
        await reached("delete.committed")

    async def _delete(self, caller: Caller, uid: UUID, with_files: bool) -> None:
        async with self._db.transaction() as tx:
            row = (await tx.execute(select(assets).where(own_asset(caller, uid)).with_for_update())).first()
            if row is None:
                raise NotFound("asset", uid)
            made = (
                await tx.execute(select(outputs.c.num, outputs.c.uid).where(outputs.c.asset_num == row.num))
            ).all()
            await cancel_work(tx, self._jobs, [output.num for output in made])
            await drop_belongings(tx, row.tenant_num, row.num, uid, with_sources=with_files)
            await tx.execute(delete(assets).where(assets.c.num == row.num))
            await discard_later(tx, [f"media/{uid}/", *(scratch_folder(output.uid) for output in made)])
            await ledger.count(tx, row.tenant_num, "stored_bytes", -row.stored_size, uid)
            await ledger.record(tx, caller, "asset.deleted", "asset", uid, {"title": row.title})
