"""Answers wait for the body that nobody read, within bounds."""

import asyncio
from collections.abc import Iterable

import pytest
from starlette.types import Message, Receive, Scope, Send

from polycast.bodies import HeardAnswers

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
    await HeardAnswers(refuse, silence_s=0.05)(request(LENGTH), hanging.receive, hanging.send)
    assert hanging.left_at_answer == 0
    endless = Client(CHUNKS)
    await HeardAnswers(refuse, most_bytes=2500)(request(LENGTH), endless.receive, endless.send)
    assert endless.left_at_answer == 2


async def test_a_disconnect_ends_the_wait() -> None:
    client = Client([])
    await HeardAnswers(refuse)(request(LENGTH), client.receive, client.send)
    assert client.left_at_answer == 0
