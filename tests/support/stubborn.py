"""A client that does not give up: it repeats what was not answered, as those of our users do."""

import asyncio
import time
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from tests.support.waiting import STRETCH

PATIENCE_S = 40.0
Json = dict[str, Any]


class StubbornClient:
    """Calls the Video Kit API of one server; what was answered with 2xx is acknowledged.

    Attributes:
        url: origin; may be changed when the server moves.
    """

    def __init__(self, url: str, key: str) -> None:
        self.url = url
        self._key = key
        self._http = httpx.AsyncClient(timeout=httpx.Timeout(20, connect=2))

    async def aclose(self) -> None:
        await self._http.aclose()

    async def call(self, method: str, path: str, *, content: bytes | None = None, json: Any = None) -> Any:
        """The answer's JSON (or headers for a PUT); repeated while nobody answers or the server cannot.

        Raises:
            AssertionError: refused, or not answered in time.
        """
        deadline = time.monotonic() + PATIENCE_S * STRETCH
        while True:
            try:
                answer = await self._once(method, path, content, json)
                if answer.status_code < 500:
                    break
                trouble = f"{answer.status_code} {answer.text[:300]}"
            except httpx.TransportError as error:
                trouble = repr(error)
            assert time.monotonic() < deadline, f"{method} {path}: {trouble}"
            await asyncio.sleep(0.1)  # a client's pause between two tries
        if method == "DELETE" and answer.status_code == 404:
            return None  # an earlier try was carried out, its answer lost
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text[:300]}"
        return answer.headers if method == "PUT" else (answer.json() if answer.content else None)

    async def _once(self, method: str, path: str, content: bytes | None, json: Any) -> httpx.Response:
        if method == "PUT":  # signed addresses take no key
            return await self._http.put(self.url + path, content=content)
        return await self._http.request(
            method, f"{self.url}/videokit{path}", json=json, headers={"X-Api-Key": self._key}
        )

    async def upload(self, path: Path) -> str:
        """Upload a small file in one part; its id once the server has said that it is complete."""
        data = await asyncio.to_thread(path.read_bytes)
        started = await self.call(
            "POST",
            "/vod/v1/files/start",
            json={"name": path.name, "friendlyName": path.stem, "fileSize": len(data)},
        )
        url = httpx.URL(started["multipartUrls"][0])
        headers = await self.call("PUT", url.raw_path.decode(), content=data)
        await self.call(
            "POST",
            "/vod/v1/files/complete",
            json={"fileId": started["fileId"], "parts": [{"partNumber": 1, "eTag": headers["etag"]}]},
        )
        return str(started["fileId"])

    async def publish(self, path: Path) -> UUID:
        """Upload a file and make an asset of it; acknowledged when this returns."""
        file = await self.upload(path)
        tracks = (await self.call("POST", f"/vod/v1/files/{file}/detect"))["tracks"]
        source = {"fileId": file, "fileTypesFlag": "Video", "transcodingTracks": tracks}
        made = await self.call(
            "POST",
            "/vod/v1/assets",
            json={"transcodedSources": [source], "preset": "dash_hls_1080p", "title": path.name},
        )
        return UUID(made["id"])

    async def delete(self, asset: UUID) -> None:
        """Delete an asset; acknowledged when this returns."""
        await self.call("DELETE", f"/vod/v1/assets/{asset}")
