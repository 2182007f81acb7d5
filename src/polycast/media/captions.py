"""Captions as WebVTT: embedded text tracks taken out, uploaded files checked and converted.

No name or language of a source or caller reaches a file name or an ffmpeg argument: outputs are called
by the caller's own path or by number.
"""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from polycast.domain.errors import ChildFailed, MediaError, Unreadable
from polycast.domain.media import CaptionTrack, SourceInfo
from polycast.domain.tracks import Segment, TrackHeader, TrackLog
from polycast.media.pictures import OURS
from polycast.media.toolkit_runner import ToolLimits, Tools, input_args
from polycast.protocols.language import normalize

log = structlog.get_logger()

MAX_CAPTION_BYTES = 8 << 20
"""A three-hour film has some 150 kB."""
TEXT_CODECS = frozenset({"mov_text", "subrip", "srt", "webvtt", "ass", "ssa", "text"})

_TEXT_LIMITS = ToolLimits(
    memory_bytes=1 << 30, cpu_s=60, wall_s=120, stall_s=120, file_bytes=64 << 20, processes=8
)
_EXTRACT_LIMITS = ToolLimits(
    memory_bytes=2 << 30, cpu_s=1800, wall_s=2 * 3600, stall_s=1800, file_bytes=64 << 20, processes=32
)
"""Containers that interleave are read to their end: minutes for a large file on a slow disk, and no progress
where nobody speaks."""


@dataclass(frozen=True, slots=True)
class CaptionFile:
    """A WebVTT file of ours.

    Attributes:
        path: None when it was only looked at.
        format: what it was: webvtt, srt or ass.
        cues, skipped: cues kept, and those left out because they were broken.
        end_s: end of the last cue.
    """

    path: Path | None
    format: str
    cues: int
    skipped: int
    end_s: float


@dataclass(frozen=True, slots=True)
class ExtractedCaptions:
    """One embedded track as a file; `language` as BCP 47 or None, `label` as the source has it."""

    track: CaptionTrack
    file: CaptionFile
    language: str | None
    label: str | None


async def check_captions(toolkit: Tools, path: Path) -> CaptionFile:
    """Whether an uploaded file holds captions; see `convert_captions`, which also keeps the result."""
    return await _convert(toolkit, path, None)


async def convert_captions(toolkit: Tools, path: Path, out: Path) -> CaptionFile:
    """Turn WebVTT, SRT, ASS or SSA in UTF-8, UTF-16 or Windows-1252 into UTF-8 WebVTT without styles.

    Args:
        path: told apart by content, not by name.
        out: the file to write, in a scratch folder.

    Raises:
        Unreadable: no captions, or no text.
        LimitExceeded: over 8 MiB.
        ChildFailed: this machine could not start or confine the child.
    """
    return await _convert(toolkit, path, out)


async def extract_captions(toolkit: Tools, source: Path, track: CaptionTrack, out: Path) -> CaptionFile:
    """Take one text track out of a source as WebVTT; times count from the start of the presentation.

    Args:
        out: the file to write, in a scratch folder.

    Raises:
        Unreadable: a track of pictures, or one without any cue that can be read.
        ChildFailed: this machine could not start or confine the child.
    """
    if not _is_text(track):
        raise Unreadable("the captions are pictures and cannot become text")
    found = await _extract(toolkit, source, [track], [out], None)
    if isinstance(found[0], MediaError):
        raise found[0]
    return found[0]


async def extract_all_captions(
    toolkit: Tools,
    source: Path,
    info: SourceInfo,
    out_dir: Path,
    *,
    only: Sequence[str] | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> list[ExtractedCaptions]:
    """Take the text captions out of a source, all in one pass, as `<out_dir>/<track id>.vtt`.

    Tracks without any cue, and tracks that cannot be read, are left out and logged.

    Args:
        out_dir: existing scratch folder.
        only: ids of `info.captions`; None takes every text track.
        on_progress: gets the share done, 0 to 1.

    Raises:
        ChildFailed: this machine could not start or confine the child.
    """
    wanted = [t for t in info.captions if _is_text(t) and (only is None or t.id in only)]
    if not wanted:
        return []
    outs = [out_dir / f"{track.id}.vtt" for track in wanted]
    found = await _extract(toolkit, source, wanted, outs, _share(on_progress, info.duration_s))
    result = []
    for track, file in zip(wanted, found, strict=True):
        if isinstance(file, MediaError):
            log.warning("captions_left_out", track=track.id, reason=file.message)
        else:
            result.append(ExtractedCaptions(track, file, normalize(track.language), track.title))
    return result


def extract_args(source: Path, indices: Sequence[int], outputs: Sequence[Path]) -> list[str]:
    """Arguments behind ffmpeg's global ones: each stream into its own WebVTT file."""
    args = input_args(source)
    for index, path in zip(indices, outputs, strict=True):
        args += [
            "-map", f"0:{index:d}",
            "-c:s", "webvtt",
            "-f", "webvtt",
            "-flush_packets", "1",  # what a crash interrupts is there up to that point
            f"file:{path}",
        ]  # fmt: skip
    return args


def caption_log(
    vtt: bytes, duration_s: float, *, name: str, language: str | None = None, label: str | None = None
) -> TrackLog:
    """A text track of one segment: the whole file stands for the whole presentation.

    A WebVTT file without X-TIMESTAMP-MAP belongs to media that start at time 0 (RFC 8216bis 3.1.4), as all
    tracks of ours do. For media that start elsewhere, render with `timestamp_map` first and log those bytes.

    Args:
        name: of the object, relative to the track's folder.
    """
    duration = max(1, round(duration_s * 1000))
    rate = -(-len(vtt) * 8 * 1000 // duration)
    return TrackLog(
        header=TrackHeader(
            kind="text",
            codec="wvtt",
            timescale=1000,
            bandwidth=max(1, rate),
            average_bandwidth=max(1, rate),
            target_duration_s=max(1, round(duration / 1000)),
            language=normalize(language),
            label=label,
        ),
        segments=(
            Segment(
                start=0,
                duration=duration,
                size=len(vtt),
                object=name,
                sha256=hashlib.sha256(vtt).hexdigest(),
                samples=1,
            ),
        ),
    )


async def _extract(
    toolkit: Tools,
    source: Path,
    tracks: Sequence[CaptionTrack],
    outs: Sequence[Path],
    on_progress: Callable[[float], None] | None,
) -> list[CaptionFile | MediaError]:
    """One entry a track: ffmpeg's WebVTT, read by our own parser and written again."""
    folder = outs[0].parent
    source, folder = await asyncio.to_thread(lambda: (source.resolve(), folder.resolve()))
    raw = [folder / f"captions-{track.index:d}.raw.vtt" for track in tracks]
    try:
        await toolkit._run_ffmpeg(
            extract_args(source, [t.index for t in tracks], raw),
            read=[source],
            write=[folder],
            limits=_EXTRACT_LIMITS,
            on_progress=on_progress,
        )
    except ChildFailed as error:
        if error.reason in OURS:
            raise
        # what was written up to the damage is used
        log.warning("captions_cut_short", reason=error.reason, stderr=error.stderr_tail[-500:])
    try:
        return [await _read_back(toolkit, path, out) for path, out in zip(raw, outs, strict=True)]
    finally:
        await asyncio.to_thread(_remove, raw)


async def _read_back(toolkit: Tools, raw: Path, out: Path) -> CaptionFile | MediaError:
    if not await asyncio.to_thread(raw.exists):
        return Unreadable("the captions cannot be read")
    try:
        file = await _convert(toolkit, raw, out, limit=_EXTRACT_LIMITS.file_bytes)
    except MediaError as error:
        return error
    return file if file.cues else Unreadable("the track holds no captions")


def _is_text(track: CaptionTrack) -> bool:
    return track.text and track.codec in TEXT_CODECS


async def _convert(
    toolkit: Tools, path: Path, out: Path | None, *, limit: int = MAX_CAPTION_BYTES
) -> CaptionFile:
    # absolute: the child starts in another folder
    path, out = await asyncio.to_thread(lambda: (path.resolve(), out.absolute() if out else None))
    request = {"path": str(path), "out": str(out) if out else None, "max_bytes": limit}
    try:
        found = await toolkit._run_python_child(
            "captions", request, read=[path], write=[out.parent] if out else [], limits=_TEXT_LIMITS
        )
    except ChildFailed as error:
        if error.reason in OURS:
            raise
        log.warning("captions_failed", reason=error.reason, stderr=error.stderr_tail[-500:])
        raise Unreadable("the caption file cannot be read") from error
    return CaptionFile(out, found["format"], found["cues"], found["skipped"], found["end_ms"] / 1000)


def _remove(paths: Sequence[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _share(tell: Callable[[float], None] | None, duration_s: float) -> Callable[[float], None] | None:
    if tell is None or duration_s <= 0:
        return None
    report = tell
    return lambda position_s: report(min(1.0, position_s / duration_s))
