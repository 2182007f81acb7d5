"""Callers who come at the same moment: each is served, or told why not; nobody meets an error of the database."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime
from io import BytesIO
from typing import Any
from uuid import UUID

from PIL import Image

from polycast.domain.assets import AssetSource
from polycast.domain.errors import Conflict, NotFound, PolycastError, QuotaExceeded
from polycast.services.asset_changes import AssetChanges
from polycast.services.presentation import NewImage
from tests.support.studio import Studio

ROUNDS = 6
MANY = 40
"""more than connections: whoever holds one must not wait for another one"""


async def at_once(*calls: Awaitable[Any]) -> Counter[str]:
    """How they ended, by the name of the error's class; "" for those that went through."""
    ended = await asyncio.gather(*calls, return_exceptions=True)
    unforeseen = [e for e in ended if isinstance(e, BaseException) and not isinstance(e, PolycastError)]
    assert unforeseen == []
    return Counter(type(e).__name__ if isinstance(e, PolycastError) else "" for e in ended)


async def received(studio: Studio, data: bytes, **more: Any) -> tuple[UUID, list[tuple[int, str]]]:
    """An upload with all its bytes, to be completed with these parts."""
    uploads = studio.services.uploads
    started = await uploads.start(studio.caller, size=len(data), **more)
    url = await uploads.part_url(studio.caller, started.file, 1, "")

    async def body() -> AsyncIterator[bytes]:
        yield data

    part = await uploads.put_part(url.rpartition("/")[2], body(), len(data))
    return started.file.uid, [(1, part.etag)]


async def uploaded(studio: Studio, data: bytes, *, purpose: str, **more: Any) -> UUID:
    """The id of a completed upload."""
    uid, parts = await received(studio, data, purpose=purpose, **more)
    await studio.services.uploads.complete(studio.caller, uid, parts, purpose=purpose)
    return uid


async def test_uploads_that_begin_at_once_all_open(studio: Studio) -> None:
    uploads = studio.services.uploads
    calls = [uploads.start(studio.caller, name="a.mp4", size=10) for _ in range(MANY)]
    assert await at_once(*calls) == {"": MANY}


async def test_of_uploads_that_begin_at_once_those_within_the_quota_open(studio: Studio) -> None:
    await studio.execute("UPDATE tenants SET quota_bytes = 100")
    uploads = studio.services.uploads
    calls = [uploads.start(studio.caller, name="a.mp4", size=10) for _ in range(MANY)]
    assert await at_once(*calls) == {"": 10, QuotaExceeded.__name__: MANY - 10}
    # and the store keeps nothing for the others
    open_uploads = studio.platform.settings.data / "store" / "uploads"
    assert len([p for p in open_uploads.iterdir() if p.is_dir()]) == 10


async def test_a_file_may_go_while_an_asset_is_made_of_it(studio: Studio) -> None:
    for _ in range(3):
        file = await studio.upload(b"not a video")
        source = [AssetSource(file.uid, auto_audio=True)]
        ended = await at_once(
            *(studio.services.assets.create(studio.caller, sources=source) for _ in range(4)),
            studio.services.files.delete(studio.caller, file.uid),
            studio.services.files.delete(studio.caller, file.uid),
        )
        assert set(ended) <= {"", NotFound.__name__}
        assert ended[NotFound.__name__] >= 1


async def test_a_file_that_an_asset_is_made_of_does_not_go_with_its_video(studio: Studio) -> None:
    assets, caller = studio.services.assets, studio.caller
    for _ in range(ROUNDS):
        video = await assets.create(caller, title="brought it")
        file = await studio.upload(b"not a video", intent={"asset": str(video.uid)})
        source = [AssetSource(file.uid, auto_audio=True)]
        ended = await at_once(
            *(assets.create(caller, sources=source) for _ in range(3)),
            assets.delete(caller, video.uid, with_files=True),
        )
        # whoever was told of an asset has its file
        lost = await studio.rows("SELECT 1 FROM asset_sources WHERE file_num IS NULL")
        assert lost == []
        assert set(ended) <= {"", NotFound.__name__}


async def test_an_original_that_an_asset_is_made_of_is_kept(studio: Studio) -> None:
    assets, caller = studio.services.assets, studio.caller
    await studio.services.tenants.update(caller, settings={"keep_original": False})
    for _ in range(ROUNDS):
        file = await studio.upload(b"not a video")
        source = [AssetSource(file.uid, auto_audio=True)]
        first = await assets.create(caller, sources=source)
        # as if it were made, so that nothing needs the file any more
        await studio.execute("UPDATE assets SET status = 'available' WHERE num = :n", n=first.num)
        await studio.execute("UPDATE outputs SET status = 'available' WHERE asset_num = :n", n=first.num)
        ended = await at_once(
            studio.services.upkeep.drop_originals(datetime.now(UTC)),
            *(assets.create(caller, sources=source) for _ in range(3)),
        )
        assert set(ended) <= {"", NotFound.__name__}
        lost = await studio.rows(
            "SELECT 1 FROM asset_sources WHERE asset_num > :n AND file_num IS NULL", n=first.num
        )
        assert lost == []
        await studio.execute("DELETE FROM assets")


async def test_a_collection_may_go_while_something_is_put_into_it(studio: Studio) -> None:
    collections, assets, caller = studio.services.collections, studio.services.assets, studio.caller
    asset = await assets.create(caller, title="moved")
    for _ in range(ROUNDS):
        made = await collections.create(caller, "c", None)
        ended = await at_once(
            collections.create(caller, "below", made.uid),
            collections.update(caller, made.uid, name="renamed"),
            assets.create(caller, title="inside", collection=made.uid),
            assets.update(caller, asset.uid, AssetChanges(collection=made.uid)),
            collections.delete(caller, made.uid),
            collections.delete(caller, made.uid),
        )
        assert set(ended) <= {"", NotFound.__name__}
        assert ended[NotFound.__name__] >= 1


async def test_a_picture_may_go_while_it_is_attached(studio: Studio) -> None:
    picture = BytesIO()
    Image.new("RGB", (16, 9), (1, 2, 3)).save(picture, "PNG")
    asset = await studio.services.assets.create(studio.caller, title="shown")
    shown = studio.services.presentation
    for _ in range(3):
        image = await uploaded(studio, picture.getvalue(), name="p.png", purpose="image", asset=asset.uid)
        named = {"poster": NewImage(image=image)}
        await shown.set_images(studio.caller, asset.uid, named)
        ended = await at_once(
            *(shown.set_images(studio.caller, asset.uid, named, replace=True) for _ in range(3)),
            studio.services.files.delete(studio.caller, image, purpose="image", asset=asset.uid),
        )
        assert set(ended) <= {"", NotFound.__name__}


async def test_tags_may_be_made_in_any_order_at_once(studio: Studio) -> None:
    for turn in range(ROUNDS):
        names = [f"{turn} {letter}" for letter in "abcdefghij"]
        ended = await at_once(
            *(
                studio.services.presentation.create_tags(studio.caller, order)
                for order in (names, names[::-1], names, names[::-1])
            )
        )
        assert ended == {"": 4}


async def test_tenants_of_one_name_may_be_made_at_once(studio: Studio) -> None:
    owner = await studio.services.tenants.default_organization()
    assert owner is not None
    made = await asyncio.gather(*(studio.services.tenants.create(owner, "Same name") for _ in range(8)))
    assert len({tenant.ref.slug for tenant in made}) == 8


async def test_a_tenant_is_deleted_once(studio: Studio) -> None:
    owner = await studio.services.tenants.default_organization()
    assert owner is not None
    made = await studio.services.tenants.create(owner, "Doomed")
    ended = await at_once(*(studio.services.tenants.delete(owner, made.uid) for _ in range(4)))
    assert ended == {"": 1, NotFound.__name__: 3}
    assert (await studio.events(made.uid)).count("tenant.deleted") == 1


async def test_two_defaults_may_be_chosen_at_once(studio: Studio) -> None:
    players, caller = studio.services.players, studio.caller
    uids: list[UUID] = [(await players.create(caller, f"p{n}", {})).uid for n in range(3)]
    for _ in range(ROUNDS):
        ended = await at_once(*(players.mark_default(caller, uid) for uid in uids))
        assert ended == {"": 3}
        assert sum(player.is_default for player in await players.list(caller)) == 1


async def test_changes_of_a_theme_at_once_are_all_kept(studio: Studio) -> None:
    players, caller = studio.services.players, studio.caller
    made = await players.create(caller, "p", {})

    def with_member(name: str) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
        return lambda stored: {**stored, name: True}

    names = [f"m{n}" for n in range(8)]
    ended = await at_once(*(players.update(caller, made.uid, change=with_member(name)) for name in names))
    assert ended == {"": 8}
    assert (await players.get(caller, made.uid)).theme == dict.fromkeys(names, True)


async def test_an_upload_is_completed_once_or_cancelled(studio: Studio) -> None:
    uploads, caller = studio.services.uploads, studio.caller
    for _ in range(3):
        uid, parts = await received(studio, b"abc", name="a.bin")
        ended = await at_once(
            *(uploads.complete(caller, uid, parts) for _ in range(3)),
            uploads.cancel(caller, uid, remove=False),
            uploads.cancel(caller, uid, remove=False),
        )
        # nobody is told two things at once
        file = await studio.services.files.get(caller, uid)
        assert set(ended) <= {"", Conflict.__name__}
        assert ended[""] == (3 if file.status == "completed" else 2)
