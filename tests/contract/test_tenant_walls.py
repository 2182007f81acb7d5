"""No key reaches another tenant's things: every operation of the API documents, with live objects.

The owner's request is proven to be good first: tenant B gets 2xx from a request, then the identical request
with tenant A's key must be refused and must change nothing. Operations come from the OpenAPI documents, so
that a new one fails here until it has a case.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from fastapi import FastAPI
from PIL import Image
from sqlalchemy import text

from polycast.dialects.videokit.app import create_videokit
from tests.contract.videokit.kit import Kit
from tests.support.media import Media
from tests.support.server import PolycastServer

pytestmark = pytest.mark.timeout(180)

# operations without an id of anybody's in them: a list or a creation is the caller's own by its key
OWN = {
    "start_file_upload",
    "list_files",
    "list_vod_assets",
    "list_assets",
    "get_file_types",
    "get_languages",
    "list_presets",
    "list_domains",
    "add_domain",
    "get_settings",
    "list_api_keys",
    "create_api_key",
    # asked by viewers, who have no key: judged by the asset's own policy
    "player_source_config",
    "player_acquire_content",
    "embed_player",
    "oauth_token",
}
BULK = {"delete_many_files", "delete_many_vod_assets"}
"""these answer 200 with a verdict per id"""


def documented() -> dict[str, tuple[str, str]]:
    """operation id -> (method, path) of the whole document; nothing is called."""
    app = create_videokit(None)._app  # type: ignore[arg-type, attr-defined]
    assert isinstance(app, FastAPI)
    return {
        operation["operationId"]: (method.upper(), path)
        for path, methods in app.openapi()["paths"].items()
        for method, operation in methods.items()
    }


@dataclass
class Owner:
    """Tenant B and what it has; each member makes a new object."""

    kit: Kit
    clip: Path
    asset_id: str = ""
    file_id: str = ""
    made: dict[str, str] = field(default_factory=dict)

    async def prepare(self) -> None:
        self.file_id = await self.kit.upload(self.clip)
        self.asset_id = await self.kit.create(self.file_id)
        await self.kit.settled(self.asset_id)

    async def file(self) -> str:
        return await self.kit.upload(self.clip)

    async def upload(self) -> dict[str, Any]:
        size = self.clip.stat().st_size
        body = {"name": "a.mp4", "friendlyName": "a", "fileSize": size}
        started: dict[str, Any] = await self.kit.call("POST", "/vod/v1/files/start", body)
        return started

    async def image(self, *, complete: bool = True) -> dict[str, Any]:
        picture = BytesIO()
        Image.new("RGB", (16, 9), (1, 2, 3)).save(picture, "PNG")
        data = picture.getvalue()
        root = f"/streaming/v1/assets/{self.asset_id}/images/uploaded"
        started: dict[str, Any] = await self.kit.call(
            "POST", f"{root}/start", {"name": "p.png", "fileSize": len(data)}
        )
        started["parts"] = await self.kit.send_parts(started, data)
        if complete:
            body = {"fileId": started["fileId"], "parts": started["parts"]}
            await self.kit.call("POST", f"{root}/complete", body)
        return started

    async def output(self) -> str:
        name = f"out-{uuid4().hex[:8]}"
        path = f"/vod/v1/assets/{self.asset_id}/outputs"
        await self.kit.call("POST", path, {"preset": "audio_only", "id": name})
        return name

    async def key(self) -> str:
        body = {"name": "k", "roleId": "role-viewer"}
        return str((await self.kit.call("POST", "/core/v1/api-key", body))["id"])


Case = tuple[dict[str, str], dict[str, str], Any]
"""path parameters, query, body"""


async def case(owner: Owner, operation: str) -> Case:
    """A request that the owner may make, on objects of its own, fresh where it consumes them."""
    asset, file = {"id": owner.asset_id}, {"id": owner.file_id}
    streaming = {"assetId": owner.asset_id}
    makers: dict[str, Callable[[], Awaitable[Case]]] = {}

    def given(name: str, path: dict[str, str], body: Any = None, query: dict[str, str] | None = None) -> None:
        async def made() -> Case:
            return path, query or {}, body

        makers[name] = made

    source = {"fileId": owner.file_id, "transcodingTracks": []}
    given("create_vod_asset", {}, {"transcodedSources": [source], "preset": "audio_only"})
    given("get_vod_asset", asset)
    given("update_vod_asset", asset, {"title": "changed"})
    given("add_vod_output", asset, {"preset": "audio_only", "id": uuid4().hex})
    given("get_vod_output_progress", {**asset, "outputId": "main"})
    given("get_many_vod_outputs_progress", {}, [{"id": owner.asset_id, "outputId": "main"}])
    given("get_file", file)
    given("update_file", file, {"friendlyName": "changed"})
    given("get_file_preview", file)
    given("detect_file_tracks", file)
    given("get_asset", streaming)
    given("update_asset", streaming, {"description": "changed"})
    given("update_asset_settings", streaming, {"cap": "Enabled"})
    given("create_asset_chapters", streaming, {"chapters": [{"title": "c", "startSecond": 1}]})
    given("add_asset_tags", streaming, {"tags": [{"name": uuid4().hex}]})
    given("create_asset_images", streaming, {"images": {"x": {"url": "https://example.org/x.png"}}})
    given("start_image_upload", streaming, {"name": "q.png", "fileSize": 9})
    given("list_images", streaming)
    given("get_image_frames", streaming)
    given("get_qr_code", {"id": owner.asset_id})
    given("get_tenant_status", {"id": owner.kit.tenant.uid})
    if operation in makers:
        return await makers[operation]()
    match operation:
        case "delete_file":
            return {"id": await owner.file()}, {}, None
        case "delete_many_files":
            return {}, {}, [await owner.file()]
        case "delete_vod_asset" | "delete_many_vod_assets":
            victim = await owner.kit.create(owner.file_id, "audio_only")
            return ({"id": victim}, {}, None) if operation == "delete_vod_asset" else ({}, {}, [victim])
        case "remove_vod_output":
            return {**asset, "outputId": await owner.output()}, {}, None
        case "get_file_part_url" | "cancel_file_upload":
            started = await owner.upload()
            return {"id": started["fileId"], "partNumber": "1"}, {}, None
        case "complete_file_upload":
            started = await owner.upload()
            parts = await owner.kit.send_parts(started, owner.clip.read_bytes())
            return {}, {}, {"fileId": started["fileId"], "parts": parts}
        case "complete_image_upload":
            image = await owner.image(complete=False)
            return streaming, {}, {"fileId": image["fileId"], "parts": image["parts"]}
        case "get_image_part_url":
            image = await owner.image(complete=False)
            return {**streaming, "fileId": image["fileId"], "partNumber": "1"}, {}, None
        case "get_image" | "delete_image":
            image = await owner.image()
            return {**streaming, "fileId": image["fileId"]}, {}, None
        case "delete_many_images":
            return streaming, {}, [(await owner.image())["fileId"]]
        case "delete_asset_image":
            path = f"/streaming/v1/assets/{owner.asset_id}/images"
            await owner.kit.call("POST", path, {"images": {"gone": {"url": "https://example.org/x.png"}}})
            return {**streaming, "imageKey": "gone"}, {}, None
        case "delete_asset_chapter":
            path = f"/streaming/v1/assets/{owner.asset_id}"
            await owner.kit.call("POST", f"{path}/chapters", {"chapters": [{"title": "x", "startSecond": 2}]})
            chapters = (await owner.kit.call("GET", path))["chapters"]
            return {**streaming, "chapterId": chapters[-1]["id"]}, {}, None
        case "delete_asset_tag":
            path = f"/streaming/v1/assets/{owner.asset_id}/tags"
            await owner.kit.call("POST", path, {"tags": [{"name": "gone"}]})
            return {**streaming, "tag": "gone"}, {}, None
        case "delete_domain":
            url = f"https://{uuid4().hex}.example.org"
            domain = await owner.kit.call("POST", "/streaming/v1/domains", {"url": url})
            return {}, {"playerDomainId": domain["playerDomainId"]}, None
        case "get_api_key" | "delete_api_key":
            return {"id": await owner.key()}, {}, None
        case "update_api_key":
            return {"id": await owner.key()}, {}, {"name": "changed", "roleId": "role-viewer"}
    raise AssertionError(f"{operation} has no case here: say what its owner may send")


# what people write, not what the workers at work write meanwhile
STATE = {
    "files": "uid, name, friendly_name, metadata, tags, attributes, purpose, upload_id",
    "assets": "uid, title, description, metadata, tags, attributes, settings, preset",
    "asset_sources": "asset_num, file_uid, tracks",
    "outputs": "uid, name, preset, expires_at",
    "asset_images": "asset_num, name, url",
    "chapters": "uid, title, start_s, end_s",
    "tags": "uid, name",
    "api_keys": "uid, name, role, revoked_at",
    "domains": "uid, origin",
    "players": "uid, name, theme, is_default",
}


async def _state(server: PolycastServer, tenant: str) -> dict[str, str]:
    """A digest of the rows of a tenant by table."""
    state = {}
    async with server.platform() as platform, platform.services.db.connect() as tx:
        num = (
            await tx.execute(text("SELECT num FROM tenants WHERE uid = CAST(:u AS uuid)"), {"u": tenant})
        ).scalar_one()
        for table, columns in STATE.items():
            own = "tenant_num = :n"
            if table in ("asset_sources", "asset_images", "chapters"):
                own = "asset_num IN (SELECT num FROM assets WHERE tenant_num = :n)"
            rows = f"SELECT row({columns})::text AS r FROM {table} WHERE {own}"
            digest = f"SELECT coalesce(md5(string_agg(r, ',' ORDER BY r)), '') FROM ({rows}) AS all_rows"
            state[table] = (await tx.execute(text(digest), {"n": num})).scalar_one()
    return state


def _filled(path: str, params: dict[str, str]) -> str:
    for name, value in params.items():
        path = path.replace("{" + name + "}", value).replace("{" + name + ":path}", value)
    assert "{" not in path, path
    return path


async def test_every_operation_of_video_kit(server: PolycastServer, tmp_path_factory: Any) -> None:
    media = Media.for_run(tmp_path_factory)
    b = Kit(server, await server.tenant(f"b {uuid4().hex[:6]}"))
    a = Kit(server, await server.tenant(f"a {uuid4().hex[:6]}"))
    owner = Owner(b, media.clip("h264"))
    try:
        await owner.prepare()
        checked = 0
        for operation, (method, path) in documented().items():
            if operation in OWN:
                continue
            # the same kind of request by its owner is answered with 2xx …
            params, query, body = await case(owner, operation)
            await b.call(method, _filled(path, params), body, params=query)
            # … and another one, of objects that are still there, is refused to the neighbour
            params, query, body = await case(owner, operation)
            target = _filled(path, params)
            before = await _state(server, b.tenant.uid)
            answer = await a.api.request(method, target, json=body, params=query)
            if operation in BULK:
                assert answer.status_code == 200
                assert [v["success"] for v in answer.json().values()] == [False], operation
            else:
                assert answer.status_code in (403, 404), f"{operation}: {answer.status_code} {answer.text}"
            # neither does naming the owner's tenant help
            named = await a.api.request(
                method, target, json=body, params=query, headers={"X-Tenant-Id": b.tenant.uid}
            )
            assert named.status_code == 403, f"{operation}: {named.status_code}"
            assert await _state(server, b.tenant.uid) == before, f"{operation} changed something"
            # the very same request, byte for byte, is good in the owner's hands
            await b.call(method, target, body, params=query)
            checked += 1
        assert checked >= 36
        for listing in ("/vod/v1/files", "/vod/v1/assets", "/streaming/v1/assets"):
            for query_text in ("", f"?ids={owner.asset_id},{owner.file_id}", f"?fileId={owner.file_id}"):
                assert (await a.call("GET", f"{listing}{query_text}"))["totalCount"] == 0
    finally:
        await a.close()
        await b.close()
