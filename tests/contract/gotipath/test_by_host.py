"""The vendor's own host names, for clients whose base address cannot be changed."""

import base64
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
import pytest_asyncio

from tests.contract.gotipath.client import Gotipath
from tests.contract.gotipath.conftest import library
from tests.support.media import Media
from tests.support.postgres import RunPostgres
from tests.support.server import PolycastServer

pytestmark = pytest.mark.timeout(180)  # it starts a server of its own
API, TUS = "apistream.gotipath.example", "tus-stream.gotipath.example"


@pytest.fixture(scope="module")
def named_server(postgres: RunPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PolycastServer]:
    url = postgres.create()
    hosts = {"hosts": f"{API}=gotipath,{TUS}=gotipath"}
    running = PolycastServer(tmp_path_factory.mktemp("named"), url, hosts).start()
    yield running
    running.stop()
    postgres.drop(url)


@pytest_asyncio.fixture
async def named(named_server: PolycastServer) -> AsyncIterator[Gotipath]:
    async with await library(named_server) as found:
        yield found


async def test_the_vendors_paths_work_below_its_names(named: Gotipath, media: Media) -> None:
    data = media.clip("h264").read_bytes()
    origin = named.server.url

    async def ask(method: str, host: str, path: str, **more: dict[str, str]) -> httpx.Response:
        headers = named.credentials | {"host": host} | more.pop("headers", {})
        return await named.http.request(method, f"{origin}{path}", headers=headers, **more)  # type: ignore[arg-type]

    made = await ask("POST", API, f"/v1/libraries/{named.library}/videos", json={"name": "By name"})
    assert made.status_code == 200, made.text
    video = made.json()["result"]["id"]
    name = base64.b64encode(b"a.mp4").decode()
    tus = {"tus-resumable": "1.0.0", "videoid": video}
    begun = await ask(
        "POST",
        TUS,
        "/tusupload/",
        headers=tus | {"upload-length": str(len(data)), "upload-metadata": f"filename {name}"},
    )
    assert begun.status_code == 201, begun.text
    location = httpx.URL(begun.headers["location"])
    assert location.host == TUS
    assert location.path.startswith("/tusupload/")
    headers = tus | named.credentials | {"host": TUS, "upload-offset": "0"}
    headers["content-type"] = "application/offset+octet-stream"
    sent = await named.http.patch(f"{origin}{location.path}", headers=headers, content=data)
    assert sent.status_code == 204, sent.text
    await named.until_playable(video)
    page = await ask("GET", API, f"/stream/{named.library}/default/{video}")
    assert (page.status_code, video in page.text) == (200, True)
    begun = await ask("POST", API, "/v1/tusupload", headers=tus | {"upload-length": "5"})
    assert httpx.URL(begun.headers["location"]).path.startswith("/v1/tusupload/")
