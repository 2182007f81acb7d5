"""Quality at the joints of chunks: `python -m bench.join_quality [--runs 5] [--seconds 30] [--size 1280x720] [--smoke]`.

VMAF of every frame of a rendition made in chunks, against the same rendition made in one piece with the same
segments; each run has scenes of its own. Goals: the worst frame within 12 of a joint at most 2 below unchunked,
the mean of all of them 0.5; frames in = frames out and decode times rise (asserted); a beep and its flash as far
apart as in the source, within one frame of AAC. It measures no time: other work on the machine does no harm.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import tempfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import av

from bench.machine import FFMPEG
from bench.report import Report
from polycast.domain.presets import PRESETS
from polycast.domain.tracks import TrackLog
from polycast.media.assemble import assemble_audio, assemble_video
from polycast.media.chunks import Chunk, plan_chunks
from polycast.media.encode_source import PreparedSource
from polycast.media.grid import plan_grid
from polycast.media.grid_shape import Grid
from polycast.media.ladder import Rendition, plan_ladder
from polycast.media.toolkit import MediaToolkit

NEAR = 12
WORST_GOAL, MEAN_GOAL = 2.0, 0.5
AUDIO_FRAME_MS = 1024 / 48_000 * 1000
RATE = 25
SIGNAL_S = 3
"""every so many seconds a corner turns white for one frame, and a tone sounds as long"""
LOUD = 0.1


def make_source(path: Path, seconds: float, size: str, seed: int) -> None:
    """Scenes of different kinds that change at odd times, with grain: cuts fall inside segments and at joints."""
    scenes = [
        f"testsrc2=s={size}:r={RATE}",
        f"mandelbrot=s={size}:r={RATE}:start_scale={3 - 0.4 * (seed % 5)}",
        f"life=s={size}:r={RATE}:ratio=0.1:mold=20:seed={seed}",
    ]
    length = 5.9 + 0.7 * (seed % 5)
    count = max(1, int(seconds / length) + 1)
    inputs = [
        arg
        for i in range(count)
        for arg in ("-f", "lavfi", "-t", f"{length}", "-i", scenes[(i + seed) % len(scenes)])
    ]
    graph = "".join(f"[{i}:v]format=yuv420p,setsar=1[v{i}];" for i in range(count))
    graph += (
        "".join(f"[v{i}]" for i in range(count))
        + f"concat=n={count}:v=1,noise=all_seed={seed}:alls=5:allf=t,"
    )
    shown = f"mod(n\\,{RATE * SIGNAL_S})"
    graph += "drawbox=w=iw/8:h=ih/8:c=black:t=fill,"
    graph += f"drawbox=w=iw/8:h=ih/8:c=white:t=fill:enable='eq({shown}\\,0)'[v]"
    beep = f"aevalsrc='if(lt(mod(t,{SIGNAL_S}),{1 / RATE}),0.5*sin(2*PI*1000*t),0)':s=48000:d={seconds}"
    subprocess.run(
        [FFMPEG, "-v", "error", "-y", *inputs, "-f", "lavfi", "-i", beep, "-filter_complex", graph, "-map", "[v]",
         "-map", f"{count}:a", "-t", str(seconds), "-c:v", "libx264", "-preset", "veryfast", "-crf", "16", "-g", "60",
         "-c:a", "aac", str(path)],
        check=True,
    )  # fmt: skip


async def encode(
    toolkit: MediaToolkit,
    source: PreparedSource,
    grid: Grid,
    chunks: list[Chunk],
    rendition: Rendition,
    out: Path,
) -> Path:
    await asyncio.to_thread(out.mkdir)
    made = [
        (await toolkit.encode_chunk(source.path, source.info, chunk, [rendition], out))[0] for chunk in chunks
    ]
    return await asyncio.to_thread(_whole, out / rendition.name, assemble_video(rendition, grid, made))


async def encode_sound(toolkit: MediaToolkit, source: PreparedSource, grid: Grid, out: Path) -> Path:
    [audio] = plan_ladder(source.info, PRESETS["dash_hls_720p"]).audio
    made = await toolkit.encode_audio(source.path, source.info, grid, audio, out)
    return await asyncio.to_thread(_whole, out / audio.name, assemble_audio(audio, made))


def _whole(folder: Path, log: TrackLog) -> Path:
    """The track in one file, as a player reads it."""
    whole = folder / "whole.mp4"
    whole.write_bytes(
        b"".join((folder / name).read_bytes() for name in ("init.mp4", *(s.object for s in log.segments)))
    )
    return whole


def vmaf(encoded: Path, source: Path, rendition: Rendition, scratch: Path) -> list[float]:
    """Of each frame; both are brought to the rendition's size."""
    log = scratch / "vmaf.json"
    size = f"{rendition.width}:{rendition.height}:flags=bicubic"
    subprocess.run(
        [FFMPEG, "-v", "error", "-nostdin", "-i", str(encoded), "-i", str(source), "-lavfi",
         f"[0:v]settb=1/{RATE},setpts=N[a];[1:v]scale={size},settb=1/{RATE},setpts=N[b];"
         f"[a][b]libvmaf=log_fmt=json:log_path={log}:n_threads=2",
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


def flashes(path: Path) -> list[float]:
    """Seconds at which the corner turns white."""
    found = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            row = bytes(frame.planes[0])[: frame.width // 10]  # the topmost line will do
            if statistics.fmean(row) > 128:
                found.append(float(frame.time))
    return found


def beeps(path: Path) -> list[float]:
    """Seconds at which the tone sets in."""
    found: list[float] = []
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            samples = memoryview(frame.planes[0]).cast("f")[: frame.samples]
            loud = next((n for n, sample in enumerate(samples) if abs(sample) > LOUD), None)
            if loud is None:
                continue
            at = frame.time + loud / frame.sample_rate
            # until the last tone is long over, this is the same one
            if not found or at - found[-1] > SIGNAL_S / 2:
                found.append(at)
    return found


def apart_ms(video: Path, sound: Path) -> list[float]:
    """How long after its flash each beep is heard."""
    seen, heard = flashes(video), beeps(sound)
    assert len(seen) == len(heard) > 0, f"{len(seen)} flashes, {len(heard)} beeps"
    return [(b - a) * 1000 for a, b in zip(seen, heard, strict=True)]


@dataclass
class Found:
    """What one source showed, in VMAF lost near joints, milliseconds, and chunked bytes per unchunked byte."""

    worst: float
    mean: float
    drift_ms: float
    size: float


async def one(toolkit: MediaToolkit, root: Path, given: argparse.Namespace, seed: int) -> Found:
    source = root / "source.mp4"
    await asyncio.to_thread(make_source, source, given.seconds, given.size, seed)
    prepared = await toolkit.prepare_source(source, await toolkit.probe(source), root)
    rendition = plan_ladder(prepared.info, PRESETS[given.preset]).renditions[-1]
    grid = plan_grid(prepared.info, prepared.frames, target_s=1.0 if given.smoke else 4.0)
    chunks = plan_chunks(grid, given.chunk_s)
    whole = plan_chunks(grid, 1e9, first_s=1e9)
    chunked = await encode(toolkit, prepared, grid, chunks, rendition, root / "chunked")
    single = await encode(toolkit, prepared, grid, whole, rendition, root / "single")
    sound = await encode_sound(toolkit, prepared, grid, root)
    frames = sum(grid.counts)
    assert frames == round(given.seconds * RATE), f"{frames} frames planned"
    check_times(chunked, frames)
    ours = vmaf(chunked, source, rendition, root)
    theirs = vmaf(single, source, rendition, root)
    assert len(ours) == len(theirs) == frames
    step = grid.timescale / (grid.rate or RATE)
    joints = [round(chunk.starts[0] / step) for chunk in chunks[1:]]
    near = sorted({i for j in joints for i in range(max(0, j - NEAR), min(frames, j + NEAR))})
    lost = [theirs[i] - ours[i] for i in near]
    before, after = apart_ms(source, source), apart_ms(chunked, sound)
    assert len(before) == len(after)
    drift = max(abs(a - b) for a, b in zip(before, after, strict=True))
    size = (await asyncio.to_thread(chunked.stat)).st_size / (await asyncio.to_thread(single.stat)).st_size
    print(
        f"  source {seed}: {rendition.width}x{rendition.height}, {frames} frames in and out, {len(joints)} joints; VMAF "
        f"{statistics.fmean(ours):.2f}, in one piece {statistics.fmean(theirs):.2f}; bytes {size:.4f} x",
        flush=True,
    )
    return Found(max(lost), statistics.fmean(lost), drift, size)


async def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--chunk-s", type=float, default=8)
    parser.add_argument("--preset", default="mp4_720p", help="its largest rung is measured")
    parser.add_argument("--smoke", action="store_true", help="seven seconds at 160x90, once: does it run?")
    given = parser.parse_args()
    if given.smoke:
        given.seconds, given.size, given.chunk_s, given.runs = 7.0, "160x90", 2.0, 1
    found: list[Found] = []
    for seed in range(1, given.runs + 1):
        with tempfile.TemporaryDirectory(prefix="polycast-bench-") as folder:
            root = Path(folder)
            found.append(await one(MediaToolkit(ffmpeg=FFMPEG, work_root=root), root, given, seed))
    report = Report("join_quality")
    report.limit("worst frame near a joint", "VMAF lost", [f.worst for f in found], goal=WORST_GOAL)
    report.limit("mean near joints", "VMAF lost", [f.mean for f in found], goal=MEAN_GOAL)
    report.limit("sound against picture", "ms moved", [f.drift_ms for f in found], goal=AUDIO_FRAME_MS)
    report.finish()


if __name__ == "__main__":
    asyncio.run(main())
