"""What chunks cost: `python -m bench.ladder [--seconds 60] [--size 1280x720] [--runs 5] [--only one|first] [--smoke]`.

CPU seconds (user + system, all children) of the whole ladder of one source: by Polycast (frame index, chunks,
proof of every segment, audio), and by the best single ffmpeg command that gives the same renditions with the
same settings.

one    the source plays as it is, all rungs come of one decode. Goal: at most 1.10 times
first  the first rung is made ahead, by a pass of its own. Goal: at most 1.30 times
"""

import argparse
import asyncio
import subprocess
import tempfile
from pathlib import Path

from bench.machine import FFMPEG
from bench.report import Report, timed, told
from polycast.domain.media import SourceInfo
from polycast.domain.presets import PRESETS
from polycast.media.assemble import assemble_audio, assemble_video
from polycast.media.chunks import plan_chunks
from polycast.media.grid import plan_grid
from polycast.media.ladder import Rendition, plan_ladder
from polycast.media.profiles import PROFILES, Speed
from polycast.media.toolkit import MediaToolkit
from polycast.settings import Settings

GOALS = {"one": 1.10, "first": 1.30}
WORDS = {"one": "ladder, one pass", "first": "ladder, first rung ahead"}
PRESET = "dash_hls_1080p"
CHUNK_S = float(Settings.model_fields["chunk_s"].default)
Pass = tuple[Speed, tuple[Rendition, ...]]


def make_source(path: Path, seconds: float, size: str) -> None:
    """A moving picture with some grain, as cameras make it: H.264 and AAC at 25 frames a second."""
    subprocess.run(
        [FFMPEG, "-v", "error", "-y", "-f", "lavfi", "-i", f"testsrc2=s={size}:r=25:d={seconds}",
         "-f", "lavfi", "-i", f"anoisesrc=a=0.1:d={seconds}", "-vf", "noise=alls=6:allf=t", "-c:v", "libx264",
         "-preset", "veryfast", "-g", "60", "-pix_fmt", "yuv420p", "-c:a", "aac", "-ac", "2", str(path)],
        check=True,
    )  # fmt: skip


def passes(info: SourceInfo, kind: str) -> list[Pass]:
    """Which renditions each decode of the source makes, and how fast."""
    ladder = plan_ladder(info, PRESETS[PRESET])
    if kind == "one":
        return [("standard", ladder.renditions)]
    assert ladder.first is not None
    return [("first", (ladder.first,)), ("standard", ladder.rest)]


async def ours(toolkit: MediaToolkit, source: Path, info: SourceInfo, out: Path, kind: str) -> None:
    """As the jobs do it, one after the other."""
    prepared = await toolkit.prepare_source(source, info, out)
    grid = plan_grid(prepared.info, prepared.frames)
    chunks = plan_chunks(grid, CHUNK_S)
    for speed, renditions in passes(prepared.info, kind):
        encoded = [
            await toolkit.encode_chunk(prepared.path, prepared.info, chunk, renditions, out, speed=speed)
            for chunk in chunks
        ]
        for i, rendition in enumerate(renditions):
            assemble_video(rendition, grid, [c[i] for c in encoded])
    for audio in plan_ladder(prepared.info, PRESETS[PRESET]).audio:
        assemble_audio(audio, await toolkit.encode_audio(prepared.path, prepared.info, grid, audio, out))


def single(source: Path, info: SourceInfo, out: Path, kind: str) -> None:
    """One process, one decode, the same encoder settings, key frames every four seconds."""
    wanted = [(speed, rendition) for speed, renditions in passes(info, kind) for rendition in renditions]
    graph = f"[0:v]split={len(wanted)}" + "".join(f"[s{i}]" for i in range(len(wanted)))
    args: list[str] = []
    for i, (speed, r) in enumerate(wanted):
        profile = PROFILES[r.profile]
        graph += f";[s{i}]scale={r.width}:{r.height}:flags=bicubic,setsar=1,format=yuv420p[o{i}]"
        args += [
            "-map", f"[o{i}]", "-c:v", profile.encoder, *profile.args, *profile.speeds[speed], "-crf", f"{r.crf:g}",
            "-maxrate", str(r.maxrate_bps), "-bufsize", str(r.bufsize_bits), "-threads", "1",
            "-force_key_frames", "expr:gte(t,n_forced*4)", profile.params_flag, ":".join(profile.params),
            str(out / f"{r.name}.mp4"),
        ]  # fmt: skip
    [audio] = plan_ladder(info, PRESETS[PRESET]).audio
    subprocess.run(
        [FFMPEG, "-v", "error", "-nostdin", "-y", "-filter_complex_threads", "1", "-threads", "1", "-i", str(source),
         "-filter_complex", graph, *args, "-map", "0:a", "-c:a", "aac", "-b:a", str(audio.bitrate_bps), str(out / "audio.mp4")],
        check=True,
    )  # fmt: skip


def measure(report: Report, root: Path, source: Path, kind: str, runs: int, length: str) -> None:
    toolkit = MediaToolkit(ffmpeg=FFMPEG, work_root=root)
    info = asyncio.run(toolkit.probe(source))
    mine: list[tuple[float, float]] = []
    rival: list[tuple[float, float]] = []
    for _ in range(runs):
        with tempfile.TemporaryDirectory(dir=root) as out:
            mine.append(timed(lambda to=Path(out): asyncio.run(ours(toolkit, source, info, to, kind))))  # type: ignore[misc]
        with tempfile.TemporaryDirectory(dir=root) as out:
            rival.append(timed(lambda to=Path(out): single(source, info, to, kind)))  # type: ignore[misc]
        told(f"{WORDS[kind]}, CPU against the single command's", mine[-1][1] / rival[-1][1], "x")
    rungs = sum(len(renditions) for _, renditions in passes(info, kind))
    report.compare(f"{WORDS[kind]}, {rungs} rungs of {length}", "s CPU", [cpu for _, cpu in mine],
                   "best single ffmpeg command", [cpu for _, cpu in rival], goal=GOALS[kind])  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", choices=sorted(GOALS), help="one of the two")
    parser.add_argument("--smoke", action="store_true", help="two seconds at 640x360, once: does it run?")
    given = parser.parse_args()
    if given.smoke:
        given.seconds, given.size, given.runs = 2.0, "640x360", 1
    report = Report("ladder")
    with tempfile.TemporaryDirectory(prefix="polycast-bench-") as folder:
        root = Path(folder)
        source = root / "source.mp4"
        make_source(source, given.seconds, given.size)
        for kind in [given.only] if given.only else GOALS:
            measure(report, root, source, kind, given.runs, f"{given.seconds:g} s {given.size}")
    report.finish()


if __name__ == "__main__":
    main()
