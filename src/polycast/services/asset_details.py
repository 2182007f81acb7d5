"""One asset with all that belongs to it, in one statement: what hangs on it comes as JSON beside its row.

Seven statements cost seven round trips and, worse, seven times the work of building, sending and reading one;
see docs/decisions/0101.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, literal_column
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from polycast.domain.assets import Asset, AssetImage, Chapter, Generation
from polycast.domain.states import GenerationState
from polycast.services.asset_rows import (
    ASSET_QUERY,
    attachment_from_row,
    from_row,
    output_from_row,
    source_from_row,
    track_from_row,
)


def _column(name: str, sql: str) -> ColumnElement[Any]:
    return literal_column(f"({sql})", JSONB).label(name)


def _many(name: str, source: str, value: str, order: str) -> ColumnElement[Any]:
    return _column(name, f"SELECT coalesce(jsonb_agg({value} ORDER BY {order}), '[]') FROM {source}")  # noqa: S608


# constants all: nothing of a request becomes part of these texts
DETAILS_QUERY = ASSET_QUERY.add_columns(
    _many("d_sources", "asset_sources s WHERE s.asset_num = assets.num", "to_jsonb(s)", "s.position"),
    _many("d_outputs", "outputs o WHERE o.asset_num = assets.num", "to_jsonb(o)", "o.num"),
    _many("d_chapters", "chapters c WHERE c.asset_num = assets.num", "to_jsonb(c)", "c.start_s, c.num"),
    _many(
        "d_images",
        "asset_images i LEFT JOIN files f ON f.num = i.file_num WHERE i.asset_num = assets.num",
        "to_jsonb(i) || jsonb_build_object('file_key', f.key)",
        "i.name",
    ),
    _many(
        "d_attachments",
        "attachments a WHERE a.asset_num = assets.num",
        "to_jsonb(a)",
        "a.kind, a.position, a.num",
    ),
    _column(
        "d_generation",
        "SELECT to_jsonb(g) - 'plan' || jsonb_build_object('tracks', (SELECT coalesce(jsonb_agg(to_jsonb(t) "
        "ORDER BY t.position, t.num), '[]') FROM tracks t WHERE t.generation_num = g.num)) "
        "FROM generations g JOIN outputs o ON o.num = g.output_num WHERE o.asset_num = assets.num AND o.main "
        "AND g.state IN ('published', 'growing') ORDER BY g.number DESC LIMIT 1",
    ),
)


async def load_asset(tx: AsyncConnection, where: ColumnElement[bool]) -> Asset | None:
    """The asset that `where` finds, with its details; None when it finds none."""
    row = (await tx.execute(DETAILS_QUERY.where(where))).first()
    return None if row is None else details_from_row(row)


def details_from_row(row: Row[Any]) -> Asset:
    """An asset from a row of `DETAILS_QUERY`."""
    return replace(
        from_row(row),
        sources=tuple(source_from_row(_line(s)) for s in row.d_sources),
        outputs=tuple(output_from_row(_line(o)) for o in row.d_outputs),
        chapters=tuple(Chapter(UUID(c["uid"]), c["title"], c["start_s"], c["end_s"]) for c in row.d_chapters),
        images=tuple(_image(i) for i in row.d_images),
        attachments=tuple(attachment_from_row(_line(a)) for a in row.d_attachments),
        generation=_generation(row.d_generation) if row.d_generation else None,
    )


def _image(i: Mapping[str, Any]) -> AssetImage:
    uid = UUID(i["image_uid"]) if i["image_uid"] else None
    return AssetImage(i["name"], uid, i["file_name"], i["url"], i["file_key"])


def _generation(g: Mapping[str, Any]) -> Generation:
    return Generation(
        g["num"],
        UUID(g["uid"]),
        g["output_num"],
        g["number"],
        GenerationState(g["state"]),
        g["duration_ms"],
        tuple(track_from_row(_line(t)) for t in g["tracks"]),
        datetime.fromisoformat(g["published_at"]) if g["published_at"] else None,
    )


_TYPED: dict[str, Callable[[str], Any]] = {
    "uid": UUID,
    "file_uid": UUID,
    "created_at": datetime.fromisoformat,
    "expires_at": datetime.fromisoformat,
    "completed_at": datetime.fromisoformat,
}
"""columns that JSON has no type for"""


def _line(values: dict[str, Any]) -> Any:
    """A JSON object in the shape of a row."""
    for name in _TYPED.keys() & values.keys():
        if values[name] is not None:
            values[name] = _TYPED[name](values[name])
    return SimpleNamespace(**values)
