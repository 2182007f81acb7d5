"""`client`: may reach this machine, and waits for nobody."""

from collections.abc import AsyncIterator

import pytest

from polycast.net.outbound import OutboundClient
from tests.integration.net.asking import LOOPBACK, QUICK


@pytest.fixture
async def client() -> AsyncIterator[OutboundClient]:
    client = OutboundClient(allow=LOOPBACK, user_agent="Polycast-test", limits=QUICK)
    yield client
    await client.aclose()
