"""A client of Gotipath Stream as the vendor's integrators write them: plain HTTP, three headers."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from tests.support.server import PolycastServer
from tests.support.waiting import until

PART = 5 * 1024 * 1024
READY_S = 45.0


class Gotipath:
    """One library of a running server, with the key of somebody.

    Attributes:
        base: below it stand the contract's own paths.
    """

    def __init__(self, server: PolycastServer, client: str, library: str, key: str) -> None:
        self.server = server
        self.base = f"{server.url}/gotipath/v1"
        self.client, self.library, self.key = client, library, key
        self.http = httpx.AsyncClient(timeout=30)

    async def __aenter__(self) -> "Gotipath":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    @property
    def credentials(self) -> dict[str, str]:
        names = ("X-Auth-ClientId", "X-Auth-LibraryId", "X-Auth-ApiKey")
        return dict(zip(names, (self.client, self.library, self.key), strict=True))

    @property
    def token(self) -> dict[str, str]:
        """The one header of browser clients."""
        return {"uppy-auth-token": json.dumps(self.credentials)}

    async def call(self, method: str, path: str, **more: Any) -> httpx.Response:
        """A request below the base address; below the library's where `path` has no slash at its start."""
        url = f"{self.base}{path}" if path.startswith("/") else f"{self.base}/libraries/{self.library}/{path}"
        headers = self.credentials | more.pop("headers", {})
        return await self.http.request(method, url.rstrip("/"), headers=headers, **more)

    async def ok(self, method: str, path: str, *, status: int = 200, **more: Any) -> Any:
        """The result of a call that must succeed, its envelope checked."""
        answer = await self.call(method, path, **more)
        assert answer.status_code == status, answer.text
        body = answer.json()
        assert set(body) == {"message", "result", "success"}
        assert body["success"] is True
        return body["result"]

    async def refused(self, status: int, method: str, path: str, **more: Any) -> dict[str, Any]:
        """The error envelope of a call that must fail, readable for browsers too."""
        answer = await self.call(method, path, **more)
        assert answer.status_code == status, answer.text
        assert answer.headers["access-control-allow-origin"] == "*"
        body: dict[str, Any] = answer.json()
        assert set(body) == {"message", "errors", "success"}
        assert body["success"] is False
        assert body["message"]
        return body

    async def create(self, name: str = "Harbour", **more: Any) -> str:
        """A new video; its id."""
        return str((await self.ok("POST", "videos", json={"name": name, **more}))["id"])

    async def upload(self, video: str, path: Path) -> httpx.Response:
        """The mobile client's flow: one part after the other; the answer of complete."""
        metadata = {"name": path.name, "video_id": video, "library_id": self.library, "collection_id": ""}
        opened = await self.call(
            "POST",
            "/uploads/s3/multipart",
            json={"filename": path.name, "type": "video/mp4", "metadata": metadata},
        )
        assert opened.status_code == 200, opened.text
        upload, key = opened.json()["uploadId"], opened.json()["key"]
        data, parts = await asyncio.to_thread(path.read_bytes), []
        for number, start in enumerate(range(0, len(data), PART), 1):
            signed = await self.call("GET", f"/uploads/s3/multipart/{upload}/{number}?key={quote(key)}")
            assert signed.status_code == 200, signed.text
            put = await self.http.put(
                signed.json()["url"],
                content=data[start : start + PART],
                headers={"content-type": "binary/octet-stream"},
            )
            assert put.status_code == 200, put.text
            parts.append({"PartNumber": number, "ETag": put.headers["etag"]})
        return await self.call(
            "POST", f"/uploads/s3/multipart/{upload}/complete?key={key}", json={"parts": parts}
        )

    async def published(self, path: Path, name: str = "Harbour", *, whole: bool = False) -> str:
        """A video that plays; with all its renditions if `whole`."""
        video = await self.create(name)
        answer = await self.upload(video, path)
        assert answer.status_code == 200, answer.text
        await self.until_playable(video, whole=whole)
        return video

    async def until_playable(self, video: str, *, whole: bool = False) -> dict[str, Any]:
        """The video's details once it plays."""

        async def ready() -> dict[str, Any] | None:
            detail: dict[str, Any] = await self.ok("GET", f"videos/{video}")
            assert detail["status"] != "failed", detail
            done = detail["status"] == "playable" and (not whole or detail["transcoding_progress"] == 100)
            return detail if done else None

        return await until(ready, timeout_s=READY_S, what="the video plays")

    async def first_segment(self, manifest: str) -> bytes:
        """What a player fetches: multivariant playlist, media playlist, init and first segment."""
        variants = await self.text(manifest)
        media = httpx.URL(manifest).join(next(x for x in variants.splitlines() if x and x[0] != "#"))
        playlist = await self.text(str(media))
        found = re.search(r'#EXT-X-MAP:URI="([^"]+)"', playlist)
        assert found, playlist
        first = next(x for x in playlist.splitlines() if x and x[0] != "#")
        return b"".join([(await self.http.get(media.join(uri))).content for uri in (found[1], first)])

    async def text(self, url: str) -> str:
        """The body of a page or playlist that must be there."""
        answer = await self.http.get(url, follow_redirects=True)
        assert answer.status_code == 200, f"{url}: {answer.status_code} {answer.text[:300]}"
        return answer.text
