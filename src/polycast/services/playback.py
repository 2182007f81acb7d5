"""What delivery needs to know of an asset: found once per manifest or page, never per segment."""

import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from polycast.db.engine import Database
from polycast.db.tables import assets, attachments, domains, files, generations, outputs, players, tenants
from polycast.domain.assets import Asset, Attachment, Generation
from polycast.domain.errors import NotFound
from polycast.domain.ids import CodeCipher, parse_uid
from polycast.domain.policy import AccessPolicy
from polycast.domain.states import GenerationState
from polycast.domain.tenants import TenantSettings
from polycast.domain.tracks import TrackLog
from polycast.protocols import tracklog
from polycast.protocols.signing import Keyring, Session, sign_session
from polycast.services.asset_rows import (
    ASSET_QUERY,
    attachment_from_row,
    load_details,
    newest_generation,
    with_tracks,
)
from polycast.storage.interface import ObjectStore

SESSION_LIFE_S = 6 * 3600
_LOGS_KEPT = 512
_POLICY_S = 5.0
_POLICIES_KEPT = 20_000


@dataclass(frozen=True, slots=True)
class Playable:
    """An asset with all that its player page shows, and who may see it."""

    asset: Asset
    tenant_uid: UUID
    tenant_name: str
    settings: TenantSettings
    policy: AccessPolicy
    theme: dict[str, Any]
    code: str


@dataclass(frozen=True, slots=True)
class Presentation:
    """One generation to render a manifest of; `attachments` are captions and storyboard sheets."""

    asset_uid: UUID
    generation: Generation
    policy: AccessPolicy
    available_from: datetime
    attachments: tuple[Attachment, ...] = ()


class Playback:
    """Reads for the delivery of media. Caches only what cannot change (track logs of finished tracks) or may
    be a few seconds old (whether an asset is public)."""

    def __init__(
        self,
        db: Database,
        store: ObjectStore,
        cipher: CodeCipher,
        ring: Keyring,
        *,
        session_s: int = SESSION_LIFE_S,
    ) -> None:
        self._db = db
        self._store = store
        self._cipher = cipher
        self._ring = ring
        self._session_s = session_s
        self._logs: OrderedDict[str, TrackLog] = OrderedDict()
        self._policies: OrderedDict[UUID, tuple[float, AccessPolicy | None]] = OrderedDict()

    def admit(self, asset: UUID, *, viewer: str | None = None, now: float | None = None) -> str:
        """A session token for an asset, equal for equal claims within five minutes (design: delivery)."""
        at = int(now if now is not None else time.time())
        end = at + self._session_s
        return sign_session(self._ring, Session(str(asset), at, end, end, viewer))

    def code(self, num: int) -> str:
        """The short code of an asset, for addresses."""
        return self._cipher.encode(num)

    async def view_count(self, tenant_num: int) -> int:
        """Views of all assets of a tenant so far."""
        async with self._db.connect() as tx:
            total = select(func.coalesce(func.sum(assets.c.views), 0)).where(
                assets.c.tenant_num == tenant_num
            )
            return int((await tx.execute(total)).scalar_one())

    async def find(self, ident: str, *, player: UUID | None = None) -> Playable:
        """An asset by code or uid, of any tenant; with the theme of a player, the default one if None.

        Raises:
            NotFound: no such asset, or its tenant is deleted.
        """
        uid = parse_uid(ident)
        num = self._cipher.decode(ident) if uid is None else None
        if uid is None and num is None:
            raise NotFound("asset", ident[:64])
        async with self._db.connect() as tx:
            row = (
                await tx.execute(ASSET_QUERY.where(assets.c.uid == uid if uid else assets.c.num == num))
            ).first()
            if row is None:
                raise NotFound("asset", ident[:64])
            owner = await self._owner(tx, row.tenant_num)
            asset = await load_details(tx, row)
            theme = (
                await tx.execute(
                    select(players.c.theme).where(
                        players.c.tenant_num == row.tenant_num,
                        players.c.uid == player if player is not None else players.c.is_default,
                    )
                )
            ).scalar()
            if player is not None and theme is None:
                raise NotFound("player", player)
        settings = TenantSettings.from_json(owner.settings)
        return Playable(
            asset=asset,
            tenant_uid=owner.uid,
            tenant_name=owner.name,
            settings=settings,
            policy=_policy(owner, settings, asset.settings),
            theme=theme or {},
            code=self._cipher.encode(asset.num),
        )

    async def presentation(self, asset: UUID, output: UUID | None = None) -> Presentation:
        """The newest playable generation of an asset's main output, or of a named one.

        Raises:
            NotFound: nothing plays.
        """
        async with self._db.connect() as tx:
            row = (
                await tx.execute(
                    select(
                        outputs.c.num,
                        outputs.c.asset_num,
                        assets.c.tenant_num,
                        assets.c.settings,
                        assets.c.uid.label("asset_uid"),
                    )
                    .join(assets, assets.c.num == outputs.c.asset_num)
                    .where(
                        assets.c.uid == asset,
                        outputs.c.uid == output if output is not None else outputs.c.main,
                    )
                )
            ).first()
            if row is None:
                raise NotFound("asset", asset)
            generation = await newest_generation(tx, row.num)
            if generation is None:
                raise NotFound("media")
            owner = await self._owner(tx, row.tenant_num)
            beside = await tx.execute(
                select(attachments)
                .where(
                    attachments.c.asset_num == row.asset_num,
                    attachments.c.kind.in_(["caption", "storyboard"]),
                )
                .order_by(attachments.c.kind, attachments.c.position)
            )
            found = tuple(attachment_from_row(r) for r in beside)
        policy = _policy(owner, TenantSettings.from_json(owner.settings), row.settings)
        start = generation.published_at or datetime.now(UTC)
        return Presentation(row.asset_uid, generation, policy, start, found)

    async def generation(self, asset: UUID, generation: UUID) -> Presentation:
        """One generation by its id, retired ones too: sessions that began on it stay on it.

        Raises:
            NotFound: no such generation, or it does not play (any more).
        """
        async with self._db.connect() as tx:
            row = (
                await tx.execute(
                    select(generations, assets.c.tenant_num, assets.c.settings)
                    .join(assets, assets.c.num == generations.c.asset_num)
                    .where(
                        assets.c.uid == asset,
                        generations.c.uid == generation,
                        generations.c.state.in_(
                            [GenerationState.PUBLISHED, GenerationState.GROWING, GenerationState.RETIRED]
                        ),
                    )
                )
            ).first()
            if row is None:
                raise NotFound("media")
            found = await with_tracks(tx, row)
            owner = await self._owner(tx, row.tenant_num)
        policy = _policy(owner, TenantSettings.from_json(owner.settings), row.settings)
        return Presentation(asset, found, policy, found.published_at or datetime.now(UTC))

    async def log(self, asset: UUID, folder: str, track: str) -> TrackLog:
        """A track's log; finished ones are kept in memory, growing ones are read each time.

        Raises:
            NotFound: no such track.
        """
        key = f"media/{asset}/g/{folder}/{track}/log.jsonl"
        if (known := self._logs.get(key)) is not None:
            self._logs.move_to_end(key)
            return known
        log = tracklog.loads(await self._store.get(key))
        if log.complete:
            self._logs[key] = log
            if len(self._logs) > _LOGS_KEPT:
                self._logs.popitem(last=False)
        return log

    async def image(self, asset: UUID, ident: str) -> tuple[str, str]:
        """Key and media type of an uploaded picture of an asset. Raises NotFound."""
        uid = parse_uid(ident)
        if uid is None:
            raise NotFound("image")
        async with self._db.connect() as tx:
            row = (
                await tx.execute(
                    select(files.c.key, files.c.content_type)
                    .join(assets, assets.c.num == files.c.asset_num)
                    .where(
                        files.c.uid == uid,
                        assets.c.uid == asset,
                        files.c.purpose == "image",
                        files.c.status == "completed",
                    )
                )
            ).first()
        if row is None:
            raise NotFound("image")
        return row.key, row.content_type or "application/octet-stream"

    async def policy(self, asset: UUID) -> AccessPolicy | None:
        """Who may watch an asset, at most five seconds old; None when there is no such asset."""
        now = time.monotonic()
        known = self._policies.get(asset)
        if known is not None and known[0] > now:
            return known[1]
        async with self._db.connect() as tx:
            row = (
                await tx.execute(select(assets.c.tenant_num, assets.c.settings).where(assets.c.uid == asset))
            ).first()
            policy = None
            if row is not None:
                owner = await self._owner(tx, row.tenant_num, required=False)
                if owner is not None:
                    policy = _policy(owner, TenantSettings.from_json(owner.settings), row.settings)
        self._policies[asset] = (now + _POLICY_S, policy)
        if len(self._policies) > _POLICIES_KEPT:
            self._policies.popitem(last=False)
        return policy

    async def _owner(self, tx: AsyncConnection, tenant_num: int, *, required: bool = True) -> Row[Any] | Any:
        origins = (
            select(func.array_agg(domains.c.origin))
            .where(domains.c.tenant_num == tenants.c.num)
            .correlate(tenants)
            .scalar_subquery()
        )
        row = (
            await tx.execute(
                select(tenants, origins.label("origins")).where(
                    tenants.c.num == tenant_num, tenants.c.deleted_at.is_(None)
                )
            )
        ).first()
        if row is None and required:
            raise NotFound("asset")
        return row


def _policy(owner: Any, settings: TenantSettings, own: dict[str, Any]) -> AccessPolicy:
    return AccessPolicy(
        blocked=owner.status != "active",
        origins=tuple(owner.origins or ()),
        token_required=bool(own.get("token_required", settings.token_required)),
    )
