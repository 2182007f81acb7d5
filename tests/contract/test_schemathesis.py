"""Generated requests from the OpenAPI document, with a good key and ids that exist.

Every operation must answer 2xx at least once (to the owner's own request, see test_tenant_walls), and no
request may be answered with a 5xx other than 501.
"""

import asyncio
from collections import Counter
from typing import Any
from uuid import uuid4

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case

from tests.contract.test_tenant_walls import OWN, Owner, _filled, case, documented
from tests.contract.videokit.kit import Kit, error_of
from tests.support.media import Media
from tests.support.server import PolycastServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
EXAMPLES = 8
OWN_REQUESTS: dict[str, tuple[dict[str, Any], Any]] = {
    "start_file_upload": ({}, {"name": "a.mp4", "friendlyName": "a", "fileSize": 9}),
    "add_domain": ({}, {"url": "https://schema.example.org"}),
    "create_api_key": ({}, {"name": "k", "roleId": "role-viewer"}),
}
"""good requests of operations that name nobody's object; the rest of them need none"""


def _fuzz(operation: Any, server: PolycastServer, key: str, params: dict[str, str]) -> Counter[int]:
    """Send generated requests, half of them with ids that exist; returns how often which status came."""
    seen: Counter[int] = Counter()
    turn = iter(range(10**6))

    with httpx.Client(timeout=30, headers={"X-Api-Key": key}) as client:

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(generated=operation.as_strategy())
        def send(generated: "Case[Any]") -> None:
            if params and next(turn) % 4:
                generated.path_parameters = dict(params)
            sent = generated.as_transport_kwargs(base_url=f"{server.url}/videokit")
            headers = {k: v for k, v in (sent.get("headers") or {}).items() if k.lower() != "x-api-key"}
            headers.pop("X-Tenant-Id", None)
            try:
                request = client.build_request(
                    sent["method"],
                    sent["url"],
                    params=sent.get("params"),
                    json=sent.get("json"),
                    data=sent.get("data"),
                    headers={k: str(v) for k, v in headers.items()},
                    cookies=None,
                )
                answer = client.send(request)
            except (httpx.InvalidURL, httpx.LocalProtocolError, UnicodeEncodeError, TypeError):
                return  # no client could send this
            seen[answer.status_code] += 1
            where = f"{sent['method']} {sent['url']} {sent.get('json')!r}: {answer.text[:300]}"
            assert answer.status_code < 500 or answer.status_code == 501, where
            if answer.status_code >= 400:
                error_of(answer)

        send()
    return seen


async def test_video_kit_by_its_document(server: PolycastServer, tmp_path_factory: Any) -> None:
    media = Media.for_run(tmp_path_factory)
    kit = Kit(server, await server.tenant(f"schema {uuid4().hex[:6]}"))
    owner = Owner(kit, media.clip("h264"))
    schema = await asyncio.to_thread(
        schemathesis.openapi.from_url, f"{server.url}/videokit/openapi.json", headers={}
    )
    results: list[Any] = list(schema.get_all_operations())
    operations = {found.ok().definition.raw["operationId"]: found.ok() for found in results}
    never: list[str] = []
    params: dict[str, str]
    query: dict[str, str]
    body: Any
    try:
        await owner.prepare()
        assert set(operations) == set(documented())
        for name, (method, path) in documented().items():
            if name in OWN:
                params, (query, body) = {}, OWN_REQUESTS.get(name, ({}, None))
            else:
                params, query, body = await case(owner, name)
            if name in ("player_source_config", "embed_player"):
                query = {"assetId": owner.asset_id}
            if name == "player_acquire_content":
                body = {"assetId": owner.asset_id}
            form = None
            if name == "oauth_token":
                made = await kit.call("POST", "/core/v1/api-key", {"name": "o", "roleId": "role-viewer"})
                form = {
                    "client_id": made["id"],
                    "client_secret": made["apiKey"],
                    "grant_type": "client_credentials",
                }
            # generated ones first, on objects that are still there, then the good one
            seen = await asyncio.to_thread(_fuzz, operations[name], server, kit.tenant.key, params)
            if name not in OWN:
                params, query, body = await case(owner, name)
            answer = await kit.api.request(method, _filled(path, params), json=body, data=form, params=query)
            seen[answer.status_code] += 1
            if not any(200 <= status < 400 for status in seen):
                never.append(f"{name}: {dict(seen)} {answer.text[:200]}")
    finally:
        await kit.close()
    assert never == []
