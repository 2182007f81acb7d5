"""Files to download: one MP4 (or M4A) with everything in it, checked before it is handed out."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import structlog

from polycast.domain.errors import ChildFailed, IntegrityError, Unreadable
from polycast.domain.media import SourceInfo
from polycast.domain.presets import Preset
from polycast.media.ladder import STILL_DURATION_S
from polycast.media.mp4_check import WrittenFile, count_fragment_samples, read_written
from polycast.media.mp4_command import Mp4Plan, join_args, mp4_args, plan_beside, plan_mp4, without_copies
from polycast.media.mp4_limits import for_bytes, work_limits
from polycast.media.picture_plan import span_s
from polycast.media.pictures import OURS
from polycast.media.toolkit_runner import Tools

log = structlog.get_logger()

_NOT_THE_FILE = OURS | {"cpu", "timeout", "output"}
"""What ended the work says nothing of the source."""


async def mp4_output(
    toolkit: Tools,
    source: Path,
    info: SourceInfo,
    preset: Preset,
    out: Path,
    *,
    captions: Sequence[str] = (),
    beside: Sequence[tuple[Path, SourceInfo]] = (),
    order: Sequence[tuple[int, str]] = (),
    threads: int = 1,
    on_progress: Callable[[float], None] | None = None,
) -> WrittenFile:
    """Make one file of a source: copied where it fits the preset, else encoded by one ffmpeg.

    A copy that turns out wrong (broken times, sizes that lie) is made again by encoding.

    Args:
        info: as probed; leave out the audio tracks that are not wanted.
        out: in a scratch folder; `.m4a` gives a file of sound alone. Repeating overwrites it.
        captions: ids of text tracks to keep as subtitles inside the file.
        beside: further files with the audio tracks wanted of them, begun together with the first one.
        order: of all audio tracks, by number of file (`source` is 0) and id; the first plays by default.
        threads: of decoder, filters and encoder each.
        on_progress: called in the event loop with the share done, 0 to 1, never falling; 1 when it is checked.

    Raises:
        NoPlayableTracks: nothing of the source fits the preset.
        Unreadable: it cannot be decoded, or ends long before it says.
        ChildFailed: this machine could not start or confine the child, or it passed a limit.
    """
    others = [(await asyncio.to_thread(path.resolve), other) for path, other in beside]
    plan = replace(
        plan_mp4(info, preset, captions=captions),
        beside=tuple(plan_beside(path, other, preset) for path, other in others),
        order=tuple(order),
    )
    if out.suffix == ".m4a" and plan.source_video is not None:
        plan = replace(plan, source_video=None, video=None, captions=())
    share = _Share(on_progress)
    source, out = await asyncio.to_thread(lambda: (source.resolve(), out.absolute()))
    try:
        written = await _make(toolkit, source, info, plan, out, threads, share)
    except (Unreadable, IntegrityError) as error:
        # a track that is copied shows no error of the source: it is worth a second look by a decoder
        if not plan.copies_any:
            raise _as_unreadable(error) from error
        log.warning("download_not_copied", reason=error.message)
        again = without_copies(plan, info, preset)
        try:
            written = await _make(toolkit, source, info, again, out, threads, share)
        except IntegrityError as second:
            raise _as_unreadable(second) from second
    share.tell(1.0)
    return written


async def mp4_from_tracks(
    toolkit: Tools,
    video: Path | None,
    audio: Path | Sequence[Path] | None,
    out: Path,
    *,
    languages: Sequence[str | None] = (),
) -> WrittenFile:
    """Join published tracks into one MP4 without encoding.

    Args:
        video, audio: each the init segment and all segments of one track, one behind the other.
        languages: BCP 47 tags of the audio tracks, in order.
        out: in a scratch folder.

    Raises:
        IntegrityError: a track is cut off, or the result has other samples than the tracks.
        ChildFailed: ffmpeg failed on media that we made ourselves.
    """
    sounds = [audio] if isinstance(audio, Path) else list(audio or ())
    files = [*([video] if video is not None else []), *sounds]
    if not files:
        raise IntegrityError("no track to join")
    files, out = await asyncio.to_thread(lambda: ([f.resolve() for f in files], out.absolute()))
    expected = [await asyncio.to_thread(count_fragment_samples, path) for path in files]
    total = await asyncio.to_thread(lambda: sum(path.stat().st_size for path in files))
    joined = join_args(
        files[0] if video is not None else None,
        files[1:] if video is not None else files,
        out,
        languages=languages,
    )
    await toolkit._run_ffmpeg(joined, read=files, write=[out.parent], limits=for_bytes(toolkit.limits, total))
    written = await asyncio.to_thread(read_written, out)
    if [t.samples for t in written.tracks] != expected or not written.faststart:
        found = [t.samples for t in written.tracks]
        raise IntegrityError(f"the joined file has {found} samples, the tracks have {expected}")
    return written


async def _make(
    toolkit: Tools, source: Path, info: SourceInfo, plan: Mp4Plan, out: Path, threads: int, share: "_Share"
) -> WrittenFile:
    expected = _length_s(info, plan)
    try:
        await toolkit._run_ffmpeg(
            mp4_args(source, plan, out, threads=threads, container=info.container),
            read=[source, *(other.path for other in plan.beside)],
            write=[out.parent],
            limits=work_limits(toolkit.limits, info, plan, expected),
            # the last percent is the check
            on_progress=lambda position_s: share.tell(0.99 * position_s / expected),
        )
    except ChildFailed as error:
        if error.reason in _NOT_THE_FILE:
            raise
        log.warning("download_failed", reason=error.reason, stderr=error.stderr_tail[-500:])
        raise Unreadable("the file cannot be read to its end") from error
    written = await asyncio.to_thread(read_written, out)
    _check(written, plan, expected)
    return written


def _check(written: WrittenFile, plan: Mp4Plan, expected_s: float) -> None:
    """Raises IntegrityError when the file is not what was planned."""
    if len(written.tracks) != plan.tracks or not written.faststart:
        raise IntegrityError("the file that was written lacks a track")
    if any(t.samples == 0 for t in written.tracks):
        raise IntegrityError("the file that was written has an empty track")
    # containers round, and streams end apart: half a second or two percent is no loss
    slack = max(0.5, 0.02 * expected_s)
    longest = max(t.duration_s for t in written.tracks)
    if longest < expected_s - slack:
        raise IntegrityError(f"the source ends after {longest:.1f} of {expected_s:.1f} seconds")


def _length_s(info: SourceInfo, plan: Mp4Plan) -> float:
    """How long the longest chosen track is, in seconds; at least something to divide by."""
    files = [(info, plan), *((other.info, other.plan) for other in plan.beside)]
    ends = [
        track.start_s - file.start_s + track.duration_s
        for file, own in files
        for track, _ in own.audio
        if track.duration_s > 0
    ]
    if plan.source_video is not None:
        own = span_s(info, plan.source_video)
        ends.append(own if not plan.source_video.still or ends else STILL_DURATION_S)
    return max([*ends, 0.1])


def _as_unreadable(error: Unreadable | IntegrityError) -> Unreadable:
    return error if isinstance(error, Unreadable) else Unreadable(error.message)


class _Share:
    """Shares that never fall, whatever is tried twice."""

    def __init__(self, tell: Callable[[float], None] | None) -> None:
        self._tell = tell
        self._best = 0.0

    def tell(self, share: float) -> None:
        share = min(1.0, share)
        if self._tell is not None and share > self._best:
            self._best = share
            self._tell(share)
