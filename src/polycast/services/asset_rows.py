"""Rows to assets: the query every asset comes from, and the few queries that fetch its details."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Row, Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from polycast.db.tables import (
    asset_images,
    asset_sources,
    assets,
    attachments,
    chapters,
    collections,
    files,
    generations,
    outputs,
    tracks,
)
from polycast.domain.assets import (
    Asset,
    AssetImage,
    AssetSource,
    Attachment,
    Chapter,
    Generation,
    Output,
    SelectedTrack,
    Track,
)
from polycast.domain.states import AssetStatus, GenerationState, OutputStatus

# the trigrams are for the index alone: hundreds of words a row that nobody reads
ASSET_QUERY: Select[Any] = select(
    *(c for c in assets.c if c.name != "grams"), collections.c.uid.label("collection_uid")
).select_from(assets.outerjoin(collections, collections.c.num == assets.c.collection_num))


async def load_sources_and_outputs(tx: AsyncConnection, rows: Sequence[Row[Any]]) -> list[Asset]:
    """Assets of a list: two more queries, however many rows."""
    nums = [row.num for row in rows]
    if not nums:
        return []
    sources: dict[int, list[AssetSource]] = defaultdict(list)
    for row in await tx.execute(
        select(asset_sources)
        .where(asset_sources.c.asset_num.in_(nums))
        .order_by(asset_sources.c.asset_num, asset_sources.c.position)
    ):
        sources[row.asset_num].append(source_from_row(row))
    made: dict[int, list[Output]] = defaultdict(list)
    for row in await tx.execute(
        select(outputs).where(outputs.c.asset_num.in_(nums)).order_by(outputs.c.asset_num, outputs.c.num)
    ):
        made[row.asset_num].append(output_from_row(row))
    return [
        replace(from_row(row), sources=tuple(sources[row.num]), outputs=tuple(made[row.num])) for row in rows
    ]


async def with_presentation(tx: AsyncConnection, found: Sequence[Asset]) -> list[Asset]:
    """The same assets with their chapters, captions and named pictures: three more queries, however many assets."""
    nums = [asset.num for asset in found]
    if not nums:
        return []
    named: dict[int, list[Chapter]] = defaultdict(list)
    for row in await tx.execute(
        select(chapters).where(chapters.c.asset_num.in_(nums)).order_by(chapters.c.start_s, chapters.c.num)
    ):
        named[row.asset_num].append(Chapter(row.uid, row.title, row.start_s, row.end_s))
    pictures: dict[int, list[AssetImage]] = defaultdict(list)
    for row in await tx.execute(
        select(asset_images, files.c.key.label("file_key"))
        .outerjoin(files, files.c.num == asset_images.c.file_num)
        .where(asset_images.c.asset_num.in_(nums))
        .order_by(asset_images.c.name)
    ):
        pictures[row.asset_num].append(
            AssetImage(row.name, row.image_uid, row.file_name, row.url, row.file_key)
        )
    captions: dict[int, list[Attachment]] = defaultdict(list)
    for row in await tx.execute(
        select(attachments)
        .where(attachments.c.asset_num.in_(nums), attachments.c.kind == "caption")
        .order_by(attachments.c.position, attachments.c.num)
    ):
        captions[row.asset_num].append(attachment_from_row(row))
    return [
        replace(
            asset,
            chapters=tuple(named[asset.num]),
            images=tuple(pictures[asset.num]),
            attachments=tuple(captions[asset.num]),
        )
        for asset in found
    ]


async def load_details(tx: AsyncConnection, row: Row[Any]) -> Asset:
    """One asset with all that belongs to it, the newest playable generation of its main output included."""
    (asset,) = await with_presentation(tx, await load_sources_and_outputs(tx, [row]))
    num = asset.num
    attachment_rows = await tx.execute(
        select(attachments)
        .where(attachments.c.asset_num == num)
        .order_by(attachments.c.kind, attachments.c.position, attachments.c.num)
    )
    main = asset.main_output
    return replace(
        asset,
        attachments=tuple(attachment_from_row(r) for r in attachment_rows),
        generation=await newest_generation(tx, main.num) if main else None,
    )


async def newest_generation(tx: AsyncConnection, output_num: int) -> Generation | None:
    """The newest generation of an output that plays (published, or growing), with its tracks."""
    row = (
        await tx.execute(
            select(generations)
            .where(
                generations.c.output_num == output_num,
                generations.c.state.in_([GenerationState.PUBLISHED, GenerationState.GROWING]),
            )
            .order_by(generations.c.number.desc())
            .limit(1)
        )
    ).first()
    return await with_tracks(tx, row) if row else None


async def with_tracks(tx: AsyncConnection, row: Row[Any]) -> Generation:
    """A generation's row with its tracks, in order."""
    found = await tx.execute(
        select(tracks).where(tracks.c.generation_num == row.num).order_by(tracks.c.position, tracks.c.num)
    )
    return Generation(
        row.num,
        row.uid,
        row.output_num,
        row.number,
        GenerationState(row.state),
        row.duration_ms,
        tuple(track_from_row(t) for t in found),
        row.published_at,
    )


def source_from_row(row: Row[Any]) -> AssetSource:
    """A row of asset_sources; `{"auto": true}` in place of tracks means all audio tracks."""
    auto = isinstance(row.tracks, dict)
    chosen = () if auto else tuple(SelectedTrack(**t) for t in row.tracks)
    return AssetSource(row.file_uid, tuple(row.kinds), chosen, auto_audio=auto)


def output_from_row(row: Row[Any]) -> Output:
    return Output(
        num=row.num,
        uid=row.uid,
        asset_num=row.asset_num,
        name=row.name,
        preset=row.preset,
        kind=row.kind,
        main=row.main,
        status=OutputStatus(row.status),
        progress=row.progress,
        error=row.error,
        key=row.key,
        size=row.size,
        expires_at=row.expires_at,
        completed_at=row.completed_at,
        created_at=row.created_at,
    )


def track_from_row(row: Row[Any]) -> Track:
    return Track(
        name=row.name,
        kind=row.kind,
        rendition=row.rendition,
        folder=row.folder,
        codec=row.codec,
        width=row.width,
        height=row.height,
        frame_rate=row.frame_rate,
        bandwidth=row.bandwidth,
        average_bandwidth=row.average_bandwidth,
        channels=row.channels,
        sample_rate=row.sample_rate,
        language=row.language,
        label=row.label,
        is_default=row.is_default,
        duration_ms=row.duration_ms,
        size=row.size,
    )


def attachment_from_row(row: Row[Any]) -> Attachment:
    return Attachment(
        uid=row.uid,
        kind=row.kind,
        position=row.position,
        origin=row.origin,
        key=row.key,
        content_type=row.content_type,
        size=row.size,
        language=row.language,
        label=row.label,
        data=row.data,
    )


def from_row(row: Row[Any]) -> Asset:
    """A row of `ASSET_QUERY` without its details."""
    m = row._mapping
    return Asset(
        num=m["num"],
        uid=m["uid"],
        tenant_num=m["tenant_num"],
        kind=m["kind"],
        title=m["title"],
        description=m["description"],
        metadata=m["metadata"],
        tags=tuple(m["tags"]),
        attributes=tuple(m["attributes"]),
        status=AssetStatus(m["status"]),
        error=m["error"],
        preset=m["preset"],
        settings=m["settings"],
        collection_uid=m["collection_uid"],
        reference_id=m["reference_id"],
        custom_id=m["custom_id"],
        upload_type=m["upload_type"],
        duration_ms=m["duration_ms"],
        width=m["width"],
        height=m["height"],
        frame_rate=m["frame_rate"],
        views=m["views"],
        watch_ms=m["watch_ms"],
        source_size=m["source_size"],
        stored_size=m["stored_size"],
        uploaded_at=m["uploaded_at"],
        playable_at=m["playable_at"],
        created_at=m["created_at"],
        updated_at=m["updated_at"],
    )
