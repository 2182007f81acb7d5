"""What the one ffmpeg of a whole file may use: by how much there is to do, not by what a chunk needs. Pure."""

from dataclasses import replace

from polycast.domain.media import SourceInfo
from polycast.media.mp4_command import Mp4Plan
from polycast.media.toolkit_runner import ToolLimits

CPU_S_A_MEGAPIXEL = 0.25
"""Processor seconds allowed to decode, tone-map, scale and encode a million pixels: ten times what the slowest
codec here takes. 1080p at 30 frames a second may take 16 s a second."""
_CPU_S_SOUND = 0.1
"""The same for a second of one audio track."""
_ANY_RATE = 60.0
_MOVE_BYTES_S = 10 << 20
"""The index is put first by moving the whole file once more, silently: as much as the slowest disk does."""


def work_limits(limits: ToolLimits, info: SourceInfo, plan: Mp4Plan, length_s: float) -> ToolLimits:
    """`limits`, raised to what this plan needs.

    Args:
        length_s: of the finished file.
    """
    source_bytes = info.size_bytes + sum(b.info.size_bytes for b in plan.beside)
    sounds = [made for _, _, made in plan.every_audio if made is not None]
    bps = sum(made.bitrate_bps for made in sounds) + (plan.video.maxrate_bps if plan.video else 0)
    cpu_s = length_s * len(sounds) * _CPU_S_SOUND
    video = plan.source_video
    if plan.video is not None and video is not None:
        pixels = max(video.width * video.height, plan.video.pixels)
        rate = float(video.frame_rate or video.nominal_rate or _ANY_RATE)
        cpu_s += length_s * rate * pixels / 1e6 * CPU_S_A_MEGAPIXEL
    return for_bytes(
        replace(
            limits,
            cpu_s=max(limits.cpu_s, cpu_s),
            # processors are shared with other work; that it stands still is told by the stall clock
            wall_s=max(limits.wall_s, 2 * cpu_s),
        ),
        source_bytes + int(length_s * bps / 8),
    )


def for_bytes(limits: ToolLimits, size_bytes: int) -> ToolLimits:
    """`limits` for a file of this size that is written and then moved."""
    return replace(
        limits,
        file_bytes=max(limits.file_bytes, size_bytes * 11 // 10 + (1 << 30)),
        stall_s=limits.stall_s + size_bytes / _MOVE_BYTES_S,
    )
