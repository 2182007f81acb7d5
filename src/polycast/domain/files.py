"""Files: what somebody uploaded, or what was fetched for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from polycast.domain.errors import Invalid
from polycast.domain.media import SourceInfo
from polycast.domain.states import FileStatus

MAX_PARTS = 10_000
"""as S3"""
DEFAULT_PART_SIZE = 50_000_000
MIN_PART_SIZE = 5 * 1024 * 1024
MAX_PART_SIZE = 5 * 1024**3
"""as S3"""
CANCELLED = "cancelled"
"""What is kept as the error of an upload that its owner ended."""


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


def upload_stands(status: FileStatus, error: str | None) -> str:
    """How far an upload is, in words that go on from "the upload"."""
    if status is FileStatus.ERROR:
        return "was cancelled" if error == CANCELLED else f"failed: {error}"
    return "is completed already" if status is FileStatus.COMPLETED else "is not completed yet"


def part_limit(file: File, number: int) -> int:
    """Bytes that part `number` of an upload may have: those of its plan; without a plan, of any part.

    Raises:
        Invalid: the upload has no such part.
    """
    if file.declared_size is None or file.part_size is None:
        if not 1 <= number <= MAX_PARTS:
            raise Invalid(f"part numbers are 1 to {MAX_PARTS}", field="part_number")
        return MAX_PART_SIZE
    plan = plan_parts(file.declared_size, file.part_size)
    if not 1 <= number <= plan.parts_count:
        raise Invalid(f"part numbers are 1 to {plan.parts_count}", field="part_number")
    return plan.last_part_size if number == plan.parts_count else plan.part_size


def whole_of_parts(file: File, parts: Sequence[tuple[int, str]]) -> list[tuple[int, str]]:
    """The parts that a completion names, ascending, their ETags without quotes: each once, none left out.

    Args:
        parts: (number, ETag) in any order, with or without quotes.

    Raises:
        Invalid: a part is missing or named twice, or has no ETag.
    """
    if not parts:
        raise Invalid("no parts were named", field="parts")
    ordered = sorted((number, etag.strip().strip('"')) for number, etag in parts)
    if any(not etag for _, etag in ordered):
        raise Invalid("every part needs its ETag", field="parts")
    for position, (number, _) in enumerate(ordered, 1):
        if number != position:
            raise Invalid(f"part {position} is missing or named twice", field="parts")
    if file.declared_size is not None and file.part_size is not None and file.protocol == "parts":
        expected = plan_parts(file.declared_size, file.part_size).parts_count
        if len(ordered) != expected:
            raise Invalid(f"the upload has {expected} parts, {len(ordered)} were named", field="parts")
    return ordered
