"""Libraries: keys that come and go with them, settings that change what is made, figures that are real."""

import asyncio
from typing import Any

import pytest

from polycast.domain.access import Role
from tests.contract.gotipath.client import Gotipath
from tests.contract.gotipath.conftest import library
from tests.contract.gotipath.test_players import config_of, page_of
from tests.support.media import Media
from tests.support.server import PolycastServer
from tests.support.waiting import until


@pytest.mark.operation("gotipath.create_library")
@pytest.mark.operation("gotipath.list_libraries")
async def test_a_new_library_comes_with_a_key_that_works(owner: Gotipath) -> None:
    headers = {name: value for name, value in owner.credentials.items() if name != "X-Auth-LibraryId"}
    made = await owner.http.post(f"{owner.base}/libraries", headers=headers, json={"name": "Demo"})
    assert made.status_code == 201, made.text
    assert made.json()["message"] == "Library List"
    found = made.json()["result"]
    assert (found["name"], found["customer_id"], found["deleted_at"]) == ("Demo", owner.client, None)
    async with Gotipath(owner.server, owner.client, found["id"], found["api_key"]) as own:
        video = await own.create()
        assert (await own.ok("GET", f"videos/{video}"))["library_id"] == found["id"]
        await owner.refused(404, "GET", f"videos/{video}")
        seen = await own.ok("GET", "/libraries")
        assert [(lib["id"], lib["api_key"]) for lib in seen] == [(found["id"], found["api_key"])]
    listed = await owner.http.get(f"{owner.base}/libraries", headers=headers)
    libraries = {lib["id"]: lib for lib in listed.json()["result"]}
    assert libraries[found["id"]]["total_video"] == 1
    assert owner.library in libraries


async def test_only_the_client_makes_and_removes_libraries(gotipath: Gotipath, owner: Gotipath) -> None:
    await gotipath.refused(403, "POST", "/libraries", json={"name": "x"})
    await gotipath.refused(403, "DELETE", "")
    for body in ({}, {"name": ""}, {"name": 1}, {"name": "x" * 201}):
        await owner.refused(400, "POST", "/libraries", json=body)


@pytest.mark.operation("gotipath.delete_library")
async def test_a_deleted_library_takes_its_keys_and_videos_along(
    gotipath: Gotipath, owner: Gotipath, media: Media
) -> None:
    video = await gotipath.published(media.clip("h264"))
    detail = await gotipath.ok("GET", f"videos/{video}")
    answer = await owner.call("DELETE", "")
    assert answer.json() == {"message": "Library has  been deleted.", "result": "", "success": True}
    await gotipath.refused(401, "GET", "videos")

    async def gone() -> bool:  # a policy may be five seconds old
        return (await gotipath.http.get(detail["manifest_url"])).status_code == 404

    await until(gone)
    assert (await gotipath.http.get(detail["direct_play_url"])).status_code == 404
    listed = await owner.http.get(
        f"{owner.base}/libraries",
        headers={k: v for k, v in owner.credentials.items() if k != "X-Auth-LibraryId"},
    )
    assert gotipath.library not in [lib["id"] for lib in listed.json()["result"]]
    await owner.refused(403, "DELETE", "")


@pytest.mark.operation("gotipath.get_library")
async def test_figures_follow_what_is_stored(gotipath: Gotipath, media: Media) -> None:
    empty = await gotipath.ok("GET", "")
    assert [empty[k] for k in ("raw_storage", "transcode_storage", "total_storage", "total_video")] == [0] * 4
    clip = media.clip("h264")
    video = await gotipath.published(clip, whole=True)
    found = await gotipath.ok("GET", "")
    assert (found["raw_storage"], found["total_video"]) == (clip.stat().st_size, 1)
    assert found["transcode_storage"] > 0
    assert found["total_storage"] == found["raw_storage"] + found["transcode_storage"]
    detail = await gotipath.ok("GET", f"videos/{video}")
    fetched = len(await gotipath.first_segment(detail["manifest_url"]))

    async def pictured() -> bool:  # made beside the ladder; asked so that nothing of it is counted
        return (await gotipath.http.head(detail["thumbnail_url"])).status_code == 200

    await until(pictured, timeout_s=30, what="a poster")
    fetched += len((await gotipath.http.get(detail["thumbnail_url"])).content)
    ranged = await gotipath.http.get(detail["thumbnail_url"], headers={"range": "bytes=10-19"})
    assert len(ranged.content) == 10
    await gotipath.http.head(detail["thumbnail_url"])

    async def delivered() -> bool:  # written down every few seconds
        return bool((await gotipath.ok("GET", ""))["cdn_volume"] == fetched + 10)

    await until(delivered, timeout_s=15, what="delivered bytes are counted")
    await gotipath.ok("DELETE", f"videos/{video}")
    after = await gotipath.ok("GET", "")
    assert (after["total_storage"], after["cdn_volume"]) == (0, fetched + 10)


async def test_a_key_is_made_once_when_first_shown(gotipath: Gotipath) -> None:
    shown = await asyncio.gather(*(gotipath.ok("GET", "") for _ in range(6)))
    (key,) = {found["api_key"] for found in shown}
    assert key != gotipath.key
    async with Gotipath(gotipath.server, gotipath.client, gotipath.library, key) as own:
        await own.ok("PUT", "", json={"name": "Renamed"})
    assert (await gotipath.ok("GET", ""))["name"] == "Renamed"


async def test_keys_that_may_not_manage_see_no_secrets(server: PolycastServer) -> None:
    async with await library(server, Role.EDITOR) as editor:
        found = await editor.ok("GET", "")
        assert (found["api_key"], found["webhook_secret"]) == ("", "")
        await editor.refused(403, "PUT", "", json={"name": "x"})
        await editor.create()
    async with await library(server, Role.VIEWER) as viewer:
        await viewer.ok("GET", "videos")
        await viewer.refused(403, "POST", "videos", json={"name": "x"})
        await viewer.refused(403, "POST", "tags", json={"name": "x"})


@pytest.mark.operation(
    "gotipath.update_library",
    partly="webhook_url, webhook_secret and enabled_live_resolutions are kept until there are webhooks and live streams",
)
async def test_resolutions_and_files_are_made_as_the_library_says(gotipath: Gotipath, media: Media) -> None:
    changes = {"enabled_video_resolutions": ["240p"], "enable_mp4_fallback": True}
    found = await gotipath.ok("PUT", "", json=changes)
    assert {k: found[k] for k in changes} == changes
    # its own frame size is none of the enabled ones, so it has to be encoded
    video = await gotipath.published(media.clip("vp9"), whole=True)

    async def files() -> list[dict[str, str]]:
        outputs = (await gotipath.ok("GET", f"videos/{video}"))["outputs"]
        return [entry for o in outputs if o["protocol"] == "mp4" for entry in o["playlist"]]

    entries = await until(files, timeout_s=40, what="MP4 files")
    detail = await gotipath.ok("GET", f"videos/{video}")
    (hls,) = (o for o in detail["outputs"] if o["protocol"] == "hls")
    assert [e["preset"] for e in entries] == [e["preset"] for e in hls["playlist"]]
    assert len(entries) == 1
    for entry in entries:
        answer = await gotipath.http.get(entry["uri"])
        assert answer.status_code == 200
        assert answer.content[4:8] == b"ftyp"


async def test_settings_stay_unless_given(gotipath: Gotipath) -> None:
    first: dict[str, Any] = {
        "name": "Demo",
        "webhook_url": "https://hooks.example.test/gotipath",
        "webhook_secret": "made-up",
        "enabled_video_resolutions": ["720p", "240p", "720p"],
        "enabled_live_resolutions": ["1080p"],
        "enable_keep_original_file": False,
        "enable_early_play": False,
        "enable_continue_watch": True,
    }
    await gotipath.ok("PUT", "", json=first)
    found = await gotipath.ok("PUT", "", json={"enable_mp4_fallback": True, "unknown": 1, "name": None})
    assert found["enabled_video_resolutions"] == ["240p", "720p"]
    del first["enabled_video_resolutions"]
    assert {k: found[k] for k in first} == first
    found = await gotipath.ok(
        "PUT", "", json={"enabled_video_resolutions": None, "enabled_live_resolutions": [], "webhook_url": ""}
    )
    assert found["enabled_video_resolutions"] is None
    assert found["enabled_live_resolutions"] is None
    assert (found["webhook_url"], found["webhook_secret"]) == ("", "made-up")


async def test_players_go_on_where_their_viewer_stopped_if_the_library_says_so(gotipath: Gotipath) -> None:
    page = await page_of(gotipath)
    assert (await config_of(gotipath, page))["start"]["resume"] is False
    await gotipath.ok("PUT", "", json={"enable_continue_watch": True})
    assert (await config_of(gotipath, page))["start"]["resume"] is True


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"enabled_video_resolutions": ["700p"]}, 400),
        ({"enabled_live_resolutions": "720p"}, 400),
        ({"webhook_url": "ftp://x"}, 400),
        ({"webhook_url": "https://"}, 400),
        ({"webhook_url": "https://x y"}, 400),
        ({"webhook_url": "https://[::1"}, 400),
        ({"webhook_url": "https://x/\0"}, 400),
        ({"vast_tag_url": "https://ads.example.test/vast"}, 501),
        ({"enable_early_play": "maybe"}, 400),
        ({"name": ""}, 400),
        ({"name": "a\0b"}, 400),
        ({"enable_video_drm": True}, 501),
        ({"enable_token_authentication": True}, 501),
    ],
)
async def test_wild_settings_are_refused(gotipath: Gotipath, body: dict[str, Any], status: int) -> None:
    before = await gotipath.ok("GET", "")
    await gotipath.refused(status, "PUT", "", json=body)
    assert await gotipath.ok("GET", "") == before
