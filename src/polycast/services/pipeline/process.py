"""The first step of an output: look at the source, publish what plays at once, plan the rest."""

import asyncio
import logging
from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import count
from pathlib import Path
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from polycast.db.engine import Database
from polycast.db.tables import assets, chunk_jobs, generations
from polycast.domain.errors import ChildFailed, MediaError, NoPlayableTracks, NotFound
from polycast.domain.files import File
from polycast.domain.media import SourceInfo
from polycast.domain.states import AssetStatus, GenerationState
from polycast.domain.tracks import TrackHeader, TrackLog
from polycast.jobs.dispatcher import Dispatcher
from polycast.jobs.queue import JobQueue
from polycast.jobs.registry import running_job
from polycast.media.chunks import Chunk, plan_chunks
from polycast.media.encode_source import PreparedSource
from polycast.media.grid import OffGrid, plan_grid
from polycast.media.grid_shape import Grid, moved, sound_grid
from polycast.media.ladder import AudioRendition, Ladder, plan_ladder
from polycast.media.package import NotPackageable
from polycast.media.selection import AudioChoice, TrackSelection
from polycast.media.streamable import LadderCap, Streamable, streamable
from polycast.media.toolkit import MediaToolkit
from polycast.services import ledger
from polycast.services.crashpoints import reached
from polycast.services.making import pictures_lock, scratch_folder
from polycast.services.pipeline.choice import Choice, ChosenAudio, choose
from polycast.services.pipeline.early import Early
from polycast.services.pipeline.plan import AudioPlan, GenerationPlan, SharedTrack
from polycast.services.pipeline.records import (
    OPEN,
    UNPLANNED,
    GenerationRow,
    NewTrack,
    Work,
    book_bytes,
    drop_chunks,
    fail_output,
    generations_of,
    list_tracks,
    move_generation,
    new_generation,
    take_work,
    wake_assembly,
)
from polycast.services.pipeline.slices import UNCUT, Slices
from polycast.services.pipeline.trail import Trail
from polycast.services.pipeline.workspace import Local, Workspace

log = logging.getLogger(__name__)

PICTURES_JOB = "pictures"
# what somebody waits for goes first: sound is short work, the first rung opens the player
PRIORITY = {"audio": 100, "first": 90, "download": 20, "video": 10}


@dataclass(frozen=True, slots=True)
class AsIs:
    """The packaged source: its generation, its tracks, the log of its video."""

    generation: GenerationRow
    plan: GenerationPlan


class Overtaken(Exception):
    """The output was deleted, settled, or is made anew: this run has nothing more to do."""


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
            await self._still(tx, work)
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

    async def _still(self, tx: AsyncConnection, work: Work) -> None:
        """Lock the asset. Raises Overtaken when this round is over."""
        if await take_work(tx, work.output_num, work.epoch) is None:
            raise Overtaken

    async def _plan_download(self, work: Work, choice: Choice) -> None:
        weight = max(1.0, choice.lead[1].duration_s)
        async with self._db.transaction() as tx:
            await self._still(tx, work)
            if await self._find(tx, work, "download") is not None:
                return
            generation = await self._add(tx, work, GenerationPlan("download", work.round))
            await self._hold(tx, work, generation, "download", 0, {"renditions": [work.preset.name]}, weight)
            await Dispatcher.ring(tx)

    async def _plan_stream(self, work: Work, choice: Choice, trail: Trail) -> None:
        async with self._space.sources() as local:
            as_is = await self._package(work, choice, trail, local)
            await reached("process.planned")
            if choice.video is None:
                if as_is is None:
                    await self._plan_audio(work, choice)
                return
            async with self._db.connect() as tx:
                # this step is one transaction: what it planned is all there, or nothing
                above = await self._find(tx, work, "ladder" if as_is is not None else "first")
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
                needed = info if as_is is None else replace(info, audio=())
                prepared = await self._media.prepare_source(path, needed, folder, exact=as_is is not None)
                if not planned:
                    key, scratch = await self._stored(work, file, prepared, path)
                    await reached("process.prepared")
                    ladder = plan_ladder(info, work.preset, as_is=as_is is not None, audio_tracks=())
                    if as_is is not None and above is not None:
                        # decided when its place was taken; what the tenant allows may have changed since
                        ladder = replace(ladder, renditions=above[1].renditions)
                    await self._plan_ladder(work, choice, as_is, ladder, prepared, key, scratch)
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

    # ---- the source as it is

    async def _package(self, work: Work, choice: Choice, trail: Trail, local: Local) -> AsIs | None:
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
        if not isinstance(streamable(narrowed, LadderCap.of(work.preset)), Streamable):
            return None
        async with self._db.transaction() as tx:
            await self._still(tx, work)
            found = await self._find(tx, work, "as_is", failed=True)
            generation = found[0] if found else await self._add(
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
        packaged: list[SharedTrack] = []
        path = await local(file.key)
        async with self._space.scratch("package") as out:
            early = Early(
                self._space, out, prefix, len(narrowed.video) + len(own),
                named=lambda track, header: _listed(generation, track, header, first=track == own[0].track.id if own else False),
                show=lambda growing: self._show(work, generation, growing),
            )  # fmt: skip
            # only where tables told all before the first frame was written can nothing go wrong any more;
            # sound from other files is still to be encoded
            hear = early.heard if work.settings.early_play and _has_tables(info) and not foreign else None
            try:
                async with early:
                    tracks = await self._media.package(
                        path, out, selection, narrowed, target_s=self._segment_s, on_event=hear
                    )
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
                packaged.append(
                    SharedTrack(
                        listed, str(generation.uid), rendition, not is_video and not _sounds(packaged)
                    )
                )
        await reached("process.packaged")
        plan = GenerationPlan(
            "as_is",
            work.round,
            packaged=tuple(packaged),
            audio=self._audio_plans(work, foreign, info, taken={t.name for t in packaged}, default=not own),
            # a player waits for sound that ends before the picture: silence, then
            grid=sound_grid(tracks[0].log) if foreign else None,
        )
        more = (
            plan_ladder(choice.info, work.preset, as_is=True, audio_tracks=()).renditions
            if choice.info is not None
            else ()
        )
        async with self._db.transaction() as tx:
            await self._still(tx, work)
            now = await self._find(tx, work, "as_is", failed=True)
            if now is None or now[0].state is GenerationState.FAILED:
                raise Overtaken
            if now[1].chunks != UNPLANNED:
                return AsIs(generation, now[1])  # a run that was thought dead was first
            await _save_plan(tx, generation, plan)
            if more:
                # its place is taken before the first generation is published: the output is not done yet
                await self._add(
                    tx, work, GenerationPlan("ladder", work.round, renditions=more, chunks=UNPLANNED)
                )
            await book_bytes(tx, work, size, generation=generation.num)
            await self._hold_audio(tx, work, generation, plan)
            await Dispatcher.ring(tx)
            await wake_assembly(tx, self._jobs, generation.num)
        return AsIs(generation, plan)

    # ---- encoded

    async def _plan_audio(self, work: Work, choice: Choice) -> None:
        """An asset of sound alone."""
        plan = GenerationPlan(
            "first", work.round, audio=self._audio_plans(work, choice.audio, choice.lead[1])
        )
        async with self._db.transaction() as tx:
            await self._still(tx, work)
            if await self._find(tx, work, "first") is not None:
                return
            generation = await self._add(tx, work, plan)
            await self._hold_audio(tx, work, generation, plan)
            await Dispatcher.ring(tx)

    async def _plan_ladder(
        self,
        work: Work,
        choice: Choice,
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
                grid = moved(await self._own_grid(choice, ladder, prepared), _start_of(log_of))
        else:
            grid = await self._own_grid(choice, ladder, prepared)
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
            await self._still(tx, work)
            made: list[tuple[GenerationRow, GenerationPlan]] = []
            if as_is is not None:
                found = await self._find(tx, work, "ladder")
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
                if await self._find(tx, work, "first") is not None:
                    return
                first = ladder.first
                assert first is not None
                audio = self._audio_plans(work, choice.audio, prepared.info, key, grid_file=choice.video_file)
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
                await _save_plan(tx, generation, plan)
                kind = "first" if plan.step == "first" else "video"
                await self._hold_audio(tx, work, generation, plan)
                for chunk in chunks:
                    args: dict[str, object] = {
                        "chunk": chunk.to_json(),
                        "renditions": list(plan.track_names()),
                    }
                    if sliced:
                        args["slice"] = self._slices.key(work, chunk)
                    await self._hold(
                        tx, work, generation, kind, chunk.number, args, _weight(plan, chunk),
                        state=UNCUT if sliced else "held",
                    )  # fmt: skip
            await Dispatcher.ring(tx)

    async def _own_grid(self, choice: Choice, ladder: Ladder, prepared: PreparedSource) -> Grid:
        info, video = prepared.info, choice.video_file
        chosen = {a.track.id for a in choice.audio if video is not None and a.file.num == video.num}
        starts = [max(a.start_s, info.start_s) for a in info.audio if a.id in chosen]
        return await asyncio.to_thread(
            plan_grid,
            info,
            prepared.frames,
            target_s=self._segment_s,
            multiple=max((r.every for r in ladder.renditions), default=1),
            sound_s=min(starts, default=None),
        )

    def _audio_plans(
        self,
        work: Work,
        chosen: Sequence[ChosenAudio],
        lead: SourceInfo,
        key: str | None = None,
        *,
        grid_file: File | None = None,
        taken: Set[str] = frozenset(),
        default: bool = True,
    ) -> tuple[AudioPlan, ...]:
        """Audio tracks to encode; those of the prepared video file are read from its prepared form.

        Args:
            taken: names of tracks that the generation has already.
            default: the first one is what a player takes by itself.
        """
        plans: list[AudioPlan] = []
        names = (name for n in count(1) if (name := f"audio_{n}") not in taken)
        for audio in chosen:
            prepared = grid_file is not None and audio.file.num == grid_file.num and key is not None
            info = lead if prepared else audio.info
            track = next(t for t in info.audio if t.id == audio.track.id)
            name = next(names)
            made = plan_ladder(
                replace(info, audio=(track,), video=()), work.preset, audio_tracks=(track.id,)
            ).audio[0]
            rendition: AudioRendition = replace(
                made,
                name=name,
                language=audio.track.language,
                title=audio.track.title,
                default=default and not plans,
            )
            plans.append(AudioPlan(key if prepared and key else audio.file.key, info, rendition, name))
        return tuple(plans)

    # ---- rows

    async def _find(
        self, tx: AsyncConnection, work: Work, step: str, *, failed: bool = False
    ) -> tuple[GenerationRow, GenerationPlan] | None:
        """The generation of this round that an earlier run began; with `failed` also one that was given up."""
        for row in await generations_of(tx, work.output_num):
            if row.state is GenerationState.FAILED and not failed:
                continue
            known = await _plan_of(tx, row)
            if (known.step, known.round) == (step, work.round):
                return row, known
        return None

    async def _add(self, tx: AsyncConnection, work: Work, plan: GenerationPlan) -> GenerationRow:
        row = await new_generation(tx, work)
        await _save_plan(tx, row, plan)
        return row

    async def _show(self, work: Work, generation: GenerationRow, growing: list[NewTrack]) -> bool:
        """List what is packaged so far; False when another round took over, or a second run was first."""
        async with self._db.transaction() as tx:
            if await take_work(tx, work.output_num, work.epoch) is None:
                return False
            found = await self._find(tx, work, "as_is")
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

    async def _hold_audio(
        self, tx: AsyncConnection, work: Work, generation: GenerationRow, plan: GenerationPlan
    ) -> None:
        for position, audio in enumerate(plan.audio):
            # sound costs about as much as a small picture of a tenth of its length
            weight = max(0.5, audio.info.duration_s * 0.02)
            await self._hold(tx, work, generation, "audio", position, {"renditions": [audio.name]}, weight)

    async def _hold(
        self,
        tx: AsyncConnection,
        work: Work,
        generation: GenerationRow,
        kind: str,
        position: int,
        args: dict[str, object],
        weight: float,
        *,
        state: str = "held",
    ) -> None:
        await tx.execute(
            upsert(chunk_jobs)
            .values(
                tenant_num=work.caller.tenant.num,
                asset_num=work.asset_num,
                output_num=work.output_num,
                generation_num=generation.num,
                kind=kind,
                position=position,
                args=args,
                priority=PRIORITY[kind],
                weight=weight,
                state=state,
            )
            .on_conflict_do_nothing()
        )


async def _save_plan(tx: AsyncConnection, generation: GenerationRow, plan: GenerationPlan) -> None:
    await tx.execute(
        update(generations).where(generations.c.num == generation.num).values(plan=plan.to_json())
    )


async def _plan_of(tx: AsyncConnection, generation: GenerationRow) -> GenerationPlan:
    raw = (
        await tx.execute(select(generations.c.plan).where(generations.c.num == generation.num))
    ).scalar_one()
    return GenerationPlan.from_json(raw) if raw else GenerationPlan("none", "")


def _start_of(track: TrackLog) -> Fraction:
    return Fraction(track.segments[0].start, track.header.timescale)


def _sounds(tracks: Sequence[SharedTrack]) -> bool:
    return any(t.is_default for t in tracks)


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


def _weight(plan: GenerationPlan, chunk: Chunk) -> float:
    """Roughly CPU seconds: decoding the chunk plus encoding the pixels of all its renditions."""
    megapixels = sum(r.pixels for r in plan.renditions) / 1e6
    return max(0.1, chunk.duration_s * (0.3 + megapixels))
