"""The first step of an output: look at the source, publish what plays at once, plan the rest."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from polycast.db.engine import Database
from polycast.db.tables import assets, chunk_jobs, generations
from polycast.domain.errors import MediaError, NoPlayableTracks
from polycast.domain.files import File
from polycast.domain.media import SourceInfo
from polycast.domain.states import AssetStatus, GenerationState
from polycast.jobs.dispatcher import Dispatcher
from polycast.jobs.queue import JobQueue
from polycast.media.chunks import Chunk, plan_chunks
from polycast.media.encode_source import PreparedSource
from polycast.media.grid import plan_grid
from polycast.media.ladder import AudioRendition, Ladder, plan_ladder
from polycast.media.package import NotPackageable
from polycast.media.selection import AudioChoice, TrackSelection
from polycast.media.streamable import LadderCap, Streamable, streamable
from polycast.media.toolkit import MediaToolkit
from polycast.services import ledger
from polycast.services.pipeline.choice import Choice, ChosenAudio, choose
from polycast.services.pipeline.plan import AudioPlan, GenerationPlan, SharedTrack
from polycast.services.pipeline.records import (
    GenerationRow,
    Work,
    book_bytes,
    fail_output,
    generations_of,
    load_work,
    new_generation,
)
from polycast.services.pipeline.workspace import Workspace

log = logging.getLogger(__name__)

ASSEMBLE_JOB = "assemble"
PICTURES_JOB = "pictures"
SEGMENT_S = 4.0
# what somebody waits for goes first: sound is short work, the first rung opens the player
UNPLANNED = -1
"""`chunks` of a plan that is still being made"""
PRIORITY = {"audio": 100, "first": 90, "download": 20, "video": 10}


@dataclass(frozen=True, slots=True)
class AsIs:
    """The packaged source: its generation, its tracks, the log of its video."""

    generation: GenerationRow
    plan: GenerationPlan


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
    ) -> None:
        self._db = db
        self._space = workspace
        self._media = media
        self._jobs = jobs
        self._chunk_s = chunk_s

    async def run(self, output_num: int) -> None:
        """Plan one output and start its jobs.

        Failures of the media end the output with their message; anything else is raised, for another try.
        """
        async with self._db.transaction() as tx:
            work = await load_work(tx, output_num)
            if work is None:
                return
            await self._begin(tx, work)
        try:
            if not work.sources:
                raise NoPlayableTracks("the source file was deleted before it was processed")
            choice = choose(work.sources, with_video=not work.preset.audio_only)
            if work.main:
                await self._describe(work, choice)
            if work.preset.kind == "download":
                await self._plan_download(work, choice)
            else:
                await self._plan_stream(work, choice)
        except MediaError as error:
            await self.give_up(output_num, error.message)

    async def give_up(self, output_num: int, message: str) -> None:
        """End an output with an error."""
        async with self._db.transaction() as tx:
            work = await load_work(tx, output_num)
            if work is not None:
                await fail_output(tx, work, message)

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
        """A replaced source ends what was still being made of the old one; what plays goes on playing."""
        stale = await tx.execute(
            update(generations)
            .where(
                generations.c.output_num == work.output_num,
                generations.c.state == GenerationState.BUILDING,
                generations.c.plan["round"].astext != _round(work),
            )
            .values(state=GenerationState.FAILED, updated_at=func.now())
            .returning(generations.c.num)
        )
        nums = [row.num for row in stale]
        if nums:
            await tx.execute(
                delete(chunk_jobs).where(chunk_jobs.c.generation_num.in_(nums), chunk_jobs.c.state == "held")
            )

    async def _describe(self, work: Work, choice: Choice) -> None:
        """Facts of the source on the asset, and pictures and captions beside everything else."""
        _, info = choice.lead
        video = choice.video
        rate = video.frame_rate if video else None
        async with self._db.transaction() as tx:
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
                tx, PICTURES_JOB, {"output": work.output_num}, queueing_lock=f"pictures:{work.output_num}"
            )

    async def _plan_download(self, work: Work, choice: Choice) -> None:
        plan = GenerationPlan("download", _round(work))
        generation = await self._generation(work, plan)
        weight = max(1.0, choice.lead[1].duration_s)
        async with self._db.transaction() as tx:
            await self._hold(tx, work, generation, "download", 0, {"renditions": [work.preset.name]}, weight)
            await Dispatcher.ring(tx)

    async def _plan_stream(self, work: Work, choice: Choice) -> None:
        as_is = await self._package(work, choice)
        async with self._space.scratch("prepare") as folder:
            if choice.video is None:
                if as_is is None:
                    await self._plan_audio(work, choice)
                return
            ladder = plan_ladder(choice.info, work.preset, as_is=as_is is not None, audio_tracks=())  # type: ignore[arg-type]
            if as_is is not None and not ladder.renditions:
                return
            file, info = choice.video_file, choice.info
            assert file is not None and info is not None
            async with self._space.source(file.key) as path:
                prepared = await self._media.prepare_source(path, info, folder)
                key, scratch = await self._stored(work, file, prepared, path)
            await self._plan_ladder(work, choice, as_is, ladder, prepared, key, scratch)

    async def _stored(
        self, work: Work, file: File, prepared: PreparedSource, original: Path
    ) -> tuple[str, tuple[str, ...]]:
        """Where chunk jobs read the prepared source; a copy made for them is an object of its own."""
        if prepared.path == original:
            return file.key, ()
        key = f"work/{work.output_uid}/{file.uid}/source.mkv"
        await self._space.store.put_file(key, prepared.path, move=True, durable=False)
        return key, (key,)

    # ---- the source as it is

    async def _package(self, work: Work, choice: Choice) -> AsIs | None:
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
        name = "source"
        generation = await self._generation(work, GenerationPlan("as_is", _round(work)))
        if generation.state is not GenerationState.BUILDING:
            async with self._db.connect() as tx:
                found = await _plan_of(tx, generation)
            return AsIs(generation, found)
        prefix = f"{work.folder}g/{generation.uid}/"
        selection = TrackSelection(
            video=choice.video.id if choice.video else None,
            audio=tuple(AudioChoice(a.track.id, a.track.language, a.track.title) for a in own),
        )
        packaged: list[SharedTrack] = []
        async with self._space.source(file.key) as path, self._space.scratch("package") as out:
            try:
                tracks = await self._media.package(path, out, selection, narrowed, target_s=SEGMENT_S)
            except NotPackageable as error:
                log.info("asset %s is encoded, not packaged: %s", work.asset_uid, error)
                await self._drop(generation)
                return None
            size = 0
            for track in tracks:
                is_video = track.log.header.kind == "video"
                listed = name if is_video else track.id
                size += await self._space.keep_track(track.folder, f"{prefix}{listed}/", track.log)
                rendition = (
                    _rendition_name(track.log.header.width, track.log.header.height) if is_video else ""
                )
                packaged.append(SharedTrack(listed, str(generation.uid), rendition, not is_video))
        plan = GenerationPlan(
            "as_is",
            _round(work),
            packaged=tuple(packaged),
            audio=self._audio_plans(work, foreign, info),
        )
        more = choice.info is not None and bool(
            plan_ladder(choice.info, work.preset, as_is=True, audio_tracks=()).renditions
        )
        async with self._db.transaction() as tx:
            await _save_plan(tx, generation, plan)
            if more:
                # its place is taken before the first generation is published: the output is not done yet
                above = await new_generation(tx, work)
                await _save_plan(tx, above, GenerationPlan("ladder", _round(work), chunks=UNPLANNED))
            await book_bytes(tx, work, size)
            await self._hold_audio(tx, work, generation, plan)
            await Dispatcher.ring(tx)
            await self._jobs.enqueue(
                tx,
                ASSEMBLE_JOB,
                {"generation": generation.num},
                queueing_lock=f"assemble:{generation.num}",
                priority=50,
            )
        return AsIs(generation, plan)

    # ---- encoded

    async def _plan_audio(self, work: Work, choice: Choice) -> None:
        """An asset of sound alone."""
        plan = GenerationPlan(
            "first", _round(work), audio=self._audio_plans(work, choice.audio, choice.lead[1])
        )
        generation = await self._generation(work, plan)
        async with self._db.transaction() as tx:
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
        video_log = None
        if as_is is not None:
            video_log = await self._space.get_log(f"{work.folder}g/{as_is.generation.uid}/source/")
        every = max((r.every for r in ladder.renditions), default=1)
        grid = plan_grid(prepared.info, prepared.frames, video_log, target_s=SEGMENT_S, multiple=every)
        chunks = plan_chunks(grid, self._chunk_s)
        common: dict[str, Any] = {
            "round": _round(work),
            "key": key,
            "info": prepared.info,
            "grid": grid,
            "chunks": len(chunks),
            "scratch": scratch,
        }
        made: list[tuple[GenerationRow, GenerationPlan]] = []
        if as_is is not None:
            folder = str(as_is.generation.uid)
            encoded = (SharedTrack(a.name, folder, "", True) for a in as_is.plan.audio)
            plan = GenerationPlan(
                "ladder",
                renditions=ladder.renditions,
                shared=(*as_is.plan.packaged, *encoded),
                base=folder,
                **common,
            )
            made.append((await self._generation(work, plan), plan))
        else:
            first = ladder.first
            assert first is not None
            audio = self._audio_plans(work, choice.audio, prepared.info, key, grid_file=choice.video_file)
            plan = GenerationPlan("first", renditions=(first,), audio=audio, **common)
            below = await self._generation(work, plan)
            made.append((below, plan))
            if ladder.rest:
                folder = str(below.uid)
                shared = (
                    SharedTrack(first.name, folder, first.name),
                    *(SharedTrack(a.name, folder, "", True) for a in audio),
                )
                above = GenerationPlan("ladder", renditions=ladder.rest, shared=shared, base=folder, **common)
                made.append((await self._generation(work, above), above))
        async with self._db.transaction() as tx:
            for generation, plan in made:
                await _save_plan(tx, generation, plan)
                kind = "first" if plan.step == "first" else "video"
                await self._hold_audio(tx, work, generation, plan)
                for chunk in chunks:
                    await self._hold(
                        tx, work, generation, kind, chunk.number,
                        {"chunk": chunk.to_json(), "renditions": list(plan.track_names())},
                        _weight(plan, chunk),
                    )  # fmt: skip
            await Dispatcher.ring(tx)

    def _audio_plans(
        self,
        work: Work,
        chosen: tuple[ChosenAudio, ...] | list[ChosenAudio],
        lead: SourceInfo,
        key: str | None = None,
        *,
        grid_file: File | None = None,
    ) -> tuple[AudioPlan, ...]:
        """Audio tracks to encode; those of the prepared video file are read from its prepared form."""
        plans = []
        for position, audio in enumerate(chosen):
            prepared = grid_file is not None and audio.file.num == grid_file.num and key is not None
            info = lead if prepared else audio.info
            track = next(t for t in info.audio if t.id == audio.track.id)
            name = f"audio_{position + 1}"
            made = plan_ladder(
                replace(info, audio=(track,), video=()), work.preset, audio_tracks=(track.id,)
            ).audio[0]
            rendition: AudioRendition = replace(
                made,
                name=name,
                language=audio.track.language,
                title=audio.track.title,
                default=position == 0,
            )
            plans.append(AudioPlan(key if prepared and key else audio.file.key, info, rendition, name))
        return tuple(plans)

    # ---- rows

    async def _generation(self, work: Work, plan: GenerationPlan) -> GenerationRow:
        """The generation of this step and round: the one a killed run began, else a new one."""
        async with self._db.transaction() as tx:
            for row in await generations_of(tx, work.output_num):
                if row.state is GenerationState.FAILED:
                    continue
                known = await _plan_of(tx, row)
                if (known.step, known.round) == (plan.step, plan.round):
                    return row
            row = await new_generation(tx, work)
            await _save_plan(tx, row, plan)
            return row

    async def _drop(self, generation: GenerationRow) -> None:
        async with self._db.transaction() as tx:
            await tx.execute(
                update(generations)
                .where(generations.c.num == generation.num)
                .values(state=GenerationState.FAILED)
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


def _round(work: Work) -> str:
    """Which making of the output this is; another source or a repair begins another."""
    return f"{work.epoch}/{work.preset.name}/" + "+".join(str(file.uid) for file, _ in work.sources)


def _rendition_name(width: int, height: int) -> str:
    return f"{min(width, height)}p"


def _weight(plan: GenerationPlan, chunk: Chunk) -> float:
    """Roughly CPU seconds: decoding the chunk plus encoding the pixels of all its renditions."""
    megapixels = sum(r.pixels for r in plan.renditions) / 1e6
    return max(0.1, chunk.duration_s * (0.3 + megapixels))
