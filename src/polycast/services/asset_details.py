"""Assets with all that belongs to them, in one statement: PostgreSQL writes each as JSON, pydantic-core reads it.

The members of the JSON are the fields of the domain's classes, so that one pass in native code makes the
objects. Seven statements would cost seven round trips and, worse, seven times the work of sending and reading
one; see docs/decisions/0101.
"""

from collections.abc import Sequence
from dataclasses import fields
from typing import LiteralString
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncConnection

from polycast.db.reader import Reader
from polycast.domain.assets import (
    Asset,
    AssetImage,
    AssetSource,
    Attachment,
    Chapter,
    Generation,
    Output,
    Track,
)

_ASSET = TypeAdapter(Asset)
_ASSETS = TypeAdapter(tuple[Asset, ...])


def _columns(kind: type, table: LiteralString, **otherwise: LiteralString) -> LiteralString:
    """The fields of a class as columns: of their own name in `table`, unless said otherwise ("" = left out)."""
    values = [(field.name, otherwise.get(field.name, f"{table}.{field.name}")) for field in fields(kind)]
    return ", ".join(f"{value} AS {name}" for name, value in values if value)


def _many(columns: LiteralString, source: LiteralString) -> LiteralString:
    return f"(SELECT coalesce(json_agg(x), '[]') FROM (SELECT {columns} FROM {source}) x)"  # noqa: S608


_AUTO = "jsonb_typeof(s.tracks) = 'object'"
"""`{"auto": true}` in place of tracks means all audio tracks"""
_SOURCES = _many(
    _columns(AssetSource, "s", tracks=f"CASE WHEN {_AUTO} THEN '[]' ELSE s.tracks END", auto_audio=_AUTO),
    "asset_sources s WHERE s.asset_num = a.num ORDER BY s.position",
)
_OUTPUTS = _many(_columns(Output, "o"), "outputs o WHERE o.asset_num = a.num ORDER BY o.num")
_CHAPTERS = _many(_columns(Chapter, "c"), "chapters c WHERE c.asset_num = a.num ORDER BY c.start_s, c.num")
_IMAGES = _many(
    _columns(AssetImage, "i", file_key="f.key"),
    "asset_images i LEFT JOIN files f ON f.num = i.file_num WHERE i.asset_num = a.num ORDER BY i.name",
)
_ATTACHMENTS = _many(
    _columns(Attachment, "t"), "attachments t WHERE t.asset_num = a.num ORDER BY t.kind, t.position, t.num"
)
_CAPTIONS = _many(
    _columns(Attachment, "t"),
    "attachments t WHERE t.asset_num = a.num AND t.kind = 'caption' ORDER BY t.position, t.num",
)
_TRACKS = _many(_columns(Track, "t"), "tracks t WHERE t.generation_num = g.num ORDER BY t.position, t.num")
_GENERATION: LiteralString = (
    f"(SELECT to_json(x) FROM (SELECT {_columns(Generation, 'g', tracks=_TRACKS)} "  # noqa: S608
    "FROM generations g JOIN outputs o ON o.num = g.output_num WHERE o.asset_num = a.num AND o.main "
    "AND g.state IN ('published', 'growing') ORDER BY g.number DESC LIMIT 1) x)"
)
_JOINED: LiteralString = "assets a LEFT JOIN collections c ON c.num = a.collection_num"


def whole(where: LiteralString) -> LiteralString:
    """The statement that finds assets with all their details, one column for each field of `Asset`."""
    columns = _columns(
        Asset,
        "a",
        collection_uid="c.uid",
        sources=_SOURCES,
        outputs=_OUTPUTS,
        chapters=_CHAPTERS,
        images=_IMAGES,
        attachments=_ATTACHMENTS,
        generation=_GENERATION,
    )
    return f"SELECT {columns} FROM {_JOINED} WHERE {where}"  # noqa: S608


def listed(
    nums: LiteralString,
    *,
    chapters: LiteralString = "",
    images: LiteralString = "",
    attachments: LiteralString = "",
) -> LiteralString:
    """The statement that finds the assets of a list, in the order of `nums`, an array of their numbers."""
    columns = _columns(
        Asset,
        "a",
        collection_uid="c.uid",
        sources=_SOURCES,
        outputs=_OUTPUTS,
        chapters=chapters,
        images=images,
        attachments=attachments,
        generation="",
    )
    return (
        f"SELECT {columns} FROM {_JOINED} "  # noqa: S608
        f"JOIN unnest({nums}) WITH ORDINALITY n (num, place) ON n.num = a.num ORDER BY n.place"
    )


def _one(rows: LiteralString) -> LiteralString:
    return f"SELECT to_json(x)::text FROM ({rows}) x"  # noqa: S608


def _all(rows: LiteralString) -> LiteralString:
    return f"SELECT coalesce(json_agg(x), '[]')::text FROM ({rows}) x"  # noqa: S608


_BY_UID = _one(whole("a.uid = %(uid)s"))
_BY_NUM = _one(whole("a.num = %(num)s"))
_OF_TENANT = _one(whole("a.uid = %(uid)s AND a.tenant_num = %(tenant)s"))
_NUMS: LiteralString = "%(nums)s::bigint[]"
_LISTED = _all(listed(_NUMS))
_PRESENTED = _all(listed(_NUMS, chapters=_CHAPTERS, images=_IMAGES, attachments=_CAPTIONS))


async def find_asset(
    reader: Reader, *, uid: UUID | None = None, num: int | None = None, tenant: int | None = None
) -> Asset | None:
    """An asset with all its details, by uid (of one tenant, or of any) or by number; None when there is none.

    The generation is the newest one of the main output that plays (published, or growing).
    """
    statement = _BY_NUM if uid is None else _BY_UID if tenant is None else _OF_TENANT
    row = await reader.one(statement, {"uid": uid, "num": num, "tenant": tenant})
    return None if row is None else _ASSET.validate_json(row[0])


async def load_asset(tx: AsyncConnection, num: int) -> Asset:
    """As `find_asset`, inside a transaction that knows the asset to be there."""
    return _ASSET.validate_json((await tx.exec_driver_sql(_BY_NUM, {"num": num})).scalar_one())


async def find_assets(
    reader: Reader, nums: Sequence[int], *, presentation: bool = False
) -> tuple[Asset, ...]:
    """Assets with sources and outputs, in the order of `nums`; those that are gone are left out.

    Args:
        presentation: with chapters, named pictures and captions, too.
    """
    row = await reader.one(_PRESENTED if presentation else _LISTED, {"nums": list(nums)})
    return () if row is None else _ASSETS.validate_json(row[0])
