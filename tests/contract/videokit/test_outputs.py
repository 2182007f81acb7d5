"""Section Assets: further outputs and their progress."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import av
import pytest

from tests.contract.videokit.kit import Kit, endpoint, objects
from tests.support.media import Media, decoded
from tests.support.waiting import until


@pytest.mark.operation("videokit.add_vod_output")
@pytest.mark.operation("videokit.get_vod_output_progress")
@pytest.mark.operation("videokit.get_many_vod_outputs_progress")
@pytest.mark.operation("videokit.remove_vod_output")
async def test_an_mp4_output_is_made_reports_its_progress_decodes_and_goes(
    kit: Kit, media: Media, tmp_path: Path
) -> None:
    asset = await kit.create(await kit.upload(media.clip("h264")))
    await kit.settled(asset)
    path = f"/vod/v1/assets/{asset}/outputs"
    assert await kit.call("POST", path, {"preset": "mp4", "id": "out-mp4"}) == {"outputId": "out-mp4"}
    await kit.refused(409, "POST", path, {"preset": "mp4", "id": "out-mp4"})
    seen: list[float] = []

    async def done() -> bool:
        one: dict[str, Any] = await kit.call("GET", f"{path}/out-mp4/progress")
        seen.append(one["progress"])
        return bool(one["status"] == "Available")

    await until(done, timeout_s=40)
    assert seen == sorted(seen)
    assert 0 <= seen[0] <= 100
    assert seen[-1] == 100
    many = await kit.call("POST", "/vod/v1/assets/outputs/progress", [{"id": asset, "outputId": "out-mp4"}])
    assert [(p["outputId"], p["status"], p["progress"]) for p in many] == [("out-mp4", "Available", 100)]
    output = await kit.output(asset, "out-mp4")
    (only,) = output["endpoints"]
    assert only["format"] == "MP4"
    file = tmp_path / "out.mp4"
    got = await kit.web.get(only["url"])
    file.write_bytes(got.content)
    assert len(got.content) == only["size"]
    numbers = await asyncio.to_thread(lambda: [n for _, n in decoded(file)])
    assert numbers == list(range(180))
    with av.open(str(file)) as container:
        assert [s.codec_context.name for s in container.streams] == ["h264", "aac"]
    assert await kit.call("DELETE", f"{path}/out-mp4") is None
    assert (await kit.web.get(only["url"])).status_code == 404 or not await _stored(kit, only["url"])
    await kit.refused(404, "DELETE", f"{path}/out-mp4")
    await kit.refused(404, "GET", f"{path}/out-mp4/progress")


async def _stored(kit: Kit, url: str) -> bool:
    await kit.clear_away()
    return bool(objects(kit.server, url.split("/media/")[1])) or (await kit.web.get(url)).status_code == 200


async def test_an_output_past_its_expiration_is_removed(kit: Kit, media: Media) -> None:
    asset = await kit.create(await kit.upload(media.clip("h264")))
    await kit.settled(asset)
    soon = datetime.now(UTC) + timedelta(seconds=2)
    path = f"/vod/v1/assets/{asset}/outputs"
    made = await kit.call("POST", path, {"preset": "audio_only", "expirationDate": soon.isoformat()})
    found = await kit.vod(asset)
    stated = next(o for o in found["outputs"] if o["id"] == made["outputId"])["expirationDate"]
    assert abs(datetime.fromisoformat(stated) - soon) < timedelta(milliseconds=1)

    async def removed() -> bool:
        await kit.clear_away()
        return all(o["id"] != made["outputId"] for o in (await kit.vod(asset))["outputs"])

    await until(removed, timeout_s=30)
    assert endpoint(await kit.vod(asset), "HLS")


async def test_what_adding_refuses(kit: Kit, media: Media) -> None:
    file = await kit.upload(media.clip("h264"))
    asset = await kit.create(file)
    path = f"/vod/v1/assets/{asset}/outputs"
    await kit.refused(404, "POST", path, {"preset": "betamax"})
    await kit.refused(404, "POST", f"/vod/v1/assets/{uuid4()}/outputs", {"preset": "mp4"})
    for wrong in (
        {},
        {"preset": None},
        {"preset": "mp4", "id": "../up"},
        {"preset": "mp4", "id": ""},
        {"preset": "mp4", "id": "x" * 200},
        {"preset": "mp4", "expirationDate": "tomorrow"},
        {"preset": "mp4", "expirationDate": "2020-01-01T00:00:00Z"},
        {"preset": "mp4", "expirationDate": "9999-12-31T23:59:59-14:00"},
    ):
        await kit.refused(400, "POST", path, wrong)
    harvested = {"preset": "mp4", "harvestedEndpointInfos": [{"accessType": "S3", "format": "HLS"}]}
    assert "harvested" in await kit.refused(501, "POST", path, harvested)
    await kit.refused(404, "DELETE", f"{path}/none")
    await kit.refused(404, "GET", f"{path}/none/progress")
    for wrong_pairs in ([{"id": asset}], {"id": asset}, [{"id": asset, "outputId": "x"}] * 10_000):
        await kit.refused(400, "POST", "/vod/v1/assets/outputs/progress", wrong_pairs)
    await kit.refused(404, "POST", "/vod/v1/assets/outputs/progress", [{"id": "zz", "outputId": "x"}])
    await kit.playable(asset)
    await kit.call("DELETE", f"/vod/v1/files/{file}")
    await kit.refused(409, "POST", path, {"preset": "mp4"})
