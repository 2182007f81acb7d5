"""Segments and other objects over a real Granian: ranges, conditions, errors (RFC 9110)."""

import asyncio
from functools import partial
from pathlib import Path

import httpx
import pytest
from sqlalchemy import insert

from polycast.db.tables import files
from polycast.services.registry import Services
from polycast.services.tenants import Tenant, as_system
from tests.integration.delivery.conftest import Installation
from tests.integration.delivery.http_server import HttpServer
from tests.integration.delivery.published import Published, publish
from tests.support.waiting import until

SIZES = {"small": 20_000, "large": 700_000}
"""read in one go; handed over as a path"""


@pytest.fixture(params=SIZES)
def size(request: pytest.FixtureRequest) -> int:
    return SIZES[request.param]


async def test_whole_segment(
    client: httpx.AsyncClient, services: Services, tenant: Tenant, size: int
) -> None:
    made = await publish(services, tenant, size=size)
    answer = await client.get(made.segment(2))
    assert answer.status_code == 200
    assert answer.content == made.objects[made.key(2)]
    assert answer.headers["content-type"] == "video/iso.segment"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert int(answer.headers["content-length"]) == size + 2
    assert answer.headers["last-modified"].endswith("GMT")


async def test_types(client: httpx.AsyncClient, services: Services, tenant: Tenant) -> None:
    made = await publish(services, tenant)
    types = {
        made.segment(1, "audio_1"): "audio/mp4",
        f"{made.base}/g/{made.generation}/audio_1/init.mp4": "audio/mp4",
        f"{made.base}/g/{made.generation}/video_360p/init.mp4": "video/mp4",
        f"{made.base}/thumbnail.jpg": "image/jpeg",
    }
    for path, kind in types.items():
        answer = await client.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (200, kind), path


async def test_head_is_get_without_content(
    client: httpx.AsyncClient, services: Services, tenant: Tenant, size: int
) -> None:
    made = await publish(services, tenant, size=size)
    get, head = await client.get(made.segment()), await client.head(made.segment())
    assert head.content == b""
    same = ("content-length", "content-type", "etag", "last-modified", "cache-control")
    assert {k: head.headers[k] for k in same} == {k: get.headers[k] for k in same}


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-99", 0, 100),
        ("bytes=100-", 100, None),
        ("bytes=-7", -7, None),
        ("bytes=0-", 0, None),
        ("bytes=5-999999999", 5, None),
        ("bytes=-999999999", 0, None),
        ("bytes=0-9,10-19", 0, 20),
        ("bytes=10-19, 0-9, 15-30", 0, 31),
    ],
)
async def test_ranges(
    client: httpx.AsyncClient,
    services: Services,
    tenant: Tenant,
    size: int,
    asked: str,
    start: int,
    end: int | None,
) -> None:
    made = await publish(services, tenant, size=size)
    data = made.objects[made.key()]
    answer = await client.get(made.segment(), headers={"range": asked})
    expected = data[start:end]
    first = start if start >= 0 else len(data) + start
    assert answer.status_code == 206
    assert answer.content == expected
    assert answer.headers["content-range"] == f"bytes {first}-{first + len(expected) - 1}/{len(data)}"


@pytest.mark.parametrize(
    "asked", ["bytes=0-1,100-101", "items=0-5", "bytes=9-5", "bytes", "bytes=a-b", "0-5"]
)
async def test_ranges_that_are_not_answered_mean_everything(
    client: httpx.AsyncClient, services: Services, tenant: Tenant, asked: str
) -> None:
    made = await publish(services, tenant)
    answer = await client.get(made.segment(), headers={"range": asked})
    assert (answer.status_code, answer.content) == (200, made.objects[made.key()])


async def test_range_beyond_the_end(client: httpx.AsyncClient, services: Services, tenant: Tenant) -> None:
    made = await publish(services, tenant)
    answer = await client.get(made.segment(), headers={"range": "bytes=20001-"})
    assert (answer.status_code, answer.headers["content-range"]) == (416, "bytes */20001")
    assert answer.headers["access-control-allow-origin"] == "*"
    # the year of the object must not hold for the refusal
    assert answer.headers["cache-control"] == "no-store"


async def test_range_is_for_get_only(client: httpx.AsyncClient, services: Services, tenant: Tenant) -> None:
    made = await publish(services, tenant)
    answer = await client.head(made.segment(), headers={"range": "bytes=0-9"})
    assert (answer.status_code, answer.headers["content-length"]) == (200, "20001")


async def test_conditions(client: httpx.AsyncClient, services: Services, tenant: Tenant) -> None:
    made = await publish(services, tenant)
    first = await client.get(made.segment())
    etag, modified = first.headers["etag"], first.headers["last-modified"]
    old = "Mon, 01 Jan 2001 00:00:00 GMT"
    cases: list[tuple[dict[str, str], int]] = [
        ({"if-none-match": etag}, 304),
        ({"if-none-match": f'"other", {etag}'}, 304),
        ({"if-none-match": "*"}, 304),
        ({"if-none-match": '"other"'}, 200),
        ({"if-modified-since": modified}, 304),
        ({"if-modified-since": old}, 200),
        ({"if-none-match": '"other"', "if-modified-since": modified}, 200),
        ({"if-match": etag}, 200),
        ({"if-match": '"other"'}, 412),
        ({"if-unmodified-since": old}, 412),
        ({"range": "bytes=0-1", "if-range": etag}, 206),
        ({"range": "bytes=0-1", "if-range": f"W/{etag}"}, 200),
        ({"range": "bytes=0-1", "if-range": '"other"'}, 200),
        ({"range": "bytes=0-1", "if-range": modified}, 206),
        ({"range": "bytes=0-1", "if-range": old}, 200),
    ]
    for headers, status in cases:
        answer = await client.get(made.segment(), headers=headers)
        assert answer.status_code == status, headers
        if status == 412:
            assert answer.headers["cache-control"] == "no-store"
        if status == 304:
            assert answer.headers["etag"] == etag
            assert answer.headers["cache-control"] == first.headers["cache-control"]
            assert answer.content == b""


async def test_a_vanished_file_is_not_found(
    client: httpx.AsyncClient, services: Services, tenant: Tenant, size: int
) -> None:
    made = await publish(services, tenant, size=size)
    assert (await client.get(made.segment(3))).status_code == 200
    path = services.store.local_path(f"media/{made.uid}/{made.key(3)}")
    assert path is not None
    path.unlink()
    answer = await client.get(made.segment(3))
    assert (answer.status_code, answer.text) == (404, "not found")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["cache-control"] == "no-store"


async def test_a_file_cut_short_under_way_closes_the_connection(
    client: httpx.AsyncClient, services: Services, tenant: Tenant
) -> None:
    made = await publish(services, tenant, size=24_000_000, segments=1)
    path = services.store.local_path(f"media/{made.uid}/{made.key()}")
    assert path is not None
    with pytest.raises(httpx.RemoteProtocolError):
        async with client.stream("GET", made.segment(), headers={"range": "bytes=1-"}) as answer:
            received = 0
            async for block in answer.aiter_raw():
                if not received:
                    await asyncio.to_thread(_truncate, path)
                received += len(block)
    assert (await client.get("/healthz")).status_code == 200


async def test_the_log_names_what_failed_and_no_way_to_it(
    client: httpx.AsyncClient, services: Services, tenant: Tenant, http_server: HttpServer
) -> None:
    made = await publish(services, tenant, size=24_000_000, segments=1)
    path = services.store.local_path(f"media/{made.uid}/{made.key()}")
    assert path is not None
    async with services.db.transaction() as tx:
        file = (
            await tx.execute(
                insert(files)
                .values(
                    tenant_num=tenant.ref.num, name="a", original_name="a", size=24_000_000, status="completed",
                    key=f"media/{made.uid}/{made.key()}",
                )
                .returning(files.c.uid)
            )
        ).one()  # fmt: skip
    link = (await services.sources.preview(as_system(tenant.ref, "system:test"), file.uid, "")).url
    session = services.playback.admit(made.uid)
    whole = path.read_bytes()
    for address, secret, shown in (
        (f"/s/{session}{made.segment()}", session, f"/s/…{made.segment()}"),
        (link, link.rpartition("/")[2], f"/files/{file.uid}/…"),
    ):
        await asyncio.to_thread(path.write_bytes, whole)
        with pytest.raises(httpx.RemoteProtocolError):
            async with client.stream("GET", address, headers={"range": "bytes=1-"}) as answer:
                async for _ in answer.aiter_raw():
                    await asyncio.to_thread(_truncate, path)
        await until(partial(_logged, http_server, shown), what="it is logged")
        assert not any(secret in line for line in http_server.lines)


def _logged(server: HttpServer, text: str) -> bool:
    return any(text in line for line in server.lines)


def _truncate(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(1000)


@pytest.mark.parametrize(
    "path",
    [
        "/media/", "/media/x/y", "/s/", "/s/x", "/s//media/",
        "/media/{uid}/", "/media/{uid}/../../etc/passwd", "/media/{uid}/g/%2e%2e/%2e%2e/x.m4s",
        "/media/{uid}/g/{uid}/video_360p/log.jsonl", "/media/{uid}/g/{uid}/video_360p/../1.m4s",
        "/media/{uid}/g/{gen}/video_360p/1.m4s/", "/media/{uid}/nothing.vtt", "/media/{uid}/captions/9.m3u8",
        "/media/{uid}/g/{gen}/video_9999p.m3u8", "/media/{uid}/o/{uid}/playlist.m3u8", "/media/{uid}/images/x",
        "/media/{uid}/g/{gen}/video_360p/1.m4s%00", "/media/{uid}/frames/0001.jpg",
    ],
)  # fmt: skip
async def test_addresses_that_lead_nowhere(
    client: httpx.AsyncClient, services: Services, tenant: Tenant, path: str
) -> None:
    made = await publish(services, tenant)
    url = path.replace("{uid}", str(made.uid)).replace("{gen}", str(made.generation))
    # sent as written: a client would tidy the dots away
    answer = await client.send(client.build_request("GET", "/", extensions={"target": url.encode()}))
    assert answer.status_code == 404, answer.text
    assert answer.headers["access-control-allow-origin"] == "*"


async def test_methods(client: httpx.AsyncClient, services: Services, tenant: Tenant) -> None:
    made = await publish(services, tenant)
    preflight = await client.options(
        made.segment(),
        headers={
            "origin": "https://a.example",
            "access-control-request-method": "GET",
            "access-control-request-headers": "range",
        },
    )
    assert preflight.status_code == 204
    assert "range" in preflight.headers["access-control-allow-headers"]
    assert preflight.headers["access-control-allow-origin"] == "*"
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        answer = await client.request(method, made.segment())
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")


async def test_viewers_who_leave_cost_nothing_more(
    client: httpx.AsyncClient, services: Services, tenant: Tenant, http_server: object
) -> None:
    """Open descriptors of the server come back after viewers left in the middle of ranges."""
    import psutil

    made: Published = await publish(services, tenant, size=30_000_000, segments=1)
    workers = psutil.Process(http_server.pid).children()  # type: ignore[attr-defined]
    assert workers
    await client.get(made.segment(), headers={"range": "bytes=0-9"})
    before = sum(w.num_fds() for w in workers)
    for _ in range(10):
        async with client.stream("GET", made.segment(), headers={"range": "bytes=1-"}) as answer:
            async for _block in answer.aiter_raw():
                break
    await until(lambda: sum(w.num_fds() for w in workers) <= before + 2, what="descriptors are closed")


async def test_objects_may_be_read_by_a_front_server(
    services: Services, tenant: Tenant, installation: Installation
) -> None:
    made = await publish(services, tenant)
    path = services.store.local_path(f"media/{made.uid}/{made.key()}")
    assert path is not None
    assert path.stat().st_mode & 0o777 == 0o644
