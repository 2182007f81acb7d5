"""Fetches that end before their file is there, and what is left of those that are over."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy.exc import DBAPIError

from polycast.domain.errors import Invalid, NotFound
from polycast.domain.states import AssetStatus
from tests.integration.net.scripted_server import Request, ScriptedServer, reply, serving
from tests.support.media import Media
from tests.support.studio import Studio
from tests.support.waiting import until

HEADERS = {"authorization": "Basic bWFkZTp1cA=="}


@pytest_asyncio.fixture
async def studio(database_url: str, tmp_path: Path) -> AsyncIterator[Studio]:
    """One that may fetch from this machine."""
    async with Studio.open(database_url, tmp_path / "data", outbound_allow=["127.0.0.1/32"]) as opened:
        yield opened


@pytest.fixture
def released() -> asyncio.Event:
    return asyncio.Event()


@pytest_asyncio.fixture
async def origin(media: Media, released: asyncio.Event) -> AsyncIterator[ScriptedServer]:
    """Serves /clip.mp4, /empty, and /slow.mp4, of which the rest comes once it is `released`."""
    clip = media.clip("h264").read_bytes()

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        if request.target == "/empty":
            writer.write(reply(200))
        elif request.method == "HEAD":
            writer.write(reply(200, content_length=str(len(clip))))
        elif request.target == "/clip.mp4":
            writer.write(reply(200, clip))
        else:
            writer.write(reply(200, clip[:1000], content_length=str(len(clip))))
            await released.wait()
            writer.write(clip[1000:])

    async with serving(answer) as server:
        yield server


async def pull(studio: Studio, url: str, **more: Any) -> Any:
    """The row of the file that is being fetched."""
    asset, _ = await studio.services.pulls.start(studio.caller, url=url, title="x", headers=HEADERS, **more)
    assert asset.status is AssetStatus.PULLING
    query = "SELECT * FROM files WHERE intent->>'asset' = :asset"
    (row,) = await studio.rows(query, asset=str(asset.uid))
    return row


async def asset_of(studio: Studio, file: Any) -> Any:
    (row,) = await studio.rows("SELECT * FROM assets WHERE uid::text = :uid", uid=file.intent["asset"])
    return row


async def over(studio: Studio) -> bool:
    return not await studio.rows("SELECT 1 FROM files WHERE status = 'uploading'")


@pytest.mark.parametrize("how", ["cancel", "remove", "delete"])
@pytest.mark.parametrize("running", [False, True])
async def test_a_video_fails_with_its_fetch(
    studio: Studio, origin: ScriptedServer, released: asyncio.Event, how: str, running: bool
) -> None:
    file = await pull(studio, origin.url("/slow.mp4"))
    uploads, files = studio.services.uploads, studio.services.files

    async def end() -> None:
        if how == "delete":
            await files.delete(studio.caller, file.uid)
        else:
            await uploads.cancel(studio.caller, file.uid, remove=how == "remove")

    if running:
        async with studio.working("pull"):
            await until(lambda: any(r.method == "GET" for r in origin.requests), what="it is being fetched")
            await end()
            released.set()  # what comes now comes too late
    else:
        await end()
    asset = await asset_of(studio, file)
    assert asset.status == AssetStatus.ERROR
    assert asset.error
    assert (await studio.events(asset.uid))[-1] == "asset.failed"
    left = await studio.rows("SELECT status, intent FROM files WHERE uid = :uid", uid=file.uid)
    if how == "cancel":
        assert [(row.status, set(row.intent)) for row in left] == [("error", {"asset", "upload_type"})]
    else:
        assert left == []


async def test_a_video_that_got_its_file_another_way_is_not_failed(
    studio: Studio, origin: ScriptedServer, media: Media
) -> None:
    file = await pull(studio, origin.url("/slow.mp4"))
    await studio.upload(media.clip("h264"), intent={"asset": file.intent["asset"]})
    await studio.services.uploads.cancel(studio.caller, file.uid, remove=False)
    assert (await asset_of(studio, file)).status == AssetStatus.QUEUED


async def test_a_fetch_begins_whole_or_not_at_all(studio: Studio, origin: ScriptedServer) -> None:
    """A database that cannot take the job keeps neither the video nor the file that would wait for it."""
    await studio.execute(
        "CREATE FUNCTION refused() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'not now'; END $$"
    )
    await studio.execute(
        "CREATE TRIGGER refused BEFORE INSERT ON procrastinate_jobs FOR EACH ROW EXECUTE FUNCTION refused()"
    )
    with pytest.raises(DBAPIError, match="not now"):
        await pull(studio, origin.url("/clip.mp4"))
    with pytest.raises(Invalid):
        await pull(studio, origin.url("/clip.mp4"), custom_id="x" * 257)
    with pytest.raises(NotFound):
        await pull(studio, origin.url("/clip.mp4"), collection=studio.tenant.uid)
    for table in ("assets", "files", "outputs"):
        assert (await studio.rows(f"SELECT count(*) AS n FROM {table}"))[0].n == 0
    assert [upload async for upload in studio.services.store.list_uploads()] == []


async def test_what_a_fetch_needed_does_not_outlive_it(studio: Studio, origin: ScriptedServer) -> None:
    """Addresses and headers may hold credentials: they go with the last byte, or the last try."""
    begun = [await pull(studio, origin.url(path)) for path in ("/clip.mp4", "/empty")]
    assert all({"url", "headers"} <= set(file.intent) for file in begun)
    async with studio.working("pull"):
        await until(lambda: over(studio), timeout_s=30, what="both have ended")
    rows = await studio.rows("SELECT status, intent FROM files ORDER BY num")
    assert [row.status for row in rows] == ["completed", "error"]
    for file, row in zip(begun, rows, strict=True):
        assert row.intent == {"asset": file.intent["asset"], "upload_type": "pull"}
    # and both still go with their videos
    for file in begun:
        asset = await asset_of(studio, file)
        await studio.services.assets.delete(studio.caller, asset.uid, with_files=True)
    assert await studio.rows("SELECT 1 FROM files") == []
