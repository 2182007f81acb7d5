"""MP4 files of the published renditions, joined from their segments without encoding."""

from pathlib import Path

from sqlalchemy import delete, select

from polycast.db.engine import Database
from polycast.db.tables import attachments, garbage
from polycast.domain.assets import Generation, Track
from polycast.media.mp4 import mp4_from_tracks
from polycast.media.toolkit import MediaToolkit
from polycast.services import ledger
from polycast.services.asset_rows import with_tracks
from polycast.services.making import lock_asset
from polycast.services.pipeline.records import book_bytes, newest_published
from polycast.services.pipeline.trail import Trail
from polycast.services.pipeline.work import Work, load_work
from polycast.services.pipeline.workspace import Workspace


class Mp4Fallback:
    """Job `mp4_fallback`: `play_720p.mp4` beside the manifests, for players that know neither HLS nor DASH."""

    def __init__(self, db: Database, workspace: Workspace, media: MediaToolkit) -> None:
        self._db = db
        self._space = workspace
        self._media = media

    async def run(self, output_num: int) -> None:
        """Make what is missing of the generation that is published now, whichever asked for it.

        Safe to repeat, one run at a time per output.
        """
        async with self._db.connect() as tx:
            row = await newest_published(tx, output_num)
            if row is None:
                return
            generation = await with_tracks(tx, row)
            work = await load_work(tx, row.output_num, settled=True)
            had = await tx.execute(
                select(attachments.c.label, attachments.c.data).where(
                    attachments.c.asset_num == row.asset_num, attachments.c.kind == "mp4"
                )
            )
            made = {a.label for a in had if a.data.get("generation") == str(generation.uid)}
        if work is None:
            return
        sounds = sorted((t for t in generation.tracks if t.kind == "audio"), key=lambda t: not t.is_default)
        sound = next(iter(sounds), None)
        wanted = [t for t in generation.tracks if t.kind == "video" and t.codec.startswith("avc")]
        async with Trail(self._db, work):
            for track in wanted:
                if track.rendition not in made:
                    await self._make(work, generation, track, sound)
            await self._forget_others(work, {t.rendition for t in wanted})

    async def _make(self, work: Work, generation: Generation, track: Track, sound: Track | None) -> None:
        key = f"{work.folder}play_{track.rendition}.mp4"
        async with self._space.scratch("mp4") as out:
            video = await self._joined(work.folder, track, out / "video.mp4")
            audio = await self._joined(work.folder, sound, out / "audio.mp4") if sound else None
            target = out / "play.mp4"
            languages = [sound.language] if sound else []
            await mp4_from_tracks(self._media, video, audio, target, languages=languages)
            size = target.stat().st_size
            async with self._db.transaction() as tx:
                await tx.execute(delete(garbage).where(garbage.c.key == key))
            await self._space.keep([(target, key, size)])
        async with self._db.transaction() as tx:
            if not await lock_asset(tx, work.asset_num):
                return
            old = await tx.execute(
                delete(attachments)
                .where(
                    attachments.c.asset_num == work.asset_num,
                    attachments.c.kind == "mp4",
                    attachments.c.label == track.rendition,
                )
                .returning(attachments.c.size)
            )
            await tx.execute(
                attachments.insert().values(
                    asset_num=work.asset_num,
                    kind="mp4",
                    key=key,
                    content_type="video/mp4",
                    size=size,
                    label=track.rendition,
                    position=track.height,
                    data={"generation": str(generation.uid)},
                )
            )
            await book_bytes(tx, work, size - sum(row.size for row in old))

    async def _forget_others(self, work: Work, kept: set[str]) -> None:
        """Files of renditions that an earlier source had, and this one has not."""
        async with self._db.transaction() as tx:
            if not await lock_asset(tx, work.asset_num):
                return
            gone = (
                await tx.execute(
                    delete(attachments)
                    .where(
                        attachments.c.asset_num == work.asset_num,
                        attachments.c.kind == "mp4",
                        attachments.c.label.not_in(kept),
                    )
                    .returning(attachments.c.key, attachments.c.size)
                )
            ).all()
            await ledger.discard(tx, [row.key for row in gone])
            await book_bytes(tx, work, -sum(row.size for row in gone))

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
