"""A small client of the Video Kit API: what `publish` and the demo need, as any customer would write it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from polycast.domain.errors import UpstreamFailed

Json = dict[str, Any]
_PARALLEL_PARTS = 4
_TRIES = 4
_PIECE = 256 * 1024


@dataclass(frozen=True, slots=True)
class Rendition:
    """Progress of one rendition, 0..1."""

    name: str
    progress: float


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an asset is.

    Attributes:
        status: Processing | Available | Error.
        overall: 0..1.
        complete: nothing is left to do.
        endpoints: format -> address of what plays already.
    """

    status: str
    overall: float
    renditions: tuple[Rendition, ...]
    complete: bool
    endpoints: dict[str, str]
    error: str | None


class VideoKitClient:
    """Calls one server with one key; close it with `async with`.

    Args:
        url: origin of the server.

    Raises (from all methods):
        UpstreamFailed: the server refused, or cannot be reached; the message is for the user.
    """

    def __init__(self, url: str, key: str) -> None:
        self._origin = url.rstrip("/")
        self._api = httpx.AsyncClient(
            base_url=f"{self._origin}/videokit",
            headers={"X-Api-Key": key},
            timeout=httpx.Timeout(60, connect=10),
        )
        # parts go to signed addresses, maybe of another host: without the key
        self._parts = httpx.AsyncClient(timeout=httpx.Timeout(300, connect=10))

    async def __aenter__(self) -> "VideoKitClient":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._api.aclose()
        await self._parts.aclose()

    async def presets(self) -> list[str]:
        """Names of all that can be made of a video."""
        answer = await self._call("GET", "/transcoder/v1/presets")
        return [str(each["name"]) for each in answer["items"]]

    async def start_upload(self, path: Path, name: str) -> Json:
        """Announce a file; the answer is what `upload` wants."""
        size = path.stat().st_size  # noqa: ASYNC240 - one call
        return await self._call(
            "POST", "/vod/v1/files/start", {"name": path.name, "friendlyName": name, "fileSize": size}
        )

    async def upload(self, started: Json, path: Path, on_bytes: Callable[[int], None]) -> str:
        """Upload an announced file in parts, several at once; returns its id once the server has checked it.

        Args:
            on_bytes: told of bytes as they leave; of negative ones when a part has to be sent again.
        """
        size = path.stat().st_size  # noqa: ASYNC240 - one call
        gate = asyncio.Semaphore(_PARALLEL_PARTS)
        urls = dict(enumerate(started["multipartUrls"], 1))

        async def send(number: int) -> Json:
            async with gate:
                url = (
                    urls.get(number)
                    or (await self._call("GET", f"/vod/v1/files/{started['fileId']}/part/{number}"))["url"]
                )
                offset = (number - 1) * started["partSize"]
                length = min(started["partSize"], size - offset)
                etag = await self._put_part(url, path, offset, length, on_bytes)
                return {"partNumber": number, "eTag": etag}

        try:
            async with asyncio.TaskGroup() as group:
                sends = [group.create_task(send(number)) for number in range(1, started["partsCount"] + 1)]
        except ExceptionGroup as several:
            # the parts fail for one reason
            raise several.exceptions[0] from several
        parts = [task.result() for task in sends]
        await self._call("POST", "/vod/v1/files/complete", {"fileId": started["fileId"], "parts": parts})
        return str(started["fileId"])

    async def create_asset(self, file_id: str, title: str, preset: str) -> str:
        """Make an asset of all tracks of a file; returns its id."""
        detected = await self._call("POST", f"/vod/v1/files/{file_id}/detect")
        # without a fileTypesFlag: a file of sound alone is published as well
        source = {"fileId": file_id, "transcodingTracks": detected["tracks"]}
        made = await self._call(
            "POST", "/vod/v1/assets", {"transcodedSources": [source], "preset": preset, "title": title}
        )
        return str(made["id"])

    async def progress(self, asset_id: str) -> Progress:
        """How far an asset is, with each rendition where the server tells."""
        asset = await self._call("GET", f"/vod/v1/assets/{asset_id}")
        outputs = asset.get("outputs") or []
        renditions: list[Rendition] = []
        overall, count = 0.0, 0
        for output in outputs:
            state = await self._call("GET", f"/vod/v1/assets/{asset_id}/outputs/{output['id']}/progress")
            count += 1
            overall += float(state.get("progress") or 0) / 100
            renditions += [
                Rendition(str(each["name"]), float(each["progress"]) / 100)
                for each in state.get("renditions") or []
            ]
        return Progress(
            status=asset["status"],
            overall=overall / count if count else 0.0,
            renditions=tuple(renditions),
            complete=bool(outputs) and all(output["status"] in ("Available", "Error") for output in outputs),
            endpoints={each["format"].upper(): each["url"] for each in asset.get("endpoints") or []},
            error=asset.get("errorMessage"),
        )

    async def _put_part(
        self, url: str, path: Path, offset: int, length: int, on_bytes: Callable[[int], None]
    ) -> str:
        for attempt in range(1, _TRIES + 1):
            sent = 0

            async def body() -> AsyncIterator[bytes]:
                nonlocal sent
                for start in range(offset, offset + length, _PIECE):
                    piece = await asyncio.to_thread(_read, path, start, min(_PIECE, offset + length - start))
                    yield piece
                    sent += len(piece)
                    on_bytes(len(piece))

            headers = {"Content-Type": "application/octet-stream", "Content-Length": str(length)}
            try:
                answer = await self._parts.put(url, content=body(), headers=headers)
                answer.raise_for_status()
                return str(answer.headers["ETag"])
            except httpx.HTTPError as error:
                on_bytes(-sent)  # it is sent again
                if attempt == _TRIES:
                    raise UpstreamFailed(f"a part of the upload failed: {why(error)}") from error
            await asyncio.sleep(0.5 * attempt)
        raise AssertionError("unreachable")

    async def _call(self, method: str, path: str, body: Json | None = None) -> Json:
        try:
            for attempt in range(1, _TRIES + 1):
                answer = await self._api.request(method, path, json=body)
                if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE or attempt == _TRIES:
                    break
                await asyncio.sleep(attempt)
            answer.raise_for_status()
            result: Json = answer.json()
        except httpx.ConnectError as error:
            raise UpstreamFailed(
                f"nobody answers at {self._origin} ({error}): is `polycast up` running there? --url names another address"
            ) from error
        except (httpx.HTTPError, ValueError) as error:
            raise UpstreamFailed(f"{self._origin}: {why(error)}") from error
        return result


def _read(path: Path, start: int, length: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return file.read(length)


def why(error: Exception) -> str:
    """What went wrong with a request, in one line: the server's own words where it has some."""
    if isinstance(error, httpx.HTTPStatusError):
        try:
            return str(error.response.json()["status"]["message"])
        except (ValueError, KeyError, TypeError, httpx.StreamError):
            return f"HTTP {error.response.status_code}"
    return str(error) or type(error).__name__
