"""From finished chunk jobs to a generation that plays: write the track logs, list the tracks, publish."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from polycast.db.engine import Database
from polycast.db.tables import assets, chunk_jobs, generations, outputs
from polycast.domain.states import GenerationState, OutputStatus
from polycast.domain.tracks import TrackLog
from polycast.jobs.queue import JobQueue
from polycast.media.assemble import assemble_audio, assemble_video
from polycast.media.audio import longest_s
from polycast.media.encode_split import EncodedChunk
from polycast.services import ledger
from polycast.services.crashpoints import reached
from polycast.services.making import fallback_lock, iframes_lock
from polycast.services.pipeline.endings import fail_generation, settle
from polycast.services.pipeline.plan import GenerationPlan, SharedTrack, sound_grid_of
from polycast.services.pipeline.records import (
    OPEN,
    UNPLANNED,
    NewTrack,
    list_tracks,
    move_generation,
    open_generations,
)
from polycast.services.pipeline.trail import Trail
from polycast.services.pipeline.work import Work, load_work, take_work
from polycast.services.pipeline.workspace import GROWING_LOG, Workspace

MP4_JOB = "mp4_fallback"
IFRAMES_JOB = "iframes"


@dataclass(frozen=True, slots=True)
class _State:
    """A generation with the results of its chunk jobs, by kind and position."""

    num: int
    uid: str
    growing: bool
    plan: GenerationPlan
    work: Work
    results: dict[tuple[str, int], dict[str, Any]]
    done: frozenset[tuple[str, int]]

    @property
    def kind(self) -> str:
        """Of its video chunks."""
        return "first" if self.plan.step == "first" else "video"

    @property
    def whole(self) -> bool:
        wanted = {(self.kind, n) for n in range(self.plan.chunks if self.plan.renditions else 0)}
        return wanted | {("audio", n) for n in range(len(self.plan.audio))} <= self.done


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
        if not state.work.settings.early_play:
            await self._all_at_once(state)
        elif state.whole:
            if state.plan.base is not None and not await self._complete(state.plan.base):
                return  # the base wakes us when it is whole
            await self._publish([state])
        elif state.plan.step == "first":
            await self._grow(state)

    async def failed(self, generation: int, message: str) -> None:
        """What was encoded cannot be put together."""
        async with self._db.transaction() as tx:
            row = (
                await tx.execute(select(generations.c.output_num).where(generations.c.num == generation))
            ).first()
            work = await take_work(tx, row.output_num) if row is not None else None
            if work is not None:
                await fail_generation(tx, self._jobs, work, generation, message)

    async def _all_at_once(self, state: _State) -> None:
        """Nothing is shown before the whole ladder is there: each generation waits for the others."""
        async with self._db.connect() as tx:
            nums = await open_generations(tx, state.work)
        states = [await self._load(num) for num in nums]
        ready = [s for s in states if s is not None and s.plan.chunks != UNPLANNED and s.whole]
        if len(ready) == len(nums):
            await self._publish(ready)

    async def _load(self, generation: int) -> _State | None:
        async with self._db.connect() as tx:
            row = (await tx.execute(select(generations).where(generations.c.num == generation))).first()
            if row is None or row.state not in OPEN:
                return None
            work = await load_work(tx, row.output_num)
            if work is None or row.plan["round"] != work.round:
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
            row.state == GenerationState.GROWING,
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

    async def _grow(self, state: _State) -> None:
        """Show what is there from the start without a hole; nothing until every track has begun."""
        ready = 0
        while (state.kind, ready) in state.done:
            ready += 1
        audio_begun = all(("audio", n) in state.results for n in range(len(state.plan.audio)))
        if (state.plan.renditions and not ready) or not audio_begun:
            return
        tracks = await asyncio.to_thread(self._encoded, state, ready, complete=False)
        async with Trail(self._db, state.work) as trail:
            trail.writes(state.num, state.uid)
            for track in tracks:
                await self._space.put_log(self._prefix(state, track), track.log)
            packaged = await self._packaged(state)
            async with self._db.transaction() as tx:
                if await self._open(tx, state):
                    await list_tracks(tx, state.num, [*tracks, *packaged])
                    await move_generation(tx, state.work, state.num, GenerationState.GROWING)

    async def _open(self, tx: AsyncConnection, state: _State) -> bool:
        """Lock the asset; whether the generation is still wanted and not published."""
        if await take_work(tx, state.work.output_num, state.work.epoch) is None:
            return False
        found = await tx.execute(select(generations.c.state).where(generations.c.num == state.num))
        return found.scalar() in OPEN

    # ---- whole

    async def _publish(self, states: Sequence[_State]) -> None:
        """Publish generations that are whole, oldest first, in one step."""
        work = states[0].work
        async with Trail(self._db, work) as trail:
            ready: list[tuple[_State, list[NewTrack]]] = []
            for state in states:
                trail.writes(state.num, state.uid)
                tracks = await asyncio.to_thread(self._encoded, state, state.plan.chunks, complete=True)
                for track in tracks:
                    await self._space.put_log(self._prefix(state, track), track.log)
                packaged = await self._packaged(state)
                shared = [await self._listed(state.work, t) for t in state.plan.shared]
                ready.append((state, sorted([*tracks, *packaged, *shared], key=_order)))
            await reached("assemble.logs")
            async with self._db.transaction() as tx:
                news = False
                for state, listed in ready:
                    if await self._open(tx, state):
                        await self._list(tx, state, listed)
                        news = True
                if news:
                    await settle(tx, self._jobs, work)
                    await self._follow(tx, work)
        await reached("assemble.published")

    async def _list(self, tx: AsyncConnection, state: _State, listed: Sequence[NewTrack]) -> None:
        duration_ms = round(_length_s([t.log for t in listed]) * 1000)
        await list_tracks(tx, state.num, listed)
        await move_generation(tx, state.work, state.num, GenerationState.PUBLISHED, duration_ms=duration_ms)
        if state.work.main and duration_ms:
            await tx.execute(
                update(assets).where(assets.c.num == state.work.asset_num).values(duration_ms=duration_ms)
            )
        # results are in the logs now; the rows stay for the progress of the whole output
        await tx.execute(
            update(chunk_jobs).where(chunk_jobs.c.generation_num == state.num).values(result=None)
        )
        if state.growing:
            own = [t.name for t in listed if t.folder == state.uid]
            await ledger.discard(tx, [f"{state.work.folder}g/{state.uid}/{n}/{GROWING_LOG}" for n in own])
        await ledger.record(
            tx,
            state.work.caller,
            "generation.published",
            "asset",
            state.work.asset_uid,
            {"output": state.work.name, "step": state.plan.step, "tracks": [t.name for t in listed]},
        )

    async def _follow(self, tx: AsyncConnection, work: Work) -> None:
        """What begins when an output is whole."""
        done = (
            await tx.execute(
                select(outputs.c.num).where(
                    outputs.c.num == work.output_num,
                    outputs.c.epoch == work.epoch,
                    outputs.c.status == OutputStatus.AVAILABLE,
                )
            )
        ).first()
        if done is None:
            return
        # of the output, not of this generation: one that still waits when the next is published then does that one
        args, turn = {"output": work.output_num}, work.caller.tenant.num
        lock = iframes_lock(work.output_num)
        await self._jobs.enqueue(tx, IFRAMES_JOB, args, lock=lock, queueing_lock=lock, turn=turn)
        if work.main and work.settings.mp4_fallback:
            lock = fallback_lock(work.output_num)
            await self._jobs.enqueue(tx, MP4_JOB, args, lock=lock, queueing_lock=lock, turn=turn)

    # ---- tracks

    def _encoded(self, state: _State, chunks: int, *, complete: bool) -> list[NewTrack]:
        """Tracks made by chunk jobs, the first `chunks` chunks of each rendition."""
        plan = state.plan
        made: dict[str, list[EncodedChunk]] = {}
        for n in range(chunks if plan.renditions else 0):
            for raw in state.results[state.kind, n]["tracks"]:
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
                audio.rendition,
                EncodedChunk.from_json(raw["tracks"][0]),
                complete=not raw.get("partial"),
                longest_s=longest_s(audio.info, sound_grid_of(plan, audio), audio.rendition),
            )
            tracks.append(_new(audio.name, "", state.uid, sound, default=audio.rendition.default))
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


def _length_s(logs: Sequence[TrackLog]) -> float:
    """From the first start of any track to the last end; tracks need not begin together."""
    logs = [log for log in logs if log.segments]
    starts = [log.segments[0].start / log.header.timescale for log in logs]
    ends = [log.segments[-1].end / log.header.timescale for log in logs]
    return max(ends) - min(starts) if logs else 0.0


def _order(track: NewTrack) -> tuple[int, int, str]:
    """Video from large to small, then audio in its order."""
    header = track.log.header
    return (0 if header.kind == "video" else 1, -header.width * header.height, track.name)
