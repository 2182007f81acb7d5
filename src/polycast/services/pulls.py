"""Pulls: a video fetched from an address instead of uploaded."""

import logging
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit
from uuid import UUID, uuid4

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from polycast.db.engine import Database
from polycast.db.tables import assets, files
from polycast.domain.access import Caller, Permission
from polycast.domain.assets import Asset
from polycast.domain.errors import Invalid
from polycast.domain.files import File
from polycast.domain.states import AssetStatus, FileStatus
from polycast.jobs.queue import JobQueue
from polycast.net.outbound import OutboundClient, SourceChanged
from polycast.net.source import Source
from polycast.services import ledger
from polycast.services.assets import Assets
from polycast.services.files import QUERY, discard_file, from_row
from polycast.services.intents import end_fetch, without_address
from polycast.services.pieces import Pieces
from polycast.services.quotas import Quotas
from polycast.services.tenants import Tenants, as_system
from polycast.services.uploads import Uploads
from polycast.services.vault import Vault
from polycast.storage.interface import ObjectStore, PartInfo

log = logging.getLogger(__name__)

PULL_JOB = "pull"
_PART = 64 * 1024 * 1024


class Pulls:
    """Use cases of fetching; the outbound client refuses private addresses and follows redirects itself."""

    def __init__(
        self,
        db: Database,
        store: ObjectStore,
        jobs: JobQueue,
        outbound: OutboundClient,
        vault: Vault,
        tenants: Tenants,
        assets_: Assets,
        uploads: Uploads,
        quotas: Quotas,
    ) -> None:
        self._db = db
        self._store = store
        self._jobs = jobs
        self._outbound = outbound
        self._vault = vault
        self._tenants = tenants
        self._assets = assets_
        self._uploads = uploads
        self._quotas = quotas

    async def start(
        self,
        caller: Caller,
        *,
        url: str,
        title: str,
        headers: Mapping[str, str] | None = None,
        collection: UUID | str | None = None,
        custom_id: str | None = None,
        preset: str | None = None,
    ) -> tuple[Asset, int]:
        """Check that the source answers, make the asset as `pulling`, fetch in the background.

        Returns:
            The asset, and the bytes the source announces (0 when it does not say).

        Raises:
            Invalid: the address is refused. UpstreamFailed: the source cannot be reached.
        """
        caller.require(Permission.WRITE)
        info = await self._outbound.head_or_get_info(url, headers or {})
        if info.size is not None and info.size > self._uploads.max_bytes:
            raise Invalid(f"the source is larger than {self._uploads.max_bytes} bytes", field="url")
        await self._quotas.check(caller, info.size or 0)
        uid = uuid4()
        made: list[Asset] = []

        async def make(tx: AsyncConnection, file: File) -> None:
            asset = await self._assets.create_within(
                tx,
                caller,
                uid=uid,
                title=title,
                preset=preset,
                collection=collection,
                custom_id=custom_id,
                upload_type="pull",
                status=AssetStatus.PULLING,
            )
            made.append(asset)
            await self._jobs.enqueue(
                tx, PULL_JOB, {"file": file.num}, lock=f"pull:{file.num}", turn=caller.tenant.num
            )

        name = "".join(ch for ch in unquote(urlsplit(url).path.rsplit("/", 1)[-1]) if ch.isprintable())
        await self._uploads.start(
            caller,
            name=name.strip()[:200] or "pulled",
            protocol="pull",
            # headers may hold credentials: sealed, and gone when the fetch is over
            intent={
                "asset": str(uid),
                "upload_type": "pull",
                "url": self._vault.seal(url),
                "headers": {k: self._vault.seal(v) for k, v in (headers or {}).items()},
                "size": info.size,
            },
            # at once: no video waits for a file that nobody fetches
            beside=make,
        )
        return made[0], info.size or 0

    async def run(self, file_num: int) -> None:
        """Job `pull`: fetch a file in parts; a repeated job goes on behind the parts that are there, where the
        source can be gone on with, and begins anew where it cannot.

        Raises:
            UpstreamFailed: for another try.
        """
        async with self._db.connect() as tx:
            row = (await tx.execute(QUERY.where(files.c.num == file_num))).first()
        if row is None or row.status != FileStatus.UPLOADING:
            return
        file = from_row(row)
        caller = as_system((await self._tenants.by_num(file.tenant_num)).ref, "system:pull")
        url = self._vault.open(file.intent["url"])
        headers = {k: self._vault.open(v) for k, v in file.intent["headers"].items()}
        if file.upload_id is None:
            return
        if not await self._wanted(file):
            await self.failed(file_num, "the video was deleted")
            return
        quota = await self._quotas.limit(caller)
        most = self._uploads.max_bytes
        source, held = await self._held(file)
        parts = [(part.number, part.etag) for part in held]
        total = _PART * len(held)

        async def seen(found: Source) -> None:
            await self._remember(file.num, found, len(parts))

        if source is None or total != source.size:
            stream = self._outbound.stream(
                url,
                headers,
                max_bytes=min(most, quota or most),
                offset=total,
                source=source,
                on_source=seen,
            )
            body = Pieces(stream)
            try:
                while await body.more():
                    number = len(parts) + 1
                    part = await self._store.put_part(
                        file.key, file.upload_id, number, body.take(_PART), _PART
                    )
                    parts.append((number, part.etag))
                    total += part.size
                    if not await self._keep_alive(file.num, len(parts)):
                        return
                    await self._quotas.check(caller, total)
                    if not await self._wanted(file):
                        await self.failed(file_num, "the video was deleted")
                        return
            except SourceChanged:
                await self._remember(file.num, None, 0)  # the next try begins anew
                raise
            finally:
                await stream.aclose()
        if not parts:
            await self.failed(file_num, "the source is empty")
            return
        await self._uploads.complete(caller, file.uid, parts)

    async def _held(self, file: File) -> tuple[Source | None, list[PartInfo]]:
        """What an earlier try left that can be gone on with: the state of the source it saw, and whole parts of it."""
        kept = file.intent.get("source")
        source = Source.from_json(kept) if kept else None
        if source is None or not source.resumable:
            return None, []
        received = sorted(await self._uploads.list_parts(file), key=lambda part: part.number)
        # more may lie there, of another state of the source
        counted = received[: file.intent.get("held", 0)]
        held = [p for n, p in enumerate(counted, 1) if p.number == n and p.size == _PART]
        return (source, held) if held else (None, [])

    async def _remember(self, file_num: int, source: Source | None, held: int) -> None:
        """Keep with the file which state of its source is being fetched, None for none that is there still, and how
        many of its parts are there."""
        kept = {"source": source.to_json() if source is not None else None, "held": held}
        async with self._db.transaction() as tx:
            await tx.execute(
                update(files)
                .where(files.c.num == file_num, files.c.status == FileStatus.UPLOADING)
                .values(intent=files.c.intent.op("||")(kept))
            )

    async def failed(self, file_num: int, message: str) -> None:
        """The fetch is given up: the asset says why, the parts are freed."""
        async with self._db.transaction() as tx:
            row = (await tx.execute(select(files).where(files.c.num == file_num).with_for_update())).first()
            if row is None or row.status != FileStatus.UPLOADING:
                return
            await discard_file(tx, row)
            await tx.execute(
                update(files)
                .where(files.c.num == file_num)
                .values(
                    status=FileStatus.ERROR,
                    error=message,
                    upload_id=None,
                    expires_at=None,
                    intent=without_address(),
                )
            )
            system = as_system((await self._tenants.by_num(row.tenant_num)).ref, "system:pull")
            await ledger.record(tx, system, "file.failed", "file", row.uid, {"reason": message})
            await end_fetch(tx, system, row, message)

    async def _wanted(self, file: File) -> bool:
        """Whether the asset that waits for the file is still there."""
        async with self._db.connect() as tx:
            found = await tx.execute(select(assets.c.num).where(assets.c.uid == UUID(file.intent["asset"])))
            return found.first() is not None

    async def _keep_alive(self, file_num: int, held: int) -> bool:
        """Put the file's expiry off, `held` parts being there; False when it was cancelled or deleted meanwhile."""
        async with self._db.transaction() as tx:
            kept = await tx.execute(
                update(files)
                .where(files.c.num == file_num, files.c.status == FileStatus.UPLOADING)
                .values(
                    intent=files.c.intent.op("||")({"held": held}),
                    expires_at=func.now() + func.make_interval(0, 0, 0, 2),
                    updated_at=func.now(),
                )
                .returning(files.c.num)
            )
            return kept.first() is not None
