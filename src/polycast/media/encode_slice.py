"""Cutting the piece of a source that one chunk needs, for workers that have no copy of the whole."""

from dataclasses import dataclass, replace
from pathlib import Path

from polycast.domain.errors import ChildFailed, NoPlayableTracks, Unreadable
from polycast.domain.media import SourceInfo
from polycast.media.chunks import Chunk
from polycast.media.encode_source import PreparedSource
from polycast.media.toolkit_runner import Tools, input_args

_BEHIND_S = 2
"""Seconds of packets behind the chunk: more than any reordering, and what a deinterlacer looks ahead."""


@dataclass(frozen=True, slots=True)
class Slice:
    """A piece of a source: hand all three to `encode_chunk` in place of the source's."""

    path: Path
    info: SourceInfo
    chunk: Chunk


@dataclass(frozen=True, kw_only=True)
class Slicing(Tools):
    """The part of the toolkit that cuts slices."""

    async def cut_slice(self, source: PreparedSource, chunk: Chunk, target: Path) -> Slice:
        """Copy the video packets of a chunk, from one key frame before the one it needs, to a bit behind its end.

        Times stay those of the source, to the tick. Nothing is decoded; it costs the reading of these bytes.

        Args:
            target: file to write, in an existing folder; overwritten. Its content is Matroska or QuickTime, as
                the source, whatever its name.

        Raises:
            NoPlayableTracks: the source has no video.
            Unreadable: its packets cannot be copied.
            ChildFailed: ffmpeg crashed or passed a limit.
        """
        video = source.info.main_video
        if video is None or source.frames is None:
            raise NoPlayableTracks("the file has no video to cut")
        ticks = source.frames.time_base.denominator
        if "matroska" in source.info.container:
            container = ["-f", "matroska"]  # whole milliseconds in, whole milliseconds out
        else:
            container = [
                "-f", "mov",  # takes every codec that came out of one
                "-video_track_timescale", str(ticks),  # the source's own ticks
                "-movie_timescale", str(ticks),  # of the edit list that holds the start
            ]  # fmt: skip
        start = chunk.deeper_s
        seek = ["-seek_timestamp", "1", "-ss", f"{float(start):.6f}"] if start is not None else []
        # of what is held before its time the first picture is enough
        end = chunk.origin_s if chunk.held and chunk.from_s is None else chunk.to_s
        until = [] if end is None else ["-to", f"{float(end + _BEHIND_S):.6f}"]
        args = [
            "-copyts",
            *input_args(source.path, *seek),
            "-map", f"0:{video.index}",
            "-c", "copy",
            *until,
            "-avoid_negative_ts", "disabled",
            "-map_metadata", "-1",
            "-map_chapters", "-1",
            *container,
            f"file:{target}",
        ]  # fmt: skip
        try:
            await self._run_ffmpeg(args, read=[source.path], write=[target.parent])
        except ChildFailed as error:
            if error.reason != "exit":
                raise
            raise Unreadable("the video's packets cannot be copied") from error
        return in_slice(target, source.info, chunk)


def in_slice(path: Path, info: SourceInfo, chunk: Chunk) -> Slice:
    """A slice that lies at `path`, cut by `cut_slice` of this chunk from a source with these facts.

    Raises:
        NoPlayableTracks: the source has no video.
    """
    video = info.main_video
    if video is None:
        raise NoPlayableTracks("the file has no video to cut")
    info = replace(info, video=(replace(video, index=0),), audio=(), captions=())
    return Slice(path, info, replace(chunk, seek_s=None, deeper_s=None))
