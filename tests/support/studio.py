"""A platform in the test's own process: its services, its workers as tasks, real database and real children.

async with Studio.open(database_url, tmp_path) as studio:
    file = await studio.upload(clip)
    asset = await studio.make(file)
    async with studio.working():
        asset = await studio.settled(asset.uid)
    await studio.check_played(asset, frames=90)
    await studio.check_books()
"""

import asyncio
import hashlib
import io
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import av
import httpx
from sqlalchemy import text

from polycast.bootstrap import Platform, build_platform, running
from polycast.cli.working import QUEUES, concurrency
from polycast.domain.access import Caller
from polycast.domain.assets import Asset, AssetSource, Track
from polycast.domain.files import File
from polycast.domain.states import AssetStatus, OutputStatus
from polycast.domain.tracks import TrackLog
from polycast.protocols import tracklog
from polycast.services.tenants import Tenant, as_system
from polycast.settings import load
from tests.support.media import frame_number
from tests.support.waiting import STRETCH, until

_ENDED = (AssetStatus.AVAILABLE, AssetStatus.ERROR)
_PART = 5 * 1024 * 1024


class Studio:
    """One tenant of a platform of the test's own."""

    def __init__(self, platform: Platform, tenant: Tenant) -> None:
        self.platform = platform
        self.services = platform.services
        self.tenant = tenant
        self.caller: Caller = as_system(tenant.ref, "system:test")

    @classmethod
    @asynccontextmanager
    async def open(cls, database_url: str, data: Path, **settings: object) -> AsyncIterator["Studio"]:
        """A platform on an empty data folder, with one tenant; its connections are closed at the end."""
        values: dict[str, object] = {
            "heartbeat_s": 0.3,
            "stalled_after_s": 3.0 * STRETCH,
            "encode_workers": 2,
        }
        loaded = load(data=data, database_url=database_url, **(values | settings))
        async with running(build_platform(loaded, database_url)) as platform:
            owner = await platform.services.tenants.create_organization("Test")
            yield cls(platform, await platform.services.tenants.create(owner, "One"))

    async def neighbour(self, name: str) -> "Studio":
        """Another tenant of the same platform."""
        owner = await self.services.tenants.default_organization()
        assert owner is not None
        return Studio(self.platform, await self.services.tenants.create(owner, name))

    @asynccontextmanager
    async def working(self, *queues: str) -> AsyncIterator[None]:
        """Workers of some queues (all of them) for the block; a worker that breaks breaks the test."""
        stop = asyncio.Event()
        settings = self.platform.settings
        tasks = [
            asyncio.create_task(self.platform.run_worker([q], concurrency(settings, q), stop))
            for q in queues or QUEUES
        ]
        try:
            yield
        finally:
            stop.set()
            await asyncio.wait_for(asyncio.gather(*tasks), 30)

    def impatient(self) -> None:
        """Failed jobs are tried again as often as ever, but without the pauses between."""
        types = self.services.jobs.types
        for name, kind in types.items():
            backoff = replace(kind.retry.backoff, first_s=0.01, longest_s=0.01)
            types[name] = replace(kind, retry=replace(kind.retry, backoff=backoff))

    async def upload(self, source: Path | bytes, *, name: str = "clip.mp4", **more: Any) -> File:
        """Upload in parts, as a client does."""
        data = source if isinstance(source, bytes) else source.read_bytes()  # noqa: ASYNC240 - small clips
        if isinstance(source, Path):
            name = source.name
        upload = await self.services.uploads.start(
            self.caller, name=name, size=max(1, len(data)), part_size=_PART, **more
        )
        parts: list[tuple[int, str]] = []
        for number in range(1, (upload.plan.parts_count if upload.plan else 1) + 1):
            url = await self.services.uploads.part_url(self.caller, upload.file, number, "http://test")
            piece = data[(number - 1) * _PART : number * _PART]
            if "/upload/" in url:
                token = url.rpartition("/upload/")[2]
                done = await self.services.uploads.put_part(token, _stream(piece), len(piece))
                parts.append((number, done.etag))
            else:  # straight to the store
                async with httpx.AsyncClient() as client:
                    answer = await client.put(url, content=piece)
                parts.append((number, answer.raise_for_status().headers["etag"]))
        return await self.services.uploads.complete(self.caller, upload.file.uid, parts)

    async def make(self, *files: File, **more: Any) -> Asset:
        """An asset of these files, all audio taken."""
        sources = [AssetSource(file.uid, auto_audio=True) for file in files]
        return await self.services.assets.create(self.caller, title="Test", sources=sources, **more)

    async def attach(self, uid: UUID, file: File) -> None:
        """Replace the source of an asset."""
        num = (await self.asset(uid)).num
        async with self.services.db.transaction() as tx:
            await self.services.assets.attach(
                tx, self.caller, num, uid, [AssetSource(file.uid, auto_audio=True)]
            )

    async def asset(self, uid: UUID) -> Asset:
        return await self.services.assets.get(self.caller, uid)

    async def settled(self, uid: UUID, *, timeout_s: float = 50) -> Asset:
        """The asset once nothing of it is being made any more."""

        async def look() -> Asset | None:
            found = await self.asset(uid)
            ended = all(o.status is not OutputStatus.PROCESSING for o in found.outputs)
            return found if found.status in _ENDED and ended else None

        return await until(look, timeout_s=timeout_s, what=f"asset {uid} is settled")

    async def quiet(self, *, timeout_s: float = 50) -> None:
        """Wait until no job waits or runs, cron jobs left out."""

        async def look() -> bool:
            rows = await self.rows(
                "SELECT count(*) AS n FROM procrastinate_jobs WHERE status IN ('todo', 'doing') "
                "AND task_name NOT IN ('upkeep', 'views', 'scrub')"
            )
            held = await self.rows("SELECT count(*) AS n FROM chunk_jobs WHERE state IN ('held', 'released')")
            return bool(rows[0].n == 0 and held[0].n == 0)

        await until(look, timeout_s=timeout_s, what="all jobs have ended")

    async def rows(self, query: str, **values: Any) -> Sequence[Any]:
        async with self.services.db.connect() as tx:
            return (await tx.execute(text(query), values)).all()

    async def execute(self, query: str, **values: Any) -> None:
        async with self.services.db.transaction() as tx:
            await tx.execute(text(query), values)

    async def events(self, uid: UUID) -> list[str]:
        """Types of all events about an asset or file, in order."""
        found = await self.rows("SELECT type FROM events WHERE subject_uid = :uid ORDER BY num", uid=uid)
        return [row.type for row in found]

    async def job_failures(self) -> list[tuple[str, str, str]]:
        """(job, code, message) of every failed try."""
        found = await self.rows("SELECT name, code, message FROM job_failures ORDER BY num")
        return [(row.name, row.code, row.message) for row in found]

    # ---- what was published

    async def log_of(self, asset: Asset, track: Track) -> tuple[str, TrackLog]:
        """(key prefix, track log) of a published track."""
        prefix = f"media/{asset.uid}/g/{track.folder}/{track.name}/"
        return prefix, tracklog.loads(await self.services.store.get(prefix + "log.jsonl"))

    async def check_whole(self, asset: Asset) -> None:
        """Every track of the generation that plays is complete, and every byte is what was written."""
        assert asset.generation is not None, asset.error
        assert asset.generation.tracks
        for track in asset.generation.tracks:
            prefix, log = await self.log_of(asset, track)
            assert log.complete, track.name
            assert log.segments
            if track.kind == "iframe":
                # its bytes are those of the track it winds
                prefix = prefix.replace(f"/{track.name}/", f"/{track.rendition}/")
            refs = [(s.object, s.offset, s.size, s.sha256) for s in log.segments]
            if log.header.init is not None:
                refs.append(
                    (
                        log.header.init.object,
                        log.header.init.offset,
                        log.header.init.size,
                        log.header.init.sha256,
                    )
                )
            for name, offset, size, sha256 in refs:
                data = (await self.services.store.get(prefix + name))[offset : offset + size]
                assert hashlib.sha256(data).hexdigest() == sha256, f"{track.name}/{name}"

    async def frames(self, asset: Asset, track: Track) -> list[int]:
        """The numbers in the pictures of a video track, decoded from its segments."""
        return [frame_number(frame) for frame in await self._decoded(asset, track)]

    async def seconds(self, asset: Asset, track: Track) -> float:
        """Length of an audio track, decoded from its segments."""
        return float(sum(f.samples / f.sample_rate for f in await self._decoded(asset, track)))

    async def _decoded(self, asset: Asset, track: Track) -> list[Any]:
        prefix, log = await self.log_of(asset, track)
        assert log.header.init is not None
        data = await self.services.store.get(prefix + log.header.init.object)
        for segment in log.segments:
            data += await self.services.store.get(prefix + segment.object)
        with av.open(io.BytesIO(data), mode="r") as container:
            stream: Any = container.streams[0]
            return list(container.decode(stream))

    # ---- books

    async def clear(self) -> None:
        """Have upkeep clear everything that nobody needs, what is due later included."""
        await self.execute("UPDATE garbage SET not_before = now()")
        await self.services.upkeep.run()

    async def check_books(self) -> None:
        """What the ledgers say is on the disk is on the disk, and nothing else; call when all is quiet."""
        kept = {"files": 0, "media": 0, "work": 0, "images": 0, "captions": 0}
        by_asset: dict[str, int] = {}
        async for info in self.services.store.list(""):
            kind, _, rest = info.key.partition("/")
            if info.key.endswith(("/log.jsonl", "/growing.jsonl")):
                assert kind == "media"  # track logs are ours: the tenant does not pay for them
                continue
            kept[kind] += info.size
            if kind == "media":
                uid = rest.partition("/")[0]
                by_asset[uid] = by_asset.get(uid, 0) + info.size
        assert kept["work"] == 0, "scratch objects are left"
        booked = {str(r.uid): r.stored_size for r in await self.rows("SELECT uid, stored_size FROM assets")}
        booked = {uid: size for uid, size in booked.items() if size}
        assert booked == by_asset, f"booked {booked}, on disk {by_asset}"
        sources = (await self.rows("SELECT coalesce(sum(size), 0) AS n FROM files"))[0].n
        assert sources == kept["files"] + kept["images"] + kept["captions"]
        used = (
            await self.rows("SELECT coalesce(sum(quantity), 0) AS n FROM usage WHERE kind = 'stored_bytes'")
        )[0].n
        assert used == sources + kept["media"], f"ledger {used}, on disk {sources} + {kept['media']}"
        parts = await self.rows(
            "SELECT assets.uid, stored_size, "
            "(SELECT coalesce(sum(size), 0) FROM generations g WHERE g.asset_num = assets.num) "
            "+ (SELECT coalesce(sum(size), 0) FROM outputs o WHERE o.asset_num = assets.num) "
            "+ (SELECT coalesce(sum(size), 0) FROM attachments a WHERE a.asset_num = assets.num) AS n FROM assets"
        )
        assert {row.uid: row.stored_size for row in parts} == {row.uid: row.n for row in parts}


async def _stream(data: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(data), 65536):
        yield data[at : at + 65536]
