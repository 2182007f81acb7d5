"""`polycast publish`: upload with a progress bar, watch the encoding, show where it plays."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TransferSpeedColumn,
)

from polycast.cli.videokit_client import Progress as AssetProgress
from polycast.cli.videokit_client import VideoKitClient, why
from polycast.domain.errors import Invalid, MediaError, UpstreamFailed

_POLL_S = 0.25


@dataclass(frozen=True, slots=True)
class Published:
    """Where a video plays."""

    asset: str
    player: str
    hls: str
    dash: str


async def publish(
    source: str,
    url: str,
    key: str,
    *,
    title: str = "",
    preset: str = "dash_hls_1080p",
    console: Console | None = None,
) -> Published:
    """Upload a file, or what an address holds, and wait until all renditions are made.

    Raises:
        Invalid: no such file.
        UpstreamFailed: the server, or the address, refused.
        MediaError: it is not a video that can be played.
    """
    console = console or Console()
    async with _as_file(source, console) as path, VideoKitClient(url, key) as client:
        name = title or Path(unquote(urlsplit(source).path)).stem or "Video"
        presets = await client.presets()
        if preset not in presets:
            raise Invalid(f"there is no preset {preset}: one of {', '.join(presets)}", field="preset")
        started = await client.start_upload(path, name)
        with _upload_bars(console) as bars:
            bar = bars.add_task(f"upload {path.name}", total=path.stat().st_size)
            file_id = await client.upload(started, path, lambda count: bars.advance(bar, count))
        asset = await client.create_asset(file_id, name, preset)
        final = await _watch(client, asset, f"{url}/play/{asset}", console)
    made = Published(
        asset, f"{url}/play/{asset}", final.endpoints.get("HLS", ""), final.endpoints.get("DASH", "")
    )
    console.print(f"player  {made.player}", highlight=False, markup=False, soft_wrap=True)
    if made.hls:
        console.print(f"HLS     {made.hls}", highlight=False, markup=False, soft_wrap=True)
    if made.dash:
        console.print(f"DASH    {made.dash}", highlight=False, markup=False, soft_wrap=True)
    return made


async def _watch(client: VideoKitClient, asset: str, player: str, console: Console) -> AssetProgress:
    """Show each rendition's bar until the asset is complete."""
    tasks: dict[str, TaskID] = {}
    said = False
    with Progress(
        TextColumn("{task.description:<18}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        console=console,
    ) as bars:
        whole = bars.add_task("encoding", total=1.0)
        while True:
            now = await client.progress(asset)
            if now.status == "Error":
                raise MediaError(f"the video cannot be played: {now.error or 'no reason given'}")
            for rendition in now.renditions:
                if rendition.name not in tasks:
                    tasks[rendition.name] = bars.add_task(f"  {rendition.name}", total=1.0)
                bars.update(tasks[rendition.name], completed=rendition.progress)
            if now.status == "Available" and not said:
                said = True
                bars.console.print(f"plays already: {player}", highlight=False, markup=False, soft_wrap=True)
            bars.update(whole, completed=now.overall)
            if now.complete:
                # what is whole may have been asked after a moment before
                for task in (whole, *tasks.values()):
                    bars.update(task, completed=1.0)
                return now
            await asyncio.sleep(_POLL_S)


def unreadable(address: str) -> str:
    """Why an address cannot be read; "" when it can."""
    try:
        urlsplit(address)
        httpx.URL(address)
    except (httpx.InvalidURL, ValueError) as error:
        return str(error)
    return ""


def _upload_bars(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description:<18}", markup=False),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        console=console,
    )


@asynccontextmanager
async def _as_file(source: str, console: Console) -> AsyncIterator[Path]:
    """The source as a local file; one from an address is removed at the end."""
    if not source.startswith(("http://", "https://")):
        path = Path(source)
        if not path.is_file():  # noqa: ASYNC240 - one call
            what = "is no file" if path.exists() else "no such file"  # noqa: ASYNC240 - one call
            raise Invalid(f"{source}: {what}", field="source")
        if not path.stat().st_size:  # noqa: ASYNC240 - one call
            raise Invalid(f"{source} is empty", field="source")
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="polycast-publish-") as folder:
        path = Path(folder) / (Path(unquote(urlsplit(source).path)).name or "video")
        await _download(source, path, console)
        yield path


async def _download(source: str, path: Path, console: Console) -> None:
    try:
        async with (
            httpx.AsyncClient(follow_redirects=True, timeout=60) as client,
            client.stream("GET", source) as answer,
        ):
            answer.raise_for_status()
            size = int(answer.headers.get("Content-Length", 0)) or None
            with _upload_bars(console) as bars, path.open("wb") as file:
                bar = bars.add_task(f"fetch {path.name}", total=size)
                async for piece in answer.aiter_bytes(1 << 20):
                    file.write(piece)
                    bars.advance(bar, len(piece))
    except httpx.HTTPError as error:
        raise UpstreamFailed(f"{source}: {why(error)}") from error
