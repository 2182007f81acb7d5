"""An asset that is one MP4 file: pages and lists name the file, and it is guarded as a stream is."""

import contextlib
import re
import time
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from obstore.store import MemoryStore
from sqlalchemy import update

from polycast.db.tables import outputs
from polycast.delivery.app import delivery
from polycast.protocols.signing import Session, sign_session
from polycast.services.registry import Services
from polycast.services.tenants import Tenant
from polycast.storage.cache import CachedStore
from polycast.storage.composed import ComposedStore
from tests.integration.delivery.published import Published, new_tenant, publish_file
from tests.integration.delivery.test_sessions import ALLOWED, TOKEN_ONLY, content_token, system

EVIL = "https://evil.example"
PLAYER = {"sec-fetch-dest": "video", "sec-fetch-mode": "no-cors"}


def file_of(made: Published) -> str:
    """Path of the file."""
    (path,) = [path for path in made.objects if path.endswith(".mp4")]
    return f"{made.base}/{path}"


async def test_pages_name_the_file(client: httpx.AsyncClient, services: Services, tenant: Tenant) -> None:
    made = await publish_file(services, tenant, captions=True)
    config = (await client.get(f"/play/{made.code}/config.json")).json()
    own = str(client.base_url).rstrip("/")
    assert config["sources"] == {"hls": None, "dash": None, "mp4": own + file_of(made)}
    assert (config["status"], config["complete"], config["asset"]["kind"]) == ("ready", True, "video")
    assert config["generation"] == str(made.generation)
    page = (await client.get(f"/embed/{made.code}")).text
    assert file_of(made) in page
    assert 'data-kind="video"' in page
    document = (await client.get("/oembed", params={"url": f"{own}/play/{made.code}"})).json()
    assert (document["type"], document["width"], document["height"]) == ("video", 640, 360)
    answer = await client.get(file_of(made), headers={"range": "bytes=1000-1999"})
    assert (answer.status_code, answer.headers["content-type"]) == (206, "video/mp4")
    (data,) = [data for path, data in made.objects.items() if path.endswith(".mp4")]
    assert answer.content == data[1000:2000]


async def test_a_sound_is_a_sound(client: httpx.AsyncClient, services: Services, tenant: Tenant) -> None:
    made = await publish_file(services, tenant, size=None)
    config = (await client.get(f"/play/{made.code}/config.json")).json()
    assert config["asset"]["kind"] == "audio"
    page = f"{str(client.base_url).rstrip('/')}/play/{made.code}"
    assert (await client.get("/oembed", params={"url": page})).json()["type"] == "rich"


async def test_players_of_others_are_told_of_the_file(
    client: httpx.AsyncClient, services: Services, tenant: Tenant
) -> None:
    made = await publish_file(services, tenant)
    answer = await client.get("/videokit/v1/sourceconfig", params={"assetId": str(made.uid)})
    assert answer.status_code == 200
    (source,) = answer.json()["progressive"]
    assert source == {"url": str(client.base_url).rstrip("/") + file_of(made), "type": "video/mp4"}
    assert not {"hls", "dash"} & set(answer.json())


@pytest.mark.parametrize("name", ["playlist.m3u8", "manifest.mpd"])
async def test_there_is_no_manifest_and_the_answer_says_why(
    client: httpx.AsyncClient, services: Services, tenant: Tenant, name: str
) -> None:
    made = await publish_file(services, tenant)
    (key,) = made.objects
    for path in (f"{made.base}/{name}", f"{made.base}/{key.rpartition('/')[0]}/{name}"):
        answer = await client.get(path)
        assert answer.status_code == 404
        assert "single MP4" in answer.text
        assert answer.headers["access-control-allow-origin"] == "*"
        assert (await client.head(path)).status_code == 404


async def test_before_it_is_made_the_page_waits(
    client: httpx.AsyncClient, services: Services, tenant: Tenant
) -> None:
    made = await publish_file(services, tenant)
    async with services.db.transaction() as tx:
        await tx.execute(
            update(outputs).where(outputs.c.num == made.output_num).values(status="processing", key=None)
        )
    config = (await client.get(f"/play/{made.code}/config.json")).json()
    assert config["status"] == "processing"
    assert set(config["sources"].values()) == {None}
    answer = await client.get("/videokit/v1/sourceconfig", params={"assetId": str(made.uid)})
    assert answer.status_code == 404


async def test_a_limited_file_plays_inside_a_session_on_allowed_pages(
    client: httpx.AsyncClient, services: Services, tenant: Tenant
) -> None:
    await services.domains.add(system(tenant), ALLOWED)
    made = await publish_file(services, tenant)
    begun = await client.get(file_of(made), headers={"origin": ALLOWED})
    assert begun.status_code == 307
    inside = begun.headers["location"]
    assert inside == f"/s/{services.playback.admit(made.uid)}{file_of(made)}"
    own = str(client.base_url).rstrip("/")
    for headers in ({"origin": ALLOWED}, {"referer": f"{ALLOWED}/page"}, {"referer": f"{own}/embed/x"}, {}):
        answer = await client.get(inside, headers=headers | {"range": "bytes=0-9"})
        assert answer.status_code == 206, headers
    answer = await client.get(inside, headers={"origin": ALLOWED})
    assert answer.headers["access-control-allow-origin"] == ALLOWED
    assert answer.headers["vary"] == "origin"
    # the page's own player gets an address inside a session
    config = (await client.get(f"/play/{made.code}/config.json")).json()
    assert re.fullmatch(rf"{own}/s/[^/]+{file_of(made)}", config["sources"]["mp4"])
    assert (await client.get(config["sources"]["mp4"])).status_code == 200


async def test_shared_caches_keep_no_limited_file(
    client: httpx.AsyncClient, services: Services, tenant: Tenant
) -> None:
    made = await publish_file(services, tenant)
    assert (await client.get(file_of(made))).headers["cache-control"] == "public, no-cache"
    limited = await publish_file(services, await new_tenant(services, "with a list"))
    await services.domains.add(system(limited.tenant), ALLOWED)
    answer = await client.get(file_of(limited), headers={"origin": ALLOWED}, follow_redirects=True)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "private, no-cache")


async def test_a_file_that_another_machine_made_anew_is_seen_at_once(
    services: Services, tenant: Tenant, tmp_path: Path
) -> None:
    remote = ComposedStore(MemoryStore())
    cached = CachedStore(remote, tmp_path, 10_000_000)
    here = replace(services, store=cached)
    made = await publish_file(here, tenant)
    app = httpx.ASGITransport(delivery(here).media)
    async with contextlib.aclosing(cached), httpx.AsyncClient(transport=app, base_url="http://x") as client:
        first = await client.get(file_of(made))
        assert [first.content] == [*made.objects.values()]
        await remote.put(file_of(made).removeprefix("/"), b"made anew")
        again = await client.get(file_of(made), headers={"if-none-match": first.headers["etag"]})
        assert (again.status_code, again.content) == (200, b"made anew")


@pytest.mark.parametrize(
    "headers",
    [{"origin": EVIL}, {"origin": "null"}, {"referer": f"{EVIL}/page"},
     PLAYER | {"sec-fetch-site": "cross-site"}, PLAYER | {"sec-fetch-site": "same-site"},
     {"sec-fetch-site": "cross-site", "sec-fetch-dest": "iframe", "sec-fetch-mode": "navigate"}],
)  # fmt: skip
async def test_pages_of_others_get_no_file(
    client: httpx.AsyncClient, services: Services, tenant: Tenant, headers: dict[str, str]
) -> None:
    """Nor with a session from an allowed page; nor when the page keeps its name back."""
    await services.domains.add(system(tenant), ALLOWED)
    made = await publish_file(services, tenant)
    for path in (file_of(made), f"/s/{services.playback.admit(made.uid)}{file_of(made)}"):
        answer = await client.get(path, headers=headers)
        assert answer.status_code == 403
        assert "site" in answer.text


async def test_links_and_own_pages_are_not_pages_of_others(
    client: httpx.AsyncClient, services: Services, tenant: Tenant
) -> None:
    await services.domains.add(system(tenant), ALLOWED)
    made = await publish_file(services, tenant)
    inside = f"/s/{services.playback.admit(made.uid)}{file_of(made)}"
    for headers in (
        {"sec-fetch-site": "cross-site", "sec-fetch-dest": "document", "sec-fetch-mode": "navigate"},
        PLAYER | {"sec-fetch-site": "same-origin"},
        PLAYER | {"sec-fetch-site": "none"},
        PLAYER | {"sec-fetch-site": "cross-site", "referer": f"{ALLOWED}/page"},
    ):
        assert (await client.get(inside, headers=headers)).status_code == 200, headers


async def test_sessions_of_a_file_end(client: httpx.AsyncClient, services: Services, tenant: Tenant) -> None:
    made = await publish_file(services, tenant, settings=TOKEN_ONLY)
    other = await publish_file(services, tenant, settings=TOKEN_ONLY)
    now = int(time.time())

    def session(asset: UUID, end: int) -> str:
        return sign_session(services.ring, Session(str(asset), now - 9000, end, end))

    late = session(made.uid, now + 900)
    for token, status in {
        session(made.uid, now - 600): 403,
        session(other.uid, now + 900): 403,
        late[:-1] + ("A" if late[-1] != "A" else "B"): 403,
        # the address of what is being read does not change
        late: 200,
    }.items():
        assert (await client.get(f"/s/{token}{file_of(made)}")).status_code == status, token
    assert (await client.get(file_of(made))).status_code == 403
    good = {"token": await content_token(services, made)}
    assert (await client.get(file_of(made), params=good)).status_code == 307
    config = (await client.get(f"/play/{made.code}/config.json", params=good)).json()
    assert (await client.get(config["sources"]["mp4"])).status_code == 200
    answer = await client.get("/videokit/v1/sourceconfig", params={"assetId": str(made.uid)} | good)
    (source,) = answer.json()["progressive"]
    assert "/s/" in source["url"]
    assert (await client.get(source["url"])).status_code == 200
    await services.assets.delete(system(tenant), made.uid)
    assert (await client.get(f"/play/{made.code}/config.json", params=good)).status_code == 404
