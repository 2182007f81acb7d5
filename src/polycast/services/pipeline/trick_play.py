"""I-frame playlists of published renditions: what players wind fast with. No byte is copied."""

from sqlalchemy import select

from polycast.db.engine import Database
from polycast.db.tables import generations
from polycast.domain.assets import Track
from polycast.domain.states import GenerationState
from polycast.media.iframes import iframe_log
from polycast.services.asset_rows import with_tracks
from polycast.services.making import lock_asset
from polycast.services.pipeline.records import NewTrack, list_tracks, newest_published
from polycast.services.pipeline.trail import Trail
from polycast.services.pipeline.work import Work, load_work
from polycast.services.pipeline.workspace import Workspace


class TrickPlay:
    """Job `iframes`: beside each video track, one that names its key frames. Safe to repeat."""

    def __init__(self, db: Database, workspace: Workspace) -> None:
        self._db = db
        self._space = workspace

    async def run(self, output_num: int) -> None:
        """Add what is missing to the generation of an output that is published now, whichever asked for it."""
        async with self._db.connect() as tx:
            row = await newest_published(tx, output_num)
            if row is None:
                return
            generation = await with_tracks(tx, row)
            work = await load_work(tx, row.output_num, settled=True)
        if work is None:
            return
        there = {t.rendition for t in generation.tracks if t.kind == "iframe"}
        wanted = [t for t in generation.tracks if t.kind == "video" and t.name not in there]
        async with Trail(self._db, work) as trail:
            trail.writes(row.num, row.uid)
            made = [await self._made(work, track) for track in wanted]
            async with self._db.transaction() as tx:
                if not made or not await lock_asset(tx, work.asset_num):
                    return
                state = await tx.execute(select(generations.c.state).where(generations.c.num == row.num))
                if state.scalar() == GenerationState.PUBLISHED:
                    await list_tracks(tx, row.num, made, after=len(generation.tracks))

    async def _made(self, work: Work, track: Track) -> NewTrack:
        """The I-frame track over a track, in the folder that holds its bytes: they are shared and go together."""
        folder = f"{work.folder}g/{track.folder}/"

        async def read(name: str, offset: int, size: int) -> bytes:
            blocks = self._space.store.stream(f"{folder}{track.name}/{name}", offset, size)
            return b"".join([block async for block in blocks])

        log = await iframe_log(read, await self._space.get_log(f"{folder}{track.name}/"))
        name = f"iframes_{track.name.removeprefix('video_')}"
        await self._space.put_log(f"{folder}{name}/", log)
        return NewTrack(name, track.name, track.folder, log)
