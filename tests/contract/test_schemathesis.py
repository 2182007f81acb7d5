"""Generated requests from the OpenAPI documents, with good keys and ids that exist.

Every operation must answer 2xx at least once (to its owner's own request), and no request may be answered with
a 5xx other than 501.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from itertools import cycle
from typing import Any
from uuid import uuid4

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case

from polycast.domain.access import Role
from tests.contract.gotipath.conftest import client_id
from tests.contract.owners.asked import Asked, Owner, send
from tests.contract.owners.gotipath import GotipathOwner
from tests.contract.owners.origin import clip_origin
from tests.contract.owners.rows import Rows
from tests.contract.owners.videokit import VideoKitOwner
from tests.support.media import Media
from tests.support.server import PolycastServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
EXAMPLES = 8
_KEYS = 6
"""taken in turn: a dialect may limit how often one key asks in a second"""


@schemathesis.serializer("application/offset+octet-stream")
def as_bytes(context: Any, value: Any) -> bytes | None:
    """Chunks of a tus upload go as they are."""
    return value if isinstance(value, bytes) else None


async def test_video_kit_by_its_document(server: PolycastServer, media: Media) -> None:
    tenant = await server.tenant(f"schema {uuid4().hex[:6]}")
    owner = VideoKitOwner(server, tenant, media.clip("h264"))
    try:
        await _check_document(server, owner)
    finally:
        await owner.close()


async def test_gotipath_by_its_document(reaching_server: PolycastServer, media: Media) -> None:
    server, clip = reaching_server, media.clip("h264")
    tenant = await server.tenant(f"schema {uuid4().hex[:6]}")
    async with clip_origin(clip) as source:
        owner = GotipathOwner(server, tenant, await client_id(server), clip, source)
        try:
            await _check_document(server, owner)
        finally:
            await owner.close()


async def _check_document(server: PolycastServer, owner: Owner) -> None:
    await owner.prepare()
    schema = await asyncio.to_thread(schemathesis.openapi.from_url, f"{owner.base}/openapi.json", headers={})
    results: list[Any] = list(schema.get_all_operations())
    operations = {r.ok().definition.raw["operationId"]: r.ok() for r in results}
    assert set(operations) == set(owner.operations)
    async with server.platform() as platform:
        keys = [await Rows(platform).key(owner.tenant, Role.ADMIN) for _ in range(_KEYS)]
    turn = cycle(owner.credentials(key) for key in keys)
    never: list[str] = []
    for name, operation in owner.operations.items():
        # generated ones first, on objects that are still there, then the good one
        seeds = await owner.ask(name)
        seen = await asyncio.to_thread(_fuzz, operations[name], owner.base, turn, seeds)
        good = await owner.ask(name)
        owned = {} if name in owner.rules.public else next(turn)
        if owner.rules.needed(operation) is Role.OWNER:
            owned = owner.credentials(server.admin_key, good)
        answer = await send(owner, operation, good, **owned)
        seen[answer.status_code] += 1
        # the address of a player's page is a redirect
        if not any(200 <= status < 400 for status in seen):
            never.append(f"{name}: {dict(seen)} {answer.text[:200]}")
    assert never == []


def _fuzz(operation: Any, base: str, turn: Iterator[dict[str, str]], seeds: Asked) -> Counter[int]:
    """Send generated requests, three of four with ids that exist; returns how often which status came."""
    seen: Counter[int] = Counter()
    count = iter(range(10**6))

    with httpx.Client(timeout=30) as client:

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(generated=operation.as_strategy())
        def send_generated(generated: "Case[Any]") -> None:
            if next(count) % 4:
                generated.path_parameters = {**(generated.path_parameters or {}), **seeds.path}
            sent = generated.as_transport_kwargs(base_url=base)
            credentials = next(turn)
            ours = {name.lower() for name in credentials} | {"uppy-auth-token"}
            headers = {k: str(v) for k, v in (sent.get("headers") or {}).items() if k.lower() not in ours}
            data = sent.get("data")
            try:
                request = client.build_request(
                    sent["method"],
                    sent["url"],
                    params=sent.get("params"),
                    json=sent.get("json"),
                    data=data if not isinstance(data, bytes) else None,
                    content=data if isinstance(data, bytes) else None,
                    headers={**headers, **credentials},
                    cookies=None,
                )
                answer = client.send(request)
            except (httpx.InvalidURL, httpx.LocalProtocolError, UnicodeEncodeError, TypeError):
                return  # no client could send this
            seen[answer.status_code] += 1
            where = f"{sent['method']} {sent['url']} {sent.get('json')!r}: {answer.text[:300]}"
            assert answer.status_code < 500 or answer.status_code == 501, where
            if answer.status_code >= 400 and sent["method"] != "HEAD":
                assert answer.json()["success"] is False, where

        send_generated()
    return seen
