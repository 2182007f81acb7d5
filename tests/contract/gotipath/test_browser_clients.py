"""The libraries that pages of the vendor's customers load, unchanged, in Chromium, from another origin."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, async_playwright

from scripts.browser import MISSING, find_chromium
from tests.contract.gotipath.client import Gotipath
from tests.support.browser_clients import NotInstallable, bundle, site
from tests.support.media import Media

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


@pytest.fixture(autouse=True)
def no_process_left() -> None:
    """Replaces the rule of all tests: npm and the browser leave helpers for a moment."""


@pytest.fixture(scope="session")
def script(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    try:
        return bundle("uploaders.js", tmp_path_factory.mktemp("clients") / "uploaders.js").read_bytes()
    except NotInstallable as reason:
        pytest.skip(str(reason))


@pytest_asyncio.fixture
async def page(script: bytes, media: Media) -> AsyncIterator[Page]:
    """A page with the libraries, and a video file of 12 MiB beside it."""
    chromium = find_chromium()
    if chromium is None:
        pytest.skip(MISSING)
    data = media.clip("h264").read_bytes()
    files = {"/uploaders.js": script, "/clip.mp4": data + bytes(12 * 1024 * 1024 - len(data))}
    async with async_playwright() as play:
        browser = await play.chromium.launch(
            executable_path=chromium, args=["--headless=new", "--no-sandbox", "--disable-gpu"]
        )
        with site(files) as origin:
            opened = await browser.new_page()
            await opened.goto(f"{origin}/")
            await opened.add_script_tag(url="/uploaders.js")
            yield opened
        await browser.close()


async def run(page: Page, uploader: str, **options: Any) -> dict[str, Any]:
    options |= {"name": "harbour.mp4", "url": "/clip.mp4"}
    found: dict[str, Any] = await page.evaluate(f"options => uploaders.{uploader}(options)", options)
    return found


async def test_uppy_uploads_through_companion(gotipath: Gotipath, page: Page) -> None:
    video = await gotipath.create()
    meta = {"video_id": video, "library_id": gotipath.library, "collection_id": ""}
    done = await run(
        page, "uppy", companionUrl=f"{gotipath.base}/uploads/", headers=gotipath.token, meta=meta
    )
    assert done["failed"] == []
    (uploaded,) = done["uploaded"]
    assert (await gotipath.http.get(uploaded)).status_code == 200
    detail = await gotipath.until_playable(video)
    assert (detail["upload_type"], detail["raw_size"]) == ("portal", 12 * 1024 * 1024)


async def test_uppy_shows_its_user_why_an_upload_is_refused(gotipath: Gotipath, page: Page) -> None:
    meta = {"video_id": gotipath.library, "library_id": gotipath.library}
    done = await run(
        page, "uppy", companionUrl=f"{gotipath.base}/uploads/", headers=gotipath.token, meta=meta
    )
    assert done["uploaded"] == []
    assert done["failed"] == [f"video {gotipath.library} was not found"]


async def test_tus_js_client_resumes(gotipath: Gotipath, page: Page) -> None:
    video = await gotipath.create()
    headers = gotipath.credentials | {"VideoId": video}
    endpoint = f"{gotipath.base}/tusupload/"
    chunk = 5 * 1024 * 1024
    done = await run(page, "resumable", endpoint=endpoint, headers=headers, chunkSize=chunk, stopAt=chunk)
    assert done["stopped"] is True
    detail = await gotipath.until_playable(video)
    assert (detail["upload_type"], detail["raw_size"]) == ("tus", 12 * 1024 * 1024)


async def test_tus_js_client_does_not_take_one_video_for_another(gotipath: Gotipath, page: Page) -> None:
    """It remembers a finished upload of the same file; the second video needs its own bytes."""
    endpoint = f"{gotipath.base}/tusupload/"
    urls = set()
    for _ in range(2):
        video = await gotipath.create()
        headers = gotipath.credentials | {"VideoId": video}
        done = await run(page, "resumable", endpoint=endpoint, headers=headers, chunkSize=6 * 1024 * 1024)
        urls.add(done["url"])
        assert (await gotipath.until_playable(video))["raw_size"] == 12 * 1024 * 1024
    assert len(urls) == 2
