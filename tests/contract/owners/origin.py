"""A server elsewhere that has a clip."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.integration.net.scripted_server import Request, reply, serving


@asynccontextmanager
async def clip_origin(clip: Path) -> AsyncIterator[str]:
    """The address of the clip, for as long as the block runs."""
    data = await asyncio.to_thread(clip.read_bytes)

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        head = request.method == "HEAD"
        writer.write(reply(200, b"" if head else data, content_length=str(len(data))))

    async with serving(answer) as origin:
        yield origin.url("/clip.mp4")
