"""Making a source ready for chunked decoding: seekable, with honest times, its frames listed."""

from dataclasses import dataclass, replace
from pathlib import Path

from polycast.domain.errors import ChildFailed, Unreadable
from polycast.domain.media import SourceInfo
from polycast.media.grid_frames import FrameIndex
from polycast.media.toolkit_runner import Report, Tools, input_args

_SEEKABLE = frozenset({"mov", "mp4", "m4a", "3gp", "3g2", "mj2", "matroska", "webm"})
"""Containers with an index and one continuous clock. In all others (MPEG-TS, AVI, FLV, bare streams) what a
decoder sees depends on where it began: wrapped, broken or missing timestamps."""
# Pictures that have no time at all, which Matroska refuses: each right behind the one before.
_TIMES = (
    "setts=pts=if(eq(PTS\\,NOPTS)\\,PREV_OUTDTS+max(1\\,PREV_INDURATION)\\,PTS)"
    ":dts=if(eq(DTS\\,NOPTS)\\,PREV_OUTDTS+max(1\\,PREV_INDURATION)\\,DTS)"
)


@dataclass(frozen=True, slots=True)
class PreparedSource:
    """A source as the encoders want it.

    Attributes:
        path: the file to encode from: the original, or a copy of its streams in `out_dir`.
        info: its facts, with stream numbers of `path`.
        frames: of the main video; None for audio alone and stills.
    """

    path: Path
    info: SourceInfo
    frames: FrameIndex | None


@dataclass(frozen=True, kw_only=True)
class Preparing(Tools):
    """The part of the toolkit that prepares sources."""

    async def prepare_source(
        self, source: Path, info: SourceInfo, out_dir: Path, *, on_progress: Report | None = None
    ) -> PreparedSource:
        """List the frames of a source; copy its streams into `source.mkv` first where its container needs that.

        Idempotent. The copy is as large as the source; whoever owns `out_dir` removes it after the last chunk.

        Raises:
            Unreadable: no frame of it can be found.
            ChildFailed: a child crashed or passed a limit.
        """
        video = info.main_video
        if (video is not None and video.still) or (video is None and not info.audio):
            return PreparedSource(source, info, None)
        if not _SEEKABLE & set(info.container.split(",")):
            source, info = await self._remux(source, info, out_dir)
            video = info.main_video
        if video is None:
            return PreparedSource(source, info, None)
        found = await self._run_python_child(
            "frames", {"path": str(source), "index": video.index}, read=[source], on_progress=on_progress
        )
        return PreparedSource(source, info, FrameIndex.from_json(found))

    async def _remux(self, source: Path, info: SourceInfo, out_dir: Path) -> tuple[Path, SourceInfo]:
        video = info.main_video
        target = out_dir / "source.mkv"
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
            "-f", "matroska",  # holds every codec, keeps times, is indexed
        ]  # fmt: skip
        for more in ([], ["-bsf:v", _TIMES]) if video is not None else ([],):
            try:
                await self._run_ffmpeg([*args, *more, f"file:{target}"], read=[source], write=[out_dir])
                break
            except ChildFailed as error:
                if error.reason != "exit":
                    raise
                failed = error
        else:
            raise Unreadable("the file's streams cannot be read") from failed
        first_audio = 0 if video is None else 1
        return target, replace(
            info,
            container="matroska",
            video=() if video is None else (replace(video, index=0),),
            audio=tuple(replace(a, index=first_audio + i) for i, a in enumerate(info.audio)),
        )
