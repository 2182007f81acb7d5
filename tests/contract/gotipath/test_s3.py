"""The whole way on an S3 store: bytes straight to the store and through us, encoded, played, cleared."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import boto3  # type: ignore[import-untyped]
import httpx
import pytest
import pytest_asyncio

from tests.contract.gotipath.client import Gotipath
from tests.contract.gotipath.conftest import library
from tests.contract.gotipath.test_pull import origin  # noqa: F401 - a fixture
from tests.contract.gotipath.test_tus import begun, send
from tests.integration.net.scripted_server import ScriptedServer
from tests.support.media import Media
from tests.support.postgres import RunPostgres
from tests.support.s3 import s3_server
from tests.support.server import PolycastServer
from tests.support.waiting import until

pytestmark = pytest.mark.timeout(180)  # it starts two servers of its own
MIB = 1 << 20
BUCKET = "films"


@dataclass
class OnS3:
    """A server and the bucket behind it."""

    server: PolycastServer
    endpoint: str

    @property
    def _client(self) -> Any:
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
        return boto3.client("s3", endpoint_url=self.endpoint, **keys)

    def objects(self) -> list[str]:
        """All that is stored."""
        return [found["Key"] for found in self._client.list_objects_v2(Bucket=BUCKET).get("Contents", [])]

    def lose(self, keys: list[str]) -> None:
        """Remove objects behind the server's back."""
        for key in keys:
            self._client.delete_object(Bucket=BUCKET, Key=key)


@pytest.fixture(scope="module")
def on_s3(postgres: RunPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnS3]:
    url = postgres.create()
    with s3_server() as endpoint:
        httpx.put(f"{endpoint}/{BUCKET}").raise_for_status()
        settings = {
            "store": f"s3://{BUCKET}/polycast",
            "s3_endpoint": endpoint,
            "s3_access_key": "test",
            "s3_secret_key": "test",
            "outbound_allow": "127.0.0.1/32",
        }
        running = PolycastServer(tmp_path_factory.mktemp("on-s3"), url, settings).start()
        yield OnS3(running, endpoint)
        running.stop()
    postgres.drop(url)


@pytest_asyncio.fixture
async def gotipath(on_s3: OnS3) -> AsyncIterator[Gotipath]:
    async with await library(on_s3.server) as found:
        yield found


def padded(data: bytes, more: int) -> bytes:
    """An MP4 file with a box at its end that means nothing (ISO/IEC 14496-12, 8.1.2)."""
    return data + more.to_bytes(4, "big") + b"free" + bytes(more - 8)


async def test_parts_go_straight_to_the_store_and_play_from_the_cache(
    gotipath: Gotipath, on_s3: OnS3, media: Media
) -> None:
    data = padded(media.clip("h264").read_bytes(), 6 * MIB)
    video = await gotipath.create()
    meta = {"video_id": video, "library_id": gotipath.library}
    body = {"filename": "a.mp4", "type": "video/mp4", "metadata": meta}
    opened = (await gotipath.call("POST", "/uploads/s3/multipart", json=body)).json()
    parts = []
    where, key = f"/uploads/s3/multipart/{opened['uploadId']}", quote(opened["key"])
    for number, piece in ((2, data[5 * MIB :]), (1, data[: 5 * MIB])):
        url = (await gotipath.call("GET", f"{where}/{number}?key={key}")).json()["url"]
        assert url.startswith(f"{on_s3.endpoint}/{BUCKET}/")
        put = await gotipath.http.put(url, content=piece, headers={"content-type": "binary/octet-stream"})
        assert put.status_code == 200, put.text
        parts.append({"PartNumber": number, "ETag": put.headers["etag"]})
    done = await gotipath.call("POST", f"{where}/complete?key={key}", json={"parts": parts})
    assert done.status_code == 200, done.text
    original = await gotipath.http.get(done.json()["location"], follow_redirects=True)
    assert original.content == data
    detail = await gotipath.until_playable(video, whole=True)
    assert detail["raw_size"] == len(data)
    first = await gotipath.first_segment(detail["manifest_url"])
    assert first[4:8] == b"ftyp"

    # a second viewer is served from this machine's disk
    segments = [key for key in on_s3.objects() if key.endswith((".m4s", "init.mp4"))]
    assert segments
    on_s3.lose(segments)
    assert await gotipath.first_segment(detail["manifest_url"]) == first

    await gotipath.ok("DELETE", f"videos/{video}")

    async with on_s3.server.platform() as platform:  # what upkeep does each minute

        async def cleared() -> bool:  # pictures that were being made end after the deletion
            await platform.services.upkeep.collect_garbage(datetime.now(UTC))
            return not on_s3.objects()

        await until(cleared, timeout_s=30, what="nothing is left in the bucket")


async def test_bytes_may_pass_through_us_in_pieces_that_s3_would_refuse(
    gotipath: Gotipath,
    on_s3: OnS3,
    media: Media,
    origin: ScriptedServer,  # noqa: F811 - the fixture
) -> None:
    data = padded(media.clip("h264").read_bytes(), 17 * MIB)
    video = await gotipath.create()
    url = await begun(gotipath, video, len(data))
    for at in range(0, len(data), 3 * MIB):
        answer = await send(gotipath, url, data[at : at + 3 * MIB], at, video)
        assert answer.status_code == 204, answer.text
    assert (await gotipath.until_playable(video))["raw_size"] == len(data)
    assert not [key for key in on_s3.objects() if "/tail/" in key]
    body = {
        "name": "Tides",
        "url": origin.url("/clip.mp4"),
        "request_headers": {"Authorization": "Basic bWFkZTp1cA=="},
    }
    pulled = await gotipath.ok("POST", "videos/pull", status=201, json=body)
    await gotipath.until_playable(pulled["id"])
