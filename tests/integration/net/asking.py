"""What the tests of the outbound client ask it, and how patient it is."""

from collections.abc import Sequence
from contextlib import aclosing

import pytest

from polycast.net.outbound import OutboundClient, OutboundLimits

DATA = bytes(range(256)) * 1000
QUICK = OutboundLimits(
    connect_s=1, answer_s=1, read_s=0.5, rate_window_s=0.3, min_rate_bytes_s=1000, retry_pause_s=0.01
)
LOOPBACK = ["127.0.0.1/32"]


class Names:
    """Answers of a name server, one after the other, the last for ever."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


async def read(
    client: OutboundClient,
    url: str,
    max_bytes: int | None = None,
    headers: dict[str, str] | None = None,
) -> bytes:
    async with aclosing(client.stream(url, headers, max_bytes)) as blocks:
        return b"".join([block async for block in blocks])


async def attempts(client: OutboundClient, url: str, expected: type[Exception], field: str | None) -> None:
    """All three ways in fail alike."""
    for attempt in (client.head_or_get_info(url), read(client, url), client.post_json(url, b"{}")):
        with pytest.raises(expected) as caught:
            await attempt
        assert getattr(caught.value, "field", None) == field
