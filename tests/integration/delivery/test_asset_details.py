"""The one statement finds what the several found."""

from datetime import UTC, datetime
from uuid import uuid4

from sqlalchemy import insert

from polycast.db.tables import asset_images, asset_sources, assets, files
from polycast.services.asset_details import load_asset
from polycast.services.asset_rows import ASSET_QUERY, load_details
from polycast.services.registry import Services
from polycast.services.tenants import Tenant
from tests.integration.delivery.published import add_generation, publish


async def test_one_statement_is_as_good_as_eight(services: Services, tenant: Tenant) -> None:
    made = await publish(services, tenant, captions=True, storyboard=True)
    await add_generation(services, made, 2)
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
        await tx.execute(
            insert(asset_images).values(
                asset_num=made.num, name="poster", file_num=file.num, image_uid=file.uid
            )
        )
        await tx.execute(
            insert(asset_images).values(asset_num=made.num, name="banner", url="https://a.example/b")
        )
        tracks = ({"auto": True}, [{"track": "audio_1", "kind": "audio", "language": "en", "name": None}])
        for n, chosen in enumerate(tracks):
            await tx.execute(
                insert(asset_sources).values(
                    asset_num=made.num, position=n, file_uid=uuid4(), kinds=["video"], tracks=chosen
                )
            )
    async with services.db.connect() as tx:
        row = (await tx.execute(ASSET_QUERY.where(assets.c.uid == made.uid))).one()
        found = await load_asset(tx, assets.c.uid == made.uid)
        assert found == await load_details(tx, row)
        assert found is not None and found.generation is not None and len(found.generation.tracks) == 2
        assert await load_asset(tx, assets.c.uid == uuid4()) is None
