"""From finished chunk jobs to a generation that plays: write the track logs, list the tracks, publish."""

import logging
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from polycast.db.engine import Database
from polycast.db.tables import assets, chunk_jobs, files, generations
from polycast.domain.states import GenerationState
from polycast.domain.tracks import TrackLog
from polycast.jobs.queue import JobQueue
from polycast.media.assemble import assemble_audio, assemble_video
from polycast.media.encode_split import EncodedChunk
from polycast.services import ledger
from polycast.services.files import discard_file
from polycast.services.pipeline.plan import GenerationPlan, SharedTrack
from polycast.services.pipeline.process import ASSEMBLE_JOB, UNPLANNED
from polycast.services.pipeline.records import (
    NewTrack,
    Work,
    finish_output,
    list_tracks,
    load_work,
    move_generation,
)
from polycast.services.pipeline.workspace import Workspace

log = logging.getLogger(__name__)

MP4_JOB = "mp4_fallback"


@dataclass(frozen=True, slots=True)
class _State:
    """A generation with the results of its chunk jobs, by kind and position."""

    num: int
    uid: str
    state: GenerationState
    plan: GenerationPlan
    work: Work
    results: dict[tuple[str, int], dict[str, Any]]
    done: frozenset[tuple[str, int]]


class Assemble:
    """Job `assemble`; one at a time per generation, safe to repeat."""

    def __init__(self, db: Database, workspace: Workspace, jobs: JobQueue) -> None:
        self._db = db
        self._space = workspace
        self._jobs = jobs

    async def run(self, generation: int) -> None:
        """Publish what of a generation can be published now."""
        state = await self._load(generation)
        if state is None or state.plan.chunks == UNPLANNED:
            return
        kind = "first" if state.plan.step == "first" else "video"
        wanted = {(kind, n) for n in range(state.plan.chunks if state.plan.renditions else 0)}
        wanted |= {("audio", n) for n in range(len(state.plan.audio))}
        if wanted <= state.done:
            if state.plan.base is not None and not await self._complete(state.plan.base):
                return  # the base wakes us when it is whole
            await self._publish(state, kind)
        elif state.plan.step == "first" and state.work.settings.early_play:
            await self._grow(state, kind)

    async def _load(self, generation: int) -> _State | None:
        async with self._db.connect() as tx:
            row = (await tx.execute(select(generations).where(generations.c.num == generation))).first()
            if row is None or row.state not in (GenerationState.BUILDING, GenerationState.GROWING):
                return None
            work = await load_work(tx, row.output_num)
            if work is None:
                return None
            rows = (
                await tx.execute(
                    select(
                        chunk_jobs.c.kind, chunk_jobs.c.position, chunk_jobs.c.state, chunk_jobs.c.result
                    ).where(chunk_jobs.c.generation_num == generation)
                )
            ).all()
        return _State(
            row.num,
            str(row.uid),
            GenerationState(row.state),
            GenerationPlan.from_json(row.plan),
            work,
            {(r.kind, r.position): r.result for r in rows if r.result},
            frozenset((r.kind, r.position) for r in rows if r.state == "done"),
        )

    async def _complete(self, base: str) -> bool:
        async with self._db.connect() as tx:
            state = (await tx.execute(select(generations.c.state).where(generations.c.uid == base))).scalar()
        return state in (GenerationState.PUBLISHED, GenerationState.RETIRED)

    # ---- growing

    async def _grow(self, state: _State, kind: str) -> None:
        """Show what is there from the start without a hole; nothing until every track has begun."""
        ready = 0
        while (kind, ready) in state.done:
            ready += 1
        audio_begun = all(("audio", n) in state.results for n in range(len(state.plan.audio)))
        if (state.plan.renditions and not ready) or not audio_begun:
            return
        tracks = self._encoded(state, kind, ready, complete=False)
        for track in tracks:
            await self._space.put_log(self._prefix(state, track), track.log)
        async with self._db.transaction() as tx:
            await list_tracks(tx, state.num, [*tracks, *await self._packaged(state)])
            await move_generation(tx, state.work, state.num, GenerationState.GROWING)

    # ---- whole

    async def _publish(self, state: _State, kind: str) -> None:
        tracks = self._encoded(state, kind, state.plan.chunks, complete=True)
        for track in tracks:
            await self._space.put_log(self._prefix(state, track), track.log)
        packaged = await self._packaged(state)
        shared = [await self._listed(state.work, t) for t in state.plan.shared]
        listed = sorted([*tracks, *packaged, *shared], key=_order)
        duration = max((t.log.duration_s for t in listed), default=0.0)
        async with self._db.transaction() as tx:
            await list_tracks(tx, state.num, listed)
            await move_generation(
                tx, state.work, state.num, GenerationState.PUBLISHED, duration_ms=round(duration * 1000)
            )
            if state.work.main and duration:
                await tx.execute(
                    assets.update()
                    .where(assets.c.num == state.work.asset_num)
                    .values(duration_ms=round(duration * 1000))
                )
            await tx.execute(delete(chunk_jobs).where(chunk_jobs.c.generation_num == state.num))
            await self._settle(tx, state)
            await ledger.record(
                tx,
                state.work.caller,
                "generation.published",
                "asset",
                state.work.asset_uid,
                {"output": state.work.name, "step": state.plan.step, "tracks": [t.name for t in listed]},
            )

    async def _settle(self, tx: AsyncConnection, state: _State) -> None:
        """Finish the output when nothing of it is left to do; else wake who waits for this generation."""
        rows = (
            await tx.execute(
                select(generations.c.num, generations.c.plan).where(
                    generations.c.output_num == state.work.output_num,
                    generations.c.state.in_([GenerationState.BUILDING, GenerationState.GROWING]),
                    generations.c.plan["round"].astext == state.plan.round,
                )
            )
        ).all()
        for row in rows:
            await self._jobs.enqueue(
                tx, ASSEMBLE_JOB, {"generation": row.num}, queueing_lock=f"assemble:{row.num}", priority=50
            )
        if rows:
            return
        await finish_output(tx, state.work)
        await ledger.discard(tx, state.plan.scratch)
        if state.work.main and state.work.settings.mp4_fallback:
            await self._jobs.enqueue(
                tx,
                MP4_JOB,
                {"generation": state.num},
                queueing_lock=f"mp4:{state.num}",
                priority=-5,
            )
        if state.work.main and not state.work.settings.keep_original:
            for file, _ in state.work.sources:
                gone = (
                    await tx.execute(delete(files).where(files.c.num == file.num).returning(files))
                ).first()
                if gone is not None:
                    await discard_file(tx, gone)

    # ---- tracks

    def _encoded(self, state: _State, kind: str, chunks: int, *, complete: bool) -> list[NewTrack]:
        """Tracks made by chunk jobs, the first `chunks` chunks of each rendition."""
        plan = state.plan
        made: dict[str, list[EncodedChunk]] = {}
        for n in range(chunks if plan.renditions else 0):
            for raw in state.results[kind, n]["tracks"]:
                track = EncodedChunk.from_json(raw)
                made.setdefault(track.rendition, []).append(track)
        tracks = []
        for rendition in plan.renditions:
            assert plan.grid is not None
            video = assemble_video(rendition, plan.grid, made[rendition.name], complete=complete)
            if not complete:
                # what is not encoded yet may need more than what is: promise the cap
                header = replace(video.header, bandwidth=max(video.header.bandwidth, rendition.maxrate_bps))
                video = replace(video, header=header)
            tracks.append(_new(rendition.name, rendition.name, state.uid, video))
        for n, audio in enumerate(plan.audio):
            raw = state.results["audio", n]
            sound = assemble_audio(
                audio.rendition, EncodedChunk.from_json(raw["tracks"][0]), complete=not raw.get("partial")
            )
            tracks.append(_new(audio.name, "", state.uid, sound, default=n == 0))
        return tracks

    async def _packaged(self, state: _State) -> list[NewTrack]:
        return [await self._listed(state.work, track) for track in state.plan.packaged]

    async def _listed(self, work: Work, track: SharedTrack) -> NewTrack:
        found = await self._space.get_log(f"{work.folder}g/{track.folder}/{track.name}/")
        return _new(track.name, track.rendition, track.folder, found, default=track.is_default)

    @staticmethod
    def _prefix(state: _State, track: NewTrack) -> str:
        return f"{state.work.folder}g/{state.uid}/{track.name}/"


def _new(name: str, rendition: str, folder: str, track: TrackLog, *, default: bool = False) -> NewTrack:
    size = sum(s.size for s in track.segments) + (track.header.init.size if track.header.init else 0)
    return NewTrack(name, rendition, folder, track, default, size)


def _order(track: NewTrack) -> tuple[int, int, str]:
    """Video from large to small, then audio in its order."""
    header = track.log.header
    return (0 if header.kind == "video" else 1, -header.width * header.height, track.name)
