"""Find out what a file is, in a sandboxed child."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from polycast.domain.errors import ChildFailed, Unreadable
from polycast.domain.media import SourceInfo
from polycast.media.toolkit_runner import PROBE_LIMITS, Tools

MAX_DIMENSION = 16_384
"""Pixels a side: the largest that H.264 and HEVC define."""
MAX_TRACKS = 32
MAX_DURATION_S = 48 * 3600.0

_OURS = frozenset({"start", "sandbox"})


def _ours(error: ChildFailed) -> bool:
    """Whether this machine or installation failed, not the parser of the file."""
    return error.reason in _OURS or (error.reason == "exit" and error.returncode == 1)


@dataclass(frozen=True, kw_only=True)
class Probing(Tools):
    """The probing part of `MediaToolkit`."""

    async def probe(self, path: Path) -> SourceInfo:
        """What the file at `path` holds. Reads headers and indices; the media only where they are silent.

        Times are on the container's own timeline, edit lists applied, as FFmpeg reports them.
        `keyframes` is complete for MP4 and MOV (with `closed`), taken from the cues of Matroska, and
        None for containers without index. Tracks without an allowed decoder are left out.

        Raises:
            Unreadable: no allowed format, a playlist, empty, cut off before its header, or a file that
                crashed or stalled its parser.
            Encrypted: CENC, Matroska encryption, scrambled transport stream.
            NoPlayableTracks: nothing to see or hear.
            LimitExceeded: over 16 384 pixels a side, 32 tracks or 48 hours.
            ChildFailed: this machine could not start or confine the child.
            FileNotFoundError: there is no such file.
        """
        path = await asyncio.to_thread(path.resolve, True)
        request = {
            "source": str(path),
            "max_dimension": MAX_DIMENSION,
            "max_tracks": MAX_TRACKS,
            "max_duration_s": MAX_DURATION_S,
        }
        try:
            result = await self._run_python_child("probe", request, read=[path], limits=PROBE_LIMITS)
        except ChildFailed as error:
            if _ours(error):
                raise
            raise Unreadable("the file is damaged") from error
        return SourceInfo.from_json(result)
