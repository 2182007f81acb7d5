"""Encoding chunks: all renditions of a piece of a source from one decode."""

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from polycast.domain.errors import Unreadable
from polycast.domain.media import SourceInfo
from polycast.media.chunks import Chunk
from polycast.media.command import chunk_args
from polycast.media.encode_split import EncodedChunk, Mismatch, split_chunk
from polycast.media.ladder import Rendition
from polycast.media.profiles import Speed
from polycast.media.toolkit_runner import FFMPEG_GLOBAL, Tools
from polycast.proc.child import run_child

log = structlog.get_logger()

Fraction01 = Callable[[float], None]
"""Called in the event loop with the finished share of the work, 0 to 1, never falling."""


@dataclass(frozen=True, kw_only=True)
class Encoding(Tools):
    """The part of the toolkit that encodes video."""

    async def encode_chunk(
        self,
        source: Path,
        info: SourceInfo,
        chunk: Chunk,
        renditions: Sequence[Rendition],
        out_dir: Path,
        *,
        speed: Speed = "standard",
        threads: int = 1,
        on_progress: Fraction01 | None = None,
    ) -> list[EncodedChunk]:
        """Encode one chunk into `<out_dir>/<rendition>/init.mp4` and `<number>.m4s`.

        Every segment is proven against the plan: start, duration, number of frames, key frame first. When the
        decoder gave fewer frames than the source has (a reference before the key frame, damage), it is tried
        again from one key frame further back, then with missing frames filled by repetition.

        Args:
            source, info: what `prepare_source` returned.
            renditions: at least one; none but these are made.
            out_dir: existing scratch folder, writable; a repeated call overwrites what is there.
            speed: "first" for the rung that somebody waits for.
            threads: of the decoder and of each encoder.

        Returns:
            One entry a rendition, in the given order.

        Raises:
            NoPlayableTracks: the source has no video.
            Unreadable: it gives no frames for this chunk, whatever is tried.
            ChildFailed: ffmpeg crashed or passed a limit.

        Cancelling kills ffmpeg and leaves files in `out_dir` that the caller removes.
        """
        report = _Progress(chunk, renditions[0], on_progress)
        attempts = [(False, False), (False, True)]
        if chunk.seek_s is not None:
            attempts.insert(1, (True, False))
        reason = ""
        for deeper, fill in attempts:
            files = [out_dir / f"{r.name}.encoding.mp4" for r in renditions]
            args = chunk_args(
                source, info, chunk, renditions, files,
                speed=speed, threads=threads, deeper=deeper, fill=fill,
            )  # fmt: skip
            try:
                await self._encode(args, source, out_dir, report)
                # only frames that are known to exist can be missed
                strict = not fill and (chunk.exact or chunk.kind == "still")
                return await asyncio.to_thread(_split_all, files, chunk, renditions, out_dir, strict)
            except Mismatch as mismatch:
                reason = str(mismatch)
                log.warning(
                    "chunk_not_as_planned", chunk=chunk.number, reason=reason, deeper=deeper, fill=fill
                )
            finally:
                await asyncio.to_thread(_remove, files)
        raise Unreadable(f"a part of the video cannot be decoded ({_place(chunk)})") from Mismatch(reason)

    async def _encode(self, args: Sequence[str], source: Path, out_dir: Path, report: "_Progress") -> None:
        spec = self._spec([self.ffmpeg, *FFMPEG_GLOBAL, *args], None, [source], [out_dir], None)
        await run_child(spec, on_line=report.line)


class _Progress:
    """Frames of the first rendition against the plan, from ffmpeg's progress lines."""

    def __init__(self, chunk: Chunk, rendition: Rendition, tell: Fraction01 | None) -> None:
        self._expected = max(1, math.ceil((chunk.frames + chunk.tail) / rendition.every))
        self._tell = tell
        self._best = 0.0
        self._last = -1

    def line(self, line: str) -> bool:
        """Whether this line shows progress: ffmpeg repeats itself twice a second even when it is stuck.

        Before the first frame it may be decoding a long way up to the chunk, of which it says nothing: then only
        the limits of time apply.
        """
        key, _, value = line.partition("=")
        if key != "frame" or not value.strip().isdigit():
            return False
        frames = int(value)
        moved, self._last = frames != self._last, frames
        share = min(1.0, frames / self._expected)
        if share > self._best and self._tell is not None:
            self._best = share
            self._tell(share)
        return moved or frames == 0


def _split_all(
    files: Sequence[Path], chunk: Chunk, renditions: Sequence[Rendition], out_dir: Path, strict: bool
) -> list[EncodedChunk]:
    return [
        split_chunk(path, chunk, rendition, out_dir / rendition.name, strict=strict)
        for path, rendition in zip(files, renditions, strict=True)
    ]


def _remove(files: Sequence[Path]) -> None:
    for path in files:
        path.unlink(missing_ok=True)


def _place(chunk: Chunk) -> str:
    start = chunk.starts[0] / chunk.timescale
    return f"{start:.1f} s to {chunk.end / chunk.timescale:.1f} s"
