"""Chunk jobs: encode one piece of one generation and write down what came of it."""

import asyncio
import logging
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from polycast.db.engine import Database
from polycast.db.tables import chunk_jobs, generations, outputs
from polycast.domain.errors import MediaError, NotFound
from polycast.domain.states import GenerationState
from polycast.jobs.dispatcher import Dispatcher
from polycast.jobs.queue import JobQueue
from polycast.media.audio import AudioPiece
from polycast.media.chunks import Chunk
from polycast.media.encode_slice import Slice, in_slice
from polycast.media.encode_split import EncodedChunk
from polycast.media.mp4 import mp4_output
from polycast.media.toolkit import MediaToolkit
from polycast.services import ledger
from polycast.services.crashpoints import reached
from polycast.services.making import lock_asset
from polycast.services.pipeline.choice import choose
from polycast.services.pipeline.endings import fail_generation, finish_output, refresh_progress
from polycast.services.pipeline.plan import GenerationPlan, sound_grid_of
from polycast.services.pipeline.records import OPEN, book_bytes, move_generation, wake_assembly
from polycast.services.pipeline.sound import Pieces
from polycast.services.pipeline.teller import Teller
from polycast.services.pipeline.trail import Trail
from polycast.services.pipeline.work import Work, take_work
from polycast.services.pipeline.workspace import Workspace

log = logging.getLogger(__name__)

CHUNK_JOB = "encode_chunk"


@dataclass(frozen=True, slots=True)
class Claimed:
    """A chunk job in hand; `attempt` tells it from a later try at the same job."""

    num: int
    kind: str
    position: int
    attempt: int
    args: dict[str, Any]
    generation_num: int
    generation_uid: str
    plan: GenerationPlan
    work: Work


class Superseded(Exception):
    """Another worker has the job now, or nobody wants its result."""


class Chunks:
    """Handler of the chunk jobs that the dispatcher releases."""

    def __init__(
        self,
        db: Database,
        workspace: Workspace,
        media: MediaToolkit,
        jobs: JobQueue,
        *,
        threads: int = 1,
    ) -> None:
        self._db = db
        self._space = workspace
        self._media = media
        self._jobs = jobs
        self._threads = threads

    async def run(self, num: int) -> None:
        """Do one chunk job; a repeated one finds itself done, or does its work again under new names."""
        job = await self._claim(num)
        if job is None:
            return
        await reached("chunk.claimed")
        started = time.monotonic()
        tell = Teller(lambda share: self._progress(job, share))
        async with Trail(self._db, job.work) as trail:
            trail.writes(job.generation_num, job.generation_uid)
            try:
                async with self._space.scratch(f"chunk-{num}") as out:
                    if job.kind == "audio":
                        await self._audio(job, out, tell)
                    elif job.kind == "download":
                        await self._download(job, out, tell)
                    else:
                        await self._video(job, out, tell)
            except MediaError as error:
                await self.failed(num, error.message, attempt=job.attempt)
                return
            except Superseded:
                log.info("chunk job %s of %s is not wanted any more", job.kind, job.work.asset_uid)
                return
            except NotFound:
                if await self._is_mine(job):
                    raise
                return  # the asset was deleted, and its source with it
            finally:
                await tell.close()
        await reached("chunk.done")
        log.info(
            "chunk job %s of %s done in %.1f s", job.kind, job.work.asset_uid, time.monotonic() - started
        )

    async def failed(self, num: int, message: str, *, attempt: int | None = None) -> None:
        """The chunk cannot be made, so neither can its generation.

        Args:
            attempt: the try that says so; it has no say any more once a later one is at work. None: all have failed.
        """
        async with self._db.transaction() as tx:
            at = select(chunk_jobs.c.output_num, chunk_jobs.c.generation_num).where(chunk_jobs.c.num == num)
            row = (await tx.execute(at)).first()
            work = await take_work(tx, row.output_num) if row is not None else None
            if row is None or work is None:
                return
            own = [] if attempt is None else [chunk_jobs.c.attempts == attempt]
            marked = await tx.execute(
                update(chunk_jobs)
                .where(chunk_jobs.c.num == num, chunk_jobs.c.state != "done", *own)
                .values(state="failed", error=message, updated_at=func.now())
                .returning(chunk_jobs.c.num)
            )
            if marked.first() is None:
                return
            await fail_generation(tx, self._jobs, work, row.generation_num, message)
            await Dispatcher.ring(tx)

    async def _claim(self, num: int) -> Claimed | None:
        async with self._db.transaction() as tx:
            at = (
                await tx.execute(
                    select(chunk_jobs.c.output_num, chunk_jobs.c.generation_num).where(
                        chunk_jobs.c.num == num
                    )
                )
            ).first()
            if at is None:
                return None
            work = await take_work(tx, at.output_num)
            row = (
                await tx.execute(
                    update(chunk_jobs)
                    .where(chunk_jobs.c.num == num, chunk_jobs.c.state == "released")
                    .values(attempts=chunk_jobs.c.attempts + 1, updated_at=func.now())
                    .returning(chunk_jobs)
                )
            ).first()
            if row is None:
                return None
            generation = (
                await tx.execute(select(generations).where(generations.c.num == row.generation_num))
            ).one()
            if work is None or generation.state not in OPEN or generation.plan["round"] != work.round:
                await tx.execute(
                    update(chunk_jobs)
                    .where(chunk_jobs.c.num == num)
                    .values(state="failed", error="no longer wanted")
                )
                return None
        return Claimed(
            num,
            row.kind,
            row.position,
            row.attempts,
            row.args,
            generation.num,
            str(generation.uid),
            GenerationPlan.from_json(generation.plan),
            work,
        )

    async def _mine(self, job: Claimed) -> None:
        """Raises Superseded unless the job is still this worker's: nothing is written over another's result."""
        if not await self._is_mine(job):
            raise Superseded

    async def _is_mine(self, job: Claimed) -> bool:
        async with self._db.connect() as tx:
            return (await tx.execute(select(chunk_jobs.c.num).where(*_held_by(job)))).first() is not None

    async def _video(self, job: Claimed, out: Path, tell: Teller) -> None:
        plan, chunk = job.plan, Chunk.from_json(job.args["chunk"])
        if plan.key is None or plan.info is None:
            raise MediaError("the plan names no source")
        sliced = job.args.get("slice")
        async with self._space.source(sliced or plan.key) as path:
            piece = in_slice(path, plan.info, chunk) if sliced else Slice(path, plan.info, chunk)
            encoded = await self._media.encode_chunk(
                piece.path,
                piece.info,
                piece.chunk,
                plan.renditions,
                out,
                speed="first" if job.kind == "first" else "standard",
                threads=self._threads,
                on_progress=tell,
            )
        await reached("chunk.encoded")
        await self._mine(job)
        kept = [
            await self._keep(job, out, track, frozenset(), with_init=chunk.number == 0) for track in encoded
        ]
        await reached("chunk.kept")
        await self._done(
            job,
            {"tracks": [track.to_json() for track, _ in kept]},
            sum(size for _, size in kept),
            encoded_ms=chunk.duration_s * 1000 * len(kept),
        )

    async def _audio(self, job: Claimed, out: Path, tell: Teller) -> None:
        plan = job.plan.audio[job.position]
        early = job.plan.step == "first" and job.work.settings.early_play
        store, keep = partial(self._piece, job, out), partial(self._partial, job)
        stream = Pieces(plan.name, store, keep) if early else None
        already: frozenset[str] = frozenset()
        try:
            async with self._space.source(plan.key) as path:
                encoded = await self._media.encode_audio(
                    path,
                    plan.info,
                    sound_grid_of(job.plan, plan),
                    plan.rendition,
                    out,
                    on_progress=tell,
                    on_piece=stream.add if stream else None,
                )
        finally:
            # also when the encoder failed: its pieces must not be moved while their folder is removed
            if stream is not None:
                already = await stream.close()
        await reached("chunk.encoded")
        await self._mine(job)
        kept, size = await self._keep(job, out, encoded, already, with_init=True)
        await reached("chunk.kept")
        await self._done(job, {"tracks": [kept.to_json()]}, size, encoded_ms=plan.info.duration_s * 1000)

    async def _download(self, job: Claimed, out: Path, tell: Teller) -> None:
        work = job.work
        choice = choose(work.sources, with_video=not work.preset.audio_only)
        target = out / "download.mp4"
        async with self._space.sources() as local:
            (path, info), *beside = [(await local(file.key), used) for file, used in choice.files]
            await mp4_output(
                self._media,
                path,
                info,
                work.preset,
                target,
                beside=beside,
                order=choice.sound_order,
                threads=self._threads,
                on_progress=tell,
            )
        size = target.stat().st_size
        key = f"{work.folder}o/{work.output_uid}/{work.preset.name}.mp4"
        await self._mine(job)
        await self._space.keep([(target, key, size)])
        await reached("chunk.kept")
        async with self._db.transaction() as tx:
            if await take_work(tx, work.output_num, work.epoch) is None or not await self._mark(tx, job, {}):
                return
            before = (
                await tx.execute(select(outputs.c.size).where(outputs.c.num == work.output_num))
            ).scalar()
            # the file of an earlier round had the same key
            await book_bytes(tx, work, size - int(before or 0))
            await ledger.count(
                tx, work.caller.tenant.num, "encoded_ms", info.duration_s * 1000, work.asset_uid
            )
            await move_generation(tx, work, job.generation_num, GenerationState.PUBLISHED)
            await finish_output(tx, work, key=key, size=size)
            await Dispatcher.ring(tx)

    async def _keep(
        self, job: Claimed, out: Path, track: EncodedChunk, already: frozenset[str], *, with_init: bool
    ) -> tuple[EncodedChunk, int]:
        """Move a chunk's objects into the store, but those `already` there.

        A second worker at the same job (the first was thought dead) writes the same names: encoders are
        deterministic, each object appears whole, and the log holds the hash of what was counted.

        Args:
            with_init: the init segment, which all chunks share, is this chunk's to keep.
        """
        prefix = f"{job.work.folder}g/{job.generation_uid}/{track.rendition}/"
        folder = out / track.rendition
        files = [
            (folder / s.object, prefix + s.object, s.size) for s in track.segments if s.object not in already
        ]
        if with_init:
            files.append((folder / track.init.object, prefix + track.init.object, track.init.size))
        size = await self._space.keep(files)
        return track, size + sum(s.size for s in track.segments if s.object in already)

    async def _mark(self, tx: AsyncConnection, job: Claimed, result: dict[str, Any]) -> bool:
        """Claim the result; False when somebody took over."""
        mine = await tx.execute(
            update(chunk_jobs)
            .where(*_held_by(job))
            .values(state="done", progress=1, result=result, updated_at=func.now())
            .returning(chunk_jobs.c.num)
        )
        return mine.first() is not None

    async def _done(self, job: Claimed, result: dict[str, Any], size: int, *, encoded_ms: float) -> None:
        async with self._db.transaction() as tx:
            if not await lock_asset(tx, job.work.asset_num) or not await self._mark(tx, job, result):
                return
            await book_bytes(tx, job.work, size, generation=job.generation_num)
            await ledger.count(tx, job.work.caller.tenant.num, "encoded_ms", encoded_ms, job.work.asset_uid)
            await refresh_progress(tx, job.work.output_num)
            await wake_assembly(tx, self._jobs, job.generation_num)
            await Dispatcher.ring(tx)

    async def _partial(self, job: Claimed, result: dict[str, Any]) -> None:
        """Keep what is there of a running job, for a growing playlist."""
        async with self._db.transaction() as tx:
            if await lock_asset(tx, job.work.asset_num):
                await tx.execute(update(chunk_jobs).where(*_held_by(job)).values(result=result))
                await wake_assembly(tx, self._jobs, job.generation_num)

    async def _piece(self, job: Claimed, out: Path, piece: AudioPiece, head: bool) -> None:
        """Move one finished audio segment into the store, with `head` the init segment first."""
        name = job.plan.audio[job.position].name
        prefix = f"{job.work.folder}g/{job.generation_uid}/{name}/"
        if head:
            data = await asyncio.to_thread((out / name / piece.init.object).read_bytes)
            await self._space.store.put(prefix + piece.init.object, data, durable=False)
        segment = piece.segment
        await self._space.keep([(out / name / segment.object, prefix + segment.object, segment.size)])

    async def _progress(self, job: Claimed, share: float) -> None:
        async with self._db.transaction() as tx:
            if await lock_asset(tx, job.work.asset_num):
                await tx.execute(
                    update(chunk_jobs)
                    .where(*_held_by(job))
                    # a second try begins anew, what was shown of the first does not go back
                    .values(
                        progress=func.greatest(chunk_jobs.c.progress, min(share, 0.99)), updated_at=func.now()
                    )
                )
                await refresh_progress(tx, job.work.output_num)


def _held_by(job: Claimed) -> tuple[ColumnElement[bool], ...]:
    """The job's row, as long as no later try has taken it over."""
    return (
        chunk_jobs.c.num == job.num,
        chunk_jobs.c.state == "released",
        chunk_jobs.c.attempts == job.attempt,
    )
