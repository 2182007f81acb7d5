"""Bodies come at a pace; answers wait for the body that nobody read, within bounds."""

import asyncio
from collections.abc import Iterable

import pytest
from starlette.types import Message, Receive, Scope, Send

from polycast.bodies import FLOOR_BYTES_S, HeardAnswers
from polycast.domain.errors import TooSlow

CHUNKS = [b"x" * 1000] * 5


class Client:
    """Sends a body in chunks and notes how much of it was asked for when the answer's head came."""

    def __init__(self, chunks: Iterable[bytes], *, hangs: bool = False) -> None:
        self.left = list(chunks)
        self.hangs = hangs
        self.left_at_answer = -1

    async def receive(self) -> Message:
        if not self.left:
            if self.hangs:
                await asyncio.Event().wait()
            return {"type": "http.disconnect"}
        body = self.left.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(self.left) or self.hangs}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.left_at_answer = len(self.left)


async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b"no"})


async def read_one(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await refuse(scope, receive, send)


def request(*headers: tuple[bytes, bytes], version: str = "1.1") -> Scope:
    return {"type": "http", "http_version": version, "method": "POST", "path": "/", "headers": list(headers)}


LENGTH = (b"content-length", b"5000")


@pytest.mark.parametrize("header", [LENGTH, (b"transfer-encoding", b"chunked")])
@pytest.mark.parametrize("app", [refuse, read_one])
async def test_the_rest_of_a_body_is_read_before_the_answer(header: tuple[bytes, bytes], app: object) -> None:
    client = Client(CHUNKS)
    await HeardAnswers(app)(request(header), client.receive, client.send)  # type: ignore[arg-type]
    assert client.left_at_answer == 0


@pytest.mark.parametrize(
    "scope",
    [request(), request((b"content-length", b"0")), request(LENGTH, version="2")],
    ids=["no body", "an empty body", "HTTP/2"],
)
async def test_nothing_is_waited_for_where_nothing_is_lost(scope: Scope) -> None:
    client = Client(CHUNKS)
    await HeardAnswers(refuse)(scope, client.receive, client.send)
    assert client.left_at_answer == len(CHUNKS)


async def test_a_client_that_waits_for_100_continue_is_answered_at_once() -> None:
    client = Client(CHUNKS)
    scope = request(LENGTH, (b"expect", b"100-continue"))
    await HeardAnswers(refuse)(scope, client.receive, client.send)
    assert client.left_at_answer == len(CHUNKS)


async def test_a_client_that_hangs_or_never_ends_is_not_waited_for() -> None:
    hanging = Client(CHUNKS, hangs=True)
    await HeardAnswers(refuse, drain_silence_s=0.05)(request(LENGTH), hanging.receive, hanging.send)
    assert hanging.left_at_answer == 0
    endless = Client(CHUNKS)
    await HeardAnswers(refuse, most_bytes=2500)(request(LENGTH), endless.receive, endless.send)
    assert endless.left_at_answer == 2


async def test_a_disconnect_ends_the_wait() -> None:
    client = Client([])
    await HeardAnswers(refuse)(request(LENGTH), client.receive, client.send)
    assert client.left_at_answer == 0


class Line:
    """A client behind a slow line: each block of `block` bytes takes `seconds`, on a clock of its own."""

    def __init__(self, total: int, block: int, seconds: float) -> None:
        self.left, self.block, self.seconds = total, block, seconds
        self.now = 0.0
        self.heads: list[Message] = []

    def clock(self) -> float:
        return self.now

    async def receive(self) -> Message:
        sent = min(self.block, self.left)
        self.left -= sent
        self.now += self.seconds
        return {"type": "http.request", "body": b"x" * sent, "more_body": self.left > 0}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.heads.append(message)

    async def through(self, app: object) -> None:
        scope = request((b"content-length", str(self.left).encode()))
        await HeardAnswers(app, clock=self.clock)(scope, self.receive, self.send)  # type: ignore[arg-type]


async def read_all(scope: Scope, receive: Receive, send: Send) -> None:
    while (await receive())["more_body"]:
        pass
    await refuse(scope, receive, send)


async def answer_slow_ones(scope: Scope, receive: Receive, send: Send) -> None:
    try:
        await read_all(scope, receive, send)
    except TooSlow:
        await refuse(scope, receive, send)


@pytest.mark.parametrize(
    ("bytes_s", "seconds"), [(12_500, 0.1), (12_500, 50), (2_000, 1), (FLOOR_BYTES_S + 1, 30)]
)
async def test_a_part_of_ten_megabytes_may_come_slowly(bytes_s: int, seconds: float) -> None:
    """100 kbit/s, evenly or in gusts; one of six parts that share it; just above the floor."""
    line = Line(10_000_000, round(bytes_s * seconds), seconds)
    await line.through(read_all)
    assert line.left == 0
    assert not any(name == b"connection" for head in line.heads for name, _ in head["headers"])


@pytest.mark.parametrize(("block", "seconds"), [(1, 1), (1, 59), (FLOOR_BYTES_S - 1, 1)])
async def test_a_body_that_drips_is_given_up(block: int, seconds: float) -> None:
    line = Line(10_000_000, block, seconds)
    with pytest.raises(TooSlow):
        await line.through(read_all)
    assert line.now <= 2 * 60 + seconds


async def test_time_that_the_application_takes_is_not_the_clients() -> None:
    line = Line(100, 1, 0.0)

    async def busy(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["more_body"]:
            line.now += 3600
        await refuse(scope, receive, send)

    await line.through(busy)
    assert line.left == 0


async def test_the_answer_to_a_slow_client_ends_its_connection() -> None:
    line = Line(10_000_000, 1, 30)
    await line.through(answer_slow_ones)
    assert (b"connection", b"close") in line.heads[0]["headers"]
    assert line.left > 0, "the rest is not waited for"


@pytest.mark.parametrize("version", ["1.1", "2"])
async def test_a_silent_client_is_given_up(version: str) -> None:
    client = Client(CHUNKS, hangs=True)
    with pytest.raises(TooSlow):
        await HeardAnswers(read_all, silence_s=0.05)(
            request(LENGTH, version=version), client.receive, client.send
        )


async def test_whoever_waits_for_a_disconnect_has_time() -> None:
    client = Client(CHUNKS[:1], hangs=True)
    received: list[Message] = []

    async def streaming(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await refuse(scope, receive, send)
        async with asyncio.timeout(0.3):
            received.append(await receive())

    with pytest.raises(TimeoutError):
        await HeardAnswers(streaming, drain_silence_s=0.05, silence_s=0.1)(
            request(LENGTH), client.receive, client.send
        )
