"""What a disk loses is found against the track logs, and made again from the source."""

from pathlib import Path

import pytest

from polycast.domain.assets import Asset
from polycast.domain.states import AssetStatus
from polycast.services.scrubber import Scrubber
from tests.support.media import Media
from tests.support.studio import Studio


def scrubber(studio: Studio) -> Scrubber:
    services = studio.services
    return Scrubber(services.db, services.store, services.jobs, services.tenants)


async def published(studio: Studio, media: Media, clip: str = "tall") -> Asset:
    asset = await studio.make(await studio.upload(media.clip(clip)))
    async with studio.working():
        asset = await studio.settled(asset.uid)
        await studio.quiet()
    assert asset.status is AssetStatus.AVAILABLE
    return asset


async def segment(studio: Studio, asset: Asset, number: int = 0) -> Path:
    assert asset.generation is not None
    prefix, log = await studio.log_of(asset, asset.generation.tracks[0])
    path = studio.services.store.local_path(prefix + log.segments[number].object)
    assert path is not None
    return path


async def test_all_is_well(studio: Studio, media: Media) -> None:
    asset = await published(studio, media)
    assert await scrubber(studio).run(limit=50) == 0
    assert await studio.rows("SELECT 1 FROM tracks WHERE verified_at IS NULL AND kind <> 'iframe' AND generation_num = :n",
                             n=asset.generation.num) == []  # type: ignore[union-attr]  # fmt: skip
    assert "track.damaged" not in await studio.events(asset.uid)


@pytest.mark.parametrize("harm", ["flip", "delete", "log", "cut"])
async def test_damage_is_found_and_mended(studio: Studio, media: Media, harm: str) -> None:
    asset = await published(studio, media)
    path = await segment(studio, asset)
    data = bytearray(path.read_bytes())
    if harm == "flip":
        data[len(data) // 2] ^= 1
        path.write_bytes(bytes(data))
    elif harm == "cut":
        path.write_bytes(bytes(data[:-1]))
    elif harm == "delete":
        path.unlink()
    else:
        (path.parent / "log.jsonl").unlink()
    assert await scrubber(studio).run(limit=50) == 1
    damage = (await studio.rows("SELECT payload FROM events WHERE type = 'track.damaged'"))[0].payload
    assert damage["remade"] is True
    async with studio.working():
        mended = await studio.settled(asset.uid)
        await studio.quiet()
    assert mended.status is AssetStatus.AVAILABLE
    assert mended.generation is not None
    assert asset.generation is not None
    assert mended.generation.uid != asset.generation.uid
    await studio.check_whole(mended)
    assert await scrubber(studio).run(limit=50) == 0


async def test_without_the_source_it_is_told(studio: Studio, media: Media) -> None:
    asset = await published(studio, media)
    for source in asset.sources:
        await studio.services.files.delete(studio.caller, source.file_uid)
    (await segment(studio, asset)).unlink()
    assert await scrubber(studio).run(limit=50) == 1
    damage = (await studio.rows("SELECT payload FROM events WHERE type = 'track.damaged'"))[0].payload
    assert damage["remade"] is False
    assert damage["object"]
    still = await studio.asset(asset.uid)
    assert still.status is AssetStatus.AVAILABLE  # what is left of it plays on
