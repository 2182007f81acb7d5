"""Source files that came for a video go with it, or when another has taken their place; never another asset's."""

from uuid import UUID

import pytest

from polycast.domain.assets import Asset
from polycast.domain.errors import NotFound
from polycast.domain.files import File
from polycast.domain.states import AssetStatus, OutputStatus
from tests.support.media import Media
from tests.support.studio import Studio


async def waiting(studio: Studio) -> Asset:
    """A video without a file."""
    return await studio.services.assets.create(studio.caller, title="Waits")


async def brought(studio: Studio, asset: Asset, source: object) -> File:
    """A file uploaded for the video."""
    return await studio.upload(source, intent={"asset": str(asset.uid)})  # type: ignore[arg-type]


async def is_there(studio: Studio, file: File) -> bool:
    """Whether a file has its row; then its bytes are there, too, else they are not."""
    await studio.clear()
    try:
        await studio.services.files.get(studio.caller, file.uid)
    except NotFound:
        with pytest.raises(NotFound):
            await studio.services.store.head(file.key)
        return False
    return (await studio.services.store.head(file.key)).size == file.size


async def delete(studio: Studio, uid: UUID) -> None:
    await studio.services.assets.delete(studio.caller, uid, with_files=True)


async def test_a_file_goes_with_the_last_that_uses_it(studio: Studio) -> None:
    first = await waiting(studio)
    file = await brought(studio, first, b"not a video")
    second = await studio.make(file)
    await delete(studio, first.uid)
    assert await is_there(studio, file)
    # whatever it was uploaded for, the other one can be made anew from it
    rows = await studio.rows("SELECT file_num FROM asset_sources WHERE asset_num = :n", n=second.num)
    assert [row.file_num for row in rows] == [file.num]
    await delete(studio, second.uid)
    assert not await is_there(studio, file)
    await studio.check_books()


async def test_retention_takes_no_file_of_a_younger_asset(studio: Studio) -> None:
    old = await waiting(studio)
    file = await brought(studio, old, b"not a video")
    young = await studio.make(file)
    await studio.execute("UPDATE tenants SET retention_days = 3")
    await studio.execute("UPDATE assets SET created_at = now() - interval '4 days' WHERE num = :n", n=old.num)
    assert await is_there(studio, file)  # upkeep has run
    with pytest.raises(NotFound):
        await studio.asset(old.uid)
    assert (await studio.asset(young.uid)).sources[0].file_uid == file.uid


async def test_unfinished_uploads_go_with_their_video(studio: Studio) -> None:
    asset = await waiting(studio)
    intent = {"asset": str(asset.uid)}
    opened = await studio.services.uploads.start(studio.caller, name="a.mp4", size=10, intent=intent)
    await delete(studio, asset.uid)
    with pytest.raises(NotFound):
        await studio.services.files.get(studio.caller, opened.file.uid)
    await studio.clear()
    assert [upload async for upload in studio.services.store.list_uploads()] == []


async def test_a_replaced_file_goes_once_the_new_one_plays(studio: Studio, media: Media) -> None:
    asset = await waiting(studio)
    first = await brought(studio, asset, media.clip("h264"))
    async with studio.working():
        await studio.settled(asset.uid)
        await studio.quiet()
        assert await is_there(studio, first)
    broken = await brought(studio, asset, b"not a video")
    async with studio.working():
        found = await studio.settled(asset.uid)
    assert (found.status, found.main_output and found.main_output.status) == (
        AssetStatus.AVAILABLE,
        OutputStatus.ERROR,
    )
    assert await is_there(studio, first)  # what still plays was made from it
    second = await brought(studio, asset, media.clip("portrait"))
    assert await is_there(studio, first)
    async with studio.working():
        found = await studio.settled(asset.uid)
        await studio.quiet()
    assert (found.width, found.height) == (180, 320)
    for file in (first, broken):
        assert not await is_there(studio, file)
        assert (await studio.events(file.uid))[-1] == "file.deleted"
    assert await is_there(studio, second)
    await studio.execute(
        "UPDATE generations SET retired_at = now() - interval '2 days' WHERE state = 'retired'"
    )
    await studio.clear()
    await studio.check_books()


async def test_a_replaced_file_stays_for_others(studio: Studio, media: Media) -> None:
    """Those that another asset uses, and those that stand for themselves."""
    bare = await studio.upload(media.clip("no_audio"))
    asset = await studio.make(bare)
    shared = await brought(studio, asset, media.clip("h264"))
    other = await studio.make(shared)
    last = await brought(studio, asset, media.clip("portrait"))
    async with studio.working():
        found = await studio.settled(asset.uid)
        await studio.settled(other.uid)
        await studio.quiet()
    assert (found.width, found.height) == (180, 320)
    for file in (bare, shared, last):
        assert await is_there(studio, file)
