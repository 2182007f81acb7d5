"""No key reaches another tenant's things, or does more than its role: every operation of the API documents.

The request is proven to be good each time: after a neighbour, and the owner's own keys of lower roles, were
refused and nothing had changed, the very same request goes through with the owner's key, and the ledger tells
of it. Operations come from the OpenAPI documents, so that a new one fails here until it has a case.
"""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from uuid import uuid4

import httpx
import pytest

from polycast.domain.access import Role
from tests.contract.gotipath.conftest import client_id
from tests.contract.owners.asked import Asked, Operation, Owner, send
from tests.contract.owners.gotipath import GotipathOwner
from tests.contract.owners.origin import clip_origin
from tests.contract.owners.rows import Rows
from tests.contract.owners.videokit import VideoKitOwner
from tests.support.media import Media
from tests.support.server import PolycastServer

pytestmark = pytest.mark.timeout(180)
ROLES = (Role.VIEWER, Role.EDITOR, Role.ADMIN, Role.OWNER)


async def test_every_operation_of_video_kit(server: PolycastServer, media: Media) -> None:
    clip = media.clip("h264")
    made = [VideoKitOwner(server, await server.tenant(f"wall {uuid4().hex[:6]}"), clip) for _ in range(2)]
    async with _prepared(made):
        await _check_all(server, made[0], made[1])
        # lists show nothing of the neighbour's, whatever is asked for
        shown = await made[1].ask("get_vod_asset")
        for listing in ("/vod/v1/files", "/vod/v1/assets", "/streaming/v1/assets"):
            found = await made[0].kit.call("GET", f"{listing}?ids={shown.path['id']}")
            assert found["totalCount"] == 0


async def test_every_operation_of_gotipath(reaching_server: PolycastServer, media: Media) -> None:
    server, clip = reaching_server, media.clip("h264")
    client = await client_id(server)
    async with clip_origin(clip) as source:
        made = [
            GotipathOwner(server, await server.tenant(f"wall {uuid4().hex[:6]}"), client, clip, source)
            for _ in range(2)
        ]
        async with _prepared(made):
            await _check_all(server, made[0], made[1])


@asynccontextmanager
async def _prepared(owners: Iterable[VideoKitOwner | GotipathOwner]) -> AsyncIterator[None]:
    try:
        for owner in owners:
            await owner.prepare()
        yield
    finally:
        for owner in owners:
            await owner.close()


async def _check_all(server: PolycastServer, a: Owner, b: Owner) -> None:
    assert b.rules.named() <= set(b.operations)
    async with server.platform() as platform:
        rows = Rows(platform)
        keys = {Role.ADMIN: b.tenant.key, Role.OWNER: server.admin_key}
        for role in (Role.VIEWER, Role.EDITOR):
            keys[role] = await rows.key(b.tenant, role)
        for operation in b.operations.values():
            if operation.id not in b.rules.public:
                await _check(a, b, operation, rows, keys)


async def _check(a: Owner, b: Owner, operation: Operation, rows: Rows, keys: dict[Role, str]) -> None:
    asked, role = await b.ask(operation.id), b.rules.needed(operation)
    across = [] if operation.id in b.rules.ours else await b.across(operation.id, a)
    before = await rows.rested(b.tenant)
    refused = uuid4().hex
    if operation.id not in b.rules.ours:
        await _refused(a, operation, asked, refused, a.credentials(a.tenant.key), (403, 404))
        # neither does it help to name the owner's tenant
        await _refused(a, operation, asked, refused, b.credentials(a.tenant.key, asked), (403,))
    for request in across:
        await _refused(a, operation, request, refused, a.credentials(a.tenant.key), (403, 404))
    for lower in ROLES[: ROLES.index(role)]:
        await _refused(b, operation, asked, refused, b.credentials(keys[lower], asked), (403,))
    assert await rows.state(b.tenant) == before, f"{operation.id} changed something"
    assert await rows.events(refused) == [], operation.id
    # the very same request, byte for byte, is good in the hands of who may make it
    request_id = uuid4().hex
    answer = await send(
        b, operation, asked, **b.credentials(keys[role], asked), **{"X-Request-Id": request_id}
    )
    assert 200 <= answer.status_code < 300, f"{operation.id}: {answer.status_code} {answer.text[:500]}"
    told = await rows.events(request_id)
    if operation.reads or operation.id in b.rules.quiet:
        assert told == [], operation.id
    elif asked.events is not None:
        assert tuple(told) == asked.events, operation.id
    else:
        assert len(told) == 1, f"{operation.id} wrote {told}"


async def _refused(
    owner: Owner,
    operation: Operation,
    asked: Asked,
    request_id: str,
    credentials: dict[str, str],
    statuses: tuple[int, ...],
) -> None:
    answer = await send(owner, operation, asked, **credentials, **{"X-Request-Id": request_id})
    if operation.id in owner.rules.bulk and answer.status_code == 200:
        assert _verdicts(answer) == {False}, operation.id
        return
    assert answer.status_code in statuses, f"{operation.id}: {answer.status_code} {answer.text[:500]}"


def _verdicts(answer: httpx.Response) -> set[bool]:
    return {verdict["success"] for verdict in answer.json().values()}
