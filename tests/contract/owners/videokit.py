"""A tenant of Video Kit."""

from collections.abc import Awaitable, Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from PIL import Image

from polycast.domain.access import Role
from tests.contract.owners.asked import Asked, Operation, Rules, documented
from tests.contract.videokit.kit import Kit
from tests.support.server import PolycastServer, TenantKey

ATTACHED = {"images": {"x": {"url": "https://example.org/x.png"}}}

_BELOW_AN_ASSET = (
    "get_image",
    "delete_image",
    "complete_image_upload",
    "get_image_part_url",
    "delete_many_images",
    "delete_asset_chapter",
)


def picture() -> bytes:
    """A small PNG."""
    made = BytesIO()
    Image.new("RGB", (16, 9), (1, 2, 3)).save(made, "PNG")
    return made.getvalue()


RULES = Rules(
    roles={
        "get_file_part_url": Role.EDITOR,
        "get_image_part_url": Role.EDITOR,
        "get_many_vod_outputs_progress": Role.VIEWER,
        "add_domain": Role.ADMIN,
        "delete_domain": Role.ADMIN,
        "get_settings": Role.ADMIN,
        "list_api_keys": Role.ADMIN,
        "get_api_key": Role.ADMIN,
        "create_api_key": Role.ADMIN,
        "update_api_key": Role.ADMIN,
        "delete_api_key": Role.ADMIN,
    },
    ours=frozenset(
        {
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
        }
    ),
    public=frozenset({"player_source_config", "player_acquire_content", "embed_player", "oauth_token"}),
    quiet=frozenset({"get_many_vod_outputs_progress"}),
    bulk=frozenset({"delete_many_files", "delete_many_vod_assets", "delete_many_images"}),
)


class VideoKitOwner:
    """See `asked.Owner`."""

    rules = RULES
    operations: Mapping[str, Operation]

    def __init__(self, server: PolycastServer, tenant: TenantKey, clip: Path) -> None:
        self.base = f"{server.url}/videokit"
        self.tenant = tenant
        self.kit = Kit(server, tenant)
        self.http: httpx.AsyncClient = self.kit.web
        self._clip = clip
        self._asset = ""
        self._file = ""

    async def close(self) -> None:
        await self.kit.close()

    def credentials(self, key: str, asked: Asked | None = None) -> dict[str, str]:
        return {"X-Api-Key": key, "X-Tenant-Id": self.tenant.uid}

    async def prepare(self) -> None:
        self.operations = await documented(self.http, self.base)
        self._file = await self.kit.upload(self._clip)
        self._asset = await self.kit.create(self._file)
        await self.kit.settled(self._asset)

    async def ask(self, operation: str) -> Asked:
        known = self._lasting(operation)
        return known if known is not None else await self._consumed(operation)

    async def across(self, operation: str, other: "VideoKitOwner") -> list[Asked]:
        asset = other._asset
        if operation in ("create_asset_images", "update_asset"):
            poster = {"poster": {"id": (await self._image())["fileId"]}}
            return [Asked({"assetId": asset}, body={"images": poster})]
        if operation in ("remove_vod_output", "get_vod_output_progress"):
            return [(await self.ask("remove_vod_output")).on(id=asset)]
        if operation in _BELOW_AN_ASSET:
            return [(await self.ask(operation)).on(assetId=asset)]
        return []

    def _lasting(self, operation: str) -> Asked | None:
        """Requests that may be made again and again on the same things."""
        asset, streaming, file = {"id": self._asset}, {"assetId": self._asset}, {"id": self._file}
        upload = {"name": "a.mp4", "friendlyName": "a", "fileSize": 9}
        match operation:
            case "list_files" | "list_vod_assets" | "list_assets" | "get_file_types" | "get_languages":
                return Asked()
            case "list_presets" | "list_domains" | "get_settings" | "list_api_keys":
                return Asked()
            case "player_source_config" | "embed_player":
                return Asked(query={"assetId": self._asset})
            case "player_acquire_content":
                return Asked(body={"assetId": self._asset})
            case "start_file_upload":
                return Asked(body=upload)
            case "create_api_key":
                return Asked(body={"name": "k", "roleId": "role-viewer"})
            case "get_vod_asset" | "get_qr_code":
                return Asked(asset)
            case "get_file" | "get_file_preview" | "detect_file_tracks":
                return Asked(file)
            case "get_asset" | "list_images" | "get_image_frames":
                return Asked(streaming)
            case "get_tenant_status":
                return Asked({"id": self.tenant.uid})
            case "get_vod_output_progress":
                return Asked({**asset, "outputId": "main"})
            case "get_many_vod_outputs_progress":
                return Asked(body=[{"id": self._asset, "outputId": "main"}])
            case "update_vod_asset":
                return Asked(asset, body={"title": "changed"})
            case "update_file":
                return Asked(file, body={"friendlyName": "changed"})
            case "update_asset":
                return Asked(streaming, body={"description": "changed", **ATTACHED})
            case "update_asset_settings":
                return Asked(streaming, body={"cap": "Enabled"})
            case "create_asset_chapters":
                return Asked(streaming, body={"chapters": [{"title": "c", "startSecond": 1}]})
            case "create_asset_images":
                return Asked(streaming, body=ATTACHED)
            case "start_image_upload":
                return Asked(streaming, body={"name": "q.png", "fileSize": 9})
            case "create_vod_asset":
                source = {"fileId": self._file, "transcodingTracks": []}
                body = {"transcodedSources": [source], "preset": "audio_only"}
                return Asked(body=body, events=("asset.created", "asset.queued"))
        return None

    async def _consumed(self, operation: str) -> Asked:
        """Requests on things made for them."""
        kit, asset, streaming = self.kit, {"id": self._asset}, {"assetId": self._asset}
        makers: dict[str, Callable[[], Awaitable[Asked]]] = {
            "complete_file_upload": self._whole_upload,
            "complete_image_upload": self._whole_image,
            "delete_asset_chapter": self._chapter,
        }
        if operation in makers:
            return await makers[operation]()
        match operation:
            case "oauth_token":
                made = await kit.call("POST", "/core/v1/api-key", {"name": "o", "roleId": "role-viewer"})
                secret = {"client_id": made["id"], "client_secret": made["apiKey"]}
                return Asked(form={**secret, "grant_type": "client_credentials"})
            case "add_vod_output":
                return Asked(asset, body={"preset": "audio_only", "id": uuid4().hex})
            case "add_domain":
                return Asked(body={"url": f"https://{uuid4().hex}.example.org"})
            case "add_asset_tags":
                return Asked(streaming, body={"tags": [{"name": uuid4().hex}]})
            case "delete_file":
                return Asked({"id": await kit.upload(self._clip)})
            case "delete_many_files":
                return Asked(body=[await kit.upload(self._clip)])
            case "delete_vod_asset":
                return Asked({"id": await kit.create(self._file, "audio_only")})
            case "delete_many_vod_assets":
                return Asked(body=[await kit.create(self._file, "audio_only")])
            case "remove_vod_output":
                name = uuid4().hex
                await kit.call(
                    "POST", f"/vod/v1/assets/{self._asset}/outputs", {"preset": "audio_only", "id": name}
                )
                return Asked({**asset, "outputId": name})
            case "get_file_part_url":
                return Asked({"id": (await self._upload())["fileId"], "partNumber": "1"})
            case "cancel_file_upload":
                return Asked({"id": (await self._upload())["fileId"]})
            case "get_image_part_url":
                image = await self._image(complete=False)
                return Asked({**streaming, "fileId": image["fileId"], "partNumber": "1"})
            case "get_image" | "delete_image":
                return Asked({**streaming, "fileId": (await self._image())["fileId"]})
            case "delete_many_images":
                return Asked(streaming, body=[(await self._image())["fileId"]])
            case "delete_asset_image":
                images = {"images": {"gone": {"url": "https://example.org/x.png"}}}
                await kit.call("POST", f"/streaming/v1/assets/{self._asset}/images", images)
                return Asked({**streaming, "imageKey": "gone"})
            case "delete_asset_tag":
                tags = {"tags": [{"name": "gone"}]}
                await kit.call("POST", f"/streaming/v1/assets/{self._asset}/tags", tags)
                return Asked({**streaming, "tag": "gone"})
            case "delete_domain":
                url = f"https://{uuid4().hex}.example.org"
                domain = await kit.call("POST", "/streaming/v1/domains", {"url": url})
                return Asked(query={"playerDomainId": domain["playerDomainId"]})
            case "get_api_key" | "delete_api_key":
                return Asked({"id": await self._key()})
            case "update_api_key":
                return Asked({"id": await self._key()}, body={"name": "new", "roleId": "role-viewer"})
        raise AssertionError(f"{operation} has no case here: say what its owner may send")

    async def _key(self) -> str:
        made = await self.kit.call("POST", "/core/v1/api-key", {"name": "k", "roleId": "role-viewer"})
        return str(made["id"])

    async def _upload(self) -> dict[str, Any]:
        body = {"name": "a.mp4", "friendlyName": "a", "fileSize": self._clip.stat().st_size}
        started: dict[str, Any] = await self.kit.call("POST", "/vod/v1/files/start", body)
        return started

    async def _whole_upload(self) -> Asked:
        started = await self._upload()
        parts = await self.kit.send_parts(started, self._clip.read_bytes())
        return Asked(body={"fileId": started["fileId"], "parts": parts})

    async def _image(self, *, complete: bool = True) -> dict[str, Any]:
        data = picture()
        root = f"/streaming/v1/assets/{self._asset}/images/uploaded"
        started: dict[str, Any] = await self.kit.call(
            "POST", f"{root}/start", {"name": "p.png", "fileSize": len(data)}
        )
        started["parts"] = await self.kit.send_parts(started, data)
        if complete:
            body = {"fileId": started["fileId"], "parts": started["parts"]}
            await self.kit.call("POST", f"{root}/complete", body)
        return started

    async def _whole_image(self) -> Asked:
        image = await self._image(complete=False)
        return Asked({"assetId": self._asset}, body={"fileId": image["fileId"], "parts": image["parts"]})

    async def _chapter(self) -> Asked:
        path = f"/streaming/v1/assets/{self._asset}"
        chapter = {"chapters": [{"title": "x", "startSecond": 2}]}
        await self.kit.call("POST", f"{path}/chapters", chapter)
        chapters = (await self.kit.call("GET", path))["chapters"]
        return Asked({"assetId": self._asset, "chapterId": chapters[-1]["id"]})
