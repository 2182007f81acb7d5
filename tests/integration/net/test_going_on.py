"""Bodies that break off: the outbound client goes on where they did, if they are still the same."""

import asyncio
from contextlib import aclosing

import pytest

from polycast.domain.errors import UpstreamFailed
from polycast.net.outbound import OutboundClient, SourceChanged
from polycast.net.source import Source
from tests.integration.net.asking import DATA, read
from tests.integration.net.scripted_server import Request, reply, serving, stall
from tests.support.waiting import STRETCH


async def test_a_byte_for_each_connection_is_no_progress(client: OutboundClient) -> None:
    """What a server saves by hanging up and being asked again counts as time, too."""
    async with serving(ranged('"v1"', breaks_every=1)) as server:  # type: ignore[arg-type]
        with pytest.raises(UpstreamFailed, match="slowly"):
            await asyncio.wait_for(read(client, server.url()), 10 * STRETCH)
        asked = len(server.requests)
    assert asked > 1, "each time it got a little further"


async def test_a_body_is_gone_on_with_later(client: OutboundClient) -> None:
    seen: list[Source] = []

    async def note(source: Source) -> None:
        seen.append(source)

    at = 100_000
    async with serving(ranged('"v1"', breaks_every=len(DATA))) as server:  # type: ignore[arg-type]
        url = server.url()
        async with aclosing(client.stream(url, on_source=note)) as blocks:
            async for _ in blocks:
                break
        (source,) = seen
        assert source == Source(len(DATA), '"v1"', ranges=True)
        again = Source.from_json(source.to_json())
        assert b"".join([b async for b in client.stream(url, offset=at, source=again)]) == DATA[at:]
        assert server.requests[-1].headers["range"] == f"bytes={at}-"
    for other in (Source(len(DATA), '"v0"', ranges=True), Source(len(DATA) + 1, '"v1"', ranges=True)):
        async with serving(ranged('"v1"', breaks_every=len(DATA))) as server:  # type: ignore[arg-type]
            with pytest.raises(SourceChanged):
                await anext(client.stream(server.url(), offset=at, source=other))


async def test_a_body_that_stalls(client: OutboundClient) -> None:
    async def half(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(reply(body=b"x" * 10, content_length="20"))
        await writer.drain()
        await stall(request, writer)

    async with serving(half) as server:
        with pytest.raises(UpstreamFailed, match="in time"):
            await read(client, server.url())


def ranged(etag: str, *, breaks_every: int, total: bool = True) -> object:
    """Sends at most `breaks_every` bytes of DATA for each request, then hangs up."""

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        start = 0
        if "range" in request.headers and request.headers.get("if-range", etag) == etag:
            start = int(request.headers["range"].removeprefix("bytes=").rstrip("-").split("-")[0])
        body = DATA[start : start + breaks_every]
        fields = {"content_length": str(len(DATA) - start), "etag": etag, "accept_ranges": "bytes"}
        if "range" in request.headers:
            fields["content_range"] = f"bytes {start}-{len(DATA) - 1}/{len(DATA)}"
            writer.write(reply(206, body, **fields))
        else:
            writer.write(reply(200, body, **fields))

    return answer


async def test_a_broken_body_is_resumed(client: OutboundClient) -> None:
    async with serving(ranged('"v1"', breaks_every=50_001)) as server:  # type: ignore[arg-type]
        assert await read(client, server.url(), len(DATA)) == DATA
    asked = [(r.headers.get("range"), r.headers.get("if-range")) for r in server.requests]
    assert asked == [(None, None)] + [(f"bytes={n * 50_001}-", '"v1"') for n in range(1, 6)]


async def test_a_weak_etag_does_not_prove_enough(client: OutboundClient) -> None:
    async with serving(ranged('W/"v1"', breaks_every=50_001)) as server:  # type: ignore[arg-type]
        with pytest.raises(UpstreamFailed):
            await read(client, server.url())
    assert len(server.requests) == 1


async def test_another_version_is_not_glued_on(client: OutboundClient) -> None:
    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        fields = {"accept_ranges": "bytes", "content_length": str(len(DATA))}
        if "range" in request.headers:
            writer.write(reply(200, DATA, etag='"v2"', **fields))  # If-Range did not match
        else:
            writer.write(reply(200, DATA[:1000], etag='"v1"', **fields))

    async with serving(answer) as server:
        with pytest.raises(UpstreamFailed, match="changed"):
            await read(client, server.url())


async def test_a_server_that_fails_for_a_while(client: OutboundClient) -> None:
    failures = [503, 500, 429]

    async def answer(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(reply(failures.pop()) if failures else reply(body=DATA))

    async with serving(answer) as server:
        assert await read(client, server.url()) == DATA
    assert len(server.requests) == 4
