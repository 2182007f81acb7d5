"""What chunks cost: `python -m bench.ladder [--seconds 60] [--size 1280x720] [--runs 5] [--smoke]`.

CPU seconds (user + system, all children) of the whole ladder of one source: by Polycast (frame index, chunks,
proof of every segment, audio), and by the best single ffmpeg command that gives the same renditions with the
same settings. Goal: at most 1.10 times.
"""

import argparse
import asyncio
import os
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import imageio_ffmpeg

from polycast.domain.media import SourceInfo
from polycast.domain.presets import PRESETS
from polycast.media.assemble import assemble_audio, assemble_video
from polycast.media.chunks import plan_chunks
from polycast.media.grid import plan_grid
from polycast.media.ladder import Ladder, plan_ladder
from polycast.media.profiles import PROFILES
from polycast.media.toolkit import MediaToolkit

FFMPEG = os.environ.get("POLYCAST_FFMPEG") or imageio_ffmpeg.get_ffmpeg_exe()


def make_source(path: Path, seconds: float, size: str) -> None:
    """A moving picture with some grain, as cameras make it: H.264 and AAC at 25 frames a second."""
    subprocess.run(
        [FFMPEG, "-v", "error", "-y", "-f", "lavfi", "-i", f"testsrc2=s={size}:r=25:d={seconds}",
         "-f", "lavfi", "-i", f"anoisesrc=a=0.1:d={seconds}", "-vf", "noise=alls=6:allf=t", "-c:v", "libx264",
         "-preset", "veryfast", "-g", "60", "-pix_fmt", "yuv420p", "-c:a", "aac", "-ac", "2", str(path)],
        check=True,
    )  # fmt: skip


def cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN), resource.getrusage(resource.RUSAGE_SELF)
    return sum(u.ru_utime + u.ru_stime for u in used)


async def ours(toolkit: MediaToolkit, source: Path, info: SourceInfo, out: Path, chunk_s: float) -> Ladder:
    prepared = await toolkit.prepare_source(source, info, out)
    ladder = plan_ladder(prepared.info, PRESETS["dash_hls_1080p"])
    grid = plan_grid(prepared.info, prepared.frames)
    encoded = [
        await toolkit.encode_chunk(prepared.path, prepared.info, chunk, ladder.renditions, out)
        for chunk in plan_chunks(grid, chunk_s)
    ]
    for i, rendition in enumerate(ladder.renditions):
        assemble_video(rendition, grid, [c[i] for c in encoded])
    for audio in ladder.audio:
        assemble_audio(audio, await toolkit.encode_audio(prepared.path, prepared.info, grid, audio, out))
    return ladder


def single(source: Path, ladder: Ladder, out: Path) -> None:
    """One process, one decode, the same encoder settings, key frames every four seconds."""
    count = len(ladder.renditions)
    graph = f"[0:v]split={count}" + "".join(f"[s{i}]" for i in range(count))
    args: list[str] = []
    for i, r in enumerate(ladder.renditions):
        profile = PROFILES[r.profile]
        graph += f";[s{i}]scale={r.width}:{r.height}:flags=bicubic,setsar=1,format=yuv420p[o{i}]"
        args += [
            "-map", f"[o{i}]", "-c:v", profile.encoder, *profile.args, *profile.speeds["standard"], "-crf", f"{r.crf:g}",
            "-maxrate", str(r.maxrate_bps), "-bufsize", str(r.bufsize_bits), "-threads", "1",
            "-force_key_frames", "expr:gte(t,n_forced*4)", profile.params_flag, ":".join(profile.params),
            str(out / f"{r.name}.mp4"),
        ]  # fmt: skip
    subprocess.run(
        [FFMPEG, "-v", "error", "-nostdin", "-y", "-filter_complex_threads", "1", "-threads", "1", "-i", str(source),
         "-filter_complex", graph, *args, "-map", "0:a", "-c:a", "aac", "-b:a", "128k", str(out / "audio.mp4")],
        check=True,
    )  # fmt: skip


async def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--chunk-s", type=float, default=24)
    parser.add_argument("--smoke", action="store_true", help="two seconds at 160x90, once: does it run?")
    options = parser.parse_args()
    if options.smoke:
        options.seconds, options.size, options.runs = 2.0, "160x90", 1
    with tempfile.TemporaryDirectory(prefix="polycast-bench-") as folder:
        root = Path(folder)
        source = root / "source.mp4"
        make_source(source, options.seconds, options.size)
        toolkit = MediaToolkit(ffmpeg=FFMPEG, work_root=root)
        info = await toolkit.probe(source)
        results: dict[str, list[tuple[float, float]]] = {"polycast": [], "single command": []}
        for _ in range(options.runs):
            out = root / "out"
            out.mkdir()
            cpu, wall = cpu_s(), time.perf_counter()
            ladder = await ours(toolkit, source, info, out, options.chunk_s)
            results["polycast"].append((cpu_s() - cpu, time.perf_counter() - wall))
            shutil.rmtree(out)
            out.mkdir()
            cpu, wall = cpu_s(), time.perf_counter()
            single(source, ladder, out)
            results["single command"].append((cpu_s() - cpu, time.perf_counter() - wall))
            shutil.rmtree(out)
    for name, runs in results.items():
        cpus, walls = sorted(c for c, _ in runs), sorted(w for _, w in runs)
        print(
            f"{name:<15} CPU median {statistics.median(cpus):7.2f} s  p95 {cpus[int(0.95 * (len(cpus) - 1))]:7.2f} s"
            f"   wall median {statistics.median(walls):7.2f} s"
        )
    ratio = statistics.median(c for c, _ in results["polycast"]) / statistics.median(
        c for c, _ in results["single command"]
    )
    print(
        f"ratio {ratio:.3f} (goal 1.10), {len(ladder.renditions)} renditions of {options.seconds:g} s {options.size}"
    )


if __name__ == "__main__":
    asyncio.run(main())
