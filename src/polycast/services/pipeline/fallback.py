"""MP4 files of the published renditions, joined from their segments without encoding."""

from pathlib import Path

from sqlalchemy import select

from polycast.db.engine import Database
from polycast.db.tables import assets, attachments, generations, outputs
from polycast.domain.assets import Track
from polycast.media.mp4 import mp4_from_tracks
from polycast.media.toolkit import MediaToolkit
from polycast.services.asset_rows import with_tracks
from polycast.services.pipeline.records import book_bytes, load_work
from polycast.services.pipeline.workspace import Workspace


class Mp4Fallback:
    """Job `mp4_fallback`: `play_720p.mp4` beside the manifests, for players that know neither HLS nor DASH."""

    def __init__(self, db: Database, workspace: Workspace, media: MediaToolkit) -> None:
        self._db = db
        self._space = workspace
        self._media = media

    async def run(self, generation_num: int) -> None:
        """Make what is missing; safe to repeat."""
        async with self._db.connect() as tx:
            row = (
                await tx.execute(
                    select(generations, assets.c.uid.label("asset_uid"))
                    .join(assets, assets.c.num == generations.c.asset_num)
                    .join(outputs, outputs.c.num == generations.c.output_num)
                    .where(generations.c.num == generation_num)
                )
            ).first()
            if row is None:
                return
            generation = await with_tracks(tx, row)
            work = await load_work(tx, row.output_num, settled=True)
            had = {
                a.label
                for a in await tx.execute(
                    select(attachments.c.label).where(
                        attachments.c.asset_num == row.asset_num, attachments.c.kind == "mp4"
                    )
                )
            }
        if work is None:
            return
        sound = next((t for t in generation.tracks if t.kind == "audio"), None)
        for track in generation.tracks:
            if track.kind != "video" or not track.codec.startswith("avc") or track.rendition in had:
                continue
            async with self._space.scratch("mp4") as out:
                video = await self._joined(work.folder, track, out / "video.mp4")
                audio = await self._joined(work.folder, sound, out / "audio.mp4") if sound else None
                target = out / "play.mp4"
                await mp4_from_tracks(self._media, video, audio, target)
                size = target.stat().st_size
                key = f"{work.folder}play_{track.rendition}.mp4"
                await self._space.keep([(target, key, size)])
            async with self._db.transaction() as tx:
                await tx.execute(
                    attachments.insert().values(
                        asset_num=work.asset_num,
                        kind="mp4",
                        key=key,
                        content_type="video/mp4",
                        size=size,
                        label=track.rendition,
                        position=track.height,
                    )
                )
                await book_bytes(tx, work, size)

    async def _joined(self, folder: str, track: Track, target: Path) -> Path:
        """Init segment and all segments of a track as one fragmented file."""
        prefix = f"{folder}g/{track.folder}/{track.name}/"
        found = await self._space.get_log(prefix)
        names = [found.header.init.object] if found.header.init else []
        names += list(dict.fromkeys(s.object for s in found.segments))
        with target.open("wb") as file:
            for name in names:
                async for block in self._space.store.stream(prefix + name):
                    file.write(block)
        return target
