"""Encoding audio: a whole track in one piece, cut on the grid of the video."""

import asyncio
import contextlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from polycast.domain.errors import Unreadable
from polycast.domain.media import SourceInfo
from polycast.domain.tracks import ObjectRef, Segment, SegmentFlag
from polycast.media.command_audio import audio_args, boundaries
from polycast.media.encode_split import INIT, EncodedChunk, Mismatch, segment_name, write_object
from polycast.media.grid_shape import Grid
from polycast.media.ladder import AudioRendition
from polycast.media.toolkit_runner import FFMPEG_GLOBAL, Tools
from polycast.proc.child import run_child
from polycast.protocols.isobmff import BoxError, split_fragments


@dataclass(frozen=True, slots=True)
class AudioPiece:
    """One finished audio segment; `init` and `codec` are equal in all pieces of a track."""

    number: int
    codec: str
    timescale: int
    init: ObjectRef
    segment: Segment


@dataclass(frozen=True, kw_only=True)
class AudioEncoding(Tools):
    """The part of the toolkit that encodes audio."""

    async def encode_audio(
        self,
        source: Path,
        info: SourceInfo,
        grid: Grid,
        rendition: AudioRendition,
        out_dir: Path,
        *,
        on_progress: Callable[[float], None] | None = None,
        on_piece: Callable[[AudioPiece], None] | None = None,
    ) -> EncodedChunk:
        """Encode one audio track into `<out_dir>/<rendition>/init.mp4` and `<number>.m4s`.

        AAC-LC at 48 kHz. What the source leaves silent (late start, gaps, an end before the video's) is filled
        with silence, what lies before the first video frame is dropped, so that sound and picture stay within
        one audio frame (21 ms). Each segment begins with the first audio frame at or after a boundary of the
        grid; sound longer than the video goes on in segments of the grid's usual length.

        Args:
            source, info: what `prepare_source` returned.
            on_progress: gets the finished share, 0 to 1.
            on_piece: gets each segment as soon as it is on disk and proven, in order, so that a growing
                playlist need not wait for the whole.

        Raises:
            Unreadable: the track gives no sound.
            ChildFailed: ffmpeg crashed or passed a limit.
        """
        scratch = out_dir / f"{rendition.name}.encoding"
        folder = out_dir / rendition.name
        await asyncio.to_thread(_fresh, scratch, folder)
        work = _Work(scratch, folder, on_piece)
        end_s = _end_s(info, grid, rendition)
        args = audio_args(source, grid, rendition, scratch, end_s)

        def line(text: str) -> bool:
            key, _, value = text.partition("=")
            if key == "out_time_us" and value.lstrip("-").isdigit():
                if on_progress is not None:
                    on_progress(min(1.0, max(0.0, int(value) / 1e6 / end_s)))
                return work.moved(int(value))
            name, _, rest = text.partition(",")
            if rest and name.endswith(".mp4"):
                work.finished(int(name.removesuffix(".mp4")))
                return True
            return False

        spec = self._spec([self.ffmpeg, *FFMPEG_GLOBAL, *args], None, [source], [scratch], None)
        collecting = asyncio.create_task(work.collect())
        try:
            await run_child(spec, on_line=line)
            work.finished(None)
            pieces = await collecting
        except Mismatch as mismatch:
            raise Unreadable("the sound cannot be encoded") from mismatch
        finally:
            collecting.cancel()
            with contextlib.suppress(asyncio.CancelledError, Mismatch):
                await collecting
            await asyncio.to_thread(shutil.rmtree, scratch, ignore_errors=True)
        if not pieces:
            raise Unreadable("the audio track has no sound")
        last = pieces[-1]
        return EncodedChunk(
            rendition.name, 0, last.codec, last.timescale, last.init, tuple(p.segment for p in pieces)
        )


class _Work:
    """Turns the segment files that ffmpeg announces into proven objects, in order, beside the encoder."""

    def __init__(self, scratch: Path, folder: Path, on_piece: Callable[[AudioPiece], None] | None) -> None:
        self._scratch = scratch
        self._folder = folder
        self._on_piece = on_piece
        # bounded by the number of segments; files are on disk, only numbers wait here
        self._queue: asyncio.Queue[int | None] = asyncio.Queue()
        self._position = -1

    def moved(self, position: int) -> bool:
        moved, self._position = position != self._position, position
        return moved

    def finished(self, number: int | None) -> None:
        self._queue.put_nowait(number)

    async def collect(self) -> list[AudioPiece]:
        pieces: list[AudioPiece] = []
        while (number := await self._queue.get()) is not None:
            piece = await asyncio.to_thread(_take, self._scratch, self._folder, number, pieces[-1:])
            pieces.append(piece)
            if self._on_piece is not None:
                self._on_piece(piece)
        return pieces


def _take(scratch: Path, folder: Path, number: int, before: list[AudioPiece]) -> AudioPiece:
    """Read one segment file, hold it against the one before, store its fragments as one object."""
    path = scratch / f"{number}.mp4"
    try:
        init, fragments = split_fragments(path.read_bytes())
    except BoxError as error:
        raise Mismatch(f"audio segment {number}: {error.message}") from error
    if not fragments:
        raise Mismatch(f"audio segment {number} is empty")
    info = init.movie.tracks[0]
    tracks = [f.moof.tracks[0] for f in fragments]
    start = tracks[0].base_decode_time
    if start is None:
        raise Mismatch(f"audio segment {number} has no time")
    stored = write_object(folder, segment_name(number), b"".join(f.data for f in fragments))
    segment = Segment(
        start=start,
        duration=sum(t.duration for t in tracks),
        size=stored.size,
        object=stored.object,
        sha256=stored.sha256,
        samples=sum(t.sample_count for t in tracks),
        flags=SegmentFlag.INDEPENDENT,
    )
    if not before:
        head = write_object(folder, INIT, init.data)
    else:
        head = before[0].init
        if len(init.data) != head.size or before[0].codec != info.codec:
            raise Mismatch(f"audio segment {number} needs another init segment")
        if before[0].segment.end != segment.start:
            raise Mismatch(f"audio segment {number} starts at {segment.start}, not {before[0].segment.end}")
    path.unlink()
    return AudioPiece(number, info.codec, info.timescale, head, segment)


def _fresh(scratch: Path, folder: Path) -> None:
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    folder.mkdir(parents=True, exist_ok=True)


def longest_s(info: SourceInfo, grid: Grid, rendition: AudioRendition) -> Fraction:
    """Seconds that the longest segment of this track will have; arguments as of `encode_audio`."""
    end_s = _end_s(info, grid, rendition)
    base = Fraction(grid.starts[0], grid.timescale)
    # a boundary is met by the first frame at or behind it
    frame = Fraction(1024, rendition.sample_rate)
    times = [base, *boundaries(grid, end_s), max(Fraction(end_s), base)]
    return max(b - a for a, b in pairwise(times)) + frame


def _end_s(info: SourceInfo, grid: Grid, rendition: AudioRendition) -> float:
    """Seconds on the grid's clock at which this track ends, the video's end at least."""
    track = next((a for a in info.audio if a.index == rendition.index), None)
    own = track.start_s + track.duration_s if track is not None and track.duration_s else 0.0
    base = Fraction(grid.starts[0], grid.timescale)
    return max(grid.end / grid.timescale, own - float(grid.origin_s) + float(base), 0.1)
