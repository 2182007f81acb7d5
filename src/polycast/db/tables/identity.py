"""Who: organizations, tenants, API keys, the domains and looks of their players."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    Table,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from polycast.db.tables.base import EMPTY_OBJECT, identity, metadata, timestamps

organizations = Table(
    "organizations", metadata, *identity(), Column("name", String, nullable=False), *timestamps()
)

tenants = Table(
    "tenants",
    metadata,
    *identity(),
    Column(
        "organization_num", ForeignKey("organizations.num", ondelete="CASCADE"), nullable=False, index=True
    ),
    Column("name", String, nullable=False),
    # the label in host names and paths; unique over the installation
    Column("slug", String, nullable=False, unique=True),
    Column("status", String, nullable=False, server_default="active"),
    # what the operator or the tenant may switch; see domain/tenants.py
    Column("settings", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    # name -> ciphertext under the installation's key: signing keys, webhook secret
    Column("secrets", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    Column("quota_bytes", BigInteger),
    Column("retention_days", BigInteger),
    *timestamps(),
    Column("deleted_at", DateTime(timezone=True)),
)

api_keys = Table(
    "api_keys",
    metadata,
    *identity(),
    Column(
        "organization_num", ForeignKey("organizations.num", ondelete="CASCADE"), nullable=False, index=True
    ),
    # NULL: a key of the organization, which may act in each of its tenants
    Column("tenant_num", ForeignKey("tenants.num", ondelete="CASCADE"), index=True),
    Column("name", String, nullable=False),
    Column("role", String, nullable=False),
    Column("key_hash", LargeBinary, nullable=False, unique=True),
    # only where a contract must show the key again
    Column("key_cipher", String),
    Column("expires_at", DateTime(timezone=True)),
    Column("revoked_at", DateTime(timezone=True)),
    *timestamps(),
)

domains = Table(
    "domains",
    metadata,
    *identity(),
    Column("tenant_num", ForeignKey("tenants.num", ondelete="CASCADE"), nullable=False),
    Column("origin", String, nullable=False),
    Column("analytics_uid", Uuid, nullable=False, server_default=text("gen_random_uuid()")),
    *timestamps(),
    UniqueConstraint("tenant_num", "origin"),
)

players = Table(
    "players",
    metadata,
    *identity(),
    Column("tenant_num", ForeignKey("tenants.num", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", String, nullable=False),
    Column("theme", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    Column("is_default", Boolean, nullable=False, server_default=text("false")),
    *timestamps(),
    Index("uq_players_default", "tenant_num", unique=True, postgresql_where=text("is_default")),
)
