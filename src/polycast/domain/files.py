"""Files: what somebody uploaded, or what was fetched for them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from polycast.domain.media import SourceInfo
from polycast.domain.states import FileStatus

MAX_PARTS = 10_000
"""as S3"""
DEFAULT_PART_SIZE = 50_000_000
MIN_PART_SIZE = 5 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class File:
    """One file; sizes in bytes, `size` only when completed, `asset_uids` of the assets made from it."""

    num: int
    uid: UUID
    tenant_num: int
    purpose: str
    asset_num: int | None
    name: str
    original_name: str
    friendly_name: str
    content_type: str | None
    key: str
    status: FileStatus
    error: str | None
    protocol: str
    upload_id: str | None
    part_size: int | None
    declared_size: int | None
    size: int | None
    intent: dict[str, Any]
    kinds: tuple[str, ...]
    probe: SourceInfo | None
    width: int | None
    height: int | None
    metadata: dict[str, Any]
    tags: tuple[str, ...]
    attributes: tuple[str, ...]
    uploaded_at: datetime | None
    expires_at: datetime | None
    created_at: datetime
    updated_at: datetime
    asset_uids: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class PartPlan:
    """How a file of known size is cut: all parts `part_size` bytes but the last."""

    part_size: int
    parts_count: int
    last_part_size: int


def plan_parts(size: int, part_size: int = DEFAULT_PART_SIZE) -> PartPlan:
    """The part plan of an upload of `size` > 0 bytes; parts grow so that there are at most 10 000.

    Raises:
        ValueError: `size` or `part_size` is not positive.
    """
    if size <= 0 or part_size <= 0:
        raise ValueError("sizes must be positive")
    while -(-size // part_size) > MAX_PARTS:
        part_size *= 2
    count = -(-size // part_size)
    return PartPlan(part_size, count, size - (count - 1) * part_size)
