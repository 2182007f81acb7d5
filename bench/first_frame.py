"""From the last byte to the first picture: `python -m bench.first_frame [SOURCE …] [--runs 5] [--smoke]`.

The clock starts at the answer of the upload's last PUT, as a Video Kit client sees it, and includes
complete, detect and create; it ends when the first frame was decoded out of what HLS delivers
(multivariant playlist, media playlist, init and first segment, fetched without a delay). Sources:

h264-10min   1080p H.264/AAC, plays as it is     goal 2 s; the best hosted service takes 9 s
h264-60min   720p H.264/AAC                      goal 5 s
vp9-10min    1080p VP9/Opus, must be encoded     goal 10 s; its whole first rung within 0.15 of its length

They are looped copies, kept in a folder of the system's temporary one between runs.
"""

import argparse
import asyncio
import io
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import av
import httpx

from bench.installation import Installation
from bench.machine import FFMPEG
from bench.report import Report, told

BEST_HOSTED_S = 9.0
STAGES = ("completed", "detected", "created", "listed", "frame")
_POLL_S = 0.02
_DEADLINE_S = 600.0
_X264 = ("-c:v", "libx264", "-preset", "veryfast", "-g", "120", "-keyint_min", "120", "-sc_threshold", "0",
         "-flags", "+cgop", "-c:a", "aac", "-b:a", "128k", "-movflags", "+faststart")  # fmt: skip
_VP9 = ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-row-mt", "1", "-g", "120",
        "-c:a", "libopus", "-b:a", "96k")  # fmt: skip


@dataclass(frozen=True)
class Source:
    """A source and what is asked of it.

    Attributes:
        goal_s: to the first frame. rung_share: of its length, until its first generation is whole.
    """

    suffix: str
    size: str
    bitrate: str
    encoder: tuple[str, ...]
    seconds: int
    goal_s: float
    rung_share: float | None = None


SOURCES = {
    "h264-10min": Source("mp4", "1920x1080", "4M", _X264, 600, 2.0),
    "h264-60min": Source("mp4", "1280x720", "2M", _X264, 3600, 5.0),
    "vp9-10min": Source("webm", "1920x1080", "3M", _VP9, 600, 10.0, 0.15),
    "smoke": Source("mp4", "320x180", "200k", _X264, 20, 2.0),
}


def make(name: str, folder: Path) -> Path:
    """The source, made once: ten seconds encoded, then copied as often as it takes."""
    source = SOURCES[name]
    path = folder / f"{name}.{source.suffix}"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    once, draft = folder / f"{name}-once.{source.suffix}", folder / f"{name}-new.{source.suffix}"
    _ffmpeg(
        # some grain, as cameras make it: a smooth picture would be a tenth of the bytes
        "-f", "lavfi", "-i", f"testsrc2=s={source.size}:r=30:d=10,noise=alls=8:allf=t",
        "-f", "lavfi", "-i", "aevalsrc='0.2*sin(2*PI*(220+20*t)*t)':d=10:s=48000",
        "-pix_fmt", "yuv420p", "-ac", "2", *source.encoder,
        "-b:v", source.bitrate, "-maxrate", source.bitrate, "-bufsize", source.bitrate, str(once),
    )  # fmt: skip
    _ffmpeg("-stream_loop", str(source.seconds // 10 - 1), "-i", str(once), "-c", "copy",
            *(("-movflags", "+faststart") if source.suffix == "mp4" else ()), str(draft))  # fmt: skip
    once.unlink()
    draft.rename(path)
    return path


def _ffmpeg(*args: str) -> None:
    subprocess.run([FFMPEG, "-v", "error", "-nostdin", "-y", *args], check=True)


@dataclass
class Run:
    """Seconds since the answer of the last PUT."""

    completed: float = 0.0
    detected: float = 0.0
    created: float = 0.0
    listed: float = 0.0
    frame: float = 0.0
    whole: float = 0.0


class Customer:
    """A client of Video Kit, and a viewer."""

    def __init__(self, installation: Installation) -> None:
        self._api = httpx.AsyncClient(
            base_url=f"{installation.url}/videokit", headers={"X-Api-Key": installation.key}, timeout=300
        )
        self._plain = httpx.AsyncClient(timeout=300)
        self._url = installation.url

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        answer = await self._api.request(method, path, json=body)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    async def run(self, path: Path, *, rung: bool) -> Run:
        """One upload, to the first frame; with `rung` also to the end of the first generation."""
        size = path.stat().st_size  # noqa: ASYNC240 - one call
        started = await self.call(
            "POST", "/vod/v1/files/start", {"name": path.name, "friendlyName": path.stem, "fileSize": size}
        )
        parts = await self._put(path, started)
        began = time.perf_counter()
        run = Run()

        def now() -> float:
            return time.perf_counter() - began

        file = started["fileId"]
        await self.call("POST", "/vod/v1/files/complete", {"fileId": file, "parts": parts})
        run.completed = now()
        tracks = (await self.call("POST", f"/vod/v1/files/{file}/detect"))["tracks"]
        run.detected = now()
        source = {"fileId": file, "transcodingTracks": tracks}
        asset = (
            await self.call(
                "POST", "/vod/v1/assets", {"transcodedSources": [source], "preset": "dash_hls_1080p"}
            )
        )["id"]
        run.created = now()
        playlist = f"{self._url}/media/{asset}/playlist.m3u8"
        while (answer := await self._plain.get(playlist)).status_code != 200:
            await self._check(asset, now())
        run.listed = now()
        media = await self._first(urljoin(playlist, _uri(answer.text)))
        run.frame = now()
        while rung and "#EXT-X-ENDLIST" not in (await self._plain.get(media)).text:
            await self._check(asset, now())
        run.whole = now()
        told(f"{path.stem}, first frame", run.frame, "s")
        if rung:
            told(f"{path.stem}, whole first rung", run.whole, "s")
        # nothing of this run may work beside the next
        await self.call("DELETE", f"/vod/v1/assets/{asset}")
        await self.call("DELETE", f"/vod/v1/files/{file}")
        return run

    async def _first(self, media: str) -> str:
        """Fetch init and first segment of a media playlist and decode a frame; the playlist's address."""
        text = (await self._plain.get(media)).text
        init = text.split('#EXT-X-MAP:URI="', 1)[1].split('"', 1)[0]
        data = b"".join([(await self._plain.get(urljoin(media, uri))).content for uri in (init, _uri(text))])
        with av.open(io.BytesIO(data)) as container:
            frame = next(container.decode(video=0))
        assert frame.width > 0
        return media

    async def _put(self, path: Path, started: Any) -> list[dict[str, Any]]:
        urls = dict(enumerate(started["multipartUrls"], 1))
        parts = []
        with path.open("rb") as file:
            for number in range(1, started["partsCount"] + 1):
                url = (
                    urls.get(number)
                    or (await self.call("GET", f"/vod/v1/files/{started['fileId']}/part/{number}"))["url"]
                )
                answer = await self._plain.put(url, content=file.read(started["partSize"]))
                answer.raise_for_status()
                parts.append({"partNumber": number, "eTag": answer.headers["ETag"]})
        return parts

    async def _check(self, asset: str, elapsed: float) -> None:
        if elapsed > _DEADLINE_S:
            found = await self.call("GET", f"/vod/v1/assets/{asset}")
            raise SystemExit(
                f"no picture after {elapsed:.0f} s: {found['status']} {found.get('errorMessage')}"
            )
        await asyncio.sleep(_POLL_S)


def _uri(playlist: str) -> str:
    return next(line for line in playlist.splitlines() if line and not line.startswith("#"))


def _tell(report: Report, name: str, runs: list[Run]) -> None:
    source = SOURCES[name]
    frames = [run.frame for run in runs]
    report.limit(f"first frame, {name}", "s", frames, goal=source.goal_s)
    report.limit(f"first frame, {name}, best hosted", "s", frames, goal=BEST_HOSTED_S)
    stages = ((f"{stage} {statistics.median(getattr(run, stage) for run in runs):.2f}") for stage in STAGES)
    print(f"  seconds since the last PUT: {', '.join(stages)}", flush=True)
    if source.rung_share is not None:
        whole = [run.whole / source.seconds for run in runs]
        report.limit(f"whole first rung, {name}", "of its length", whole, goal=source.rung_share)


async def _measure(names: list[str], runs: int, folder: Path) -> None:
    paths = {name: make(name, folder) for name in names}
    report = Report("first_frame")
    with (
        tempfile.TemporaryDirectory(prefix="polycast-bench-") as data,
        Installation(Path(data)) as installation,
    ):
        customer = Customer(installation)
        if "smoke" not in names:
            # the first upload after a start pays for loading what all later ones have
            await customer.run(make("smoke", folder), rung=False)
        for name in names:
            rung = SOURCES[name].rung_share is not None
            _tell(report, name, [await customer.run(paths[name], rung=rung) for _ in range(runs)])
    report.finish()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "sources", nargs="*", metavar="SOURCE", help=", ".join(n for n in SOURCES if n != "smoke")
    )
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--smoke", action="store_true", help="one run of a tiny source")
    given = parser.parse_args()
    names = ["smoke"] if given.smoke else given.sources or [name for name in SOURCES if name != "smoke"]
    if unknown := set(names) - set(SOURCES):
        parser.error(f"no source {', '.join(sorted(unknown))}")
    folder = Path(tempfile.gettempdir()) / "polycast-bench-media"
    asyncio.run(_measure(names, 1 if given.smoke else given.runs, folder))


if __name__ == "__main__":
    main()
