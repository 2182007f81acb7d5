"""The source as it is: packaged without encoding, and shown while it is packaged."""

import logging
from dataclasses import dataclass, replace

from sqlalchemy import func, update

from polycast.db.engine import Database
from polycast.db.tables import generations
from polycast.domain.errors import ChildFailed
from polycast.domain.media import SourceInfo
from polycast.domain.states import GenerationState
from polycast.domain.tracks import TrackHeader, TrackLog
from polycast.jobs.dispatcher import Dispatcher
from polycast.jobs.queue import JobQueue
from polycast.jobs.registry import running_job
from polycast.media.grid_shape import HELD_FROM_S, sound_grid
from polycast.media.ladder import plan_ladder
from polycast.media.package import NotPackageable
from polycast.media.selection import AudioChoice, TrackSelection
from polycast.media.streamable import LadderCap, Streamable, streamable
from polycast.media.toolkit import MediaToolkit
from polycast.services.crashpoints import reached
from polycast.services.pipeline.audio_plans import audio_plans
from polycast.services.pipeline.choice import Choice
from polycast.services.pipeline.early import Early
from polycast.services.pipeline.hold import Overtaken, add_generation, find_plan, hold_audio, save_plan, still
from polycast.services.pipeline.plan import GenerationPlan, SharedTrack
from polycast.services.pipeline.records import (
    OPEN,
    UNPLANNED,
    GenerationRow,
    NewTrack,
    book_bytes,
    list_tracks,
    move_generation,
    wake_assembly,
)
from polycast.services.pipeline.sound_ends import others_end
from polycast.services.pipeline.trail import Trail
from polycast.services.pipeline.work import Work, take_work
from polycast.services.pipeline.workspace import Local, Workspace

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AsIs:
    """The packaged source: its generation, its tracks, the log of its video."""

    generation: GenerationRow
    plan: GenerationPlan


class Packager:
    """Packages a source for the generation `as_is`."""

    def __init__(
        self, db: Database, workspace: Workspace, media: MediaToolkit, jobs: JobQueue, segment_s: float
    ) -> None:
        self._db = db
        self._space = workspace
        self._media = media
        self._jobs = jobs
        self._segment_s = segment_s

    async def package(self, work: Work, choice: Choice, trail: Trail, local: Local) -> AsIs | None:
        """Package and list the source's own tracks; None when it has to be encoded."""
        file, info = choice.lead
        if not work.preset.passthrough:
            return None
        own = [a for a in choice.audio if a.file.num == file.num]
        foreign = [a for a in choice.audio if a.file.num != file.num]
        narrowed = replace(
            info,
            video=(choice.video,) if choice.video else (),
            audio=tuple(a.track for a in own),
        )
        judged = streamable(narrowed, LadderCap.of(work.preset))
        if not isinstance(judged, Streamable):
            return None
        async with self._db.transaction() as tx:
            await still(tx, work)
            found = await find_plan(tx, work, "as_is", failed=True)
            generation = found[0] if found else await add_generation(
                tx, work, GenerationPlan("as_is", work.round, chunks=UNPLANNED)
            )  # fmt: skip
        if generation.state is GenerationState.FAILED:
            return None  # an earlier run found that it cannot be packaged
        if found is not None and found[1].chunks != UNPLANNED:
            return AsIs(generation, found[1])
        trail.writes(generation.num, generation.uid)
        prefix = f"{work.folder}g/{generation.uid}/"
        selection = TrackSelection(
            video=choice.video.id if choice.video else None,
            audio=tuple(AudioChoice(a.track.id, a.track.language, a.track.title) for a in own),
        )
        first_sound = next((a.track.id for a in choice.audio[:1] if a in own), None)
        packaged: list[SharedTrack] = []
        path = await local(file.key)
        async with self._space.scratch("package") as out:
            early = Early(
                self._space, out, prefix, len(narrowed.video) + len(own),
                named=lambda track, header: _listed(generation, track, header, first=track == first_sound),
                show=lambda growing: self._show(work, generation, growing),
            )  # fmt: skip
            # only where tables told all before the first frame was written can nothing go wrong any more;
            # sound from other files is still to be encoded
            told_all = judged.certain and _has_tables(info)
            hear = early.heard if work.settings.early_play and told_all and not foreign else None
            try:
                async with early:
                    tracks = await self._media.package(
                        path, out, selection, narrowed, target_s=self._segment_s, on_event=hear
                    )
                if choice.video is not None:
                    length_s = tracks[0].log.duration_s
                    if await others_end(self._media, choice, local, length_s) - length_s > HELD_FROM_S:
                        raise NotPackageable("sound of another file goes on behind the picture")
            except (NotPackageable, ChildFailed) as error:
                if isinstance(error, ChildFailed):
                    await self._space.blame_space(error)
                    known = running_job()
                    if error.reason in ("start", "sandbox") or known is None or not known.failures:
                        raise
                    # it does so again: our cutter stumbles over this file; the encoder may well read it
                log.info("asset %s is encoded, not packaged: %s", work.asset_uid, error)
                await self._drop(generation)
                return None
            size = 0
            for track in tracks:
                is_video = track.log.header.kind == "video"
                listed = "source" if is_video else track.id
                size += await self._space.keep_track(track.folder, f"{prefix}{listed}/", track.log)
                rendition = (
                    _rendition_name(track.log.header.width, track.log.header.height) if is_video else ""
                )
                packaged.append(SharedTrack(listed, str(generation.uid), rendition, track.id == first_sound))
        await reached("process.packaged")
        plan = GenerationPlan(
            "as_is",
            work.round,
            packaged=tuple(packaged),
            audio=audio_plans(
                work, foreign, info, taken={t.name for t in packaged}, default=first_sound is None
            ),
            # a player waits for sound that ends before the picture: silence, then
            grid=sound_grid(tracks[0].log) if foreign else None,
        )
        more = (
            plan_ladder(choice.info, work.preset, as_is=True, audio_tracks=()).renditions
            if choice.info is not None
            else ()
        )
        async with self._db.transaction() as tx:
            await still(tx, work)
            now = await find_plan(tx, work, "as_is", failed=True)
            if now is None or now[0].state is GenerationState.FAILED:
                raise Overtaken
            if now[1].chunks != UNPLANNED:
                return AsIs(generation, now[1])  # a run that was thought dead was first
            await save_plan(tx, generation, plan)
            if more:
                # its place is taken before the first generation is published: the output is not done yet
                await add_generation(
                    tx, work, GenerationPlan("ladder", work.round, renditions=more, chunks=UNPLANNED)
                )
            await book_bytes(tx, work, size, generation=generation.num)
            await hold_audio(tx, work, generation, plan)
            await Dispatcher.ring(tx)
            await wake_assembly(tx, self._jobs, generation.num)
        return AsIs(generation, plan)

    async def _show(self, work: Work, generation: GenerationRow, growing: list[NewTrack]) -> bool:
        """List what is packaged so far; False when another round took over, or a second run was first."""
        async with self._db.transaction() as tx:
            if await take_work(tx, work.output_num, work.epoch) is None:
                return False
            found = await find_plan(tx, work, "as_is")
            if found is None or found[0].num != generation.num or found[1].chunks != UNPLANNED:
                return False
            await list_tracks(tx, generation.num, growing)
            if found[0].state is GenerationState.BUILDING:
                await move_generation(tx, work, generation.num, GenerationState.GROWING)
        return True

    async def _drop(self, generation: GenerationRow) -> None:
        async with self._db.transaction() as tx:
            await tx.execute(
                update(generations)
                .where(generations.c.num == generation.num, generations.c.state.in_(OPEN))
                .values(state=GenerationState.FAILED, updated_at=func.now())
            )


def _has_tables(info: SourceInfo) -> bool:
    return "mp4" in info.container.split(",")


def _listed(generation: GenerationRow, track: str, header: TrackHeader, *, first: bool) -> NewTrack:
    """A packaged track as it is listed, still without segments."""
    video = header.kind == "video"
    return NewTrack(
        "source" if video else track,
        _rendition_name(header.width, header.height) if video else "",
        str(generation.uid),
        TrackLog(header, (), complete=False),
        first,
    )


def _rendition_name(width: int, height: int) -> str:
    return f"{min(width, height)}p"
