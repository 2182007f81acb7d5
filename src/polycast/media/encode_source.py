"""Making a source ready for chunked decoding: seekable, with honest times, its frames listed."""

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from polycast.domain.errors import ChildFailed, Unreadable
from polycast.domain.media import SourceInfo
from polycast.media.frame_list import FrameList
from polycast.media.grid_frames import FrameIndex
from polycast.media.toolkit_runner import Report, ToolLimits, Tools, input_args

_SEEKABLE = frozenset({"mov", "mp4", "m4a", "3gp", "3g2", "mj2", "matroska", "webm"})
"""Containers with an index and one continuous clock. In all others (MPEG-TS, AVI, FLV, bare streams) what a
decoder sees depends on where it began: wrapped, broken or missing timestamps."""
_MATROSKA = ("matroska", "-f", "matroska")  # holds every codec, is indexed; times in whole milliseconds
_EXACT = (
    "mov",
    "-f", "mov",
    "-video_track_timescale", "90000",  # the clock of a transport stream, to the tick
    "-movie_timescale", "90000",  # of the edit list that holds the start
)  # fmt: skip
_DTS = "if(eq(DTS\\,NOPTS)\\,PREV_OUTDTS+max(1\\,PREV_INDURATION)\\,DTS)"
# Pictures that have no time at all, which Matroska refuses: each is decoded right behind the one before. When it is
# shown, some codecs tell in the picture itself; in all others that is a guess.
_REORDERED = f"setts=pts=NOPTS:dts={_DTS},dts2pts"
_IN_PICTURE = frozenset({"h264", "hevc"})
_TIMES = f"setts=pts=if(eq(PTS\\,NOPTS)\\,PREV_OUTDTS+max(1\\,PREV_INDURATION)\\,PTS):dts={_DTS}"


@dataclass(frozen=True, slots=True)
class PreparedSource:
    """A source as the encoders want it.

    Attributes:
        path: the file to encode from: the original, or a copy of its streams in `out_dir`.
        info: its facts, with stream numbers of `path`.
        frames: of the main video; None for audio alone and stills.
        sound_end_s: where the later of its picture and its sound ends by their packets, on the clock of `path`;
            0 without frames.
    """

    path: Path
    info: SourceInfo
    frames: FrameIndex | None
    sound_end_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Preparing(Tools):
    """The part of the toolkit that prepares sources."""

    async def prepare_source(
        self,
        source: Path,
        info: SourceInfo,
        out_dir: Path,
        *,
        exact: bool = False,
        on_progress: Report | None = None,
    ) -> PreparedSource:
        """List the frames of a source; copy its streams into `source.*` first where its container needs that.

        Idempotent. The copy is as large as the source; whoever owns `out_dir` removes it after the last chunk.

        Args:
            exact: keep the frames' times to the tick, as a grid over the packaged source needs it; for H.264
                whose every frame has a time, as the packager has seen it. A codec that needs another container
                gets whole milliseconds nevertheless.
            on_progress: gets the number of frames read so far.

        Raises:
            Unreadable: no frame of it can be found.
            ChildFailed: a child crashed or passed a limit.
        """
        video = info.main_video
        if (video is not None and video.still) or (video is None and not info.audio):
            return PreparedSource(source, info, None)
        if not _SEEKABLE & set(info.container.split(",")):
            source, info = await self._remux(source, info, out_dir, exact=exact)
            video = info.main_video
        if video is None:
            return PreparedSource(source, info, None)
        return await self._listed(source, info, video.index, on_progress)

    async def sound_end(self, source: Path, info: SourceInfo, from_s: float) -> float:
        """Where the sound of `info` that goes on behind `from_s` ends, by its packets; `from_s` where none does.

        In seconds of the file's clock.

        Raises:
            Unreadable: it cannot be opened.
            ChildFailed: the child crashed or passed a limit.
        """
        request = {"path": str(source), "indexes": [a.index for a in info.audio], "from_s": from_s}
        return float(await self._run_python_child("sound_end", request, read=[source]))

    async def _listed(
        self, source: Path, info: SourceInfo, index: int, on_progress: Report | None
    ) -> PreparedSource:
        listed = FrameList()

        def hear(value: Any) -> None:
            if isinstance(value, dict):
                listed.add(value)
            elif on_progress is not None:
                on_progress(value)

        found = await self._run_python_child(
            "frames",
            {"path": str(source), "index": index, "sound": [a.index for a in info.audio]},
            read=[source],
            on_progress=hear,
        )
        if len(listed.pts) != found["count"]:
            raise ChildFailed("frames", "output", returncode=0, stderr_tail="a part of the list is missing")
        frames = FrameIndex(
            time_base=Fraction(found["time_base"]),
            pts=listed.pts,
            keys=listed.keys,
            last_duration=found["last_duration"],
            exact=found["exact"],
        )
        return PreparedSource(source, info, frames, found["sound_end_s"])

    async def _remux(
        self, source: Path, info: SourceInfo, out_dir: Path, *, exact: bool
    ) -> tuple[Path, SourceInfo]:
        video = info.main_video
        indexes = [*([video.index] if video is not None else []), *(a.index for a in info.audio)]
        maps = [arg for index in indexes for arg in ("-map", f"0:{index}")]
        args = [
            *input_args(
                source,
                # times that the container leaves out are computed from the order of decoding
                "-fflags", "+genpts",
            ),
            *maps,
            "-c", "copy",
            # No -copyts here: ffmpeg's repair of jumps and wraps is what this copy is for, on both clocks alike
            "-map_metadata", "-1",
            "-map_chapters", "-1",
            "-max_interleave_delta", "0",  # streams far apart in the file: wait rather than write out of order
        ]  # fmt: skip
        tries: list[tuple[tuple[str, ...], tuple[str, ...]]] = [(_MATROSKA, ())]
        if video is not None:
            filters = [_REORDERED] if video.codec in _IN_PICTURE else []
            tries += [(_MATROSKA, ("-bsf:v", text)) for text in (*filters, _TIMES)]
        if exact:
            tries.insert(0, (_EXACT, ()))
        failed: ChildFailed | None = None
        for (container, *form), more in tries:
            target = out_dir / ("source.mov" if container == "mov" else "source.mkv")
            try:
                await self._run_ffmpeg(
                    [*args, *form, *more, f"file:{target}"],
                    read=[source],
                    write=[out_dir],
                    limits=copy_limits(self.limits, info.size_bytes),
                )
                return target, _copied(info, container)
            except ChildFailed as error:
                if error.reason != "exit":
                    raise
                failed = error
                target.unlink(missing_ok=True)
        raise Unreadable("the file's streams cannot be read") from failed


def copy_limits(limits: ToolLimits, size_bytes: int) -> ToolLimits:
    """Room for a copy of a file of this size, whatever the container adds to it."""
    return replace(limits, file_bytes=max(limits.file_bytes, size_bytes * 11 // 10 + (1 << 30)))


def _copied(info: SourceInfo, container: str) -> SourceInfo:
    """The facts of the copy: streams in the order of the maps, times from the file's start."""
    video, first = info.main_video, 0
    if video is not None:
        video, first = replace(video, index=0, start_s=video.start_s - info.start_s), 1
    return replace(
        info,
        container=container,
        start_s=0.0,
        video=() if video is None else (video,),
        audio=tuple(
            replace(a, index=first + i, start_s=a.start_s - info.start_s) for i, a in enumerate(info.audio)
        ),
    )
