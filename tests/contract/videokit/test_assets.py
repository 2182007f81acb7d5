"""Section Assets: from a file to something that plays, and away again."""

import asyncio
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import av
import pytest

from tests.contract.videokit.conftest import Shared
from tests.contract.videokit.kit import Kit, endpoint, ids, objects
from tests.support.media import Media, decoded


@pytest.mark.operation("videokit.create_vod_asset")
@pytest.mark.operation("videokit.get_vod_asset")
async def test_a_new_asset_becomes_a_stream_that_decodes(kit: Kit, media: Media) -> None:
    file = await kit.upload(media.clip("h264"))
    asset = await kit.create(file, "dash_hls_720p", "Coastal Run", metadata={"Genre": "Sport"})
    found = await kit.playable(asset)
    assert found["title"] == "Coastal Run"
    assert found["metadata"] == {"Genre": "Sport", "Title": "Coastal Run"}
    assert found["fileIds"] == {file: "Video"}
    assert found["tenantId"] == kit.tenant.uid
    assert abs(found["durationMilliseconds"] - 6000) < 100
    assert {e["format"] for e in found["endpoints"]} == {"HLS", "DASH"}
    assert {e["protection"] for e in found["endpoints"]} == {"None"}
    numbers = await asyncio.to_thread(lambda: [n for _, n in decoded(endpoint(found, "HLS"))])
    assert numbers == list(range(180))
    dash = await kit.web.get(endpoint(found, "DASH"))
    assert dash.headers["content-type"].startswith("application/dash+xml")
    # the other views of the same thing
    assert (await kit.call("GET", f"/vod/v1/files/{file}"))["vodAssets"] == [asset]
    streaming = await kit.call("GET", f"/streaming/v1/assets/{asset}")
    assert (streaming["type"], streaming["source"], streaming["title"]) == ("Vod", "Vod", "Coastal Run")
    assert "channelId" not in streaming


async def test_audio_that_is_not_named_is_not_in_the_stream(kit: Kit, media: Media) -> None:
    file = await kit.upload(media.clip("h264"))
    video = {"trackSelector": {"trackId": "video_1"}, "type": "Video"}
    for tracks in ([video], [], None):
        source = {"fileId": file, "transcodingTracks": tracks}
        body = {"transcodedSources": [source], "preset": "dash_hls_720p"}
        asset = (await kit.call("POST", "/vod/v1/assets", body))["id"]
        found = await kit.playable(asset)
        playlist = (await kit.web.get(endpoint(found, "HLS"))).text
        assert "TYPE=AUDIO" not in playlist
        assert "mp4a" not in playlist


async def test_an_asset_that_uses_a_file_twice_is_named_once(kit: Kit, media: Media) -> None:
    file = await kit.upload(media.clip("h264"))
    made = []
    for kinds in (["Video", "Audio"], ["Video"]):
        sources = [{"fileId": file, "fileTypesFlag": kind} for kind in kinds]
        body = {"transcodedSources": sources, "preset": "dash_hls_720p"}
        made.append((await kit.call("POST", "/vod/v1/assets", body))["id"])
    assert (await kit.call("GET", f"/vod/v1/files/{file}"))["vodAssets"] == made
    (listed,) = (await kit.call("GET", "/vod/v1/files"))["items"]
    assert listed["vodAssets"] == made


async def test_a_film_given_as_audio_is_heard_and_not_seen(kit: Kit, media: Media) -> None:
    film = await kit.upload(media.clip("h264"))
    for flag, codecs in (("Audio", {"aac"}), ("Video", {"h264"})):
        source = {"fileId": film, "fileTypesFlag": flag}
        body = {"transcodedSources": [source], "preset": "dash_hls_720p"}
        found = await kit.playable((await kit.call("POST", "/vod/v1/assets", body))["id"])
        assert found["fileIds"] == {film: flag}
        assert await asyncio.to_thread(_codecs, endpoint(found, "HLS")) == codecs


async def test_the_sound_named_first_plays_by_default(kit: Kit, media: Media, tmp_path: Path) -> None:
    film = await kit.upload(media.clip("languages"))
    tracks = [
        {"trackSelector": {"trackId": "audio_2"}, "type": "Audio", "name": "Deutsch"},
        {"trackSelector": {"trackId": "audio_1"}, "type": "Audio"},
    ]
    body = {"transcodedSources": [{"fileId": film, "transcodingTracks": tracks}], "preset": "dash_hls_720p"}
    asset = (await kit.call("POST", "/vod/v1/assets", body))["id"]
    found = await kit.settled(asset)
    playlist = (await kit.web.get(endpoint(found, "HLS"))).text
    assert _default_sound(playlist) == ["de"]
    manifest = (await kit.web.get(endpoint(found, "DASH"))).text
    german = manifest.partition('lang="de"')[2].partition("</AdaptationSet>")[0]
    assert 'value="main"' in german
    assert await _sounds_of_download(kit, asset, tmp_path) == [("deu", True), ("eng", False)]


async def test_the_file_named_first_gives_the_sound_that_plays_by_default(
    kit: Kit, media: Media, tmp_path: Path
) -> None:
    """Whichever file has the picture."""
    sound, film = await kit.upload(media.clip("mp3")), await kit.upload(media.clip("languages"))
    first = {"trackSelector": {"trackId": "audio_1"}, "type": "Audio", "language": "fr"}
    second = {"trackSelector": {"trackId": "audio_1"}, "type": "Audio"}
    picture = {"trackSelector": {"trackId": "video_1"}, "type": "Video"}
    sources = [
        {"fileId": sound, "transcodingTracks": [first]},
        {"fileId": film, "transcodingTracks": [picture, second]},
    ]
    body = {"transcodedSources": sources, "preset": "dash_hls_720p"}
    asset = (await kit.call("POST", "/vod/v1/assets", body))["id"]
    playlist = (await kit.web.get(endpoint(await kit.settled(asset), "HLS"))).text
    assert _default_sound(playlist) == ["fr"]
    assert await _sounds_of_download(kit, asset, tmp_path) == [("fra", True), ("eng", False)]


def _default_sound(playlist: str) -> list[str]:
    """Languages of the audio tracks that an HLS playlist has as default."""
    tags = [tag for tag in playlist.splitlines() if "TYPE=AUDIO" in tag and "DEFAULT=YES" in tag]
    return [tag.partition('LANGUAGE="')[2].partition('"')[0] for tag in tags]


async def _sounds_of_download(kit: Kit, asset: str, folder: Path) -> list[tuple[str, bool]]:
    """Language of each audio track, and whether it plays by default."""
    await kit.call("POST", f"/vod/v1/assets/{asset}/outputs", {"preset": "mp4", "id": "file"})
    file = folder / "out.mp4"
    file.write_bytes((await kit.web.get(endpoint(await kit.output(asset, "file"), "MP4"))).content)
    with av.open(str(file)) as container:
        return [
            (s.metadata["language"], bool(s.disposition & av.stream.Disposition.default))
            for s in container.streams.audio
        ]


def _codecs(url: str) -> set[str]:
    with av.open(url) as container:
        return {stream.codec_context.name for stream in container.streams}


async def test_what_creation_refuses(kit: Kit, neighbour: Kit, media: Media) -> None:
    file = await kit.upload(media.clip("h264"))
    foreign = await neighbour.upload(media.clip("h264"))
    open_ = await kit.call(
        "POST", "/vod/v1/files/start", {"name": "a.mp4", "friendlyName": "a", "fileSize": 5}
    )

    def body(source: Any = None, **more: Any) -> dict[str, Any]:
        return {"transcodedSources": [source or {"fileId": file}], "preset": "hls", **more}

    def track(id_: Any, kind: Any, **more: Any) -> dict[str, Any]:
        chosen = {"trackSelector": {"trackId": id_}, "type": kind, **more}
        return {"fileId": file, "transcodingTracks": [chosen]}

    path = "/vod/v1/assets"
    await kit.refused(404, "POST", path, body({"fileId": foreign}))
    await kit.refused(404, "POST", path, body({"fileId": str(uuid4())}))
    await kit.refused(404, "POST", path, body(preset="none-such"))
    refused = await kit.refused(409, "POST", path, body({"fileId": open_["fileId"]}))
    assert refused == f"the upload of file {open_['fileId']} is not completed yet"
    wrong: Any
    for wrong in (
        {},
        {"preset": "hls"},
        {"transcodedSources": [], "preset": "hls"},
        {"transcodedSources": [{"fileId": file}]},
        body(track("video_9", "Video")),
        body(track("audio_1", "Video")),
        body(track("video_1", "Smell")),
        body(track(None, "Video")),
        body(track("video_1", "Video", language="klingon!!")),
        body(track("video_1", "Video", language="e" * 5000)),
        body(track("video_1", "Video", name="n" * 5000)),
        body(track("video_1", "Video") | {"fileTypesFlag": "Audio"}),
        body({"fileId": file, "fileTypesFlag": "Caption"}),
        body({"fileId": file, "fileTypesFlag": "Movie"}),
        body({"fileId": file, "transcodingTracks": [track("video_1", "Video")] * 1_000}),
        {"transcodedSources": [{"fileId": file}] * 1_000, "preset": "hls"},
        body(title="t" * 2000),
        body(metadata=[]),
        [],
        "x",
        None,
    ):
        await kit.refused(400, "POST", path, wrong)
    assert (await kit.call("GET", "/vod/v1/assets"))["totalCount"] == 0


@pytest.mark.parametrize("clip", ["text.mp4", "truncated", "encrypted", "playlist.mp4", "huge_png"])
async def test_a_file_that_cannot_play_ends_as_an_error_with_its_reason(
    kit: Kit, media: Media, clip: str
) -> None:
    file = await kit.upload(media.clip(clip))
    body = {"transcodedSources": [{"fileId": file, "fileTypesFlag": "Video"}], "preset": "hls"}
    asset = (await kit.call("POST", "/vod/v1/assets", body))["id"]
    from tests.support.waiting import until

    async def failed() -> Any:
        found = await kit.vod(asset)
        return found if found["status"] == "Error" else None

    found = await until(failed, timeout_s=40, what="the asset fails")
    assert found["errorMessage"]
    assert "/" not in found["errorMessage"], "no path of ours"
    assert found["endpoints"] == []
    assert found["fileIds"] == {file: "Video"}, "what its creator said it is"
    refused = await kit.refused(409, "POST", f"/vod/v1/assets/{asset}/outputs", {"preset": "mp4"})
    assert refused == f"the asset failed: {found['errorMessage']}"


@pytest.mark.operation("videokit.update_vod_asset")
async def test_a_new_title_is_on_the_player_page(kit: Kit, media: Media) -> None:
    asset = await kit.create(await kit.upload(media.clip("h264")), title="Old", metadata={"a": "1"})
    before = await kit.playable(asset)
    changed = await kit.call(
        "PATCH",
        f"/vod/v1/assets/{asset}",
        {
            "title": "New & <b>bold</b>",
            "metadata": {"b": "2"},
            "tags": ["running", "replay", "running"],
            "attributes": ["[region]=coast"],
        },
    )
    assert changed["metadata"] == {"a": "1", "b": "2", "Title": "New & <b>bold</b>"}
    assert changed["tags"] == ["running", "replay"]
    assert changed["attributes"] == ["region=coast"]
    assert changed["lastModificationDate"] > before["lastModificationDate"]
    page = await kit.page(asset)
    assert "New &amp; &lt;b&gt;bold&lt;/b&gt;" in page.text
    assert "<b>bold</b>" not in page.text
    # only what was sent changes; the title may also be written in the metadata
    again = await kit.call("PATCH", f"/vod/v1/assets/{asset}", {"metadata": {"Title": "Third"}})
    assert (again["title"], again["tags"]) == ("Third", ["running", "replay"])
    for unusable in ({"Title": None}, {"Title": {"a": 1}}, {"Title": ["x"]}):
        kept = await kit.call("PATCH", f"/vod/v1/assets/{asset}", {"metadata": unusable})
        assert (kept["title"], kept["metadata"]["Title"]) == ("Third", "Third")
    again = await kit.call("PATCH", f"/vod/v1/assets/{asset}", {"metadata": {"title": "Fourth"}})
    assert (again["title"], again["metadata"]) == ("Fourth", {"a": "1", "b": "2", "Title": "Fourth"})
    both = {"title": "Fifth", "metadata": {"title": "not this one"}}
    again = await kit.call("PATCH", f"/vod/v1/assets/{asset}", both)
    assert (again["title"], again["metadata"]) == ("Fifth", {"a": "1", "b": "2", "Title": "Fifth"})
    wrong: Any
    for wrong in (
        {"title": 7},
        {"title": "x" * 2000},
        {"tags": "running"},
        {"tags": [""]},
        {"tags": [f"t{n}" for n in range(10_000)]},
        {"attributes": [None]},
        {"attributes": ["coast"]},
        {"attributes": ["=coast"]},
        {"metadata": {"deep": "x" * 70_000}},
    ):
        await kit.refused(400, "PATCH", f"/vod/v1/assets/{asset}", wrong)


@pytest.mark.operation("videokit.delete_vod_asset")
async def test_a_deleted_asset_stops_playing_and_its_file_stays(kit: Kit, media: Media) -> None:
    file = await kit.upload(media.clip("h264"))
    asset = await kit.create(file)
    url = endpoint(await kit.settled(asset), "HLS")
    assert objects(kit.server, asset)
    assert await kit.call("DELETE", f"/vod/v1/assets/{asset}") is None
    await kit.refused(404, "GET", f"/vod/v1/assets/{asset}")
    await kit.refused(404, "GET", f"/streaming/v1/assets/{asset}")
    assert (await kit.web.get(url)).status_code == 404
    assert (await kit.call("GET", f"/vod/v1/files/{file}"))["vodAssets"] == []
    await kit.clear_away()
    assert objects(kit.server, asset) == []
    assert objects(kit.server, file)


async def test_an_asset_deleted_while_it_is_made_leaves_nothing(kit: Kit, media: Media) -> None:
    file = await kit.upload(media.clip("h264_long"))
    asset = await kit.create(file)
    await kit.call("DELETE", f"/vod/v1/assets/{asset}")

    from tests.support.waiting import until

    async def cleared() -> bool:
        await kit.clear_away()
        return not objects(kit.server, asset)

    await until(cleared, timeout_s=30)
    async with kit.server.platform() as platform:
        num = (await platform.services.keys.authenticate(kit.tenant.key)).tenant.num
        assert (await platform.services.tenants.usage(num)).stored_bytes == 0


@pytest.mark.operation("videokit.delete_many_vod_assets")
async def test_deleting_many_assets_frees_storage(
    kit: Kit, viewer: Kit, shared: Shared, media: Media
) -> None:
    file = await kit.upload(media.clip("h264"))
    mine = [await kit.create(file) for _ in range(2)]
    for asset in mine:
        await kit.settled(asset)
    async with kit.server.platform() as platform:
        have = platform.services
        num = (await have.keys.authenticate(kit.tenant.key)).tenant.num
        assert (await have.tenants.usage(num)).stored_bytes > 0
    verdicts = await kit.call("POST", "/vod/v1/assets/deletemany", [*mine, shared.asset, str(uuid4())])
    assert [v["success"] for v in verdicts.values()] == [True, True, False, False]
    await kit.clear_away()
    assert not any(objects(kit.server, asset) for asset in mine)
    async with kit.server.platform() as platform:
        assert (await platform.services.tenants.usage(num)).stored_bytes == 0
    assert (await viewer.vod(shared.asset))["status"] == "Available"


@pytest.mark.operation("videokit.list_vod_assets")
async def test_the_list_leads_to_media_as_the_vendors_page_does(viewer: Kit, shared: Shared) -> None:
    page = await viewer.call("GET", "/vod/v1/assets?limit=5&page=1&sort=lastModificationDate&desc=true")
    clear = next(
        vod
        for vod in page["items"]
        if any(
            all(e["protection"] == "None" for e in output["endpoints"])
            and any(e["format"] == "HLS" for e in output["endpoints"])
            for output in vod["outputs"]
        )
    )
    url = next(
        e["url"]
        for e in clear["outputs"][0]["endpoints"]
        if e["accessType"] == "Http" and e["format"] == "HLS"
    )
    assert (await viewer.web.get(url)).text.startswith("#EXTM3U")
    assert shared.asset in ids(await viewer.call("GET", f"/vod/v1/assets?fileId={shared.file}"))
    assert ids(await viewer.call("GET", f"/vod/v1/assets?fileId={UUID(int=1)}")) == []
