"""What viewers are told while the database is away."""

from pathlib import Path

import httpx

from polycast.bootstrap import build_platform, running
from polycast.settings import load
from tests.integration.delivery.http_server import HttpServer
from tests.integration.delivery.published import new_tenant, publish
from tests.support.postgres import RunPostgres


async def test_pages_ask_for_another_try(postgres: RunPostgres, tmp_path: Path) -> None:
    url = postgres.create()
    async with running(build_platform(load(data=tmp_path, sandbox="off"), url)) as platform:
        made = await publish(platform.services, await new_tenant(platform.services, "One"))
    with HttpServer(tmp_path, url) as server:
        async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
            page, embed = f"/play/{made.code}", f"/embed/{made.code}"
            oembed = f"/oembed?url={server.url}{page}"
            for path in (page, embed, oembed):
                assert (await client.get(path)).status_code == 200, path
            postgres.drop(url)
            for path in (page, embed, oembed):
                answer = await client.get(path)
                assert (answer.status_code, answer.headers.get("retry-after")) == (503, "2"), path
                assert "database" in answer.text
