"""Write the files of one packaged track and report each as soon as it is whole."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from polycast.domain.tracks import ObjectRef, Segment, SegmentFlag, TrackHeader, TrackLog
from polycast.media.children.package_cuts import target_duration
from polycast.media.children.protocol import send
from polycast.protocols import bandwidth, tracklog


class TrackOutput:
    """The folder of one track: `init.mp4`, `1.m4s`, `2.m4s`, …, at last `log.jsonl`.

    A file is written in one call and reported after that; what has no report is to be thrown away.
    """

    def __init__(self, folder: Path, track_id: str) -> None:
        self._folder = folder / track_id
        self._folder.mkdir(parents=True, exist_ok=True)
        self._id = track_id
        self._header: TrackHeader | None = None
        self.segments: list[Segment] = []

    def begin(self, header: TrackHeader, init: bytes) -> None:
        """Write the init segment and report the track; rates in `header` may still be estimates."""
        digest = self._write("init.mp4", init)
        self._header = replace(header, init=ObjectRef("init.mp4", 0, len(init), digest))
        send("progress", {"track": self._id, "header": _header_json(self._header)})

    def add(
        self,
        start: int,
        duration: int,
        parts: Sequence[bytes | memoryview],
        samples: int,
        *,
        independent: bool = True,
    ) -> None:
        """Write the next segment from `parts`; times in ticks."""
        name = f"{len(self.segments) + 1}.m4s"
        data = b"".join(parts)
        segment = Segment(
            start=start,
            duration=duration,
            size=len(data),
            object=name,
            sha256=self._write(name, data),
            samples=samples,
            flags=SegmentFlag.INDEPENDENT if independent else SegmentFlag.NONE,
        )
        self.segments.append(segment)
        send("progress", {"track": self._id, "segment": tracklog.dump_segment(segment).decode()})

    def finish(self) -> dict[str, Any]:
        """Write the log with the rates as measured; returns the summary for the parent."""
        assert self._header is not None
        scale = self._header.timescale
        target = target_duration((s.duration for s in self.segments), scale)
        rate = bandwidth.measure(self.segments, timescale=scale, target_s=target)
        header = replace(
            self._header,
            bandwidth=rate.peak,
            average_bandwidth=rate.average,
            target_duration_s=target,
        )
        log = tracklog.dumps(TrackLog(header, tuple(self.segments)))
        self._write("log.jsonl", log)
        return {"id": self._id, "samples": sum(s.samples for s in self.segments)}

    def _write(self, name: str, data: bytes) -> str:
        fd = os.open(self._folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]
        finally:
            os.close(fd)
        return hashlib.sha256(data).hexdigest()


def _header_json(header: TrackHeader) -> str:
    return tracklog.dump_header(header).decode()
