"""Player pages, oEmbed, source links over a real server."""

import html
import re
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlencode
from uuid import uuid4
from xml.etree import ElementTree

import httpx
from sqlalchemy import insert, update

from polycast.db.tables import files, tenants
from polycast.services.registry import Services
from polycast.services.tenants import Tenant
from tests.integration.delivery.conftest import Installation
from tests.integration.delivery.http_server import HttpServer
from tests.integration.delivery.published import new_tenant, publish
from tests.integration.delivery.test_sessions import ALLOWED, limited, system


async def test_frame_ancestors_follow_the_domains(
    client: httpx.AsyncClient, services: Services, tenant: Tenant
) -> None:
    made = await publish(services, tenant)
    for page in ("play", "embed"):
        policy = (await client.get(f"/{page}/{made.code}")).headers["content-security-policy"]
        assert "frame-ancestors *" in policy
    await services.domains.add(system(tenant), ALLOWED)
    for page in ("play", "embed"):
        answer = await client.get(f"/{page}/{made.code}", headers={"referer": "https://evil.example/"})
        # a link from anywhere may be followed; the frame is the browser's business
        assert answer.status_code == 200
        assert f"frame-ancestors 'self' {ALLOWED}" in answer.headers["content-security-policy"]


async def test_the_configuration_is_judged_as_a_manifest(
    client: httpx.AsyncClient, services: Services, tenant: Tenant
) -> None:
    made = await limited(services, tenant)
    url = f"/play/{made.code}/config.json"
    refused = await client.get(url, headers={"origin": "https://evil.example"})
    assert refused.status_code == 403 and "/s/" not in refused.text
    given = await client.get(url)
    assert given.status_code == 200
    assert given.headers["cache-control"] == "private, no-cache"
    assert "/s/" in given.json()["sources"]["hls"]
    again = await client.get(url, headers={"if-none-match": given.headers["etag"]})
    assert again.status_code == 304


SCRIPTED = {"head_html": "<script>document.title = 'theirs'</script>"}
"""a theme with a script of the tenant's own"""


async def scripted(services: Services, tenant: Tenant) -> dict[str, str]:
    """The query by which a page has that theme."""
    return {"player": str((await services.players.create(system(tenant), "Ours", SCRIPTED)).uid)}


async def test_scripts_of_a_theme_run_on_the_players_own_host_alone(
    services: Services, tenant: Tenant, installation: Installation
) -> None:
    made = await publish(services, tenant)
    look = await scripted(services, tenant)
    settings = {"player_origin": "https://player.example", "public_url": "https://api.example"}
    with HttpServer(installation.data, installation.database_url, settings) as server:
        async with httpx.AsyncClient(base_url=server.url, timeout=20) as client:
            for host, runs in (
                ("player.example", True),
                ("PLAYER.example:443", True),
                ("api.example", False),
                ("player.example:8443", False),
                ("player.example.evil.example", False),
                (f"127.0.0.1:{server.port}", False),
            ):
                for page in ("play", "embed"):
                    answer = await client.get(f"/{page}/{made.code}", params=look, headers={"host": host})
                    assert answer.status_code == 200 and "theirs" in answer.text
                    directives = answer.headers["content-security-policy"].split("; ")
                    script = next(d for d in directives if d.startswith("script-src"))
                    assert ("'unsafe-inline'" in script) == runs, (host, script)


async def test_an_origin_that_is_both_runs_no_scripts(
    services: Services, tenant: Tenant, installation: Installation
) -> None:
    made = await publish(services, tenant)
    look = await scripted(services, tenant)
    settings = {"player_origin": "https://video.example", "public_url": "https://video.example"}
    with HttpServer(installation.data, installation.database_url, settings) as server:
        async with httpx.AsyncClient(base_url=server.url, timeout=20) as client:
            answer = await client.get(f"/play/{made.code}", params=look, headers={"host": "video.example"})
            assert "script-src 'self';" in answer.headers["content-security-policy"]


async def test_no_browser_guesses_what_bytes_of_users_are(
    client: httpx.AsyncClient, services: Services, tenant: Tenant
) -> None:
    made = await publish(services, tenant, captions=True, storyboard=True)
    closed = await limited(services, await new_tenant(services, "with limits"))
    inside = f"/s/{services.playback.admit(closed.uid)}{closed.base}"
    page = f"{str(client.base_url).rstrip('/')}/play/{made.code}"
    for path in (
        made.segment(),
        *(f"{made.base}/{name}" for name in ("playlist.m3u8", "manifest.mpd", "captions/1.vtt")),
        *(f"{made.base}/{name}" for name in ("chapters.vtt", "storyboard.vtt", "storyboard-1.jpg")),
        *(f"{made.base}/{name}" for name in ("thumbnail.jpg", "nothing", "images/x")),
        *(f"{inside}/{name}" for name in ("playlist.m3u8", "captions/1.vtt", "chapters.vtt")),
        f"/play/{made.code}",
        f"/play/{made.code}/config.json",
        f"/oembed?url={page}",
        f"/oembed?url={page}&format=xml",
    ):
        answer = await client.get(path)
        assert answer.headers.get("x-content-type-options") == "nosniff", path
    part = await client.get(f"{made.base}/captions/1.vtt", headers={"range": "bytes=0-2"})
    assert (part.status_code, part.headers["x-content-type-options"]) == (206, "nosniff")


async def test_unknown_videos(client: httpx.AsyncClient) -> None:
    for path in ("/play/aaaaaaaa", "/embed/none", "/play/none/config.json"):
        answer = await client.get(path)
        assert answer.status_code == 404


async def test_oembed(client: httpx.AsyncClient, services: Services, tenant: Tenant) -> None:
    made = await publish(services, tenant, title='<"A" & b>')
    own = str(client.base_url).rstrip("/")
    page = f"{own}/play/{made.code}"
    answer = await client.get("/oembed", params={"url": page, "maxwidth": "320"})
    document = answer.json()
    assert (document["version"], document["type"], document["title"]) == ("1.0", "video", '<"A" & b>')
    assert (document["width"], document["height"]) == (320, 180)
    frame = re.search(r'<iframe src="([^"]+)"', document["html"])
    assert frame and html.unescape(frame[1]) == f"{own}/embed/{made.code}"
    assert "<" not in document["html"][1:-9].replace("></iframe>", "")
    assert (await client.get(document["thumbnail_url"])).status_code == 200
    assert (await client.get(html.unescape(frame[1]))).status_code == 200
    bad = ["", "x", f"{own}/other/{made.code}", f"https://evil.example/play/{made.code}", f"{own}/play/zzzzzzzz",
           "http://[", f"javascript://x/play/{made.code}"]  # fmt: skip
    for url in bad:
        assert (await client.get("/oembed", params={"url": url})).status_code == 404, url
    assert (await client.get("/oembed", params={"url": page, "format": "yaml"})).status_code == 501
    as_xml = await client.get("/oembed", params={"url": f"{page}?t=1m5s", "maxwidth": "320", "format": "xml"})
    assert as_xml.headers["content-type"].startswith("text/xml")
    values = {element.tag: element.text for element in ElementTree.fromstring(as_xml.content)}
    moment = document["html"].replace(f"/embed/{made.code}", f"/embed/{made.code}?t=1m5s")
    assert values == {name: str(value) for name, value in document.items()} | {"html": moment}
    by_ids = f"{own}/stream/{tenant.ref.uid}/default/{made.uid}"
    named = await client.get("/oembed", params={"url": by_ids, "maxwidth": "320"})
    assert named.json() == document
    # the page itself leads there
    link = re.search(r'href="([^"]*/oembed\?[^"]+)"', (await client.get(page)).text)
    assert link and (await client.get(html.unescape(link[1]))).json()["title"] == '<"A" & b>'


async def test_oembed_looks_as_the_page_that_it_stands_for(
    client: httpx.AsyncClient, services: Services, tenant: Tenant
) -> None:
    made = await publish(services, tenant)
    own, library = str(client.base_url).rstrip("/"), tenant.ref.uid
    query = urlencode(await scripted(services, tenant))
    player = query.removeprefix("player=")
    framed = f"{own}/embed/{made.code}?{query}"

    async def frame(url: str) -> str:
        document = (await client.get("/oembed", params={"url": url})).json()
        [source] = re.findall(r'<iframe src="([^"]+)"', document["html"])
        return html.unescape(source)

    by_ids = f"/stream/{library}/{player}/{made.uid}"
    for path in (by_ids, f"{by_ids}?player=default", f"/play/{made.code}?{query}"):
        assert await frame(f"{own}{path}") == framed, path
        # whoever looks into the page for its oEmbed document finds the same
        [found] = re.findall(r'oembed" href="[^"]*/oembed\?([^"]+)"', (await client.get(path)).text)
        assert await frame(parse_qs(html.unescape(found))["url"][0]) == framed, path
    assert await frame(f"{own}{by_ids}?t=90") == f"{framed}&t=90"
    stranger = await new_tenant(services, "Stranger")
    for path in (
        f"/stream/{stranger.ref.uid}/default/{made.uid}",
        f"/stream/{library}/{uuid4()}/{made.uid}",
        f"/stream/{library}/none/{made.uid}",
        f"/play/{made.code}?player={uuid4()}",
    ):
        assert (await client.get(path)).status_code == 404, path
        assert (await client.get("/oembed", params={"url": own + path})).status_code == 404, path


async def test_oembed_of_videos_that_need_a_token(
    client: httpx.AsyncClient, services: Services, tenant: Tenant
) -> None:
    made = await publish(services, tenant, settings={"token_required": True})
    page = f"{str(client.base_url).rstrip('/')}/play/{made.code}"
    assert (await client.get("/oembed", params={"url": page})).status_code == 401


async def test_source_links(client: httpx.AsyncClient, services: Services, tenant: Tenant) -> None:
    async with services.db.transaction() as tx:
        file = (
            await tx.execute(
                insert(files)
                .values(
                    tenant_num=tenant.ref.num, name='a "b"; é.html', original_name="a", key=f"t/{tenant.ref.uid}/x.html",
                    status="completed", content_type="text/html", size=9,
                )
                .returning(files.c.uid, files.c.key)
            )
        ).one()  # fmt: skip
    await services.store.put(file.key, b"<script/>")
    link = await services.sources.preview(system(tenant), file.uid, "")
    answer = await client.get(link.url)
    assert (answer.status_code, answer.content) == (200, b"<script/>")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["content-disposition"] == 'inline; filename="a _b__ _.html"'
    part = await client.get(link.url, headers={"range": "bytes=1-6"})
    assert (part.status_code, part.content) == (206, b"script")
    old = await services.sources.preview(
        system(tenant), file.uid, "", now=datetime.now(UTC) - timedelta(hours=2)
    )
    for url in (old.url, link.url[:-2], link.url.replace(str(file.uid), str(tenant.ref.uid))):
        assert (await client.get(url)).status_code == 403
    assert (await client.post(link.url)).status_code == 405
    async with services.db.transaction() as tx:
        await tx.execute(
            update(tenants)
            .where(tenants.c.num == tenant.ref.num)
            .values(status="deleted", deleted_at=datetime.now(UTC))
        )
    assert (await client.get(link.url)).status_code == 404
