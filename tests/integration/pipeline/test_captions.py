"""Captions of an asset are those of its sources: each once, however often it is made."""

from collections.abc import Sequence

from polycast.domain.assets import Asset, Attachment
from polycast.domain.states import AssetStatus
from polycast.services.scrubber import Scrubber
from tests.support.media import Media
from tests.support.studio import Studio

SRT = b"1\n00:00:00,500 --> 00:00:01,500\nAhoy\n\n2\n00:00:02,000 --> 00:00:03,000\nLand\n"


async def captions(studio: Studio, asset: Asset) -> Sequence[Attachment]:
    """Once nothing is being made any more; the books are in order then."""
    async with studio.working():
        await studio.settled(asset.uid)
        await studio.quiet()
    found = await studio.asset(asset.uid)
    assert found.status is AssetStatus.AVAILABLE
    await studio.execute(
        "UPDATE generations SET retired_at = now() - interval '2 days' WHERE state = 'retired'"
    )
    await studio.clear()
    await studio.check_books()
    return [a for a in found.attachments if a.kind == "caption"]


async def lose_a_segment(studio: Studio, asset: Asset) -> None:
    assert asset.generation is not None
    prefix, log = await studio.log_of(asset, asset.generation.tracks[0])
    path = studio.services.store.local_path(prefix + log.segments[0].object)
    assert path is not None
    path.unlink()


async def test_captions_of_a_file_of_their_own_are_there_once(studio: Studio, media: Media) -> None:
    film = await studio.upload(media.clip("h264"))
    words = await studio.upload(SRT, name="words.srt")
    asset = await studio.make(film, words)
    (first,) = await captions(studio, asset)
    assert b"Ahoy" in await studio.services.store.get(first.key)
    await lose_a_segment(studio, await studio.asset(asset.uid))
    have = studio.services
    assert await Scrubber(have.db, have.store, have.jobs, have.tenants).run(limit=50) == 1
    (again,) = await captions(studio, asset)
    assert again.key == first.key


async def test_captions_go_with_the_film_they_belonged_to(studio: Studio, media: Media) -> None:
    film = await studio.upload(media.clip("h264"))
    words = await studio.upload(SRT, name="words.srt")
    asset = await studio.make(film, words)
    (old,) = await captions(studio, asset)
    await studio.attach(asset.uid, await studio.upload(media.clip("no_audio")))
    assert await captions(studio, asset) == []
    assert [o.key async for o in studio.services.store.list(old.key)] == []
