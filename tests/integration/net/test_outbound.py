"""The outbound client against real sockets."""

import asyncio
from contextlib import aclosing

import pytest

from polycast.domain.errors import Invalid, TooLarge, UpstreamFailed
from polycast.net.outbound import OutboundClient, RemoteInfo
from tests.integration.net.asking import DATA, QUICK, attempts, read
from tests.integration.net.scripted_server import Request, always, reply, serving, stall


async def test_a_request_says_who_we_are_and_nothing_more(client: OutboundClient) -> None:
    async with serving(always(reply(body=DATA))) as server:
        headers = {"Authorization": "Bearer x", "Host": "evil", "Transfer-Encoding": "chunked", "X-A": "b"}
        assert await read(client, server.url("/a?b=c#d"), headers=headers) == DATA
    (request,) = server.requests
    assert (request.method, request.target) == ("GET", "/a?b=c")
    assert request.headers == {
        "host": f"127.0.0.1:{server.port}",
        "user-agent": "Polycast-test",
        "accept": "*/*",
        "accept-encoding": "identity",
        "authorization": "Bearer x",
        "x-a": "b",
    }


async def test_nothing_is_taken_from_the_environment_and_cookies_are_forgotten(
    client: OutboundClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with serving(always(reply(set_cookie="a=b; Path=/"))) as server:
        await read(client, server.url())
        await read(client, server.url())
    assert len(server.requests) == 2
    assert all("cookie" not in request.headers for request in server.requests)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 204, 206, 304, 302])
async def test_other_statuses(client: OutboundClient, status: int) -> None:
    async with serving(always(reply(status))) as server:
        with pytest.raises(UpstreamFailed):
            await read(client, server.url())
    assert len(server.requests) == 1


async def test_too_large(client: OutboundClient) -> None:
    async with serving(always(reply(body=DATA))) as server:
        with pytest.raises(TooLarge):
            await read(client, server.url(), len(DATA) - 1)
        assert await read(client, server.url(), len(DATA)) == DATA


async def test_too_large_without_saying_so(client: OutboundClient) -> None:
    async def endless(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(reply(content_length="", transfer_encoding="chunked"))
        while True:
            writer.write(b"1000\r\n" + b"x" * 0x1000 + b"\r\n")
            await writer.drain()

    async with serving(endless) as server:
        with pytest.raises(TooLarge):
            await read(client, server.url(), 1_000_000)


async def test_more_than_declared_is_cut_and_less_is_an_error(client: OutboundClient) -> None:
    async with serving(always(reply(body=DATA, content_length="1000"))) as server:
        assert await read(client, server.url(), 1000) == DATA[:1000]
    async with serving(always(reply(body=DATA, content_length="999999"))) as server:
        with pytest.raises(UpstreamFailed):
            await read(client, server.url())
    async with serving(
        always(reply(body=b"", content_length="", transfer_encoding="chunked") + b"zz\r\n")
    ) as server:
        with pytest.raises(UpstreamFailed):
            await read(client, server.url())


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\r\n\r\n",
        b"SSH-2.0-x\r\n\r\n",
        b"HTTP/1.1 abc X\r\n\r\n",
        b"HTTP/1.1 200 X\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 X\r\n" + b"a: b\r\n" * 100000,
        reply(content_length="-5"),
        reply(content_length="1, 2"),
        reply(302, location="http://[/"),
    ],
)
async def test_nonsense(client: OutboundClient, raw: bytes) -> None:
    async with serving(always(raw)) as server:
        for attempt in (client.head_or_get_info(server.url()), read(client, server.url())):
            with pytest.raises((UpstreamFailed, Invalid)):
                await attempt


async def test_a_coding_that_was_not_asked_for(client: OutboundClient) -> None:
    async with serving(always(reply(body=b"\x1f\x8b", content_encoding="gzip"))) as server:
        with pytest.raises(UpstreamFailed):
            await read(client, server.url())


async def test_a_server_that_says_nothing(client: OutboundClient) -> None:
    async with serving(stall) as server:
        with pytest.raises(UpstreamFailed):
            await client.post_json(server.url(), b"{}", timeout=0.2)
        with pytest.raises(UpstreamFailed):
            await client.head_or_get_info(server.url())


async def test_a_server_that_drips_its_header(client: OutboundClient) -> None:
    async def drip(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 X\r\n")
        while True:
            writer.write(b"a: b\r\n")
            await writer.drain()
            await asyncio.sleep(0.05)  # the rate is what is tested

    async with serving(drip) as server:
        with pytest.raises(UpstreamFailed):
            await client.head_or_get_info(server.url())


async def test_a_server_that_drips_its_body(client: OutboundClient) -> None:
    async def drip(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(reply(content_length="100000"))
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)  # the rate is what is tested

    async with serving(drip) as server:
        with pytest.raises(UpstreamFailed, match="slowly"):
            await read(client, server.url())


async def test_time_that_the_reader_takes_is_not_the_servers(client: OutboundClient) -> None:
    taken = asyncio.Event()

    async def halves(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(reply(body=b"x" * 10, content_length="20"))
        await writer.drain()
        await taken.wait()
        writer.write(b"x" * 10)

    async with serving(halves) as server:
        got = 0
        async with aclosing(client.stream(server.url())) as blocks:
            async for block in blocks:
                got += len(block)
                await asyncio.sleep(2 * QUICK.rate_window_s)  # the rate is what is tested
                taken.set()
    assert got == 20


async def test_info_by_head(client: OutboundClient) -> None:
    raw = reply(content_length="12345", content_type="Video/MP4; x=y", accept_ranges="bytes")
    async with serving(always(raw)) as server:
        info = await client.head_or_get_info(server.url("/a"))
        assert info == RemoteInfo(12345, "video/mp4", True, server.url("/a"))
    assert [request.method for request in server.requests] == ["HEAD"]


async def test_info_by_get_where_head_is_refused(client: OutboundClient) -> None:
    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        if request.method == "HEAD":
            writer.write(reply(403))
        elif request.target == "/old":
            writer.write(reply(301, location="/new"))
        else:
            writer.write(reply(206, b"x", content_range="bytes 0-0/777", content_type="video/webm"))

    async with serving(answer) as server:
        info = await client.head_or_get_info(server.url("/old"))
        assert info == RemoteInfo(777, "video/webm", True, server.url("/new"))
    assert server.requests[-1].headers["range"] == "bytes=0-0"


async def test_info_without_a_size(client: OutboundClient) -> None:
    async with serving(always(reply(content_length="", transfer_encoding="chunked"))) as server:
        info = await client.head_or_get_info(server.url())
    assert (info.size, info.content_type, info.accepts_ranges) == (None, "", False)


@pytest.mark.parametrize("status", [200, 202, 302, 400, 410, 500])
async def test_posting(client: OutboundClient, status: int) -> None:
    async with serving(always(reply(status, DATA, location="http://169.254.169.254/"))) as server:
        answer = await client.post_json(
            server.url("/hook"), b'{"a":1}', {"webhook-id": "x"}, max_answer_bytes=10
        )
    assert (answer.status, answer.body) == (status, DATA[:10])
    assert 0 < answer.duration_s < 5
    (request,) = server.requests
    assert (request.method, request.body) == ("POST", b'{"a":1}')
    assert request.headers["content-type"] == "application/json"
    assert request.headers["webhook-id"] == "x"


async def test_nobody_listens(client: OutboundClient) -> None:
    async with serving(always(b"")) as server:
        url = server.url()
    await attempts(client, url, UpstreamFailed, None)


async def test_leaving_early_closes_the_connection(client: OutboundClient) -> None:
    closed = asyncio.Event()

    async def endless(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(reply(content_length="999999999"))
        try:
            while True:
                writer.write(b"x" * 65536)
                await writer.drain()
        finally:
            closed.set()

    async with serving(endless) as server:
        async with aclosing(client.stream(server.url())) as blocks:
            async for _ in blocks:
                break
        await asyncio.wait_for(closed.wait(), 5)
