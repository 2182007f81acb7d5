"""State machines as tables: what may follow what. An illegal move is a bug or a race, and raises."""

from enum import StrEnum

from polycast.domain.errors import Conflict


class FileStatus(StrEnum):
    UPLOADING = "uploading"
    COMPLETED = "completed"
    ERROR = "error"


class AssetStatus(StrEnum):
    """`PENDING` has no file yet; `AVAILABLE` means that a first generation plays."""

    PENDING = "pending"
    PULLING = "pulling"
    QUEUED = "queued"
    PROCESSING = "processing"
    AVAILABLE = "available"
    ERROR = "error"


class OutputStatus(StrEnum):
    PROCESSING = "processing"
    AVAILABLE = "available"
    ERROR = "error"


class GenerationState(StrEnum):
    """`GROWING` plays while it is written; `RETIRED` is kept for old sessions, then removed."""

    BUILDING = "building"
    GROWING = "growing"
    PUBLISHED = "published"
    FAILED = "failed"
    RETIRED = "retired"


class TenantStatus(StrEnum):
    ACTIVE = "active"
    BLOCKED = "blocked"
    DELETED = "deleted"


_A, _G = AssetStatus, GenerationState

ASSET_MOVES: dict[AssetStatus, frozenset[AssetStatus]] = {
    _A.PENDING: frozenset({_A.PULLING, _A.QUEUED, _A.ERROR}),
    _A.PULLING: frozenset({_A.QUEUED, _A.ERROR}),
    _A.QUEUED: frozenset({_A.PROCESSING, _A.ERROR}),
    _A.PROCESSING: frozenset({_A.AVAILABLE, _A.ERROR, _A.QUEUED}),
    # a replaced source: the old generation plays on while the new one is made. Error only when nothing
    # plays any more: what was playing was still growing, and cannot be finished
    _A.AVAILABLE: frozenset({_A.AVAILABLE, _A.ERROR}),
    # a new file, or another try
    _A.ERROR: frozenset({_A.QUEUED, _A.PULLING}),
}

GENERATION_MOVES: dict[GenerationState, frozenset[GenerationState]] = {
    _G.BUILDING: frozenset({_G.GROWING, _G.PUBLISHED, _G.FAILED}),
    _G.GROWING: frozenset({_G.PUBLISHED, _G.FAILED, _G.RETIRED}),
    _G.PUBLISHED: frozenset({_G.RETIRED}),
    _G.FAILED: frozenset(),
    _G.RETIRED: frozenset(),
}


def check_asset_move(old: AssetStatus, new: AssetStatus) -> None:
    """Raises Conflict when an asset cannot go from `old` to `new`; staying is always allowed."""
    if new != old and new not in ASSET_MOVES[old]:
        raise Conflict(f"the asset is {old.value} and cannot become {new.value}")


def check_generation_move(old: GenerationState, new: GenerationState) -> None:
    """Raises Conflict when a generation cannot go from `old` to `new`."""
    if new != old and new not in GENERATION_MOVES[old]:
        raise Conflict(f"the generation is {old.value} and cannot become {new.value}")
