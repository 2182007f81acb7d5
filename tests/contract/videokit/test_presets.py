"""Every preset makes what its name says."""

import asyncio
import re
from pathlib import Path
from typing import Any

import av
import pytest

from tests.contract.videokit.kit import Kit, endpoint
from tests.support.media import Media, frame_number

SLOW_S = 100.0
# preset -> formats, codec of the picture (None: none), the most lines
PRESETS: dict[str, tuple[set[str], str | None, int]] = {
    "mp4": ({"MP4"}, "h264", 1080),
    "mp4_720p": ({"MP4"}, "h264", 720),
    "hls": ({"HLS"}, "h264", 1080),
    "dash_hls_720p": ({"HLS", "DASH"}, "h264", 720),
    "dash_hls_1080p": ({"HLS", "DASH"}, "h264", 1080),
    "dash_hls_2160p": ({"HLS", "DASH"}, "h264", 2160),
    "dash_hls_hevc": ({"HLS", "DASH"}, "hevc", 1080),
    "dash_hls_av1": ({"HLS", "DASH"}, "av1", 1080),
    "audio_only": ({"HLS", "DASH"}, None, 0),
}


@pytest.mark.operation("videokit.list_presets")
@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_every_listed_preset_makes_its_codec(kit: Kit, media: Media, tmp_path: Path) -> None:
    page = await kit.call("GET", "/transcoder/v1/presets")
    listed = {p["name"]: p for p in page["items"]}
    assert set(listed) == set(PRESETS)
    assert page["totalCount"] == len(PRESETS)
    file = await kit.upload(media.clip("h264"))
    asset = await kit.create(file, "dash_hls_720p")
    await kit.playable(asset)
    for name in PRESETS:
        await kit.call("POST", f"/vod/v1/assets/{asset}/outputs", {"preset": name, "id": name})
    for name, (formats, codec, lines) in PRESETS.items():
        output = await kit.output(asset, name, SLOW_S)
        assert {e["format"] for e in output["endpoints"]} == formats, name
        assert listed[name]["createsDownload"] is (formats == {"MP4"}), name
        await _decodes(kit, output, codec, lines, tmp_path / f"{name}.mp4")


async def _decodes(kit: Kit, output: dict[str, Any], codec: str | None, lines: int, copy: Path) -> None:
    form = output["endpoints"][0]["format"]
    source = endpoint(output, form)
    if form == "MP4":
        await asyncio.to_thread(copy.write_bytes, (await kit.web.get(source)).content)
        source = str(copy)

    def look() -> tuple[set[str], list[int], int]:
        with av.open(source) as container:
            names = {s.codec_context.name for s in container.streams.video}
            if not container.streams.video:
                return set(), [], sum(1 for _ in container.decode(audio=0))
            frames = list(container.decode(video=0))
            return names, [frame_number(f) for f in frames], frames[0].height

    names, numbers, height = await asyncio.to_thread(look)
    if codec is None:
        assert names == set(), "no picture"
        assert height > 100, "audio frames"
        return
    assert {re.sub("lib|dav1d|aom", "", n) or "av1" for n in names} <= {codec}, names
    assert numbers == list(range(180))
    assert height <= min(lines, 180)


async def test_presets_come_in_pages(kit: Kit) -> None:
    first = await kit.call("GET", "/transcoder/v1/presets?limit=2")
    assert (len(first["items"]), first["hasMore"], first["pageSize"]) == (2, True, 2)
    last = await kit.call("GET", f"/transcoder/v1/presets?Limit=2&Page={first['pageCount']}")
    assert last["hasMore"] is False
    for query in ("limit=0", "page=0", "limit=x"):
        await kit.refused(400, "GET", f"/transcoder/v1/presets?{query}")


async def test_an_asset_can_be_made_with_a_download_alone(kit: Kit, media: Media, tmp_path: Path) -> None:
    asset = await kit.create(await kit.upload(media.clip("h264")), "mp4")
    found = await kit.settled(asset)
    assert found["status"] == "Available"
    file = endpoint(found, "MP4")
    told = await kit.call("GET", f"/v1/sourceconfig?assetId={asset}")
    assert told["progressive"] == [{"url": file, "type": "video/mp4"}]
    assert not {"hls", "dash"} & set(told)
    assert (await kit.player(asset))["sources"] == {"hls": None, "dash": None, "mp4": file}
    copy = tmp_path / "copy.mp4"
    await asyncio.to_thread(copy.write_bytes, (await kit.web.get(file)).content)

    def frames() -> list[int]:
        with av.open(str(copy)) as container:
            return [frame_number(frame) for frame in container.decode(video=0)]

    assert await asyncio.to_thread(frames) == list(range(180))
    for name in ("playlist.m3u8", "manifest.mpd"):
        answer = await kit.web.get(f"{kit.server.url}/media/{asset}/{name}")
        assert (answer.status_code, "MP4" in answer.text) == (404, True)
