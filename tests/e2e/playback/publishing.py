"""Videos as a customer of Video Kit publishes them: parts, complete, detect, create, wait."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from polycast.cli.videokit_client import VideoKitClient
from tests.support import waiting

Json = dict[str, Any]


@dataclass(frozen=True)
class Published:
    """An asset that was asked for; `play` and `embed` are its pages."""

    uid: str
    origin: str

    @property
    def play(self) -> str:
        return f"{self.origin}/play/{self.uid}"

    @property
    def embed(self) -> str:
        return f"{self.origin}/embed/{self.uid}"


class Publisher:
    """One tenant's key at one server."""

    def __init__(self, origin: str, key: str) -> None:
        self.origin = origin
        self.key = key

    async def upload(self, path: Path, name: str = "") -> str:
        """Upload in parts; returns the file's id."""
        async with VideoKitClient(self.origin, self.key) as client:
            started = await client.start_upload(path, name or path.stem)
            return await client.upload(started, path, lambda _: None)

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        """One call of the API that must succeed."""
        async with httpx.AsyncClient(
            base_url=f"{self.origin}/videokit", headers={"X-Api-Key": self.key}, timeout=60
        ) as client:
            answer = await client.request(method, path, json=body)
        assert answer.status_code == 200, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    async def create(
        self, path: Path, *, title: str = "", captions: Path | None = None, preset: str = "dash_hls_1080p"
    ) -> Published:
        """Upload a file, with captions in English if given, and make an asset of all its tracks."""
        file = await self.upload(path)
        detected = await self.call("POST", f"/vod/v1/files/{file}/detect")
        sources: list[Json] = [{"fileId": file, "transcodingTracks": detected["tracks"]}]
        if captions is not None:
            sources.append({"fileId": await self.upload(captions), "fileTypesFlag": "Caption"})
        made = await self.call(
            "POST",
            "/vod/v1/assets",
            {"transcodedSources": sources, "preset": preset, "title": title or path.stem},
        )
        return Published(made["id"], self.origin)

    async def complete(self, asset: Published, timeout_s: float = 60.0) -> None:
        """Wait until nothing is left to make."""

        async def whole() -> bool:
            found = await self.call("GET", f"/vod/v1/assets/{asset.uid}")
            states = [output["status"] for output in found["outputs"]]
            assert "Error" not in states, found
            return bool(states) and all(state == "Available" for state in states)

        await waiting.until(whole, timeout_s=timeout_s, what=f"asset {asset.uid} complete")

    async def published(self, path: Path, **more: Any) -> Published:
        """`create` and `complete`."""
        asset = await self.create(path, **more)
        await self.complete(asset)
        return asset
