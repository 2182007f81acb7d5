"""A customer's view of the Video Kit API: plain HTTP calls, as the product's documents show them."""

import asyncio
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from tests.support.server import PolycastServer, TenantKey
from tests.support.waiting import STRETCH, until

Json = dict[str, Any]
PLAYABLE_S = 40.0


class Kit:
    """One key at one server. `api` calls the dialect, `web` is any browser: no key, absolute addresses."""

    def __init__(self, server: PolycastServer, tenant: TenantKey, key: str | None = None) -> None:
        self.server = server
        self.tenant = tenant
        timeout = httpx.Timeout(30 * STRETCH)
        self.api = httpx.AsyncClient(
            base_url=f"{server.url}/videokit", headers={"X-Api-Key": key or tenant.key}, timeout=timeout
        )
        self.web = httpx.AsyncClient(timeout=timeout)

    async def close(self) -> None:
        await self.api.aclose()
        await self.web.aclose()

    async def call(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """The answer of a call that must succeed: its JSON, its bytes, or None without a body."""
        answer = await self.api.request(method, path, **_content(body), **options)
        assert answer.status_code == 200, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        if not answer.headers.get("content-type", "").startswith("application/json"):
            return answer.content or None
        return answer.json()

    async def refused(self, status: int, method: str, path: str, body: Any = None, **options: Any) -> str:
        """The message of a call that must be refused, in the product's error form."""
        answer = await self.api.request(method, path, **_content(body), **options)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        return error_of(answer)

    async def upload(self, path: Path, name: str | None = None, **more: Any) -> str:
        """Upload a file as the product's upload guide does; returns its id."""
        data = await asyncio.to_thread(path.read_bytes)
        started = await self.call(
            "POST",
            "/vod/v1/files/start",
            {
                "name": name or path.name,
                "friendlyName": path.stem,
                "fileSize": len(data),
                **more,
            },
        )
        parts = await self.send_parts(started, data)
        await self.call("POST", "/vod/v1/files/complete", {"fileId": started["fileId"], "parts": parts})
        return str(started["fileId"])

    async def send_parts(self, started: Json, data: bytes) -> list[Json]:
        """PUT all parts of a started upload, without any key."""
        size = started["partSize"]
        assert started["partsCount"] == math.ceil(len(data) / size)
        parts = []
        for number, url in enumerate(started["multipartUrls"], 1):
            block = data[(number - 1) * size : number * size]
            answer = await self.web.put(
                url, content=block, headers={"Content-Type": "application/octet-stream"}
            )
            assert answer.status_code == 200, answer.text
            parts.append({"partNumber": number, "eTag": answer.headers["ETag"]})
        return parts

    async def create(
        self, file: str, preset: str = "dash_hls_720p", title: str = "A clip", **more: Any
    ) -> str:
        """An asset of all tracks of a file."""
        tracks = (await self.call("POST", f"/vod/v1/files/{file}/detect"))["tracks"]
        source = {"fileId": file, "fileTypesFlag": "Video", "transcodingTracks": tracks}
        body = {"transcodedSources": [source], "preset": preset, "title": title, **more}
        return str((await self.call("POST", "/vod/v1/assets", body))["id"])

    async def vod(self, asset: str) -> Json:
        found: Json = await self.call("GET", f"/vod/v1/assets/{asset}")
        return found

    async def playable(self, asset: str, timeout_s: float = PLAYABLE_S) -> Json:
        """The asset once it plays."""

        async def available() -> Json | None:
            found = await self.vod(asset)
            assert found["status"] != "Error", found
            return found if found["status"] == "Available" else None

        return await until(available, timeout_s=timeout_s, what=f"asset {asset} plays")

    async def output(self, asset: str, output: str, timeout_s: float = PLAYABLE_S) -> Json:
        """An output once nothing more happens to it."""

        async def ready() -> Json | None:
            found = await self.vod(asset)
            one: Json = next(o for o in found["outputs"] if o["id"] == output)
            assert one["status"] != "Error", found
            return one if one["status"] == "Available" else None

        return await until(ready, timeout_s=timeout_s, what=f"output {output}")

    async def settled(self, asset: str, timeout_s: float = PLAYABLE_S) -> Json:
        """The asset once its main output is whole."""
        main = (await self.playable(asset, timeout_s))["transcodedJobId"]
        assert main
        found = await self.vod(asset)
        await self.output(asset, found["outputs"][0]["id"], timeout_s)
        return await self.vod(asset)

    async def upload_image(self, asset: str, path: Path, name: str) -> Json:
        """Upload a picture for an asset; the answer of complete."""
        data = await asyncio.to_thread(path.read_bytes)
        root = f"/streaming/v1/assets/{asset}/images/uploaded"
        started = await self.call("POST", f"{root}/start", {"name": name, "fileSize": len(data)})
        parts = await self.send_parts(started, data)
        done: Json = await self.call(
            "POST", f"{root}/complete", {"fileId": started["fileId"], "parts": parts}
        )
        return done

    async def page(self, asset: str, **query: str) -> httpx.Response:
        """The player page, as the embed address leads to it."""
        return await self.web.get(
            f"{self.server.url}/videokit/v1/embed/bitmovin",
            params={"assetId": asset, **query},
            follow_redirects=True,
        )

    async def player(self, asset: str) -> Json:
        """The configuration that the player page runs on."""
        page = await self.page(asset)
        code = page.url.path.rsplit("/", 1)[1]
        answer = await self.web.get(f"{self.server.url}/play/{code}/config.json")
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    async def clear_away(self) -> None:
        """Run upkeep now instead of within the minute."""
        async with self.server.platform() as platform:
            await platform.services.upkeep.run()


def _content(body: Any) -> Json:
    # written in ASCII, so that half a surrogate pair can be sent as well
    if body is None:
        return {}
    return {"content": json.dumps(body), "headers": {"Content-Type": "application/json"}}


def error_of(answer: httpx.Response) -> str:
    """The message of an error answer; checks the form all errors have."""
    body = answer.json()
    assert set(body) == {"status", "success"}, body
    assert body["success"] is False
    assert body["status"]["status"] == answer.status_code
    assert body["status"]["code"], body
    message: str = body["status"]["message"]
    assert message
    return message


def ids(page: Json) -> list[str]:
    """The ids of a page of a list."""
    return [item["id"] for item in page["items"]]


def objects(server: PolycastServer, needle: str) -> list[Path]:
    """Stored objects with `needle` in their key."""
    root = server.data / "store" / "objects"
    return [p for p in root.rglob("*") if p.is_file() and needle in p.relative_to(root).as_posix()]


def endpoint(found: Json, form: str) -> str:
    """The address of an asset or output in a format."""
    urls: Sequence[str] = [e["url"] for e in found["endpoints"] if e["format"] == form]
    assert urls, found
    return urls[0]
