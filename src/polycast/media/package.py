"""Package a streamable source as it is: CMAF tracks in a folder, reported segment by segment."""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from polycast.domain.colours import colours
from polycast.domain.errors import IntegrityError, NoPlayableTracks
from polycast.domain.media import SourceInfo
from polycast.domain.tracks import Segment, TrackHeader, TrackLog
from polycast.media.package_errors import NotPackageable
from polycast.media.selection import TrackSelection
from polycast.media.toolkit_runner import Tools
from polycast.protocols import tracklog
from polycast.protocols.errors import BoxError
from polycast.protocols.isobmff import read_moof

__all__ = [
    "NotPackageable",
    "PackagedTrack",
    "Packaging",
    "SegmentWritten",
    "TrackBegun",
    "verify_package",
]

LIMIT_S = 6.0
"""No segment is longer (design: closed groups of pictures of at most six seconds)."""


@dataclass(frozen=True, slots=True)
class TrackBegun:
    """`<out>/<track>/init.mp4` is whole. Rates in the header are of the
    whole track for MP4 (a percent above those of the log), else of the first segment."""

    track: str
    header: TrackHeader


@dataclass(frozen=True, slots=True)
class SegmentWritten:
    """`<out>/<track>/<segment.object>` is whole and may be published."""

    track: str
    segment: Segment


PackageEvent = TrackBegun | SegmentWritten


@dataclass(frozen=True, slots=True)
class PackagedTrack:
    """A finished track.

    Attributes:
        id: of `SourceInfo`. folder: `<out>/<id>`, holding init.mp4, 1.m4s, …, log.jsonl.
        log: as in log.jsonl, complete.
        source_samples: samples of the track in the source.
        dropped: of those, encoder priming and what the source's edit list cuts off (audio only).
    """

    id: str
    folder: Path
    log: TrackLog
    source_samples: int
    dropped: int


@dataclass(frozen=True, kw_only=True)
class Packaging(Tools):
    """The packaging part of `MediaToolkit`."""

    async def package(
        self,
        path: Path,
        out: Path,
        tracks: TrackSelection,
        info: SourceInfo,
        *,
        target_s: float = 4.0,
        on_event: Callable[[PackageEvent], None] | None = None,
    ) -> list[PackagedTrack]:
        """Cut the selected video and audio tracks into segments, in one pass.

        Segments begin at closed key frames, are as near to `target_s` as those allow and never over
        six seconds; audio is cut at the nearest frame. The earliest track starts at time 0.

        Args:
            out: existing folder, ours alone; on error it holds leftovers.
            info: what the probe said of this file.
            on_event: called in the event loop as each file is whole, in order of time over all tracks.
                What it was told of stays true only if the call ends well: NotPackageable may come late
                for sources without tables.

        Returns:
            The tracks, video first, each checked: samples written are those of the source.

        Raises:
            NotPackageable: encode this source instead.
            NoPlayableTracks: nothing is selected, or a track is not there.
            MediaError, ChildFailed: as `Tools._run_python_child`.
        """
        wanted = list(_wanted(info, tracks))
        if not wanted:
            raise NoPlayableTracks("no track is selected")
        begun: dict[str, TrackHeader] = {}
        written: dict[str, list[Segment]] = {w["id"]: [] for w in wanted}

        def progress(value: Any) -> None:
            event = _event(value)
            if isinstance(event, TrackBegun):
                begun[event.track] = event.header
            else:
                written[event.track].append(event.segment)
            if on_event is not None:
                on_event(event)

        summary = await self._run_python_child(
            "package",
            {
                "source": str(path),
                "out": str(out),
                "target_s": target_s,
                "limit_s": LIMIT_S,
                "tracks": wanted,
            },
            read=[path],
            write=[out],
            on_progress=progress,
        )
        packaged = []
        for item in summary:
            data = await asyncio.to_thread((out / item["id"] / "log.jsonl").read_bytes)
            log = tracklog.loads(data)
            samples = sum(s.samples for s in log.segments)
            if (
                list(log.segments) != written[item["id"]]
                or samples != item["source_samples"] - item["dropped"]
            ):
                raise NotPackageable("frames were lost on the way")
            packaged.append(
                PackagedTrack(item["id"], out / item["id"], log, item["source_samples"], item["dropped"])
            )
        return packaged


def _wanted(info: SourceInfo, tracks: TrackSelection) -> list[dict[str, Any]]:
    """The child's track list."""
    wanted: list[dict[str, Any]] = []
    video = tracks.video_of(info)
    if video is not None:
        rate = video.frame_rate
        wanted.append(
            {
                "id": video.id,
                "index": video.index,
                "kind": "video",
                "frame_rate": f"{rate.numerator}/{rate.denominator}" if rate else None,
                "language": video.language,
                "colours": asdict(colours(video)),
            }
        )
    for track, choice in tracks.audio_of(info):
        wanted.append(
            {
                "id": track.id,
                "index": track.index,
                "kind": "audio",
                "language": choice.language or track.language,
                "label": choice.label or track.title,
            }
        )
    return wanted


def _event(value: Any) -> PackageEvent:
    if "header" in value:
        return TrackBegun(value["track"], tracklog.loads(value["header"].encode()).header)
    # a segment line is read by the log's own parser, behind any header
    line = tracklog.loads(_ANY_HEADER + value["segment"].encode())
    return SegmentWritten(value["track"], line.segments[0])


_ANY_HEADER = tracklog.dump_header(
    TrackHeader(kind="video", codec="", timescale=1, bandwidth=0, average_bandwidth=0, target_duration_s=1)
)


async def verify_package(folder: Path, log: TrackLog, *, hashes: bool = False) -> None:
    """Check a track's files against its log before they are published.

    Each object has the logged length; each segment holds the logged number of samples in its `moof` and
    they fill its `mdat`; with `hashes` also the SHA-256 (reads everything again).

    Raises:
        IntegrityError: something is missing, short, long or different.
    """
    await asyncio.to_thread(_verify, folder, log, hashes)


def _verify(folder: Path, log: TrackLog, hashes: bool) -> None:
    if log.header.init is not None:
        init = log.header.init
        _check(folder / init.object, init.size, init.sha256, hashes)
    for segment in log.segments:
        path = folder / segment.object
        _check(path, segment.size, segment.sha256, hashes)
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES + _SAMPLE_BYTES * segment.samples)
        try:
            samples = read_moof(head).track.samples
        except BoxError as error:
            raise IntegrityError(f"{path.name} is no segment") from error
        if len(samples) != segment.samples:
            raise IntegrityError(f"{path.name} holds {len(samples)} samples, not {segment.samples}")


_HEAD_BYTES, _SAMPLE_BYTES = 1024, 16
"""`styp` and `moof` are never larger: four fields of four bytes per sample."""


def _check(path: Path, size: int, sha256: str, hashes: bool) -> None:
    try:
        found = path.stat().st_size
    except OSError as error:
        raise IntegrityError(f"{path.name} is missing") from error
    if found != size:
        raise IntegrityError(f"{path.name} has {found} bytes, not {size}")
    if hashes:
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                raise IntegrityError(f"{path.name} has other bytes than were written")
