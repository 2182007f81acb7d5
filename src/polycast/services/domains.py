"""Domains: web origins on which a tenant's players may run."""

from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError as UniqueViolation

from polycast.db.engine import Database
from polycast.db.tables import domains
from polycast.domain.access import Caller, Permission
from polycast.domain.errors import Conflict, Invalid, NotFound
from polycast.services import ledger


@dataclass(frozen=True, slots=True)
class Domain:
    """A web origin on which the tenant's players may run."""

    uid: UUID
    analytics_uid: UUID
    origin: str


class Domains:
    """Use cases on the origins where players may be embedded; none listed = everywhere."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def list(self, caller: Caller) -> list[Domain]:
        """All allowed origins, oldest first."""
        async with self._db.connect() as tx:
            rows = await tx.execute(
                select(domains).where(domains.c.tenant_num == caller.tenant.num).order_by(domains.c.num)
            )
            return [Domain(row.uid, row.analytics_uid, row.origin) for row in rows]

    async def add(self, caller: Caller, url: str) -> Domain:
        """Allow one more origin.

        Raises:
            Invalid: not an http(s) origin. Conflict: it is listed already.
        """
        caller.require(Permission.MANAGE)
        origin = parse_origin(url)
        try:
            async with self._db.transaction() as tx:
                row = (
                    await tx.execute(
                        insert(domains).values(tenant_num=caller.tenant.num, origin=origin).returning(domains)
                    )
                ).one()
                await ledger.record(tx, caller, "domain.added", "domain", row.uid, {"origin": origin})
        except UniqueViolation as error:
            raise Conflict(f"{origin} is listed already") from error
        return Domain(row.uid, row.analytics_uid, row.origin)

    async def remove(
        self, caller: Caller, *, player: UUID | None = None, analytics: UUID | None = None
    ) -> None:
        """Forbid an origin again, named by one or both of its ids.

        Raises:
            Invalid: neither was given. NotFound: no such origin.
        """
        caller.require(Permission.MANAGE)
        where = [domains.c.tenant_num == caller.tenant.num]
        if player is None and analytics is None:
            raise Invalid("the id of a domain is required", field="player_domain")
        if player is not None:
            where.append(domains.c.uid == player)
        if analytics is not None:
            where.append(domains.c.analytics_uid == analytics)
        async with self._db.transaction() as tx:
            row = (await tx.execute(delete(domains).where(*where).returning(domains))).first()
            if row is None:
                raise NotFound("domain")
            await ledger.record(tx, caller, "domain.removed", "domain", row.uid, {"origin": row.origin})


def parse_origin(url: str) -> str:
    """`scheme://host[:port]` of an address, lower case; a bare host means https (RFC 6454).

    Raises:
        Invalid: no host, another scheme, or credentials, path, query or wild cards in it.
    """
    text = url.strip()
    if "://" not in text:
        text = f"https://{text}"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise Invalid("url is not an origin", field="url") from error
    host = (parts.hostname or "").lower()
    plain = host and all(ch.isalnum() or ch in "-.:" for ch in host) and host.isascii()
    if parts.scheme not in ("http", "https") or not plain or parts.username is not None or len(text) > 512:
        raise Invalid("url must be an origin such as https://example.org", field="url")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise Invalid("url must be an origin, without path or query", field="url")
    host = f"[{host}]" if ":" in host else host
    default = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" + (f":{port}" if port and port != default else "")
