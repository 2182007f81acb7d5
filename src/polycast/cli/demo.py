"""`make demo`: a whole Polycast in one folder, one video in it, everything shown.

python -m polycast.cli.demo [VIDEO]     data in ./.polycast, or POLYCAST_DATA
"""

import asyncio
import os
import sys
from pathlib import Path

import httpx
import imageio_ffmpeg
from rich.console import Console

from polycast.cli.announce import keep_key
from polycast.cli.installation import make_folder, platform, require_owner
from polycast.cli.locks import alone
from polycast.cli.main import reported
from polycast.cli.options import settings_for
from polycast.cli.ports import PortTaken, check_free
from polycast.cli.publish import publish
from polycast.cli.up import Ready, up
from polycast.domain.errors import Invalid
from polycast.proc.child import run_child
from polycast.proc.spec import ChildSpec
from polycast.settings import PREFIX, SECRET_FILE, Settings

PRODUCTS = {
    "videokit": "Cloud Video Kit",
    "gotipath": "Gotipath Stream",
    "gjirafa": "Gjirafa VP",
    "fivecentscdn": "5centsCDN",
    "streamdo": "stream.do",
}
KEY_FILE = "admin.key"
CLIP = "demo.mp4"
_CLIP_S = 20


async def demo(settings: Settings, video: str | None) -> None:
    """Start, publish, show, and serve until Ctrl-C. A second start keeps data and key."""
    console = Console()
    data = settings.data
    require_owner(data / SECRET_FILE)
    make_folder(data)
    if video and not video.startswith(("http://", "https://")) and not Path(video).is_file():  # noqa: ASYNC240
        raise Invalid(f"{video}: no such file", field="video")
    console.print(f"Polycast demo, data in {data}", highlight=False, markup=False)
    with alone(data):  # the log of a demo that runs is left alone
        log = (data / "demo.log").open("w", buffering=1)

    def keep(name: str, line: str) -> None:
        log.write(f"{name:<8}| {line}\n")

    # made while the server starts
    making = asyncio.create_task(_source(video, data))

    async def show(ready: Ready) -> None:
        key = await _key(data / KEY_FILE, ready)
        console.print(f"ready after {ready.seconds:.1f} s: {ready.url}", highlight=False)
        if not making.done():
            console.print(
                f"making a clip of {_CLIP_S} s (make demo VIDEO=my.mp4 takes yours)", highlight=False
            )
        made = await publish(await making, ready.url, key, console=console)
        await _show_apis(console, ready.url)
        console.print(f"admin key (X-Api-Key)  {key}", highlight=False, soft_wrap=True)
        await _show_ids(console, ready.settings)
        console.print(f"log  {data / 'demo.log'}", highlight=False, markup=False, soft_wrap=True)
        console.print(f"\nWatch it at {made.player}\nServing until Ctrl-C.", highlight=False, soft_wrap=True)

    try:
        with log:
            await up(settings, on_ready=show, on_line=keep)
    finally:
        making.cancel()
        await asyncio.gather(making, return_exceptions=True)
    console.print("stopped")


def _port(settings: Settings) -> int:
    """The usual port, so that addresses of an earlier start and of the documents hold; a free one where it is taken."""
    try:
        check_free(settings.http_host, settings.http_port)
    except PortTaken:
        return 0
    return settings.http_port


async def _key(path: Path, ready: Ready) -> str:
    """The demo's admin key: of this first start, or kept from an earlier one."""
    if ready.key:
        keep_key(path, ready.key)
        return ready.key
    if path.is_file():  # noqa: ASYNC240 - one call
        return path.read_text().strip()  # noqa: ASYNC240 - one line
    # the first start was cut short between making the key and keeping it
    async with platform(ready.settings) as wired:
        from polycast.services.tenants import as_system

        owner = await wired.services.tenants.default_organization()
        assert owner is not None
        [tenant, *_] = await wired.services.tenants.list(owner)
        made = await wired.services.keys.create_for_organization(as_system(tenant.ref, "system:demo"), "Demo")
    assert made.secret is not None
    keep_key(path, made.secret)
    return made.secret


async def _show_ids(console: Console, settings: Settings) -> None:
    """What clients of products with several ids send beside the key; docs/clients.md says how."""
    async with platform(settings) as wired:
        owner = await wired.services.tenants.default_organization()
        assert owner is not None
        [tenant, *_] = await wired.services.tenants.list(owner)
    for name, value in (
        ("client (X-Auth-ClientId)", owner.organization_uid),
        ("library, tenant (X-Auth-LibraryId, X-Tenant-Id)", tenant.uid),
    ):
        console.print(f"{name}  {value}", highlight=False, soft_wrap=True)


async def _source(video: str | None, data: Path) -> str:
    return video or await _clip(data)


async def _clip(data: Path) -> str:
    """A short film of our own making: moving picture, running numbers, a tone."""
    path = data / CLIP
    if path.exists():
        return str(path)
    fresh = path.with_suffix(".new.mp4")
    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    video = f"testsrc2=size=1280x720:rate=30:duration={_CLIP_S}"
    # a rising tone: a seek can be heard
    audio = f"aevalsrc='0.2*sin(2*PI*(220+20*t)*t)':duration={_CLIP_S}:sample_rate=48000"
    await run_child(
        ChildSpec(
            [
                ffmpeg, "-v", "error", "-y",
                "-f", "lavfi", "-i", video,
                "-f", "lavfi", "-i", audio,
                # quick to make: nobody judges this encode
                "-c:v", "libx264", "-preset", "veryfast", "-crf", "23", "-pix_fmt", "yuv420p",
                # closed groups of two seconds: plays at once as it is
                "-g", "60", "-keyint_min", "60", "-sc_threshold", "0",
                "-c:a", "aac", "-b:a", "128k", "-ac", "2",
                # readable before it is whole
                "-movflags", "+faststart",
                str(fresh),
            ],
            cwd=data,
        )
    )  # fmt: skip
    fresh.rename(path)
    return str(path)


async def _show_apis(console: Console, url: str) -> None:
    """The five APIs; one that is not there says so itself."""
    async with httpx.AsyncClient(base_url=url, timeout=10) as client:
        mounts = (await client.get("/")).json()["apis"]
        for dialect, mount in mounts.items():
            answer = await client.get(f"{mount}/openapi.json")
            there = "" if answer.status_code == 200 else "  (not in this version)"
            docs = f"  docs: {url}{mount}/docs" if answer.status_code == 200 else ""
            name = PRODUCTS.get(dialect, dialect)
            console.print(f"API  {name:<16} {url}{mount}{docs}{there}", highlight=False, soft_wrap=True)


def main() -> None:
    """Run by the Makefile: `demo [VIDEO]`."""
    video = sys.argv[1] if len(sys.argv) > 1 else None
    data = None if os.environ.get(f"{PREFIX}DATA") else Path(".polycast")
    settings = settings_for(data, http_host="127.0.0.1")
    asyncio.run(demo(settings.model_copy(update={"http_port": _port(settings)}), video))


if __name__ == "__main__":
    reported(main)
