"""No room left: typed errors, nothing half visible, and all goes on when there is room again."""

import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from polycast.domain.errors import StorageFull
from polycast.domain.states import AssetStatus
from tests.support.media import Media
from tests.support.studio import Studio
from tests.support.waiting import until

MEGABYTE = 1024 * 1024


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MB; needs the right to mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"no small disk can be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest_asyncio.fixture
async def studio(database_url: str, small_disk: Path) -> AsyncIterator[Studio]:
    async with Studio.open(database_url, small_disk / "data") as opened:
        yield opened


class Filler:
    """Takes the room of a disk, but for some bytes."""

    def __init__(self, disk: Path) -> None:
        self._path = disk / "filler"
        self._disk = disk

    def leave(self, free: int) -> None:
        stat = os.statvfs(self._disk)
        with self._path.open("ab") as file:
            file.write(bytes(max(0, stat.f_bavail * stat.f_frsize - free)))

    def release(self) -> None:
        self._path.unlink()


async def test_upload(studio: Studio, small_disk: Path) -> None:
    filler = Filler(small_disk)
    filler.leave(MEGABYTE)
    data = os.urandom(3 * MEGABYTE)
    with pytest.raises(StorageFull):
        await studio.upload(data)
    file = (await studio.rows("SELECT uid, status FROM files"))[0]
    assert file.status == "uploading"
    opened = await studio.services.files.get(studio.caller, file.uid)
    assert await studio.services.uploads.list_parts(opened) == []
    assert [info.key async for info in studio.services.store.list("")] == []
    filler.release()
    assert (await studio.upload(data)).size == len(data)
    await studio.services.uploads.cancel(studio.caller, file.uid, remove=True)
    await studio.clear()
    await studio.check_books()


@pytest.mark.parametrize("clip", ["tall", "tall_vp9"])
async def test_making(studio: Studio, small_disk: Path, media: Media, clip: str) -> None:
    """Packaging, encoding and publishing wait for room, then go through; until then nothing plays by halves."""
    filler = Filler(small_disk)
    asset = await studio.make(await studio.upload(media.clip(clip)))
    filler.leave(48 * 1024)
    async with studio.working():
        await until(lambda: _complaints(studio), timeout_s=30, what="somebody finds the disk full")
        asset = await studio.asset(asset.uid)
        assert asset.status is not AssetStatus.ERROR
        if asset.generation is not None:
            await studio.check_whole(asset)
        filler.release()
        asset = await studio.settled(asset.uid, timeout_s=55)
        await studio.quiet()
    assert (asset.status, asset.error) == (AssetStatus.AVAILABLE, None)
    assert {code for _, code, _ in await studio.job_failures()} == {"storage_full"}
    await studio.check_whole(asset)
    await studio.clear()
    await studio.check_books()


async def _complaints(studio: Studio) -> bool:
    return any(code == "storage_full" for _, code, _ in await studio.job_failures())
