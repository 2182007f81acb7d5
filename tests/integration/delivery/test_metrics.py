"""Who may read /metrics: this machine, a holder of the key, or everybody where the operator says so."""

from collections.abc import Mapping

import httpx
import pytest

from tests.integration.delivery.conftest import Installation
from tests.integration.delivery.http_server import HttpServer

KEY = "k" * 32
FROM_AFAR = {"x-forwarded-for": "203.0.113.9"}


async def status(server: HttpServer, headers: Mapping[str, str]) -> int:
    async with httpx.AsyncClient(base_url=server.url, timeout=20) as client:
        answer = await client.get("/metrics", headers=headers)
    assert ("process_resident_memory_bytes" in answer.text) == (answer.status_code == 200)
    return answer.status_code


@pytest.mark.parametrize("trusted", ["", "127.0.0.1"])
async def test_only_this_machine_by_itself(installation: Installation, trusted: str) -> None:
    settings = {"trusted_proxies": trusted}
    with HttpServer(installation.data, installation.database_url, settings) as server:
        assert await status(server, {}) == 200
        # through a proxy, believed or not, somebody else asks
        assert await status(server, FROM_AFAR) == 403
        assert await status(server, {"forwarded": "for=203.0.113.9"}) == 403
        for authorization in ("Bearer", "Bearer x", "Basic eA=="):
            assert await status(server, {**FROM_AFAR, "authorization": authorization}) == 403


async def test_a_key_opens_it(installation: Installation) -> None:
    settings = {"trusted_proxies": "127.0.0.1", "metrics_key": KEY}
    with HttpServer(installation.data, installation.database_url, settings) as server:
        assert await status(server, {**FROM_AFAR, "authorization": f"Bearer {KEY}"}) == 200
        assert await status(server, {**FROM_AFAR, "authorization": f"bearer  {KEY}"}) == 200
        for wrong in (f"Bearer {KEY}x", f"Bearer {KEY[1:]}", f"Basic {KEY}", "Bearer \xe9", KEY):
            headers = httpx.Headers({**FROM_AFAR, "authorization": wrong}, encoding="latin-1")
            assert await status(server, headers) == 403, wrong
        assert await status(server, {}) == 200


async def test_everybody_where_it_is_set(installation: Installation) -> None:
    settings = {"trusted_proxies": "127.0.0.1", "metrics_public": True}
    with HttpServer(installation.data, installation.database_url, settings) as server:
        assert await status(server, FROM_AFAR) == 200
