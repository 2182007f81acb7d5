"""Clips whose every frame carries its number, and the reading of those numbers from what came out.

The number stands as 12 bits, black and white, in a strip along the upper edge of the upright picture: it
survives scaling, loss, tone mapping and a change of codec, and needs no text recognition.
"""

import subprocess
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import imageio_ffmpeg
from av.video.frame import VideoFrame

from polycast.domain.media import AudioTrack, SourceInfo, VideoTrack
from polycast.domain.tracks import TrackLog

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
BITS = 12


def numbered(width: int, height: int, rate: str, frames: int, *, more: str = "") -> str:
    """A filter graph with output [v]: `frames` numbered pictures."""
    strip = max(16, height // 8 // 2 * 2)
    return (
        f"nullsrc=s={BITS}x2:r={rate}:d=100000,geq=lum='16+219*mod(floor(N/pow(2\\,X))\\,2)':cb=128:cr=128,"
        f"scale={width}:{strip}:flags=neighbor[n];"
        f"testsrc2=s={width}x{height}:r={rate}:d=100000[t];"
        f"[t][n]overlay=0:0,trim=end_frame={frames}{',' + more if more else ''}[v]"
    )


def make(
    path: Path,
    *args: str,
    rate: str = "25",
    frames: int = 150,
    size: tuple[int, int] = (192, 108),
    audio: str | None = "sine=f=440:r=48000",
    more: str = "",
) -> Path:
    """Write a clip; `args` are the encoder's. `audio` is a lavfi source, as long as the video."""
    graph = numbered(*size, rate, frames, more=more)
    command = [FFMPEG, "-v", "error", "-nostdin", "-y"]
    if audio:
        command += ["-f", "lavfi", "-i", f"{audio}:d={float(frames / Fraction(rate)):.3f}"]
    command += ["-filter_complex", graph, "-map", "[v]"]
    if audio:
        command += ["-map", "0:a"]
    subprocess.run([*command, "-threads", "1", *args, str(path)], check=True)
    return path


def run_ffmpeg(*args: str) -> None:
    subprocess.run([FFMPEG, "-v", "error", "-nostdin", "-y", *args], check=True)


def number_of(frame: VideoFrame) -> int:
    """The number in the strip of one decoded frame."""
    gray = frame.reformat(format="gray", width=frame.width, height=frame.height)
    plane = gray.planes[0]
    data = bytes(plane)
    row = max(2, frame.height // 16)
    value = 0
    for bit in range(BITS):
        x = int((bit + 0.5) * frame.width / BITS)
        value |= (data[row * plane.line_size + x] > 110) << bit
    return value


@dataclass(frozen=True)
class Decoded:
    """Every frame of a file: numbers, times in seconds, size of the first; decode times of the packets."""

    numbers: list[int]
    times: list[Fraction]
    width: int
    height: int
    dts: list[int]
    pix_fmt: str
    mean: float


def decode(path: Path) -> Decoded:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.time_base is not None
        dts = [p.dts for p in container.demux(stream) if p.size and p.dts is not None]
    numbers, times, first, mean = [], [], None, 0.0
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            first = first or frame
            numbers.append(number_of(frame))
            assert frame.pts is not None and frame.time_base is not None
            times.append(frame.pts * Fraction(frame.time_base))
    assert first is not None
    plane = bytes(first.reformat(format="gray").planes[0])
    mean = sum(plane) / len(plane)
    return Decoded(numbers, times, first.width, first.height, dts, first.format.name, mean)


def whole(folder: Path, log: TrackLog) -> Path:
    """Init and all segments of a track in one playable file."""
    assert log.header.init is not None
    names = [log.header.init.object, *(s.object for s in log.segments)]
    path = folder / "whole.mp4"
    path.write_bytes(b"".join((folder / name).read_bytes() for name in names))
    return path


def facts(path: Path, **changes: object) -> SourceInfo:
    """What a probe would say, as far as encoding needs it; `changes` are members of the video track."""
    with av.open(str(path)) as container:
        video: list[VideoTrack] = []
        audio: list[AudioTrack] = []
        for stream in container.streams:
            start = float((stream.start_time or 0) * (stream.time_base or 0))
            length = float((stream.duration or 0) * (stream.time_base or 0))
            if isinstance(stream, av.VideoStream):
                context = stream.codec_context
                values: dict[str, Any] = {
                    "pix_fmt": context.pix_fmt,
                    "frame_rate": stream.average_rate,
                    "nominal_rate": stream.guessed_rate,
                    "display_width": context.width,
                    "display_height": context.height,
                    "start_s": start,
                    "duration_s": length,
                    **changes,
                }
                video.append(
                    VideoTrack(
                        f"video_{len(video) + 1}",
                        stream.index,
                        context.name,
                        context.width,
                        context.height,
                        **values,
                    )
                )
            elif isinstance(stream, av.AudioStream):
                audio.append(
                    AudioTrack(
                        f"audio_{len(audio) + 1}", stream.index, stream.codec_context.name,
                        stream.codec_context.sample_rate, stream.codec_context.channels,
                        start_s=start, duration_s=length or (container.duration or 0) / 1e6, language=stream.language,
                    )
                )  # fmt: skip
        return SourceInfo(
            container.format.name,
            (container.duration or 0) / 1e6,
            (container.start_time or 0) / 1e6,
            path.stat().st_size,
            video=tuple(video),
            audio=tuple(audio),
        )


def sound_starts(path: Path, threshold: float = 0.02) -> float:
    """Seconds at which the first sample louder than `threshold` is heard, by the file's own times."""
    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=48000)
        for frame in container.decode(audio=0):
            start = float((frame.pts or 0) * (frame.time_base or 0))
            for piece in resampler.resample(frame):
                samples = memoryview(bytes(piece.planes[0])).cast("f")[: piece.samples]
                for i, value in enumerate(samples):
                    if abs(value) > threshold:
                        return start + i / 48000
    raise AssertionError("silence")
