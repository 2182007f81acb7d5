"""All tables, under one metadata."""

from polycast.db.tables.base import metadata
from polycast.db.tables.identity import api_keys, domains, organizations, players, tenants
from polycast.db.tables.ledger import events, garbage, impressions, spools, usage
from polycast.db.tables.queue import job_failures
from polycast.db.tables.vod import (
    asset_images,
    asset_sources,
    assets,
    attachments,
    chapters,
    chunk_jobs,
    collections,
    files,
    generations,
    outputs,
    tags,
    tracks,
)

__all__ = [
    "api_keys",
    "asset_images",
    "asset_sources",
    "assets",
    "attachments",
    "chapters",
    "chunk_jobs",
    "collections",
    "domains",
    "events",
    "files",
    "garbage",
    "generations",
    "impressions",
    "job_failures",
    "metadata",
    "organizations",
    "outputs",
    "players",
    "spools",
    "tags",
    "tenants",
    "tracks",
    "usage",
]
