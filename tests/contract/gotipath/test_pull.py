"""pull_video: files fetched from a real HTTP server beside us."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.contract.gotipath.client import Gotipath
from tests.integration.net.scripted_server import Request, ScriptedServer, reply, serving
from tests.support.media import Media
from tests.support.waiting import until

pytestmark = pytest.mark.timeout(180)  # the first of them starts a server of its own


@pytest_asyncio.fixture
async def origin(media: Media) -> AsyncIterator[ScriptedServer]:
    """Serves /clip.mp4 to who has the password, /empty, /text, and 404."""
    clip = media.clip("h264").read_bytes()

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        head = request.method == "HEAD"
        if request.target == "/clip.mp4":
            if request.headers.get("authorization") != "Basic bWFkZTp1cA==":
                writer.write(reply(401))
            elif head:
                writer.write(reply(200, content_length=str(len(clip))))
            else:
                writer.write(reply(200, clip, content_type="video/mp4"))
        elif request.target == "/text":
            writer.write(reply(200, content_length="5") if head else reply(200, b"words"))
        else:
            writer.write(reply(404))

    async with serving(answer) as server:
        yield server


@pytest.mark.operation("gotipath.pull_video")
async def test_a_pulled_video_plays(reaching: Gotipath, origin: ScriptedServer, media: Media) -> None:
    collection = (await reaching.ok("POST", "collections", json={"name": "Tides"}))["id"]
    body = {
        "name": "Tide table",
        "url": origin.url("/clip.mp4"),
        "request_headers": {"Authorization": "Basic bWFkZTp1cA=="},
        "custom_id_1": "lesson-0042",
        "collection_id": collection,
    }
    answer = await reaching.call("POST", "videos/pull", json=body)
    assert answer.status_code == 201, answer.text
    assert answer.json()["message"] == "Video pull request Accepted"
    result = answer.json()["result"]
    size = media.clip("h264").stat().st_size
    assert (result["status"], result["raw_size"], result["thumbnail_count"]) == ("pulling", size, 0)
    assert (result["collection_id"], result["tags"], result["captions"]) == (collection, None, None)
    assert not {"UploadType", "UploadThrow", "TotalWatchTime"} & set(result)
    detail = await reaching.until_playable(result["id"])
    assert (detail["raw_size"], detail["custom_id1"]) == (size, "lesson-0042")
    assert b"moof" in await reaching.first_segment(detail["manifest_url"])
    found = await reaching.ok("GET", "videos/custom/custom_id1/lesson-0042")
    assert found["id"] == result["id"]


async def test_sources_that_cannot_be_reached_make_no_video(
    reaching: Gotipath, origin: ScriptedServer
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = f"http://127.0.0.1:{closed.getsockname()[1]}/x.mp4"
    for url in (origin.url("/none.mp4"), origin.url("/clip.mp4"), nobody):
        error = await reaching.refused(400, "POST", "videos/pull", json={"name": "x", "url": url})
        assert error["errors"] is None
    assert await reaching.ok("GET", "videos") == []


async def test_a_pulled_file_that_is_no_video_fails(reaching: Gotipath, origin: ScriptedServer) -> None:
    body = {"name": "Words", "url": origin.url("/text")}
    video = (await reaching.ok("POST", "videos/pull", status=201, json=body))["id"]

    async def failed() -> bool:
        return bool((await reaching.ok("GET", f"videos/{video}"))["status"] == "failed")

    await until(failed, timeout_s=40)


@pytest.mark.parametrize(
    "change",
    [
        {"url": "file:///etc/passwd"},
        {"url": "http://169.254.169.254/latest/meta-data"},
        {"url": "http://10.0.0.1/x.mp4"},
        {"url": "http://[::1]/x.mp4"},
        {"url": "ftp://127.0.0.1/x"},
        {"url": "x"},
        {"url": ""},
        {"url": "http://"},
        {"url": "http://127.0.0.1:99999/"},
        {"url": None},
        {"request_headers": {"X": "a\r\nb: c"}},
        {"request_headers": {"": "x"}},
        {"request_headers": {"X": 1}},
        {"request_headers": "x"},
        {"name": ""},
        {"custom_id_1": "\0"},
        {"custom_id_1": "x" * 257},
    ],
)
async def test_wild_pulls_are_refused(
    reaching: Gotipath, origin: ScriptedServer, change: dict[str, Any]
) -> None:
    body = {"name": "x", "url": origin.url("/text")} | change
    await reaching.refused(400, "POST", "videos/pull", json=body)
    assert await reaching.ok("GET", "videos") == []
