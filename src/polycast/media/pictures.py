"""What the makers of pictures share: limits, the child, the track."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import structlog

from polycast.domain.errors import ChildFailed, Unreadable
from polycast.domain.media import SourceInfo, VideoTrack
from polycast.media.toolkit_runner import ToolLimits, Tools

log = structlog.get_logger()

PICTURE_LIMITS = ToolLimits(
    memory_bytes=3 << 30,  # a decoder of 8K at 10 bits holds some twenty pictures
    cpu_s=600,
    wall_s=1800,
    stall_s=120,  # one picture on a busy machine, seeks in files without an index included
    file_bytes=64 << 20,
)
"""For a source of any length: pictures are sought, not played to."""

OURS = frozenset({"start", "sandbox"})
"""Failures of this machine, not of the file."""


def main_video(info: SourceInfo) -> VideoTrack:
    """The track to take pictures of; raises Unreadable when there is none."""
    video = info.main_video
    if video is None:
        raise Unreadable("the file has no video to take pictures of")
    return video


async def run_pictures(
    toolkit: Tools,
    kind: str,
    source: Path,
    index: int,
    request: Mapping[str, Any],
    *,
    out: Path,
    folder: Path,
    on_progress: Callable[[int], None] | None = None,
) -> Any:
    """One run of `children/pictures`, writing `out` (a file or a folder); `folder` is where it may write.

    Raises:
        MediaError: what the child names; Unreadable also when the file crashed or stalled it.
        ChildFailed: this machine could not start or confine it.
    """
    # absolute: the child starts in another folder
    source, folder, out = await asyncio.to_thread(
        lambda: (source.resolve(), folder.resolve(), out.absolute())
    )
    values = {"kind": kind, "path": str(source), "index": index, "out": str(out), **request}
    try:
        return await toolkit._run_python_child(
            "pictures", values, read=[source], write=[folder], limits=PICTURE_LIMITS, on_progress=on_progress
        )
    except ChildFailed as error:
        if error.reason in OURS:
            raise
        log.warning("pictures_failed", kind=kind, reason=error.reason, stderr=error.stderr_tail[-500:])
        raise Unreadable("the pictures of the file cannot be decoded") from error
