"""What delivery needs to know of an asset: found once per manifest or page, never per segment."""

import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select

from polycast.db.engine import Database
from polycast.db.tables import assets, attachments, domains, files, generations, outputs, players, tenants
from polycast.domain.assets import Asset, Attachment, Generation
from polycast.domain.errors import NotFound
from polycast.domain.ids import CodeCipher, parse_uid
from polycast.domain.policy import AccessPolicy
from polycast.domain.states import GenerationState
from polycast.domain.tenants import TenantSettings
from polycast.protocols.signing import Keyring, Session, sign_session
from polycast.services.asset_details import find_asset
from polycast.services.asset_rows import attachment_from_row, with_tracks
from polycast.services.content_tokens import Ticket, read_content_token
from polycast.services.freshness import Fresh
from polycast.services.track_logs import TrackLogs
from polycast.services.vault import Vault
from polycast.storage.interface import ObjectStore

SESSION_LIFE_S = 6 * 3600
POLICY_S = 5.0
"""how old what is known of an asset's policy may be"""
_KNOWN_CODES = 20_000
_PLAYS = (GenerationState.PUBLISHED, GenerationState.GROWING)


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose an asset is."""

    num: int
    uid: UUID


@dataclass(frozen=True, slots=True)
class Access:
    """Who may watch an asset."""

    policy: AccessPolicy
    owner: Owner


@dataclass(frozen=True, slots=True)
class Playable:
    """An asset with all that its player page shows, and who may see it."""

    asset: Asset
    owner: Owner
    tenant_name: str
    settings: TenantSettings
    policy: AccessPolicy
    theme: dict[str, Any]
    code: str

    @property
    def tenant_uid(self) -> UUID:
        return self.owner.uid


@dataclass(frozen=True, slots=True)
class Presentation:
    """One generation to render a manifest of; `attachments` are captions and storyboard sheets."""

    asset_uid: UUID
    generation: Generation
    policy: AccessPolicy
    owner: Owner
    attachments: tuple[Attachment, ...] = ()

    def of_kind(self, kind: str) -> list[Attachment]:
        return [a for a in self.attachments if a.kind == kind]


class Playback:
    """Reads for the delivery of media. Caches only what cannot change (which asset a code means) or may be a few seconds old (who may watch an asset)."""

    def __init__(
        self,
        db: Database,
        store: ObjectStore,
        cipher: CodeCipher,
        ring: Keyring,
        vault: Vault,
        *,
        session_s: int = SESSION_LIFE_S,
    ) -> None:
        self._db = db
        self._store = store
        self._cipher = cipher
        self._ring = ring
        self._vault = vault
        self._session_s = session_s
        self.logs = TrackLogs(store)
        self._codes: OrderedDict[int, UUID] = OrderedDict()
        self._access: Fresh[UUID, Access] = Fresh(self._load_access, max_age_s=POLICY_S)

    def admit(self, asset: UUID, ticket: Ticket | None = None, *, now: float | None = None) -> str:
        """A session token for an asset, equal for equal claims within five minutes (design: delivery).

        Args:
            ticket: the content token that was shown. The session is renewed without it until it ends, and no
                later than a session lives: then whoever watches shows it again, and a key that was exchanged
                meanwhile is noticed.
        """
        at = int(now if now is not None else time.time())
        end = at + self._session_s
        viewer = renew_until = None
        if ticket is not None and ticket.valid:
            viewer = ticket.viewer
            renew_until = end if ticket.ends is None else min(end, ticket.ends)
        return sign_session(self._ring, Session(str(asset), at, end, end, viewer, renew_until))

    def renew(self, session: Session) -> str:
        """The token of a session that follows another one, for the same viewer."""
        at = int(time.time())
        end = at + self._session_s
        return sign_session(self._ring, replace(session, issued=at, start_until=end, stop_at=end))

    async def ticket(self, owner: Owner, asset: UUID, token: str | None) -> Ticket | None:
        """Judge a content token presented for an asset of a tenant; None without one."""
        if not token:
            return None
        async with self._db.read() as tx:
            sealed = (
                await tx.execute(
                    select(tenants.c.secrets["content"].astext).where(tenants.c.num == owner.num)
                )
            ).scalar()
        secret = self._vault.open(sealed) if sealed else ""
        return read_content_token(token, secret, tenant=owner.uid, asset=asset)

    def code(self, num: int) -> str:
        """The short code of an asset, for addresses."""
        return self._cipher.encode(num)

    async def view_count(self, tenant_num: int) -> int:
        """Views of all assets of a tenant so far."""
        async with self._db.read() as tx:
            total = select(func.coalesce(func.sum(assets.c.views), 0)).where(
                assets.c.tenant_num == tenant_num
            )
            return int((await tx.execute(total)).scalar_one())

    async def resolve(self, ident: str) -> UUID:
        """The uid behind a code or uid, which may be deleted meanwhile. Asks the database once per code.

        Raises:
            NotFound: it has the form of neither, or there is no such code.
        """
        uid = parse_uid(ident)
        if uid is not None:
            return uid
        num = self._cipher.decode(ident)
        if num is None:
            raise NotFound("asset", ident[:64])
        if (known := self._codes.get(num)) is not None:
            self._codes.move_to_end(num)
            return known
        async with self._db.read() as tx:
            found: UUID | None = (await tx.execute(select(assets.c.uid).where(assets.c.num == num))).scalar()
        if found is None:
            raise NotFound("asset", ident[:64])
        self._codes[num] = found
        if len(self._codes) > _KNOWN_CODES:
            self._codes.popitem(last=False)
        return found

    async def find(self, ident: str, *, player: UUID | None = None) -> Playable:
        """An asset by code or uid, of any tenant; with the theme of a player, the default one if None.

        Raises:
            NotFound: no such asset, or its tenant is deleted.
        """
        uid = parse_uid(ident)
        num = self._cipher.decode(ident) if uid is None else None
        if uid is None and num is None:
            raise NotFound("asset", ident[:64])
        asset = await find_asset(self._db.reader, uid=uid, num=num)
        if asset is None:
            raise NotFound("asset", ident[:64])
        async with self._db.read() as tx:
            owner = (
                await tx.execute(_OWNER.add_columns(tenants.c.name).where(tenants.c.num == asset.tenant_num))
            ).first()
            if owner is None:
                raise NotFound("asset", ident[:64])
            theme = (
                await tx.execute(
                    select(players.c.theme).where(
                        players.c.tenant_num == asset.tenant_num,
                        players.c.uid == player if player is not None else players.c.is_default,
                    )
                )
            ).scalar()
            if player is not None and theme is None:
                raise NotFound("player", player)
        access = _access(owner, asset.settings)
        return Playable(
            asset=asset,
            owner=access.owner,
            tenant_name=owner.name,
            settings=TenantSettings.from_json(owner.tenant_settings),
            policy=access.policy,
            theme=theme or {},
            code=self._cipher.encode(asset.num),
        )

    async def presentation(self, asset: UUID, output: UUID | None = None) -> Presentation:
        """The newest playable generation of an asset's main output, or of a named one.

        Raises:
            NotFound: nothing plays.
        """
        newest = (
            select(generations)
            .where(generations.c.output_num == outputs.c.num, generations.c.state.in_(_PLAYS))
            .order_by(generations.c.number.desc())
            .limit(1)
            .lateral("newest")
        )
        query = (
            _OWNER.add_columns(newest, assets.c.settings)
            .join(assets, assets.c.tenant_num == tenants.c.num)
            .join(outputs, outputs.c.asset_num == assets.c.num)
            .join(newest, newest.c.output_num == outputs.c.num)
            .where(assets.c.uid == asset, outputs.c.uid == output if output is not None else outputs.c.main)
        )
        async with self._db.read() as tx:
            row = (await tx.execute(query)).first()
            if row is None:
                raise NotFound("media")
            generation = await with_tracks(tx, row)
            beside = await tx.execute(
                select(attachments)
                .where(
                    attachments.c.asset_num == row.asset_num,
                    attachments.c.kind.in_(["caption", "storyboard"]),
                )
                .order_by(attachments.c.kind, attachments.c.position)
            )
            found = tuple(attachment_from_row(r) for r in beside)
        access = _access(row, row.settings)
        return Presentation(asset, generation, access.policy, access.owner, found)

    async def generation(self, asset: UUID, generation: UUID) -> Presentation:
        """One generation by its id, retired ones too: sessions that began on it stay on it.

        Raises:
            NotFound: no such generation, or it does not play (any more).
        """
        query = (
            _OWNER.add_columns(generations, assets.c.settings)
            .join(assets, assets.c.tenant_num == tenants.c.num)
            .join(generations, generations.c.asset_num == assets.c.num)
            .where(
                assets.c.uid == asset,
                generations.c.uid == generation,
                generations.c.state.in_([*_PLAYS, GenerationState.RETIRED]),
            )
        )
        async with self._db.read() as tx:
            row = (await tx.execute(query)).first()
            if row is None:
                raise NotFound("media")
            found = await with_tracks(tx, row)
        access = _access(row, row.settings)
        return Presentation(asset, found, access.policy, access.owner)

    async def image(self, asset: UUID, ident: str) -> tuple[str, str]:
        """Key and media type of an uploaded picture of an asset. Raises NotFound."""
        uid = parse_uid(ident)
        if uid is None:
            raise NotFound("image")
        async with self._db.read() as tx:
            row = (
                await tx.execute(
                    select(files.c.key, files.c.content_type)
                    .join(assets, assets.c.num == files.c.asset_num)
                    .join(tenants, tenants.c.num == assets.c.tenant_num)
                    .where(
                        files.c.uid == uid,
                        assets.c.uid == asset,
                        files.c.purpose == "image",
                        files.c.status == "completed",
                        tenants.c.status == "active",
                    )
                )
            ).first()
        if row is None:
            raise NotFound("image")
        return row.key, row.content_type or "application/octet-stream"

    async def access(self, asset: UUID) -> Access | None:
        """Who may watch an asset, at most five seconds old; None when there is no such asset.

        While the database does not answer, what was known holds for some minutes more.

        Raises:
            Unavailable: nothing is known of it, and the database does not answer.
        """
        return await self._access.get(asset)

    async def policy(self, asset: UUID) -> AccessPolicy | None:
        """The policy alone; see `access`."""
        access = await self._access.get(asset)
        return None if access is None else access.policy

    def is_gone(self, asset: UUID) -> bool:
        """Whether an asset is known to be deleted or blocked. Never waits: the database is asked beside it,
        at most once in five seconds, so that sessions outlive an outage of the database."""
        known = self._access.glance(asset)
        return known is not None and (known.value is None or known.value.policy.blocked)

    async def _load_access(self, asset: UUID) -> Access | None:
        query = (
            _OWNER.add_columns(assets.c.settings)
            .join(assets, assets.c.tenant_num == tenants.c.num)
            .where(assets.c.uid == asset)
        )
        async with self._db.read() as tx:
            row = (await tx.execute(query)).first()
        return None if row is None else _access(row, row.settings)


# the owner of something, to be joined to it
_OWNER: Select[Any] = select(
    tenants.c.num.label("tenant_num"),
    tenants.c.uid.label("tenant_uid"),
    tenants.c.status.label("tenant_status"),
    tenants.c.settings.label("tenant_settings"),
    select(func.array_agg(domains.c.origin))
    .where(domains.c.tenant_num == tenants.c.num)
    .correlate(tenants)
    .scalar_subquery()
    .label("origins"),
).where(tenants.c.deleted_at.is_(None))


def _access(owner: Any, own: dict[str, Any]) -> Access:
    settings = TenantSettings.from_json(owner.tenant_settings)
    policy = AccessPolicy(
        blocked=owner.tenant_status != "active",
        origins=tuple(owner.origins or ()),
        token_required=bool(own.get("token_required", settings.token_required)),
    )
    return Access(policy, Owner(owner.tenant_num, owner.tenant_uid))
