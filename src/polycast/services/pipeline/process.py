"""The first step of an output: look at the source, publish what plays at once, plan the rest."""

import asyncio
import logging
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from polycast.db.engine import Database
from polycast.db.tables import assets, chunk_jobs, generations
from polycast.domain.errors import MediaError, NoPlayableTracks, NotFound
from polycast.domain.files import File
from polycast.domain.states import AssetStatus, GenerationState
from polycast.domain.tracks import TrackLog
from polycast.jobs.dispatcher import Dispatcher
from polycast.jobs.queue import JobQueue
from polycast.media.chunks import plan_chunks
from polycast.media.encode_source import PreparedSource
from polycast.media.grid import OffGrid, plan_grid
from polycast.media.grid_shape import Grid, moved
from polycast.media.ladder import Ladder, plan_ladder
from polycast.media.toolkit import MediaToolkit
from polycast.services import ledger
from polycast.services.crashpoints import reached
from polycast.services.making import pictures_lock, scratch_folder
from polycast.services.pipeline.as_is import AsIs, Packager
from polycast.services.pipeline.audio_plans import audio_plans
from polycast.services.pipeline.choice import Choice, choose
from polycast.services.pipeline.endings import drop_chunks, fail_output
from polycast.services.pipeline.hold import (
    Overtaken,
    add_generation,
    find_plan,
    hold,
    hold_audio,
    save_plan,
    still,
    weight_of,
)
from polycast.services.pipeline.plan import GenerationPlan, SharedTrack
from polycast.services.pipeline.records import OPEN, UNPLANNED, GenerationRow, new_generation
from polycast.services.pipeline.slices import UNCUT, Slices
from polycast.services.pipeline.sound_ends import others_end
from polycast.services.pipeline.trail import Trail
from polycast.services.pipeline.work import Work, take_work
from polycast.services.pipeline.workspace import Local, Workspace

log = logging.getLogger(__name__)

PICTURES_JOB = "pictures"


class Process:
    """Job `process_output`; safe to repeat, and continues what a killed run left."""

    def __init__(
        self,
        db: Database,
        workspace: Workspace,
        media: MediaToolkit,
        jobs: JobQueue,
        *,
        chunk_s: float = 24.0,
        segment_s: float = 4.0,
    ) -> None:
        self._db = db
        self._space = workspace
        self._media = media
        self._jobs = jobs
        self._slices = Slices(db, workspace, media)
        self._chunk_s = chunk_s
        self._segment_s = segment_s
        self._as_is = Packager(db, workspace, media, jobs, segment_s)

    async def run(self, output_num: int, epoch: int | None = None) -> None:
        """Plan one output and start its jobs.

        Failures of the media end the output with their message; anything else is raised, for another try.

        Args:
            epoch: the round that is meant; a job of an earlier one does nothing.
        """
        async with self._db.transaction() as tx:
            work = await take_work(tx, output_num, epoch)
            if work is None:
                return
            await self._begin(tx, work)
        await reached("process.begun")
        async with Trail(self._db, work, scratch=True) as trail:
            try:
                if not work.sources:
                    raise NoPlayableTracks("the source file was deleted before it was processed")
                choice = choose(work.sources, with_video=not work.preset.audio_only)
                if work.main:
                    await self._describe(work, choice)
                if work.preset.kind == "download":
                    await self._plan_download(work, choice)
                else:
                    await self._plan_stream(work, choice, trail)
            except MediaError as error:
                await self.give_up(output_num, error.message, work.epoch)
            except NotFound:
                async with self._db.transaction() as tx:
                    if await take_work(tx, output_num, work.epoch) is not None:
                        raise
            except Overtaken:
                log.info("output %s of asset %s is not wanted any more", work.name, work.asset_uid)
        await reached("process.done")

    async def give_up(self, output_num: int, message: str, epoch: int | None = None) -> None:
        """End an output with an error, unless it is made anew meanwhile."""
        async with self._db.transaction() as tx:
            work = await take_work(tx, output_num, epoch)
            if work is not None:
                await fail_output(tx, self._jobs, work, message)

    async def _begin(self, tx: AsyncConnection, work: Work) -> None:
        await self._end_other_rounds(tx, work)
        moved = await tx.execute(
            update(assets)
            .where(
                assets.c.num == work.asset_num,
                assets.c.status.in_([AssetStatus.QUEUED, AssetStatus.PENDING, AssetStatus.PULLING]),
            )
            .values(status=AssetStatus.PROCESSING)
            .returning(assets.c.num)
        )
        if moved.first() is not None:
            await ledger.record(tx, work.caller, "asset.processing", "asset", work.asset_uid)

    async def _end_other_rounds(self, tx: AsyncConnection, work: Work) -> None:
        """A replaced source ends what was still being made of the old one; what plays goes on playing.

        One that was growing stops where it is, and is seen until the new one is published or fails.
        """
        others = select(generations.c.num).where(
            generations.c.output_num == work.output_num,
            generations.c.plan["round"].astext != work.round,
        )
        # those of published generations, too: they would count in the progress of this round
        await drop_chunks(tx, self._jobs, chunk_jobs.c.generation_num.in_(others))
        stale = (await tx.execute(others.where(generations.c.state.in_(OPEN)))).all()
        if not stale:
            return
        await tx.execute(
            update(generations)
            .where(
                generations.c.num.in_([row.num for row in stale]),
                generations.c.state == GenerationState.BUILDING,
            )
            .values(state=GenerationState.FAILED, updated_at=func.now())
        )
        await ledger.discard(tx, [scratch_folder(work.output_uid, n) for n in range(work.epoch)])

    async def _describe(self, work: Work, choice: Choice) -> None:
        """Facts of the source on the asset, and pictures and captions beside everything else."""
        _, info = choice.lead
        video = choice.video
        rate = video.frame_rate if video else None
        async with self._db.transaction() as tx:
            await still(tx, work)
            await tx.execute(
                update(assets)
                .where(assets.c.num == work.asset_num)
                .values(
                    duration_ms=round(info.duration_s * 1000) or None,
                    width=video.display_width if video else None,
                    height=video.display_height if video else None,
                    frame_rate=float(rate) if rate else None,
                )
            )
            await self._jobs.enqueue(
                tx,
                PICTURES_JOB,
                {"output": work.output_num},
                lock=pictures_lock(work.output_num),
                queueing_lock=pictures_lock(work.output_num),
                turn=work.caller.tenant.num,
            )

    async def _plan_download(self, work: Work, choice: Choice) -> None:
        weight = max(1.0, choice.lead[1].duration_s)
        async with self._db.transaction() as tx:
            await still(tx, work)
            if await find_plan(tx, work, "download") is not None:
                return
            generation = await add_generation(tx, work, GenerationPlan("download", work.round))
            await hold(tx, work, generation, "download", 0, {"renditions": [work.preset.name]}, weight)
            await Dispatcher.ring(tx)

    async def _plan_stream(self, work: Work, choice: Choice, trail: Trail) -> None:
        async with self._space.sources() as local:
            as_is = await self._as_is.package(work, choice, trail, local)
            await reached("process.planned")
            if choice.video is None:
                if as_is is None:
                    await self._plan_audio(work, choice)
                return
            async with self._db.connect() as tx:
                # this step is one transaction: what it planned is all there, or nothing
                above = await find_plan(tx, work, "ladder" if as_is is not None else "first")
            if as_is is not None and above is None:
                return  # nothing above the source itself
            planned = above is not None and above[1].chunks != UNPLANNED
            if planned and not await self._slices.missing(work):
                return
            file, info = choice.video_file, choice.info
            assert file is not None and info is not None
            async with self._space.scratch("prepare") as folder:
                path = await local(file.key)
                # the sound of a packaged source is packaged
                needed = choice.files[0][1] if as_is is None else replace(info, audio=())
                prepared = await self._media.prepare_source(path, needed, folder, exact=as_is is not None)
                if not planned:
                    key, scratch = await self._stored(work, file, prepared, path)
                    await reached("process.prepared")
                    ladder = plan_ladder(info, work.preset, as_is=as_is is not None, audio_tracks=())
                    if as_is is not None and above is not None:
                        # decided when its place was taken; what the tenant allows may have changed since
                        ladder = replace(ladder, renditions=above[1].renditions)
                    await self._plan_ladder(work, choice, local, as_is, ladder, prepared, key, scratch)
                await self._slices.cut(work, prepared)

    async def _stored(
        self, work: Work, file: File, prepared: PreparedSource, original: Path
    ) -> tuple[str, tuple[str, ...]]:
        """Where chunk jobs read the prepared source; a copy made for them is an object of its own."""
        if prepared.path == original:
            return file.key, ()
        key = f"{work.scratch}{file.uid}/{prepared.path.name}"
        # slices are still to be cut from it where the store is remote
        await self._space.store.put_file(key, prepared.path, move=not self._space.remote, durable=True)
        return key, (key,)

    async def _plan_audio(self, work: Work, choice: Choice) -> None:
        """An asset of sound alone."""
        plan = GenerationPlan("first", work.round, audio=audio_plans(work, choice.audio, choice.lead[1]))
        async with self._db.transaction() as tx:
            await still(tx, work)
            if await find_plan(tx, work, "first") is not None:
                return
            generation = await add_generation(tx, work, plan)
            await hold_audio(tx, work, generation, plan)
            await Dispatcher.ring(tx)

    async def _plan_ladder(
        self,
        work: Work,
        choice: Choice,
        local: Local,
        as_is: AsIs | None,
        ladder: Ladder,
        prepared: PreparedSource,
        key: str,
        scratch: tuple[str, ...],
    ) -> None:
        packaged: tuple[SharedTrack, ...] = ()
        if as_is is not None:
            log_of = await self._space.get_log(f"{work.folder}g/{as_is.generation.uid}/source/")
            packaged = as_is.plan.packaged
            try:
                grid = await asyncio.to_thread(plan_grid, prepared.info, prepared.frames, log_of)
            except OffGrid as error:
                # the copy has other times than the packager read: all is made, beside the packaged sound
                log.warning("asset %s gets a grid of its own: %s", work.asset_uid, error)
                ladder = plan_ladder(choice.info or prepared.info, work.preset, audio_tracks=())
                packaged = tuple(t for t in packaged if not t.rendition)
                grid = moved(await self._own_grid(choice, local, ladder, prepared), _start_of(log_of))
        else:
            grid = await self._own_grid(choice, local, ladder, prepared)
        chunks = plan_chunks(grid, self._chunk_s)
        sliced = self._slices.wanted(prepared, len(chunks))
        common: dict[str, Any] = {
            "round": work.round,
            "key": key,
            "info": prepared.info,
            "grid": grid,
            "chunks": len(chunks),
            "scratch": scratch,
        }
        async with self._db.transaction() as tx:
            await still(tx, work)
            made: list[tuple[GenerationRow, GenerationPlan]] = []
            if as_is is not None:
                found = await find_plan(tx, work, "ladder")
                if found is None or found[1].chunks != UNPLANNED:
                    return  # a run that was thought dead was first
                folder = str(as_is.generation.uid)
                encoded = (SharedTrack(a.name, folder, "", a.rendition.default) for a in as_is.plan.audio)
                plan = GenerationPlan(
                    "ladder",
                    renditions=ladder.renditions,
                    shared=(*packaged, *encoded),
                    base=folder,
                    **common,
                )
                made.append((found[0], plan))
            else:
                if await find_plan(tx, work, "first") is not None:
                    return
                first = ladder.first
                assert first is not None
                audio = audio_plans(work, choice.audio, prepared.info, key, grid_file=choice.video_file)
                plan = GenerationPlan("first", renditions=(first,), audio=audio, **common)
                below = await new_generation(tx, work)
                made.append((below, plan))
                if ladder.rest:
                    folder = str(below.uid)
                    shared = (
                        SharedTrack(first.name, folder, first.name),
                        *(SharedTrack(a.name, folder, "", a.rendition.default) for a in audio),
                    )
                    above = GenerationPlan(
                        "ladder", renditions=ladder.rest, shared=shared, base=folder, **common
                    )
                    made.append((await new_generation(tx, work), above))
            for generation, plan in made:
                await save_plan(tx, generation, plan)
                kind = "first" if plan.step == "first" else "video"
                await hold_audio(tx, work, generation, plan)
                for chunk in chunks:
                    args: dict[str, object] = {
                        "chunk": chunk.to_json(),
                        "renditions": list(plan.track_names()),
                    }
                    if sliced:
                        args["slice"] = self._slices.key(work, chunk)
                    await hold(
                        tx, work, generation, kind, chunk.number, args, weight_of(plan, chunk),
                        state=UNCUT if sliced else "held",
                    )  # fmt: skip
            await Dispatcher.ring(tx)

    async def _own_grid(self, choice: Choice, local: Local, ladder: Ladder, prepared: PreparedSource) -> Grid:
        info, frames = prepared.info, prepared.frames
        length_s = float(frames.seconds(frames.pts[-1] - frames.pts[0])) if frames is not None else 0.0
        return await asyncio.to_thread(
            plan_grid,
            info,
            frames,
            target_s=self._segment_s,
            multiple=max((r.every for r in ladder.renditions), default=1),
            sound_s=min((max(a.start_s, info.start_s) for a in info.audio), default=None),
            sound_end_s=prepared.sound_end_s,
            others_s=await others_end(self._media, choice, local, length_s),
        )


def _start_of(track: TrackLog) -> Fraction:
    return Fraction(track.segments[0].start, track.header.timescale)
