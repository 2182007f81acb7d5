"""Quality at the joints of chunks: `python -m bench.join_quality [--seconds 60] [--size 1280x720] [--smoke]`.

VMAF of every frame of a rendition made in chunks, against the same rendition made in one piece with the same
segments. Goals: each frame within 12 of a joint at most 2 worse than unchunked, their mean within 0.5; frames in
= frames out; decode times rise; sound and picture start within one audio frame.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import tempfile
from itertools import pairwise
from pathlib import Path

import av
import imageio_ffmpeg

from polycast.domain.presets import PRESETS
from polycast.domain.tracks import TrackLog
from polycast.media.assemble import assemble_video
from polycast.media.chunks import Chunk, plan_chunks
from polycast.media.encode_source import PreparedSource
from polycast.media.grid import Grid, plan_grid
from polycast.media.ladder import Rendition, plan_ladder
from polycast.media.toolkit import MediaToolkit

FFMPEG = os.environ.get("POLYCAST_FFMPEG") or imageio_ffmpeg.get_ffmpeg_exe()
NEAR = 12


def make_source(path: Path, seconds: float, size: str) -> None:
    """Scenes of different kinds that change at odd times, with grain: cuts fall inside segments and at joints."""
    width, height = size.split("x")
    scenes = [
        f"testsrc2=s={size}:r=25",
        f"mandelbrot=s={size}:r=25",
        f"life=s={width}x{height}:r=25:ratio=0.1:mold=20",
    ]
    length = 7.3
    count = max(1, int(seconds / length) + 1)
    inputs = [
        a for i in range(count) for a in ("-f", "lavfi", "-t", f"{length}", "-i", scenes[i % len(scenes)])
    ]
    graph = "".join(f"[{i}:v]format=yuv420p,setsar=1[v{i}];" for i in range(count))
    graph += "".join(f"[v{i}]" for i in range(count)) + f"concat=n={count}:v=1,noise=alls=5:allf=t[v]"
    subprocess.run(
        [FFMPEG, "-v", "error", "-y", *inputs, "-filter_complex", graph, "-map", "[v]", "-t", str(seconds), "-c:v",
         "libx264", "-preset", "veryfast", "-crf", "16", "-g", "60", str(path)],
        check=True,
    )  # fmt: skip


async def encode(
    toolkit: MediaToolkit,
    source: PreparedSource,
    grid: Grid,
    chunks: list[Chunk],
    rendition: Rendition,
    out: Path,
) -> tuple[Path, TrackLog]:
    await asyncio.to_thread(out.mkdir)
    made = [
        (await toolkit.encode_chunk(source.path, source.info, chunk, [rendition], out))[0] for chunk in chunks
    ]
    log = assemble_video(rendition, grid, made)
    folder = out / rendition.name
    whole = folder / "whole.mp4"
    parts = ["init.mp4", *(s.object for s in log.segments)]
    await asyncio.to_thread(whole.write_bytes, b"".join((folder / name).read_bytes() for name in parts))
    return whole, log


def vmaf(encoded: Path, source: Path, rendition: Rendition, scratch: Path) -> list[float]:
    """Of each frame; both are brought to the rendition's size."""
    log = scratch / "vmaf.json"
    size = f"{rendition.width}:{rendition.height}:flags=bicubic"
    subprocess.run(
        [FFMPEG, "-v", "error", "-nostdin", "-i", str(encoded), "-i", str(source), "-lavfi",
         f"[0:v]settb=1/25,setpts=N[a];[1:v]scale={size},settb=1/25,setpts=N[b];[a][b]libvmaf=log_fmt=json:log_path={log}:n_threads=2",
         "-f", "null", "-"],
        check=True,
    )  # fmt: skip
    return [frame["metrics"]["vmaf"] for frame in json.loads(log.read_text())["frames"]]


def check_times(path: Path, frames: int) -> None:
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
    times = [p.dts for p in packets]
    assert all(a is not None and b is not None and a < b for a, b in pairwise(times)), (
        "decode times must rise"
    )
    assert len(packets) == frames, f"{len(packets)} frames, {frames} in the source"


async def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--chunk-s", type=float, default=12)
    parser.add_argument("--preset", default="mp4_720p", help="its largest rung is measured")
    parser.add_argument("--smoke", action="store_true", help="five seconds at 160x90: does it run?")
    options = parser.parse_args()
    if options.smoke:
        options.seconds, options.size, options.chunk_s = 5.0, "160x90", 2.0
    with tempfile.TemporaryDirectory(prefix="polycast-bench-") as folder:
        root = Path(folder)
        source = root / "source.mp4"
        make_source(source, options.seconds, options.size)
        toolkit = MediaToolkit(ffmpeg=FFMPEG, work_root=root)
        prepared = await toolkit.prepare_source(source, await toolkit.probe(source), root)
        rendition = plan_ladder(prepared.info, PRESETS[options.preset]).renditions[-1]
        grid = plan_grid(prepared.info, prepared.frames, target_s=1.0 if options.smoke else 4.0)
        chunks = plan_chunks(grid, options.chunk_s)
        whole = plan_chunks(grid, 1e9, first_s=1e9)
        chunked, _ = await encode(toolkit, prepared, grid, chunks, rendition, root / "chunked")
        single, _ = await encode(toolkit, prepared, grid, whole, rendition, root / "single")
        frames = sum(grid.counts)
        check_times(chunked, frames)
        ours = vmaf(chunked, source, rendition, root)
        theirs = vmaf(single, source, rendition, root)
        assert len(ours) == len(theirs) == frames
        step = grid.timescale / (grid.rate or 25)
        joints = [round(chunk.starts[0] / step) for chunk in chunks[1:]]
        near = [i for j in joints for i in range(max(0, j - NEAR), min(frames, j + NEAR))]
        worst = max((theirs[i] - ours[i] for i in near), default=0.0)
        mean = statistics.fmean(theirs[i] - ours[i] for i in near) if near else 0.0
        sizes = chunked.stat().st_size / single.stat().st_size
        print(f"{rendition.name} {rendition.width}x{rendition.height}, {frames} frames, {len(joints)} joints")
        print(
            f"VMAF all frames: chunked {statistics.fmean(ours):.2f}, one piece {statistics.fmean(theirs):.2f}; bytes {sizes:.4f} x"
        )
        print(
            f"within {NEAR} frames of a joint: worst loss {worst:.2f} (goal 2), mean loss {mean:.3f} (goal 0.5)"
        )


if __name__ == "__main__":
    asyncio.run(main())
