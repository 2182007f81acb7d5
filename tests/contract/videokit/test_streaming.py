"""Section Assets of streaming: what viewers see of an asset, its chapters, tags, settings and QR code."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
import zxingcpp
from PIL import Image

from tests.contract.videokit.conftest import Shared
from tests.contract.videokit.kit import Kit, endpoint, ids
from tests.support.media import Media


@pytest.fixture
async def asset(kit: Kit, media: Media) -> str:
    """A playable asset that the test may change."""
    made = await kit.create(await kit.upload(media.clip("h264")), title="Coastal Run")
    await kit.playable(made)
    return made


@pytest.mark.operation("videokit.list_assets")
async def test_everything_playable_is_listed_and_plays(viewer: Kit, shared: Shared) -> None:
    page = await viewer.call(
        "GET", "/streaming/v1/assets?type=Vod&query=COASTAL&statuses=Available,Processing"
    )
    one = next(item for item in page["items"] if item["id"] == shared.asset)
    assert (one["type"], one["source"], one["isDrm"]) == ("Vod", "Vod", False)
    assert (await viewer.web.get(endpoint(one["outputs"][0], "HLS"))).status_code == 200
    for query in (
        "type=LiveChannel",
        "types=LiveEvent&types=Recording",
        "source=Live",
        "isDrm=true",
        "channelId=harbour-cam",
        "channels=a,b",
        "durationFrom=7000",
        "durationTo=5000",
        "status=Error",
    ):
        assert shared.asset not in ids(await viewer.call("GET", f"/streaming/v1/assets?{query}")), query
    for query in ("durationFrom=5000&durationTo=7000", "types=Recording,Vod", "source=vod", "isDrm=false"):
        assert shared.asset in ids(await viewer.call("GET", f"/streaming/v1/assets?{query}")), query
    for query in ("type=Film", "source=Disk", "isDrm=maybe", "durationFrom=-1", "durationTo=1" + "0" * 30):
        await viewer.refused(400, "GET", f"/streaming/v1/assets?{query}")


@pytest.mark.operation("videokit.update_asset")
@pytest.mark.operation("videokit.get_asset")
async def test_presentation_data_reach_the_player_page(kit: Kit, asset: str) -> None:
    changed = await kit.call(
        "PATCH",
        f"/streaming/v1/assets/{asset}",
        {
            "title": "Coastal Run (final cut)",
            "description": "Replay with corrected audio.",
            "tags": ["running", "featured"],
            "attributes": ["[region]=coast"],
            "images": {"poster": {"Name": "p.jpg", "Url": "https://cdn.example.org/run_poster.jpg"}},
            "chapters": [
                {"title": "Start line", "startSecond": 0, "endSecond": 2},
                {"title": "Climb", "start": 2},
            ],
        },
    )
    assert changed["tags"] == ["running", "featured"]
    assert changed["attributes"] == ["region=coast"]
    assert changed["images"]["poster"]["url"] == "https://cdn.example.org/run_poster.jpg"
    config = await kit.player(asset)
    assert config["asset"]["title"] == "Coastal Run (final cut)"
    assert config["asset"]["description"] == "Replay with corrected audio."
    assert config["tags"] == ["running", "featured"]
    assert config["poster"] == "https://cdn.example.org/run_poster.jpg"
    assert [(c["title"], c["start_s"]) for c in config["chapters"]] == [("Start line", 0), ("Climb", 2)]
    vtt = (await kit.web.get(f"{kit.server.url}/media/{asset}/chapters.vtt")).text
    assert "Start line" in vtt
    found = await kit.call("GET", f"/streaming/v1/assets/{asset}")
    assert [t["name"] for t in found["tags"]] == ["running", "featured"]
    first, second = found["chapters"]
    assert (first["start"], first["end"], first["durationSeconds"]) == (0, 2, 2)
    assert (second["startSecond"], second["endSecond"]) == (2, found["durationMilliseconds"] // 1000)
    assert found["metadata"]["Title"] == "Coastal Run (final cut)"
    # lists tell the same, with tags as texts
    (listed,) = (await kit.call("GET", f"/streaming/v1/assets?ids={asset}"))["items"]
    assert (listed["tags"], listed["chapters"]) == (["running", "featured"], found["chapters"])
    assert listed["images"] == found["images"]
    # the page names its title where link previews look
    assert "Coastal Run (final cut)" in (await kit.page(asset)).text


async def test_an_update_is_whole_or_not_at_all(kit: Kit, asset: str) -> None:
    path = f"/streaming/v1/assets/{asset}"
    said = ("title", "description", "tags", "attributes", "images", "chapters", "metadata", "settings")
    found = await kit.call("GET", path)
    before = {name: found[name] for name in said}
    image = {"poster": {"id": str(uuid4())}}
    await kit.refused(404, "PATCH", path, {"title": "New", "chapters": [], "images": image})
    wrong: Any
    for wrong in (
        {"title": "New", "chapters": [{"title": "x", "startSecond": -1}]},
        {"title": "New", "chapters": [{"title": "x"}]},
        {"title": "New", "chapters": [{"title": "", "startSecond": 1}]},
        {"title": "New", "chapters": [{"title": "x", "startSecond": 5, "endSecond": 5}]},
        {"title": "New", "chapters": [{"title": "x", "startSecond": 1}] * 10_000},
        {"title": "New", "images": {"a b": {"url": "https://example.org/x.jpg"}}},
        {"title": "New", "images": {"poster": {}}},
        {"title": "New", "images": {"poster": {"url": "javascript:alert(1)"}}},
        {"title": "New", "images": {"poster": {"url": 'https://example.org/"><script>'}}},
        {"title": "New", "images": {"poster": {"url": "http://["}}},
        {"title": "New", "images": {"poster": None}},
        {"title": "New", "tokenRequiredPolicy": "Maybe"},
        {"title": 5},
        {"description": "x" * 70_000},
        {"tags": [{"name": "x"}]},
    ):
        await kit.refused(400, "PATCH", path, wrong)
    found = await kit.call("GET", path)
    assert {name: found[name] for name in said} == before


@pytest.mark.operation(
    "videokit.update_asset_settings",
    partly="all switches act but cap, which waits for concurrent access protection",
)
async def test_the_token_switch_closes_and_opens_playback(kit: Kit, asset: str) -> None:
    url = endpoint(await kit.vod(asset), "HLS")
    assert (await kit.web.get(url)).status_code == 200
    path = f"/streaming/v1/assets/{asset}"
    found = await kit.call("PATCH", f"{path}/settings", {"tokenRequired": "Enabled", "analytics": "Disabled"})
    assert found["settings"]["tokenRequired"] == {"asset": "Enabled", "tenant": "Disabled"}
    assert found["tokenRequiredPolicy"] == {"asset": "true", "tenant": "false"}
    assert (await kit.web.get(url)).status_code == 403
    assert (await kit.page(asset)).status_code == 403
    await kit.call("PATCH", path, {"tokenRequiredPolicy": "Inherit"})  # the same value, seen another way
    found = await kit.call("GET", path)
    assert found["settings"]["tokenRequired"]["asset"] == "Inherit"
    assert (await kit.web.get(url)).status_code == 200
    assert not (await kit.player(asset)).get("beacon_url")
    await kit.call("PATCH", f"{path}/settings", {"Analytics": "enabled"})
    assert (await kit.player(asset))["beacon_url"]
    wrong: Any
    for wrong in ({"cap": "On"}, {"tokenRequired": True}, {"analytics": 1}, []):
        await kit.refused(400, "PATCH", f"{path}/settings", wrong)


async def test_switches_change_the_code_of_the_page(kit: Kit, asset: str) -> None:
    path = f"/streaming/v1/assets/{asset}/settings"
    readable = (await kit.page(asset)).text
    assert "playlist.m3u8" in readable
    assert '"dev_tools":true' in readable
    await kit.call("PATCH", path, {"devToolsAccess": "Disabled"})
    assert '"dev_tools":false' in (await kit.page(asset)).text
    await kit.call("PATCH", path, {"codeObfuscation": "Enabled"})
    veiled = await kit.page(asset)
    assert veiled.status_code == 200
    assert "playlist.m3u8" not in veiled.text
    assert set(await kit.player(asset)) == {"veiled"}, "neither does what the page polls tell"
    await kit.call("PATCH", path, {"devToolsAccess": "Inherit", "codeObfuscation": "Inherit"})
    again = (await kit.page(asset)).text
    assert "playlist.m3u8" in again
    assert '"dev_tools":true' in again


async def test_a_viewing_may_be_kept_from_being_measured(kit: Kit, asset: str) -> None:
    assert "/beacons/" in (await kit.page(asset, Analytics="true")).text
    page = await kit.page(asset, Analytics="false", Muted="true")
    assert "/beacons/" not in page.text
    code = page.url.path.rsplit("/", 1)[1]
    polled = await kit.web.get(f"{kit.server.url}/play/{code}/config.json?{page.url.query.decode()}")
    assert polled.json()["beacon_url"] is None
    # a page's address cannot turn on what the asset has turned off
    await kit.call("PATCH", f"/streaming/v1/assets/{asset}/settings", {"analytics": "Disabled"})
    assert "/beacons/" not in (await kit.page(asset, Analytics="true")).text


@pytest.mark.operation("videokit.create_asset_chapters")
@pytest.mark.operation("videokit.delete_asset_chapter")
async def test_chapters_come_to_the_player_and_go(kit: Kit, asset: str) -> None:
    path = f"/streaming/v1/assets/{asset}/chapters"
    assert await kit.call("POST", path, {"chapters": [{"title": "One", "startSecond": 1}]}) is None
    await kit.call("POST", path, {"Chapters": [{"Title": "Two", "StartSecond": 3, "EndSecond": 4}]})
    config = await kit.player(asset)
    assert [c["title"] for c in config["chapters"]] == ["One", "Two"]
    one, two = (await kit.call("GET", f"/streaming/v1/assets/{asset}"))["chapters"]
    assert (one["endSecond"], two["endSecond"]) == (3, 4), "without an end it lasts to the next"
    assert await kit.call("DELETE", f"{path}/{one['id']}") is None
    assert [c["title"] for c in (await kit.player(asset))["chapters"]] == ["Two"]
    await kit.refused(404, "DELETE", f"{path}/{one['id']}")
    await kit.refused(404, "DELETE", f"{path}/x")


async def test_what_nobody_knows_of_a_video_is_left_out(kit: Kit, media: Media) -> None:
    file = await kit.upload(media.clip("text.mp4"))
    body = {"transcodedSources": [{"fileId": file}], "preset": "hls"}
    asset = (await kit.call("POST", "/vod/v1/assets", body))["id"]
    found = await kit.vod(asset)
    assert (found["fileIds"], found["sources"][0]["fileId"]) == ({}, file), "no type, no FileTypesFlag"
    path = f"/streaming/v1/assets/{asset}"
    chapters = [{"title": "One", "startSecond": 1}, {"title": "Two", "startSecond": 3}]
    await kit.call("POST", f"{path}/chapters", {"chapters": chapters})
    one, two = (await kit.call("GET", path))["chapters"]
    assert (one["endSecond"], one["durationSeconds"]) == (3, 2)
    assert set(two) == {"id", "title", "startSecond", "start"}, "the last one's end is the video's"


@pytest.mark.operation("videokit.add_asset_tags")
@pytest.mark.operation("videokit.delete_asset_tag")
async def test_tags_show_in_the_player_and_find_the_asset(kit: Kit, asset: str) -> None:
    path = f"/streaming/v1/assets/{asset}/tags"
    assert await kit.call("POST", path, {"tags": [{"name": "running"}, {"name": "a/b"}]}) is None
    await kit.call("POST", path, {"tags": [{"Name": "running"}, {"name": "sea & sand"}]})
    assert (await kit.player(asset))["tags"] == ["running", "a/b", "sea & sand"]
    assert ids(await kit.call("GET", "/vod/v1/assets?tags=running,a/b")) == [asset]
    tags = {t["name"]: t["id"] for t in (await kit.call("GET", path.removesuffix("/tags")))["tags"]}
    assert await kit.call("DELETE", f"{path}/running") is None
    assert await kit.call("DELETE", f"{path}/{tags['sea & sand']}") is None
    assert await kit.call("DELETE", f"{path}/a%2Fb") is None
    assert (await kit.player(asset))["tags"] == []
    await kit.call("POST", path, {"tags": [{"name": "a/"}, {"name": "a"}]})
    assert await kit.call("DELETE", f"{path}/a%2F") is None
    assert (await kit.player(asset))["tags"] == ["a"]
    assert await kit.call("DELETE", f"{path}/a/") is None, "a slash that nobody means"
    assert (await kit.player(asset))["tags"] == []
    assert ids(await kit.call("GET", "/vod/v1/assets?tags=running")) == []
    await kit.refused(404, "DELETE", f"{path}/running")
    wrong: Any
    for wrong in (
        {"tags": ["x"]},
        {"tags": [{}]},
        {"tags": [{"name": ""}]},
        {},
        {"tags": [{"name": "x" * 300}]},
    ):
        await kit.refused(400, "POST", path, wrong)


async def test_tags_added_at_the_same_time_are_all_kept(kit: Kit, asset: str) -> None:
    path = f"/streaming/v1/assets/{asset}/tags"
    names = [f"tag {n}" for n in range(12)]
    await asyncio.gather(*(kit.call("POST", path, {"tags": [{"name": name}]}) for name in names))
    found = await kit.call("GET", f"/streaming/v1/assets/{asset}")
    assert sorted(t["name"] for t in found["tags"]) == sorted(names)


@pytest.mark.operation("videokit.get_qr_code")
@pytest.mark.operation("videokit.embed_player")
async def test_the_qr_code_opens_the_player_page(viewer: Kit, shared: Shared, tmp_path: Any) -> None:
    answer = await viewer.api.get(f"/streaming/v1/qrcode/{shared.asset}?Muted=true&autoplay=true")
    assert answer.headers["content-type"] == "image/png"
    picture = tmp_path / "qr.png"
    picture.write_bytes(answer.content)
    with Image.open(picture) as image:
        (code,) = zxingcpp.read_barcodes(image)
    assert code.text.startswith(viewer.server.url)
    page = await viewer.web.get(code.text, follow_redirects=True)
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "/embed/" in page.url.path
    assert "Coastal Run" in page.text
    assert '"autoplay": true' in page.text or '"autoplay":true' in page.text
    assert '"muted": true' in page.text or '"muted":true' in page.text
    await viewer.refused(404, "GET", f"/streaming/v1/qrcode/{uuid4()}")
    await viewer.refused(404, "GET", f"/v1/embed/bitmovin?assetId={uuid4()}")
    await viewer.refused(400, "GET", "/v1/embed/bitmovin")


@pytest.mark.operation("videokit.player_source_config")
async def test_a_player_gets_manifests_that_play(viewer: Kit, shared: Shared) -> None:
    config = (
        await viewer.web.get(
            f"{viewer.server.url}/videokit/v1/sourceconfig",
            params={"assetId": shared.asset, "tenantId": shared.tenant.uid},
        )
    ).json()
    assert config["title"] == "Coastal Run"
    assert (await viewer.web.get(config["hls"])).text.startswith("#EXTM3U")
    assert "<MPD" in (await viewer.web.get(config["dash"])).text
    assert (await viewer.web.get(config["poster"])).headers["content-type"] == "image/jpeg"
    old = await viewer.call("POST", "/player/v1/acquirecontent/bitmovin/web", {"AssetId": shared.asset})
    assert old == config
    await viewer.refused(400, "GET", "/v1/sourceconfig")
    await viewer.refused(404, "GET", f"/v1/sourceconfig?assetId={uuid4()}")
    await viewer.refused(404, "GET", f"/v1/sourceconfig?assetId={shared.asset}&tenantId={uuid4()}")
    await viewer.refused(403, "GET", "/v1/sourceconfig?token=rubbish")
    for wrong in ("[]", "{", '"x"', '{"token": 5}'):
        answer = await viewer.api.post("/player/v1/acquirecontent/bitmovin/web", content=wrong)
        assert answer.status_code == 400, wrong
