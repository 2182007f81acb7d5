"""Ledgers: what happened, what was used, and what is left to clear away."""

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    String,
    Table,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from polycast.db.tables.base import EMPTY_OBJECT, NOW, metadata

# append-only; webhooks, audit and live updates read it
events = Table(
    "events",
    metadata,
    Column("num", BigInteger, Identity(always=True), primary_key=True),
    Column("uid", Uuid, nullable=False, server_default=text("gen_random_uuid()")),
    Column("tenant_num", BigInteger),
    Column("type", String, nullable=False),
    Column("version", Integer, nullable=False, server_default=text("1")),
    Column("subject_kind", String, nullable=False),
    Column("subject_uid", Uuid),
    Column("actor", String, nullable=False),
    Column("request_id", String),
    Column("payload", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    Column("at", DateTime(timezone=True), nullable=False, server_default=NOW),
    Index("ix_events_tenant", "tenant_num", "num"),
    Index("ix_events_subject", "subject_uid", "num"),
)

# append-only; kind: stored_bytes (may be negative) | encoded_ms | egress_bytes | live_ms | views
usage = Table(
    "usage",
    metadata,
    Column("num", BigInteger, Identity(always=True), primary_key=True),
    Column("tenant_num", BigInteger, nullable=False),
    Column("kind", String, nullable=False),
    Column("quantity", Double, nullable=False),
    Column("subject_uid", Uuid),
    Column("at", DateTime(timezone=True), nullable=False, server_default=NOW),
    Index("ix_usage_tenant", "tenant_num", "kind", "at"),
)

# objects to delete once the transaction that orphaned them is through; a crash in between loses nothing
garbage = Table(
    "garbage",
    metadata,
    Column("num", BigInteger, Identity(always=True), primary_key=True),
    # a key, or a prefix ending in /
    Column("key", String, nullable=False),
    Column("upload_id", String),
    Column("not_before", DateTime(timezone=True), nullable=False, server_default=NOW),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=NOW),
)

# how far the spool files of beacons were folded in
spools = Table(
    "spools",
    metadata,
    Column("name", String, primary_key=True),
    Column("position", BigInteger, nullable=False, server_default=text("0")),
)

# viewing sessions that were counted already; kept a few days, since late beacons come late
impressions = Table(
    "impressions",
    metadata,
    Column("asset_num", ForeignKey("assets.num", ondelete="CASCADE"), primary_key=True),
    Column("impression", String, primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False, server_default=NOW, index=True),
)
