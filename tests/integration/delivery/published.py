"""Published assets made of random bytes: rows and objects as the pipeline leaves them, in milliseconds."""

import hashlib
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import insert

from polycast.db.tables import assets, attachments, chapters, generations, outputs, tracks
from polycast.domain.states import GenerationState
from polycast.domain.tracks import ObjectRef, Segment, TrackHeader, TrackLog
from polycast.protocols import tracklog
from polycast.services.registry import Services
from polycast.services.tenants import Tenant

WORDS = {"video": ("avc1.64001f", 90_000), "audio": ("mp4a.40.2", 48_000)}


@dataclass
class Published:
    """An asset, and the bytes of its objects by their path below `/media/{uid}/`."""

    uid: UUID
    num: int
    output_num: int
    generation: UUID
    tenant: Tenant
    code: str
    objects: dict[str, bytes] = field(default_factory=dict)

    @property
    def base(self) -> str:
        return f"/media/{self.uid}"

    def segment(self, number: int = 1, track: str = "video_360p") -> str:
        """Path of a segment."""
        return f"{self.base}/{self.key(number, track)}"

    def key(self, number: int = 1, track: str = "video_360p") -> str:
        return f"g/{self.generation}/{track}/{number}.m4s"


async def new_tenant(services: Services, name: str) -> Tenant:
    """A tenant of its own for a test."""
    owner = await services.tenants.default_organization()
    if owner is None:
        owner = await services.tenants.create_organization("Test")
    return await services.tenants.create(owner, name)


async def publish(
    services: Services,
    tenant: Tenant,
    *,
    segments: int = 3,
    size: int = 20_000,
    state: GenerationState = GenerationState.PUBLISHED,
    settings: dict[str, Any] | None = None,
    title: str = "A title",
    captions: bool = False,
    storyboard: bool = False,
) -> Published:
    """An asset that plays, with one video and one audio track."""
    uid = uuid4()
    async with services.db.transaction() as tx:
        asset = (
            await tx.execute(
                insert(assets)
                .values(
                    uid=uid, tenant_num=tenant.ref.num, title=title, status="available", preset="dash_hls_1080p",
                    settings=settings or {}, width=640, height=360, duration_ms=segments * 4000,
                    playable_at=datetime.now(UTC),
                )
                .returning(assets.c.num)
            )
        ).one()  # fmt: skip
        output = (
            await tx.execute(
                insert(outputs)
                .values(
                    asset_num=asset.num, tenant_num=tenant.ref.num, name="main", preset="dash_hls_1080p",
                    kind="stream", main=True, status="available",
                )
                .returning(outputs.c.num)
            )
        ).one()  # fmt: skip
        await tx.execute(insert(chapters).values(asset_num=asset.num, title="Beginning & end", start_s=0.0))
    made = Published(uid, asset.num, output.num, uuid4(), tenant, services.playback.code(asset.num))
    await add_generation(services, made, 1, segments=segments, size=size, state=state, uid=made.generation)
    if captions:
        await _attach(services, made, "caption", "captions/1.vtt", b"WEBVTT\n", language="en")
    if storyboard:
        tiles = {"count": 6, "columns": 5, "rows": 5, "tile_w": 160, "tile_h": 90, "interval_s": 2.0}
        await _attach(services, made, "storyboard", "storyboard-1.jpg", b"\xff\xd8sheet", facts=tiles)
    await _attach(services, made, "poster", "thumbnail.jpg", b"\xff\xd8poster")
    return made


async def publish_file(
    services: Services,
    tenant: Tenant,
    *,
    settings: dict[str, Any] | None = None,
    size: tuple[int, int] | None = (640, 360),
    captions: bool = False,
) -> Published:
    """An asset whose own preset is a download: one MP4 of random bytes, and a generation without tracks."""
    uid, output = uuid4(), uuid4()
    data = random.Random("file").randbytes(50_000)
    path = f"o/{output}/mp4.mp4"
    async with services.db.transaction() as tx:
        num = (
            await tx.execute(
                insert(assets)
                .values(
                    uid=uid, tenant_num=tenant.ref.num, title="A file", status="available", preset="mp4",
                    settings=settings or {}, width=size and size[0], height=size and size[1], duration_ms=12_000,
                    playable_at=datetime.now(UTC),
                )
                .returning(assets.c.num)
            )
        ).scalar_one()  # fmt: skip
        main = (
            await tx.execute(
                insert(outputs)
                .values(
                    uid=output, asset_num=num, tenant_num=tenant.ref.num, name="main", preset="mp4", kind="download",
                    main=True, status="available", key=f"media/{uid}/{path}", size=len(data),
                )
                .returning(outputs.c.num)
            )
        ).scalar_one()  # fmt: skip
        generation = (
            await tx.execute(
                insert(generations)
                .values(asset_num=num, output_num=main, number=1, state="published", published_at=datetime.now(UTC))
                .returning(generations.c.uid)
            )
        ).scalar_one()  # fmt: skip
    made = Published(uid, num, main, generation, tenant, services.playback.code(num))
    await _put(services, made, path, data)
    if captions:
        await _attach(services, made, "caption", "captions/1.vtt", b"WEBVTT\n", language="en")
    return made


async def add_generation(
    services: Services,
    made: Published,
    number: int,
    *,
    segments: int = 3,
    size: int = 20_000,
    state: GenerationState = GenerationState.PUBLISHED,
    uid: UUID | None = None,
) -> UUID:
    """One more generation of an asset's main output; returns its uid."""
    uid = uid or uuid4()
    whole = state is not GenerationState.GROWING
    async with services.db.transaction() as tx:
        row = (
            await tx.execute(
                insert(generations)
                .values(
                    uid=uid, asset_num=made.num, output_num=made.output_num, number=number, state=state.value,
                    duration_ms=segments * 4000, published_at=datetime.now(UTC),
                    retired_at=datetime.now(UTC) if state is GenerationState.RETIRED else None,
                )
                .returning(generations.c.num)
            )
        ).one()  # fmt: skip
        for position, (name, kind) in enumerate((("video_360p", "video"), ("audio_1", "audio"))):
            log = await _track(services, made, uid, name, kind, segments, size, whole=whole)
            await tx.execute(
                insert(tracks).values(
                    generation_num=row.num, name=name, kind=kind, position=position, folder=str(uid),
                    codec=log.header.codec, width=log.header.width, height=log.header.height,
                    frame_rate=log.header.frame_rate, bandwidth=log.header.bandwidth,
                    average_bandwidth=log.header.average_bandwidth, channels=log.header.channels,
                    sample_rate=log.header.sample_rate, is_default=kind == "audio",
                )
            )  # fmt: skip
    return uid


async def _track(
    services: Services,
    made: Published,
    uid: UUID,
    name: str,
    kind: str,
    count: int,
    size: int,
    *,
    whole: bool,
) -> TrackLog:
    folder = f"g/{uid}/{name}/"
    codec, scale = WORDS[kind]
    init = random.Random(name).randbytes(700)
    await _put(services, made, folder + "init.mp4", init)
    found = []
    for n in range(1, count + 1):
        data = random.Random(f"{uid}{name}{n}").randbytes(size + n)
        await _put(services, made, f"{folder}{n}.m4s", data)
        found.append(
            Segment((n - 1) * 4 * scale, 4 * scale, len(data), f"{n}.m4s", hashlib.sha256(data).hexdigest())
        )
    video = kind == "video"
    header = TrackHeader(
        kind="video" if video else "audio", codec=codec, timescale=scale, bandwidth=800_000,
        average_bandwidth=700_000, target_duration_s=4,
        init=ObjectRef("init.mp4", 0, len(init), hashlib.sha256(init).hexdigest()),
        width=640 if video else 0, height=360 if video else 0, frame_rate="25/1" if video else None,
        sample_rate=0 if video else 48_000, channels=0 if video else 2, video_range="SDR" if video else "",
    )  # fmt: skip
    log = TrackLog(header, tuple(found), complete=whole)
    await _put(services, made, folder + "log.jsonl", tracklog.dumps(log))
    return log


async def _put(services: Services, made: Published, path: str, data: bytes) -> None:
    made.objects[path] = data
    await services.store.put(f"media/{made.uid}/{path}", data, durable=False)


async def _attach(
    services: Services,
    made: Published,
    kind: str,
    path: str,
    data: bytes,
    **values: Any,
) -> None:
    types = {"vtt": "text/vtt", "jpg": "image/jpeg"}
    given = {"data": values.pop("facts", {}), **values}
    await _put(services, made, path, data)
    async with services.db.transaction() as tx:
        await tx.execute(
            insert(attachments).values(
                asset_num=made.num, kind=kind, position=1, key=f"media/{made.uid}/{path}",
                content_type=types[path.rsplit(".", 1)[1]], size=len(data), **given,
            )
        )  # fmt: skip
