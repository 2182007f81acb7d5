"""Section Images: uploaded pictures are served, listed, attached and shown as poster."""

from io import BytesIO
from pathlib import Path
from uuid import uuid4

import pytest
from PIL import Image

from tests.contract.videokit.conftest import Shared
from tests.contract.videokit.kit import Kit, ids, objects
from tests.support.media import Media
from tests.support.waiting import until


@pytest.fixture
async def asset(kit: Kit, media: Media) -> str:
    made = await kit.create(await kit.upload(media.clip("h264")))
    await kit.playable(made)
    return made


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "poster.png"
    Image.new("RGB", (64, 36), (200, 30, 30)).save(path)
    return path


@pytest.fixture
def data(picture: Path) -> bytes:
    return picture.read_bytes()


@pytest.mark.operation("videokit.start_image_upload")
@pytest.mark.operation("videokit.complete_image_upload")
@pytest.mark.operation("videokit.get_image_part_url")
@pytest.mark.operation("videokit.get_image")
@pytest.mark.operation("videokit.create_asset_images")
@pytest.mark.operation("videokit.delete_asset_image")
async def test_an_uploaded_image_becomes_the_poster_and_ceases_to_be(
    kit: Kit, asset: str, data: bytes
) -> None:
    root = f"/streaming/v1/assets/{asset}/images"
    started = await kit.call(
        "POST", f"{root}/uploaded/start", {"name": "run_poster.png", "fileSize": len(data)}
    )
    assert (started["partsCount"], started["lastPartSize"]) == (1, len(data))
    file = started["fileId"]
    url = (await kit.call("GET", f"{root}/uploaded/{file}/part/1"))["url"]
    await kit.refused(400, "GET", f"{root}/uploaded/{file}/part/2")
    tag = (await kit.web.put(url, content=data)).headers["etag"]
    body = {"fileId": file, "parts": [{"partNumber": 1, "eTag": tag}]}
    done = await kit.call("POST", f"{root}/uploaded/complete", body)
    assert (done["fileId"], done["fileKey"]) == (file, started["fileKey"])
    served = await kit.web.get(done["url"])
    assert (served.content, served.headers["content-type"]) == (data, "image/png")
    found = await kit.call("GET", f"{root}/uploaded/{file}")
    assert (found["status"], found["url"], found["fileSize"]) == ("Completed", done["url"], len(data))

    async def still() -> object:
        return (await kit.player(asset)).get("poster")

    before = await until(still, timeout_s=40, what="a still of the video")
    attached = {"poster": {"Id": file, "Name": "run_poster.png", "Url": done["url"]}}
    assert await kit.call("POST", root, {"Images": attached}) is None
    assert (await kit.player(asset))["poster"] == done["url"]
    assert (await kit.call("GET", f"/v1/sourceconfig?assetId={asset}"))["poster"] == done["url"]
    page = (await kit.page(asset)).text
    assert done["url"] in page
    shown = (await kit.call("GET", f"/streaming/v1/assets/{asset}"))["images"]["poster"]
    assert (shown["id"], shown["name"], shown["url"]) == (file, "run_poster.png", done["url"])
    assert await kit.call("DELETE", f"{root}/poster") is None
    assert (await kit.player(asset)).get("poster") == before
    assert (await kit.web.get(done["url"])).status_code == 200, "the uploaded file stays"
    await kit.refused(404, "DELETE", f"{root}/poster")


@pytest.mark.operation("videokit.list_images")
@pytest.mark.operation("videokit.delete_image")
@pytest.mark.operation("videokit.delete_many_images")
async def test_images_are_listed_and_deleted_with_their_bytes(
    kit: Kit, asset: str, picture: Path, neighbour: Kit, media: Media
) -> None:
    root = f"/streaming/v1/assets/{asset}/images/uploaded"
    names = ("alpha.png", "beta.png", "gamma.png")
    made = {name: await kit.upload_image(asset, picture, name) for name in names}
    files = {name: done["fileId"] for name, done in made.items()}
    assert ids(await kit.call("GET", f"{root}?sort=FileSize")) == list(files.values())
    assert ids(await kit.call("GET", f"{root}?query=beta&fileType=Video")) == [files["beta.png"]]
    assert ids(await kit.call("GET", f"{root}?query={files['gamma.png']}")) == [files["gamma.png"]]
    page = await kit.call("GET", f"{root}?limit=2&page=2&sort=createDate&desc=true&status=Completed")
    assert (ids(page), page["hasMore"], page["pageCount"]) == ([files["alpha.png"]], False, 2)
    assert ids(await kit.call("GET", f"{root}?status=Uploading")) == []
    assert (await kit.call("GET", "/vod/v1/files"))["totalCount"] == 1, "images are no source files"
    gone = await kit.call("DELETE", f"{root}/{files['alpha.png']}")
    assert gone == {"deletedFileKey": made["alpha.png"]["fileKey"]}
    assert (await kit.web.get(made["alpha.png"]["url"])).status_code == 404
    absent = str(uuid4())
    verdicts = await kit.call("POST", f"{root}/deletemany", [files["beta.png"], absent])
    assert (verdicts[files["beta.png"]]["success"], verdicts[absent]["success"]) == (True, False)
    await kit.clear_away()
    assert not objects(kit.server, files["alpha.png"])
    assert not objects(kit.server, files["beta.png"])
    assert objects(kit.server, files["gamma.png"])
    # an image belongs to its asset alone
    other = await neighbour.create(await neighbour.upload(media.clip("h264")))
    for path in (f"{root}/{files['gamma.png']}", root, f"{root}/{files['gamma.png']}/part/1"):
        await neighbour.refused(404, "GET", path)
        await neighbour.refused(404, "GET", path.replace(asset, other) if path != root else path)


async def test_what_is_no_picture_is_refused(kit: Kit, asset: str, media: Media) -> None:
    root = f"/streaming/v1/assets/{asset}/images/uploaded"
    for clip in ("text.mp4", "h264", "huge_png"):
        data = media.clip(clip).read_bytes()
        started = await kit.call("POST", f"{root}/start", {"name": "x.png", "fileSize": len(data)})
        parts = await kit.send_parts(started, data)
        await kit.refused(400, "POST", f"{root}/complete", {"fileId": started["fileId"], "parts": parts})
        assert (await kit.call("GET", f"{root}/{started['fileId']}"))["status"] != "Completed"
        assert (
            await kit.web.get(f"{kit.server.url}/media/{asset}/images/{started['fileId']}")
        ).status_code == 404
    for wrong in (
        {"name": "a/b.png", "fileSize": 5},
        {"name": "a.b.png", "fileSize": 5},
        {"name": "ü.png", "fileSize": 5},
        {"name": "", "fileSize": 5},
        {"name": "a.png", "fileSize": 0},
        {"name": "a.png", "fileSize": 10**12},
        {"name": "a.png"},
    ):
        await kit.refused(400, "POST", f"{root}/start", wrong)
    await kit.refused(
        404, "POST", f"/streaming/v1/assets/{uuid4()}/images/uploaded/start", {"name": "a.png", "fileSize": 5}
    )


@pytest.mark.operation("videokit.get_image_frames")
async def test_frames_are_stills_of_the_video(viewer: Kit, shared: Shared) -> None:
    from tests.support.waiting import until

    path = f"/streaming/v1/assets/{shared.asset}/images/frames"

    async def made() -> dict[str, dict[str, str]] | None:
        found: dict[str, dict[str, str]] = await viewer.call("GET", path)
        return found or None

    frames = await until(made, timeout_s=30, what="frames")
    seen = set()
    for frame in frames.values():
        assert frame["s3Uri"].startswith("s3://")
        answer = await viewer.web.get(frame["url"])
        assert answer.headers["content-type"] == "image/jpeg"
        with Image.open(BytesIO(answer.content)) as image:
            assert abs(image.width / image.height - 16 / 9) < 0.02
        seen.add(answer.content)
    assert len(seen) == len(frames) > 1, "all of them differ"
    await viewer.refused(404, "GET", f"/streaming/v1/assets/{uuid4()}/images/frames")
