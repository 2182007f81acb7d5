"""The pages that describe the APIs, in a browser: everything comes from this server, and calls can be tried."""

import pytest
from playwright.async_api import Page, expect

from tests.contract.gotipath.conftest import client_id
from tests.support.server import PolycastServer
from tests.support.waiting import STRETCH

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(60),
    pytest.mark.asyncio(loop_scope="session"),
]
WAIT_MS = 15_000 * STRETCH


@pytest.mark.parametrize(
    ("path", "title", "section", "call"),
    [
        ("/videokit/docs", "Cloud Video Kit", "vod.catalog", "/vod/v1/filetypes"),
        ("/gotipath/v1/docs", "Gotipath Stream", "Libraries", "/libraries"),
    ],
)
async def test_an_api_is_described_and_tried_without_the_internet(
    page: Page, server: PolycastServer, path: str, title: str, section: str, call: str
) -> None:
    tenant = await server.tenant(f"reads {title}")
    given = {"X-Api-Key": tenant.key}
    if "gotipath" in path:
        given = {
            "X-Auth-ClientId": await client_id(server),
            "X-Auth-LibraryId": tenant.uid,
            "X-Auth-ApiKey": tenant.key,
        }
    asked: list[str] = []
    wrong: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    await page.goto(f"{server.url}{path}")
    assert await page.title() == title
    await page.locator("button.authorize").first.click(timeout=WAIT_MS)
    for header, value in given.items():
        asked_for = page.locator(".auth-container", has_text=f"Name: {header}")
        await asked_for.locator("input").fill(value)
        await asked_for.locator("button.authorize").click()
    await page.locator("button.btn-done").first.click()
    await page.locator(".opblock-tag", has_text=section).click()
    await page.locator(".opblock-summary-path", has_text=call).first.click()
    await page.get_by_role("button", name="Try it out").click()
    await page.get_by_role("button", name="Execute").click()
    status = page.locator(".live-responses-table .response-col_status").nth(1)
    await expect(status).to_contain_text("200", timeout=WAIT_MS)
    assert {url for url in asked if not url.startswith((f"{server.url}/", "data:"))} == set()
    assert wrong == []
