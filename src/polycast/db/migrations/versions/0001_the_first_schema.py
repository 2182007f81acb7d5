"""The first schema"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "events",
        sa.Column("num", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("uid", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("tenant_num", sa.BigInteger(), nullable=True),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("subject_kind", sa.String(), nullable=False),
        sa.Column("subject_uid", sa.Uuid(), nullable=True),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("request_id", sa.String(), nullable=True),
        sa.Column(
            "payload",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("num", name=op.f("pk_events")),
    )
    op.create_index("ix_events_subject", "events", ["subject_uid", "num"], unique=False)
    op.create_index("ix_events_tenant", "events", ["tenant_num", "num"], unique=False)
    op.create_table(
        "garbage",
        sa.Column("num", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("upload_id", sa.String(), nullable=True),
        sa.Column("not_before", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("num", name=op.f("pk_garbage")),
    )
    op.create_table(
        "job_failures",
        sa.Column("num", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("worker", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("num", name=op.f("pk_job_failures")),
    )
    op.create_index(op.f("ix_job_failures_job_id"), "job_failures", ["job_id"], unique=False)
    op.create_table(
        "organizations",
        sa.Column("num", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("uid", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("num", name=op.f("pk_organizations")),
        sa.UniqueConstraint("uid", name=op.f("uq_organizations_uid")),
    )
    op.create_table(
        "spools",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("position", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_spools")),
    )
    op.create_table(
        "usage",
        sa.Column("num", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("tenant_num", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("quantity", sa.Double(), nullable=False),
        sa.Column("subject_uid", sa.Uuid(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("num", name=op.f("pk_usage")),
    )
    op.create_index("ix_usage_tenant", "usage", ["tenant_num", "kind", "at"], unique=False)
    op.create_table(
        "tenants",
        sa.Column("num", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("uid", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("organization_num", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("slug", sa.String(), nullable=False),
        sa.Column("status", sa.String(), server_default="active", nullable=False),
        sa.Column(
            "settings",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column(
            "secrets",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("quota_bytes", sa.BigInteger(), nullable=True),
        sa.Column("retention_days", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["organization_num"],
            ["organizations.num"],
            name=op.f("fk_tenants_organization_num"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("num", name=op.f("pk_tenants")),
        sa.UniqueConstraint("slug", name=op.f("uq_tenants_slug")),
        sa.UniqueConstraint("uid", name=op.f("uq_tenants_uid")),
    )
    op.create_index(op.f("ix_tenants_organization_num"), "tenants", ["organization_num"], unique=False)
    op.create_table(
        "api_keys",
        sa.Column("num", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("uid", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("organization_num", sa.BigInteger(), nullable=False),
        sa.Column("tenant_num", sa.BigInteger(), nullable=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("key_hash", sa.LargeBinary(), nullable=False),
        sa.Column("key_cipher", sa.String(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_num"],
            ["organizations.num"],
            name=op.f("fk_api_keys_organization_num"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_num"], ["tenants.num"], name=op.f("fk_api_keys_tenant_num"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("num", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_api_keys_key_hash")),
        sa.UniqueConstraint("uid", name=op.f("uq_api_keys_uid")),
    )
    op.create_index(op.f("ix_api_keys_organization_num"), "api_keys", ["organization_num"], unique=False)
    op.create_index(op.f("ix_api_keys_tenant_num"), "api_keys", ["tenant_num"], unique=False)
    op.create_table(
        "collections",
        sa.Column("num", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("uid", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("tenant_num", sa.BigInteger(), nullable=False),
        sa.Column("parent_num", sa.BigInteger(), nullable=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["parent_num"], ["collections.num"], name=op.f("fk_collections_parent_num"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_num"], ["tenants.num"], name=op.f("fk_collections_tenant_num"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("num", name=op.f("pk_collections")),
        sa.UniqueConstraint("uid", name=op.f("uq_collections_uid")),
    )
    op.create_index(op.f("ix_collections_parent_num"), "collections", ["parent_num"], unique=False)
    op.create_index(op.f("ix_collections_tenant_num"), "collections", ["tenant_num"], unique=False)
    op.create_table(
        "domains",
        sa.Column("num", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("uid", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("tenant_num", sa.BigInteger(), nullable=False),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("analytics_uid", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_num"], ["tenants.num"], name=op.f("fk_domains_tenant_num"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("num", name=op.f("pk_domains")),
        sa.UniqueConstraint("tenant_num", "origin", name=op.f("uq_domains_tenant_num_origin")),
        sa.UniqueConstraint("uid", name=op.f("uq_domains_uid")),
    )
    op.create_table(
        "files",
        sa.Column("num", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("uid", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("tenant_num", sa.BigInteger(), nullable=False),
        sa.Column("purpose", sa.String(), server_default="source", nullable=False),
        sa.Column("asset_num", sa.BigInteger(), nullable=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("original_name", sa.String(), nullable=False),
        sa.Column("friendly_name", sa.String(), server_default="", nullable=False),
        sa.Column("content_type", sa.String(), nullable=True),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("status", sa.String(), server_default="uploading", nullable=False),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("protocol", sa.String(), server_default="parts", nullable=False),
        sa.Column("upload_id", sa.String(), nullable=True),
        sa.Column("part_size", sa.BigInteger(), nullable=True),
        sa.Column("declared_size", sa.BigInteger(), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column(
            "intent",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("kinds", postgresql.ARRAY(sa.String()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("probe", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column(
            "metadata",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("tags", postgresql.ARRAY(sa.String()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column(
            "attributes", postgresql.ARRAY(sa.String()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("grams", postgresql.ARRAY(sa.String()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("uploaded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["asset_num"], ["assets.num"], name=op.f("fk_files_asset_num"), ondelete="CASCADE", use_alter=True
        ),
        sa.ForeignKeyConstraint(
            ["tenant_num"], ["tenants.num"], name=op.f("fk_files_tenant_num"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("num", name=op.f("pk_files")),
        sa.UniqueConstraint("uid", name=op.f("uq_files_uid")),
    )
    op.create_index("ix_files_asset", "files", ["asset_num"], unique=False)
    op.create_index("ix_files_attributes", "files", ["attributes"], unique=False, postgresql_using="gin")
    op.create_index(
        "ix_files_expires",
        "files",
        ["expires_at"],
        unique=False,
        postgresql_where=sa.text("status = 'uploading'"),
    )
    op.create_index("ix_files_grams", "files", ["grams"], unique=False, postgresql_using="gin")
    op.create_index("ix_files_tags", "files", ["tags"], unique=False, postgresql_using="gin")
    op.create_index(
        "ix_files_tenant_created",
        "files",
        ["tenant_num", "created_at", "num"],
        unique=False,
        postgresql_include=["purpose"],
    )
    op.create_index(
        "ix_files_tenant_purpose", "files", ["tenant_num", "purpose", "status", "num"], unique=False
    )
    op.create_table(
        "players",
        sa.Column("num", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("uid", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("tenant_num", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column(
            "theme",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("is_default", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_num"], ["tenants.num"], name=op.f("fk_players_tenant_num"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("num", name=op.f("pk_players")),
        sa.UniqueConstraint("uid", name=op.f("uq_players_uid")),
    )
    op.create_index(op.f("ix_players_tenant_num"), "players", ["tenant_num"], unique=False)
    op.create_index(
        "uq_players_default", "players", ["tenant_num"], unique=True, postgresql_where=sa.text("is_default")
    )
    op.create_table(
        "tags",
        sa.Column("num", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("uid", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("tenant_num", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_num"], ["tenants.num"], name=op.f("fk_tags_tenant_num"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("num", name=op.f("pk_tags")),
        sa.UniqueConstraint("tenant_num", "name", name=op.f("uq_tags_tenant_num_name")),
        sa.UniqueConstraint("uid", name=op.f("uq_tags_uid")),
    )
    op.create_table(
        "assets",
        sa.Column("num", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("uid", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("tenant_num", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(), server_default="vod", nullable=False),
        sa.Column("title", sa.String(), server_default="", nullable=False),
        sa.Column("description", sa.String(), server_default="", nullable=False),
        sa.Column(
            "metadata",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("tags", postgresql.ARRAY(sa.String()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column(
            "attributes", postgresql.ARRAY(sa.String()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("grams", postgresql.ARRAY(sa.String()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("status", sa.String(), server_default="pending", nullable=False),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("preset", sa.String(), nullable=False),
        sa.Column(
            "settings",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("collection_num", sa.BigInteger(), nullable=True),
        sa.Column("reference_id", sa.String(), nullable=True),
        sa.Column("custom_id", sa.String(), nullable=True),
        sa.Column("upload_type", sa.String(), server_default="", nullable=False),
        sa.Column("duration_ms", sa.BigInteger(), nullable=True),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("frame_rate", sa.Double(), nullable=True),
        sa.Column("views", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("watch_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("source_size", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("stored_size", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("uploaded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("playable_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_num"],
            ["collections.num"],
            name=op.f("fk_assets_collection_num"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_num"], ["tenants.num"], name=op.f("fk_assets_tenant_num"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("num", name=op.f("pk_assets")),
        sa.UniqueConstraint("uid", name=op.f("uq_assets_uid")),
    )
    op.create_index("ix_assets_attributes", "assets", ["attributes"], unique=False, postgresql_using="gin")
    op.create_index(op.f("ix_assets_collection_num"), "assets", ["collection_num"], unique=False)
    op.create_index(
        "ix_assets_custom",
        "assets",
        ["tenant_num", "custom_id"],
        unique=False,
        postgresql_where=sa.text("custom_id IS NOT NULL"),
    )
    op.create_index("ix_assets_grams", "assets", ["grams"], unique=False, postgresql_using="gin")
    op.create_index(
        "ix_assets_reference",
        "assets",
        ["tenant_num", "reference_id"],
        unique=False,
        postgresql_where=sa.text("reference_id IS NOT NULL"),
    )
    op.create_index("ix_assets_tags", "assets", ["tags"], unique=False, postgresql_using="gin")
    op.create_index(
        "ix_assets_tenant_created",
        "assets",
        ["tenant_num", "created_at", "num"],
        unique=False,
        postgresql_include=["kind", "status"],
    )
    op.create_index(
        "ix_assets_tenant_status", "assets", ["tenant_num", "kind", "status", "num"], unique=False
    )
    op.create_index(
        "ix_assets_tenant_title",
        "assets",
        ["tenant_num", sa.literal_column('"left"(title, 200)'), "num"],
        unique=False,
    )
    op.create_index(
        "ix_assets_tenant_updated",
        "assets",
        ["tenant_num", "updated_at", "num"],
        unique=False,
        postgresql_include=["kind", "status"],
    )
    op.create_table(
        "asset_images",
        sa.Column("asset_num", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("file_num", sa.BigInteger(), nullable=True),
        sa.Column("image_uid", sa.Uuid(), nullable=True),
        sa.Column("file_name", sa.String(), nullable=True),
        sa.Column("url", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["asset_num"], ["assets.num"], name=op.f("fk_asset_images_asset_num"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["file_num"], ["files.num"], name=op.f("fk_asset_images_file_num"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("asset_num", "name", name=op.f("pk_asset_images")),
    )
    op.create_table(
        "asset_sources",
        sa.Column("asset_num", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("file_num", sa.BigInteger(), nullable=True),
        sa.Column("file_uid", sa.Uuid(), nullable=False),
        sa.Column("kinds", postgresql.ARRAY(sa.String()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column(
            "tracks",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["asset_num"], ["assets.num"], name=op.f("fk_asset_sources_asset_num"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["file_num"], ["files.num"], name=op.f("fk_asset_sources_file_num"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("asset_num", "position", name=op.f("pk_asset_sources")),
    )
    op.create_index(op.f("ix_asset_sources_file_num"), "asset_sources", ["file_num"], unique=False)
    op.create_table(
        "attachments",
        sa.Column("num", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("uid", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("asset_num", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("origin", sa.String(), server_default="auto", nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("content_type", sa.String(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("language", sa.String(), nullable=True),
        sa.Column("label", sa.String(), nullable=True),
        sa.Column(
            "data",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["asset_num"], ["assets.num"], name=op.f("fk_attachments_asset_num"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("num", name=op.f("pk_attachments")),
        sa.UniqueConstraint("uid", name=op.f("uq_attachments_uid")),
    )
    op.create_index("ix_attachments_asset", "attachments", ["asset_num", "kind", "position"], unique=False)
    op.create_table(
        "chapters",
        sa.Column("num", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("uid", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("asset_num", sa.BigInteger(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("start_s", sa.Double(), nullable=False),
        sa.Column("end_s", sa.Double(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["asset_num"], ["assets.num"], name=op.f("fk_chapters_asset_num"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("num", name=op.f("pk_chapters")),
        sa.UniqueConstraint("uid", name=op.f("uq_chapters_uid")),
    )
    op.create_index(op.f("ix_chapters_asset_num"), "chapters", ["asset_num"], unique=False)
    op.create_table(
        "impressions",
        sa.Column("asset_num", sa.BigInteger(), nullable=False),
        sa.Column("impression", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["asset_num"], ["assets.num"], name=op.f("fk_impressions_asset_num"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("asset_num", "impression", name=op.f("pk_impressions")),
    )
    op.create_index(op.f("ix_impressions_at"), "impressions", ["at"], unique=False)
    op.create_table(
        "outputs",
        sa.Column("num", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("uid", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("asset_num", sa.BigInteger(), nullable=False),
        sa.Column("tenant_num", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("preset", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("main", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("status", sa.String(), server_default="processing", nullable=False),
        sa.Column("progress", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("epoch", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("key", sa.String(), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["asset_num"], ["assets.num"], name=op.f("fk_outputs_asset_num"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("num", name=op.f("pk_outputs")),
        sa.UniqueConstraint("asset_num", "name", name=op.f("uq_outputs_asset_num_name")),
        sa.UniqueConstraint("uid", name=op.f("uq_outputs_uid")),
    )
    op.create_index(
        "ix_outputs_expires",
        "outputs",
        ["expires_at"],
        unique=False,
        postgresql_where=sa.text("expires_at IS NOT NULL"),
    )
    op.create_index(
        "uq_outputs_main", "outputs", ["asset_num"], unique=True, postgresql_where=sa.text("main")
    )
    op.create_table(
        "generations",
        sa.Column("num", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("uid", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("asset_num", sa.BigInteger(), nullable=False),
        sa.Column("output_num", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), server_default="building", nullable=False),
        sa.Column("duration_ms", sa.BigInteger(), nullable=True),
        sa.Column("size", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("plan", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["asset_num"], ["assets.num"], name=op.f("fk_generations_asset_num"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["output_num"], ["outputs.num"], name=op.f("fk_generations_output_num"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("num", name=op.f("pk_generations")),
        sa.UniqueConstraint("output_num", "number", name=op.f("uq_generations_output_num_number")),
        sa.UniqueConstraint("uid", name=op.f("uq_generations_uid")),
    )
    op.create_index(op.f("ix_generations_asset_num"), "generations", ["asset_num"], unique=False)
    op.create_index(op.f("ix_generations_output_num"), "generations", ["output_num"], unique=False)
    op.create_table(
        "chunk_jobs",
        sa.Column("num", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("uid", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("tenant_num", sa.BigInteger(), nullable=False),
        sa.Column("asset_num", sa.BigInteger(), nullable=False),
        sa.Column("output_num", sa.BigInteger(), nullable=False),
        sa.Column("generation_num", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column(
            "args",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("priority", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("state", sa.String(), server_default="held", nullable=False),
        sa.Column("job_id", sa.BigInteger(), nullable=True),
        sa.Column("weight", sa.Double(), server_default=sa.text("1"), nullable=False),
        sa.Column("progress", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("result", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["asset_num"], ["assets.num"], name=op.f("fk_chunk_jobs_asset_num"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["generation_num"],
            ["generations.num"],
            name=op.f("fk_chunk_jobs_generation_num"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["output_num"], ["outputs.num"], name=op.f("fk_chunk_jobs_output_num"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("num", name=op.f("pk_chunk_jobs")),
        sa.UniqueConstraint(
            "generation_num", "kind", "position", name=op.f("uq_chunk_jobs_generation_num_kind_position")
        ),
        sa.UniqueConstraint("uid", name=op.f("uq_chunk_jobs_uid")),
    )
    op.create_index(op.f("ix_chunk_jobs_asset_num"), "chunk_jobs", ["asset_num"], unique=False)
    op.create_index(op.f("ix_chunk_jobs_generation_num"), "chunk_jobs", ["generation_num"], unique=False)
    op.create_index(
        "ix_chunk_jobs_open",
        "chunk_jobs",
        ["state", "tenant_num"],
        unique=False,
        postgresql_where=sa.text("state IN ('held', 'released')"),
    )
    op.create_index(op.f("ix_chunk_jobs_output_num"), "chunk_jobs", ["output_num"], unique=False)
    op.create_table(
        "tracks",
        sa.Column("num", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("uid", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("generation_num", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("rendition", sa.String(), server_default="", nullable=False),
        sa.Column("folder", sa.String(), nullable=False),
        sa.Column("codec", sa.String(), nullable=False),
        sa.Column("width", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("height", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("frame_rate", sa.String(), nullable=True),
        sa.Column("bandwidth", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("average_bandwidth", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("channels", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("sample_rate", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("language", sa.String(), nullable=True),
        sa.Column("label", sa.String(), nullable=True),
        sa.Column("is_default", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("duration_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("size", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["generation_num"], ["generations.num"], name=op.f("fk_tracks_generation_num"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("num", name=op.f("pk_tracks")),
        sa.UniqueConstraint("generation_num", "name", name=op.f("uq_tracks_generation_num_name")),
        sa.UniqueConstraint("uid", name=op.f("uq_tracks_uid")),
    )
    op.create_foreign_key(
        op.f("fk_files_asset_num"),
        "files",
        "assets",
        ["asset_num"],
        ["num"],
        ondelete="CASCADE",
        use_alter=True,
    )
