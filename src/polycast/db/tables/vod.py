"""What: files, assets, their outputs, generations and tracks, and all that is shown around a video."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Double,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from polycast.db.tables.base import EMPTY_ARRAY, EMPTY_LIST, EMPTY_OBJECT, NOW, identity, metadata, timestamps

collections = Table(
    "collections",
    metadata,
    *identity(),
    Column("tenant_num", ForeignKey("tenants.num", ondelete="CASCADE"), nullable=False, index=True),
    Column("parent_num", ForeignKey("collections.num", ondelete="CASCADE"), index=True),
    Column("name", String, nullable=False),
    *timestamps(),
)

tags = Table(
    "tags",
    metadata,
    *identity(),
    Column("tenant_num", ForeignKey("tenants.num", ondelete="CASCADE"), nullable=False),
    Column("name", String, nullable=False),
    *timestamps(),
    UniqueConstraint("tenant_num", "name"),
)

files = Table(
    "files",
    metadata,
    *identity(),
    Column("tenant_num", ForeignKey("tenants.num", ondelete="CASCADE"), nullable=False),
    # source | image | caption
    Column("purpose", String, nullable=False, server_default="source"),
    # an image or a caption belongs to one asset; a source file stands alone
    Column("asset_num", BigInteger, ForeignKey("assets.num", ondelete="CASCADE", use_alter=True)),
    Column("name", String, nullable=False),
    Column("original_name", String, nullable=False),
    Column("friendly_name", String, nullable=False, server_default=""),
    Column("content_type", String),
    # key in the object store, minted by us
    Column("key", String, nullable=False),
    Column("status", String, nullable=False, server_default="uploading"),
    Column("error", String),
    # parts | s3 | tus | pull | local
    Column("protocol", String, nullable=False, server_default="parts"),
    Column("upload_id", String),
    Column("part_size", BigInteger),
    Column("declared_size", BigInteger),
    Column("size", BigInteger),
    # what the upload is for once it is whole, e.g. {"asset": uid}; see services/uploads
    Column("intent", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    # Video, Audio, Caption: lower case words
    Column("kinds", ARRAY(String), nullable=False, server_default=EMPTY_ARRAY),
    Column("probe", JSONB),
    Column("width", Integer),
    Column("height", Integer),
    Column("metadata", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    Column("tags", ARRAY(String), nullable=False, server_default=EMPTY_ARRAY),
    Column("attributes", ARRAY(String), nullable=False, server_default=EMPTY_ARRAY),
    Column("grams", ARRAY(String), nullable=False, server_default=EMPTY_ARRAY),
    Column("uploaded_at", DateTime(timezone=True)),
    # an upload not completed by then is dropped
    Column("expires_at", DateTime(timezone=True)),
    *timestamps(),
    Index("ix_files_tenant_created", "tenant_num", "created_at", "num", postgresql_include=["purpose"]),
    # exact totals are counted from the index alone
    Index("ix_files_tenant_purpose", "tenant_num", "purpose", "status", "num"),
    Index("ix_files_expires", "expires_at", postgresql_where=text("status = 'uploading'")),
    Index("ix_files_asset", "asset_num"),
    # found when the asset that an upload was begun for goes
    Index(
        "ix_files_intent_asset",
        text("(intent ->> 'asset')"),
        postgresql_where=text("(intent ->> 'asset') IS NOT NULL"),
    ),
    Index("ix_files_tags", "tags", postgresql_using="gin"),
    Index("ix_files_attributes", "attributes", postgresql_using="gin"),
    Index("ix_files_grams", "grams", postgresql_using="gin"),
)

assets = Table(
    "assets",
    metadata,
    *identity(),
    Column("tenant_num", ForeignKey("tenants.num", ondelete="CASCADE"), nullable=False),
    # vod | live_channel | live_event | recording
    Column("kind", String, nullable=False, server_default="vod"),
    Column("title", String, nullable=False, server_default=""),
    Column("description", String, nullable=False, server_default=""),
    Column("metadata", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    Column("tags", ARRAY(String), nullable=False, server_default=EMPTY_ARRAY),
    Column("attributes", ARRAY(String), nullable=False, server_default=EMPTY_ARRAY),
    Column("grams", ARRAY(String), nullable=False, server_default=EMPTY_ARRAY),
    # pending (no file yet) | pulling | queued | processing | available | error; see domain/states.py
    Column("status", String, nullable=False, server_default="pending"),
    Column("error", String),
    Column("preset", String, nullable=False),
    # playback switches of this asset; missing = inherit from the tenant
    Column("settings", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    Column("collection_num", ForeignKey("collections.num", ondelete="SET NULL"), index=True),
    Column("reference_id", String),
    Column("custom_id", String),
    # portal | api | pull ...
    Column("upload_type", String, nullable=False, server_default=""),
    Column("duration_ms", BigInteger),
    Column("width", Integer),
    Column("height", Integer),
    Column("frame_rate", Double),
    Column("views", BigInteger, nullable=False, server_default=text("0")),
    Column("watch_ms", BigInteger, nullable=False, server_default=text("0")),
    Column("source_size", BigInteger, nullable=False, server_default=text("0")),
    # bytes of all tracks, outputs and pictures
    Column("stored_size", BigInteger, nullable=False, server_default=text("0")),
    Column("uploaded_at", DateTime(timezone=True)),
    Column("playable_at", DateTime(timezone=True)),
    *timestamps(),
    # kind and status inside: pages far back and exact totals are read from the index alone
    Index(
        "ix_assets_tenant_created", "tenant_num", "created_at", "num", postgresql_include=["kind", "status"]
    ),
    Index(
        "ix_assets_tenant_updated", "tenant_num", "updated_at", "num", postgresql_include=["kind", "status"]
    ),
    # the first letters decide: a whole title may be longer than an index entry can be
    Index("ix_assets_tenant_title", "tenant_num", text('"left"(title, 200)'), "num"),
    Index("ix_assets_tenant_status", "tenant_num", "kind", "status", "num"),
    Index(
        "ix_assets_reference", "tenant_num", "reference_id", postgresql_where=text("reference_id IS NOT NULL")
    ),
    Index("ix_assets_custom", "tenant_num", "custom_id", postgresql_where=text("custom_id IS NOT NULL")),
    Index("ix_assets_tags", "tags", postgresql_using="gin"),
    Index("ix_assets_attributes", "attributes", postgresql_using="gin"),
    Index("ix_assets_grams", "grams", postgresql_using="gin"),
)

asset_sources = Table(
    "asset_sources",
    metadata,
    Column("asset_num", ForeignKey("assets.num", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    # the file may be deleted while the asset lives on
    Column("file_num", ForeignKey("files.num", ondelete="SET NULL"), index=True),
    Column("file_uid", Uuid, nullable=False),
    Column("kinds", ARRAY(String), nullable=False, server_default=EMPTY_ARRAY),
    # [{"track": "audio_1", "kind": "audio", "language": "en", "name": "..."}]
    Column("tracks", JSONB, nullable=False, server_default=EMPTY_LIST),
)

outputs = Table(
    "outputs",
    metadata,
    *identity(),
    Column("asset_num", ForeignKey("assets.num", ondelete="CASCADE"), nullable=False),
    Column("tenant_num", BigInteger, nullable=False),
    # chosen by the client or minted; unique inside the asset
    Column("name", String, nullable=False),
    Column("preset", String, nullable=False),
    # stream | download
    Column("kind", String, nullable=False),
    Column("main", Boolean, nullable=False, server_default=text("false")),
    # processing | available | error
    Column("status", String, nullable=False, server_default="processing"),
    # 0..1 over all renditions
    Column("progress", Double, nullable=False, server_default=text("0")),
    Column("error", String),
    # rises whenever it is to be made anew: another source, or damage found later
    Column("epoch", Integer, nullable=False, server_default=text("0")),
    # of a download
    Column("key", String),
    Column("size", BigInteger),
    Column("expires_at", DateTime(timezone=True)),
    Column("completed_at", DateTime(timezone=True)),
    *timestamps(),
    UniqueConstraint("asset_num", "name"),
    Index("uq_outputs_main", "asset_num", unique=True, postgresql_where=text("main")),
    Index("ix_outputs_expires", "expires_at", postgresql_where=text("expires_at IS NOT NULL")),
)

generations = Table(
    "generations",
    metadata,
    *identity(),
    Column("asset_num", ForeignKey("assets.num", ondelete="CASCADE"), nullable=False, index=True),
    Column("output_num", ForeignKey("outputs.num", ondelete="CASCADE"), nullable=False, index=True),
    Column("number", Integer, nullable=False),
    # building | growing (plays while it is written) | published | failed | retired
    Column("state", String, nullable=False, server_default="building"),
    Column("duration_ms", BigInteger),
    Column("size", BigInteger, nullable=False, server_default=text("0")),
    # what its chunk jobs are to make, decided once; see services/pipeline/plan
    Column("plan", JSONB),
    Column("published_at", DateTime(timezone=True)),
    Column("retired_at", DateTime(timezone=True)),
    *timestamps(),
    UniqueConstraint("output_num", "number"),
)

tracks = Table(
    "tracks",
    metadata,
    *identity(),
    Column("generation_num", ForeignKey("generations.num", ondelete="CASCADE"), nullable=False),
    # folder name inside the generation: video_720p, audio_en
    Column("name", String, nullable=False),
    # video | audio | text | iframe
    Column("kind", String, nullable=False),
    Column("position", Integer, nullable=False, server_default=text("0")),
    Column("rendition", String, nullable=False, server_default=""),
    # the generation whose folder holds the bytes: a track is shared, never copied
    Column("folder", String, nullable=False),
    Column("codec", String, nullable=False),
    Column("width", Integer, nullable=False, server_default=text("0")),
    Column("height", Integer, nullable=False, server_default=text("0")),
    Column("frame_rate", String),
    Column("bandwidth", BigInteger, nullable=False, server_default=text("0")),
    Column("average_bandwidth", BigInteger, nullable=False, server_default=text("0")),
    Column("channels", Integer, nullable=False, server_default=text("0")),
    Column("sample_rate", Integer, nullable=False, server_default=text("0")),
    Column("language", String),
    Column("label", String),
    Column("is_default", Boolean, nullable=False, server_default=text("false")),
    Column("duration_ms", BigInteger, nullable=False, server_default=text("0")),
    Column("size", BigInteger, nullable=False, server_default=text("0")),
    Column("verified_at", DateTime(timezone=True)),
    *timestamps(),
    UniqueConstraint("generation_num", "name"),
)

chunk_jobs = Table(
    "chunk_jobs",
    metadata,
    *identity(),
    Column("tenant_num", BigInteger, nullable=False),
    Column("asset_num", ForeignKey("assets.num", ondelete="CASCADE"), nullable=False, index=True),
    Column("output_num", ForeignKey("outputs.num", ondelete="CASCADE"), nullable=False, index=True),
    Column("generation_num", ForeignKey("generations.num", ondelete="CASCADE"), nullable=False, index=True),
    # first (first rung) | video | audio | download
    Column("kind", String, nullable=False),
    Column("position", Integer, nullable=False),
    Column("args", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    # higher first
    Column("priority", Integer, nullable=False, server_default=text("0")),
    # uncut (its slice of the source is not stored yet) | held | released | done | failed
    Column("state", String, nullable=False, server_default="held"),
    Column("job_id", BigInteger),
    Column("weight", Double, nullable=False, server_default=text("1")),
    Column("progress", Double, nullable=False, server_default=text("0")),
    Column("result", JSONB),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("error", String),
    *timestamps(),
    UniqueConstraint("generation_num", "kind", "position"),
    Index(
        "ix_chunk_jobs_open", "state", "tenant_num", postgresql_where=text("state IN ('held', 'released')")
    ),
)

attachments = Table(
    "attachments",
    metadata,
    *identity(),
    Column("asset_num", ForeignKey("assets.num", ondelete="CASCADE"), nullable=False),
    # poster | frame | preview | storyboard | caption | original
    Column("kind", String, nullable=False),
    Column("position", Integer, nullable=False, server_default=text("0")),
    # auto | embedded | upload
    Column("origin", String, nullable=False, server_default="auto"),
    Column("key", String, nullable=False),
    Column("content_type", String, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("language", String),
    Column("label", String),
    # kind's own facts: tiles of a storyboard, time of a frame
    Column("data", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    *timestamps(),
    Index("ix_attachments_asset", "asset_num", "kind", "position"),
)

asset_images = Table(
    "asset_images",
    metadata,
    Column("asset_num", ForeignKey("assets.num", ondelete="CASCADE"), primary_key=True),
    # poster, banner, ...: the asset's own names
    Column("name", String, primary_key=True),
    Column("file_num", ForeignKey("files.num", ondelete="CASCADE")),
    Column("image_uid", Uuid),
    Column("file_name", String),
    Column("url", String),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=NOW),
)

chapters = Table(
    "chapters",
    metadata,
    *identity(),
    Column("asset_num", ForeignKey("assets.num", ondelete="CASCADE"), nullable=False, index=True),
    Column("title", String, nullable=False),
    Column("start_s", Double, nullable=False),
    # NULL: until the next chapter or the end
    Column("end_s", Double),
    # embedded (came in the file, goes with it) | written
    Column("origin", String, nullable=False, server_default="written"),
    *timestamps(),
)
