"""Rows to what belongs to an asset: sources, outputs, generations and tracks, attachments."""

from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from polycast.db.tables import tracks
from polycast.domain.assets import AssetSource, Attachment, Generation, Output, SelectedTrack, Track
from polycast.domain.states import GenerationState, OutputStatus


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
