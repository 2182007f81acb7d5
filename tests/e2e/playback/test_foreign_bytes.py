"""What users upload is media to a browser, never code of ours."""

import pytest
from playwright.async_api import Browser

from tests.e2e.playback.publishing import Publisher
from tests.support import waiting
from tests.support.media import Media
from tests.support.server import PolycastServer

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(120),
    pytest.mark.asyncio(loop_scope="session"),
]

# as captions: one cue with a name and a word; as a script: a comment in an assignment, and what follows
BOTH = """WEBVTT

/*
00:00:00.000 --> 00:00:01.000
*/=1;window.ran=true
"""


async def test_captions_are_no_script(browser: Browser, server: PolycastServer, media: Media) -> None:
    tenant = await server.tenant("foreign bytes")
    publisher = Publisher(server.url, tenant.key)
    captions = media.made("both.vtt", lambda path: path.write_text(BOTH))
    asset = await publisher.published(media.clip("h264"), captions=captions)
    script = f"/media/{asset.uid}/captions/1.vtt"
    async with server.platform() as platform:
        caller = await platform.services.keys.authenticate(tenant.key)
        html = {"head_html": f'<script src="{script}"></script>'}
        look = await platform.services.players.create(caller, "Look", html)
    context = await browser.new_context()
    page = await context.new_page()
    refused: list[str] = []
    page.on("console", lambda m: refused.append(m.text) if script in m.text else None)
    await page.goto(f"{asset.play}?player={look.uid}")

    async def tried() -> bool:
        return bool(refused) or bool(await page.evaluate("window.ran === true"))

    await waiting.until(tried, timeout_s=20, what="the script ran or was refused")
    assert await page.evaluate("window.ran === undefined")
    assert "MIME type" in refused[0]
    await context.close()
