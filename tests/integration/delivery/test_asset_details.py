"""One statement finds an asset with all that hangs on it, as its rows say."""

from dataclasses import fields
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
from sqlalchemy import Table, insert, select

from polycast.db.tables import (
    asset_images,
    asset_sources,
    assets,
    attachments,
    chapters,
    files,
    outputs,
    tracks,
)
from polycast.domain.access import Role
from polycast.domain.assets import AssetImage, AssetSource, SelectedTrack
from polycast.domain.paging import PageRequest
from polycast.domain.states import AssetStatus, GenerationState, OutputStatus
from polycast.services.filters import ListFilter
from polycast.services.registry import Services
from polycast.services.tenants import Tenant, as_system
from tests.integration.delivery.http_server import HttpServer
from tests.integration.delivery.published import Published, add_generation, publish


async def _full(services: Services, tenant: Tenant) -> tuple[Published, list[UUID], UUID]:
    """An asset with everything, the files of its sources, and its uploaded picture."""
    made = await publish(services, tenant, captions=True, storyboard=True)
    sources = [uuid4(), uuid4()]
    chosen = ({"auto": True}, [{"track": "audio_1", "kind": "audio", "language": "en", "name": None}])
    async with services.db.transaction() as tx:
        file = (
            await tx.execute(
                insert(files)
                .values(
                    tenant_num=tenant.ref.num, asset_num=made.num, purpose="image", name="p.png",
                    original_name="p.png", key="t/x/p.png", status="completed", expires_at=datetime.now(UTC),
                )
                .returning(files.c.num, files.c.uid)
            )
        ).one()  # fmt: skip
        for values in (
            {"name": "poster", "file_num": file.num, "image_uid": file.uid},
            {"name": "banner", "url": "https://a.example/b"},
        ):
            await tx.execute(insert(asset_images).values(asset_num=made.num, **values))
        for n, uid in enumerate(sources):
            await tx.execute(
                insert(asset_sources).values(
                    asset_num=made.num, position=n, file_uid=uid, kinds=["video"], tracks=chosen[n]
                )
            )
    return made, sources, file.uid


async def _rows(services: Services, table: Table, **where: object) -> list[Any]:
    async with services.db.connect() as tx:
        query = select(table).where(*(table.c[name] == value for name, value in where.items()))
        return list(await tx.execute(query.order_by(table.c.num)))


def _same(found: Any, row: Any) -> None:
    """Each field of the object that is a column of the row has its value and its type."""
    for name in (f.name for f in fields(found) if f.name in row._mapping):
        value = getattr(found, name)
        wanted = row._mapping[name]
        assert value == (tuple(wanted) if isinstance(value, tuple) else wanted), name
        assert isinstance(value, datetime | UUID | dict) == isinstance(wanted, datetime | UUID | dict), name


async def test_an_asset_is_found_as_its_rows_say(services: Services, tenant: Tenant) -> None:
    made, sources, picture = await _full(services, tenant)
    newest = await add_generation(services, made, 2)
    caller = as_system(tenant.ref, "system:test")
    found = await services.assets.get(caller, made.uid)

    (row,) = await _rows(services, assets, uid=made.uid)
    _same(found, row)
    assert found.status is AssetStatus.AVAILABLE and found.collection_uid is None
    assert found.sources == (
        AssetSource(sources[0], ("video",), auto_audio=True),
        AssetSource(sources[1], ("video",), (SelectedTrack("audio_1", "audio", "en"),)),
    )
    assert found.images == (
        AssetImage("banner", None, None, "https://a.example/b"),
        AssetImage("poster", picture, None, None, "t/x/p.png"),
    )
    for objects, table in (
        (found.outputs, outputs),
        (found.chapters, chapters),
        (found.attachments, attachments),
    ):
        rows = {row.uid: row for row in await _rows(services, table, asset_num=made.num)}
        assert [one.uid for one in objects] and {one.uid for one in objects} == rows.keys()
        for one in objects:
            _same(one, rows[one.uid])
    assert [a.kind for a in found.attachments] == ["caption", "poster", "storyboard"]
    assert found.outputs[0].status is OutputStatus.AVAILABLE and isinstance(found.outputs[0].progress, float)
    generation = found.generation
    assert generation is not None and generation.uid == newest and generation.number == 2
    assert generation.state is GenerationState.PUBLISHED and isinstance(generation.published_at, datetime)
    lines = await _rows(services, tracks, generation_num=generation.num)
    for track, row in zip(generation.tracks, lines, strict=True):
        _same(track, row)


async def test_a_list_finds_the_same(services: Services, tenant: Tenant) -> None:
    mine = [(await _full(services, tenant))[0] for _ in range(3)]
    caller = as_system(tenant.ref, "system:test")
    whole = [await services.assets.get(caller, made.uid) for made in reversed(mine)]
    page = PageRequest(limit=2, descending=True)
    found = await services.assets.list(caller, page, ListFilter())
    assert found.total == 3 and [a.uid for a in found.items] == [a.uid for a in whole[:2]]
    for one, full in zip(found.items, whole, strict=False):
        assert (one.sources, one.outputs, one.metadata) == (full.sources, full.outputs, full.metadata)
        assert not (one.chapters or one.images or one.attachments or one.generation)
    shown = await services.assets.list(caller, page, ListFilter(), presentation=True)
    for one, full in zip(shown.items, whole, strict=False):
        captions = tuple(a for a in full.attachments if a.kind == "caption")
        assert (one.chapters, one.images, one.attachments) == (full.chapters, full.images, captions)
        assert one.chapters and one.images and one.attachments and one.generation is None
    nothing = await services.assets.list(caller, page, ListFilter(ids=[uuid4()]))
    assert nothing.total == 0 and not nothing.items


async def test_a_key_revoked_in_one_process_is_refused_by_another_at_once(
    services: Services, tenant: Tenant, http_server: HttpServer
) -> None:
    """No process remembers keys: each call looks into the database."""
    made = await publish(services, tenant)
    caller = as_system(tenant.ref, "system:test")
    key = await services.keys.create_for_organization(caller, "short-lived")
    own = await services.keys.create(caller, "the tenant's", Role.VIEWER)
    path = f"{http_server.url}/videokit/vod/v1/assets/{made.uid}"
    named = {"x-tenant-id": str(tenant.uid)}
    async with httpx.AsyncClient() as client:
        for used, headers in ((own, {}), (own, named), (key, named)):
            sent = {"x-api-key": used.secret or "", **headers}
            assert (await client.get(path, headers=sent)).status_code == 200
        await services.keys.revoke(caller, own.uid)
        assert (await client.get(path, headers={"x-api-key": own.secret or ""})).status_code == 401
