"""Uploads: parts to signed addresses, tus, and what happens when the last byte is there."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import and_, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from polycast.db.engine import DEADLOCK, Database, retrying
from polycast.db.tables import assets, files, tenants
from polycast.domain.access import Caller, Permission
from polycast.domain.assets import AssetSource
from polycast.domain.errors import Conflict, Invalid, NotFound, TooLarge
from polycast.domain.files import (
    DEFAULT_PART_SIZE,
    File,
    PartPlan,
    part_limit,
    plan_parts,
    upload_stands,
    whole_of_parts,
)
from polycast.domain.states import FileStatus
from polycast.protocols.signing import Keyring, sign_upload_part, verify_upload_part
from polycast.services import ledger
from polycast.services.asset_changes import AssetChanges, change_asset
from polycast.services.assets import Assets
from polycast.services.checks import checked_file_name, checked_metadata, plain_extension
from polycast.services.crashpoints import reached
from polycast.services.files import QUERY, from_row, search_grams
from polycast.services.incoming import Incoming
from polycast.services.intents import without_address
from polycast.services.probing import Probing
from polycast.services.quotas import Quotas
from polycast.services.tenants import Tenants
from polycast.services.upload_ends import cancel_upload, expire_uploads
from polycast.services.upload_turns import HOLD_S, UploadTurns
from polycast.storage.interface import ObjectStore, PartInfo

log = logging.getLogger(__name__)

MAX_FILE_SIZE = 5 * 1024**4
URL_LIFE = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Upload:
    """An open upload and its part plan; `plan` is None where the client chooses its parts."""

    file: File
    plan: PartPlan | None


class Uploads:
    """Use cases of getting bytes in. Storage is asked outside transactions, rows change inside one."""

    def __init__(
        self,
        db: Database,
        store: ObjectStore,
        ring: Keyring,
        tenants_: Tenants,
        quotas: Quotas,
        assets_: Assets,
        probing: Probing,
        *,
        expiry: timedelta = timedelta(days=2),
        max_bytes: int = MAX_FILE_SIZE,
        hold_s: float = HOLD_S,
    ) -> None:
        self._db = db
        self._store = store
        self._ring = ring
        self._tenants = tenants_
        self._quotas = quotas
        self._assets = assets_
        self._probing = probing
        self._expiry = expiry
        self._max_bytes = max_bytes
        self._turns = UploadTurns(db, hold_s)
        self._incoming = Incoming(db, store, quotas, max_bytes)

    @property
    def max_bytes(self) -> int:
        """Bytes of the largest file accepted."""
        return self._max_bytes

    async def start(
        self,
        caller: Caller,
        *,
        name: str,
        friendly_name: str | None = None,
        size: int | None = None,
        metadata: Mapping[str, Any] | None = None,
        content_type: str | None = None,
        purpose: str = "source",
        asset: UUID | None = None,
        intent: Mapping[str, Any] | None = None,
        collection: UUID | None = None,
        protocol: str = "parts",
        part_size: int = DEFAULT_PART_SIZE,
        beside: Callable[[AsyncConnection, File], Awaitable[object]] | None = None,
    ) -> Upload:
        """Open an upload.

        Args:
            size: bytes, if the client says so beforehand; then there is a part plan and completion
                insists on the size.
            purpose: source, image or caption; the latter two belong to `asset`.
            intent: what the file is for, e.g. {"asset": uid} of an asset that waits for it.
            collection: where that asset is put.
            beside: done in the same transaction: all of it is there, or nothing.

        Raises:
            Invalid: size not in 1 … `max_bytes`, bad names or metadata.
            QuotaExceeded: the tenant's disk quota would be exceeded.
            NotFound: the asset or the collection is not the tenant's.
        """
        caller.require(Permission.WRITE)
        name = checked_file_name(name, "name")
        friendly = checked_file_name(friendly_name, "friendlyName") if friendly_name is not None else ""
        meta = checked_metadata(metadata or {})
        if size is not None and not 0 < size <= self.max_bytes:
            raise Invalid(f"the file size must be 1 to {self.max_bytes} bytes", field="size")
        plan = plan_parts(size, part_size) if size is not None else None
        await self._quotas.check(caller, size or 0)
        uid = uuid4()
        folder = {"image": "images", "caption": "captions"}.get(purpose, "files")
        key = f"{folder}/{caller.tenant.uid}/{uid}/source{plain_extension(name)}"
        upload_id = await self._store.begin_multipart(
            key, content_type=content_type, part_size=plan.part_size if plan else None
        )
        values = {
            "uid": uid,
            "tenant_num": caller.tenant.num,
            "purpose": purpose,
            "name": name,
            "original_name": name,
            "friendly_name": friendly,
            "content_type": content_type,
            "key": key,
            "protocol": protocol,
            "upload_id": upload_id,
            "part_size": plan.part_size if plan else None,
            "declared_size": size,
            "intent": dict(intent or {}),
            "metadata": meta,
            "grams": search_grams(uid, name, friendly, meta, ()),
            "expires_at": func.now() + self._expiry,
        }
        try:
            async with self._db.transaction() as tx:
                asset_num = await _asset_num(tx, caller, asset) if asset is not None else None
                await self._quotas.check_in_turn(tx, caller, size or 0)
                await tx.execute(insert(files).values(asset_num=asset_num, **values))
                opened = {"size": size, "protocol": protocol}
                await ledger.record(tx, caller, "file.started", "file", uid, opened)
                file = from_row((await tx.execute(QUERY.where(files.c.uid == uid))).one())
                if collection is not None:
                    moved = AssetChanges(collection=collection)
                    await change_asset(tx, caller, UUID(file.intent["asset"]), moved)
                if beside is not None:
                    await beside(tx, file)
        except BaseException:
            # no row tells of it, so nobody else would ever clear it
            await self._store.abort_multipart(key, upload_id)
            raise
        return Upload(file, plan)

    async def part_url(
        self, caller: Caller, file: File, number: int, base_url: str, *, now: datetime | None = None
    ) -> str:
        """The address one part is PUT to, good for a day: the store's own, or ours with a signed token.

        Raises:
            Forbidden: whoever holds the address may write, so only who may write gets one.
            Invalid: the part is outside the plan, or not 1 to 10 000.
            Conflict: the upload is closed.
        """
        caller.require(Permission.WRITE)
        most = part_limit(file, number)
        if file.status is not FileStatus.UPLOADING or file.upload_id is None:
            raise _closed(file)
        presigned = await self._store.presign_part(
            file.key,
            file.upload_id,
            number,
            int(URL_LIFE.total_seconds()),
            size=most if file.declared_size is not None else None,
        )
        if presigned is not None:
            return presigned
        expires = int(((now or datetime.now(UTC)) + URL_LIFE).timestamp())
        token = sign_upload_part(
            self._ring, upload=str(file.uid), part=number, max_bytes=most, expires=expires
        )
        return f"{base_url}/upload/{token}"

    async def put_part(
        self, token: str, body: AsyncIterator[bytes], length: int | None, *, now: datetime | None = None
    ) -> PartInfo:
        """Receive the body of a signed part address.

        Raises:
            BadToken, ExpiredToken: the token is not ours or too old.
            NotFound: the upload is gone. Conflict: it is closed. TooLarge: more bytes than the part has, or than
                any file may have. QuotaExceeded: the tenant's disk quota would be exceeded.
        """
        part = verify_upload_part(self._ring, token, now=(now or datetime.now(UTC)).timestamp())
        file = await self._by_uid(UUID(part.upload))
        if file.status is not FileStatus.UPLOADING or file.upload_id is None:
            raise _closed(file)
        if length is not None and length > part.max_bytes:
            raise TooLarge(f"the part is larger than {part.max_bytes} bytes", field="size")
        async with self._counted(file, part.part, body, length) as counted:
            received = await self._store.put_part(
                file.key, file.upload_id, part.part, counted, part.max_bytes, size=length
            )
        await reached("upload.part")
        return received

    def _counted(
        self, file: File, number: int, body: AsyncIterator[bytes], length: int | None
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """What was announced at the start was judged at the start; anything else is judged as it comes."""
        if file.declared_size is not None:
            return nullcontext(body)
        return self._incoming.counted(file, number, body, length)

    async def list_parts(self, file: File) -> list[PartInfo]:
        """Parts received so far, ascending; empty when the upload is closed."""
        if file.status is not FileStatus.UPLOADING or file.upload_id is None:
            return []
        return list(await self._store.list_parts(file.key, file.upload_id))

    async def complete(
        self, caller: Caller, uid: UUID, parts: Sequence[tuple[int, str]], *, purpose: str = "source"
    ) -> File:
        """Close an upload: check and join its parts, probe the file, hand it to who waits for it.

        Calling it again with the same parts answers the same.

        Args:
            parts: (number, ETag) of every part, in any order, with or without quotes.

        Raises:
            Invalid: a part is missing, unknown, or of another size or ETag; `field` is `parts`.
            Conflict: the upload was cancelled.
            TooLarge, QuotaExceeded: more bytes came than may; only where no size was announced.
            Unreadable: an image or caption that is none.
        """
        caller.require(Permission.WRITE)
        file = await self._own(caller, uid, purpose)
        if file.status is FileStatus.ERROR or file.upload_id is None:
            raise _closed(file)
        ordered = whole_of_parts(file, parts)
        if file.declared_size is None and file.status is FileStatus.UPLOADING:
            await self._incoming.check_whole(caller, file, {number for number, _ in ordered})
        # checked before the parts are joined: a refused completion can be mended and tried again
        info = await self._store.complete_multipart(
            file.key, file.upload_id, ordered, expected_size=file.declared_size
        )
        await reached("upload.joined")
        if file.status is FileStatus.COMPLETED:
            return file
        done = await self._finish(caller, file, info.size)
        await reached("upload.completed")
        return done

    def alone(self, file: File) -> AbstractAsyncContextManager[None]:
        """Be the only one who writes to an upload; see `UploadTurns.alone`. Raises Conflict."""
        return self._turns.alone(file)

    async def finish_stored(self, caller: Caller, uid: UUID, size: int) -> File:
        """Close an upload whose object the store already holds whole (tus, pull)."""
        return await self._finish(caller, await self._own(caller, uid, None), size)

    async def _finish(self, caller: Caller, file: File, size: int) -> File:
        """Write down that the file is whole; exactly one of several concurrent callers goes on."""
        found = await self._probing.look_at(file)
        async with self._db.transaction() as tx:
            row = (
                await tx.execute(
                    update(files)
                    .where(files.c.num == file.num, files.c.status == FileStatus.UPLOADING)
                    .values(
                        status=FileStatus.COMPLETED,
                        size=size,
                        uploaded_at=func.now(),
                        updated_at=func.now(),
                        expires_at=None,
                        intent=without_address(),
                        **found,
                    )
                    .returning(files.c.num)
                )
            ).first()
            if row is not None:
                await ledger.record(tx, caller, "file.completed", "file", file.uid, {"size": size})
                await ledger.count(tx, file.tenant_num, "stored_bytes", size, file.uid)
                await self._hand_over(tx, caller, file)
            now = (await tx.execute(QUERY.where(files.c.num == file.num))).first()
            if now is None:
                raise NotFound("upload", file.uid)  # deleted, or expired, while it was looked at
            if now.status != FileStatus.COMPLETED:
                raise Conflict(f"the upload {upload_stands(FileStatus(now.status), now.error)}")
            return from_row(now)

    async def _hand_over(self, tx: AsyncConnection, caller: Caller, file: File) -> None:
        """Attach the file to the asset that waits for it, all its audio included."""
        wanted = file.intent.get("asset")
        if wanted is None:
            return
        asset = (
            await tx.execute(
                select(assets.c.num, assets.c.uid)
                .where(assets.c.uid == UUID(wanted), assets.c.tenant_num == file.tenant_num)
                .with_for_update(key_share=True)
            )
        ).first()
        if asset is not None:  # it may have been deleted while bytes were coming in
            await tx.execute(
                update(assets)
                .where(assets.c.num == asset.num)
                .values(upload_type=file.intent.get("upload_type", file.protocol))
            )
            await self._assets.attach(
                tx, caller, asset.num, asset.uid, [AssetSource(file.uid, auto_audio=True)]
            )

    async def cancel(self, caller: Caller, uid: UUID, *, remove: bool, purpose: str = "source") -> None:
        """Abort an upload and free its parts; the record stays with status error unless `remove`.

        Raises:
            Conflict: the upload is completed already.
        """
        caller.require(Permission.WRITE)
        # an asset that waits for the file hears of it; whoever deletes that one comes from the other side
        await retrying(lambda: self._cancel(caller, uid, remove, purpose), states=frozenset({DEADLOCK}))

    async def _cancel(self, caller: Caller, uid: UUID, remove: bool, purpose: str) -> None:
        async with self._db.transaction() as tx:
            await cancel_upload(tx, caller, uid, remove=remove, purpose=purpose)

    async def expire(self, now: datetime, *, limit: int = 100) -> int:
        """Drop uploads that were not completed in time; returns how many. For upkeep."""
        async with self._db.transaction() as tx:
            return await expire_uploads(tx, self._tenants, now, limit)

    async def _by_uid(self, uid: UUID) -> File:
        async with self._db.connect() as tx:
            row = (
                await tx.execute(
                    QUERY.join(tenants, tenants.c.num == files.c.tenant_num).where(
                        files.c.uid == uid, tenants.c.status == "active"
                    )
                )
            ).first()
        if row is None:
            raise NotFound("upload")
        return from_row(row)

    async def _own(self, caller: Caller, uid: UUID, purpose: str | None) -> File:
        where = and_(files.c.uid == uid, files.c.tenant_num == caller.tenant.num)
        if purpose is not None:
            where = and_(where, files.c.purpose == purpose)
        async with self._db.connect() as tx:
            row = (await tx.execute(QUERY.where(where))).first()
        if row is None:
            raise NotFound("file", uid)
        return from_row(row)


async def _asset_num(tx: AsyncConnection, caller: Caller, uid: UUID) -> int:
    num = (
        await tx.execute(
            select(assets.c.num).where(assets.c.uid == uid, assets.c.tenant_num == caller.tenant.num)
        )
    ).scalar()
    if num is None:
        raise NotFound("asset", uid)
    return int(num)


def _closed(file: File) -> Conflict:
    """Why no part of a file can be taken any more."""
    if file.status is FileStatus.UPLOADING:
        return Conflict("the upload does not come in parts")
    return Conflict(f"the upload {upload_stands(file.status, file.error)}")
