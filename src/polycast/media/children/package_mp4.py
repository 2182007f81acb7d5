"""As-is packaging of MP4 and MOV from their sample tables: no demuxer, no packet objects.

All that is decided per sample is decided by array operations; the bytes go from file to file in runs.
"""

import os
from array import array
from bisect import bisect_left
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

from polycast.domain.colours import Colours
from polycast.domain.errors import Encrypted
from polycast.domain.tracks import Segment, TrackHeader
from polycast.media.children.mp4_tables import IDENTITY, Mp4Track, Samples, timeline
from polycast.media.children.package_cuts import (
    DecodeClock,
    check_ends,
    closed_starts,
    plan_cuts,
    target_duration,
    to_ticks,
)
from polycast.media.children.package_entries import Entry, audio_description, has_idr_start, video_description
from polycast.media.children.package_fragments import fragment_header, init_segment
from polycast.media.children.package_output import TrackOutput
from polycast.media.package_errors import NotPackageable
from polycast.protocols import bandwidth

WINDOW_SLACK = 1 << 20
"""Bytes of other tracks that we rather read along than seek over."""

HEAD_BYTES, SAMPLE_BYTES = 160, 16
"""What `fragment_header` adds at most: to a segment, and per sample."""


class Source:
    """Reads runs of a file; keeps the last window, since the audio of a segment lies between its video."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._at = 0
        self._window = memoryview(b"")

    def read(self, runs: list[tuple[int, int]]) -> list[bytes | memoryview]:
        """The bytes of runs (offset, length), in order.

        Raises:
            NotPackageable: the file is shorter than its tables say.
        """
        low = min(o for o, _ in runs)
        high = max(o + n for o, n in runs)
        if (low < self._at or high > self._at + len(self._window)) and (
            high - low <= 2 * sum(n for _, n in runs) + WINDOW_SLACK
        ):
            self._at, self._window = low, memoryview(self._pread(low, high - low))
        at, window = self._at, self._window
        end = at + len(window)
        return [
            window[o - at : o - at + n] if at <= o and o + n <= end else self._pread(o, n) for o, n in runs
        ]

    def _pread(self, offset: int, length: int) -> bytes:
        data = os.pread(self._fd, length, offset)
        while len(data) < length:  # one call gives at most 2 GiB
            more = os.pread(self._fd, length - len(data), offset + len(data))
            if not more:
                raise NotPackageable("the file ends before its last frame")
            data += more
        return data


@dataclass(slots=True)
class Plan:
    """One track on the presentation's timeline, before anything is written."""

    id: str
    video: bool
    track: Mp4Track
    entry: Entry
    samples: Samples
    first: int
    """first and one behind the last sample used"""
    last: int
    shift: int
    """ticks to add to a sample's time to get presentation time"""
    end: int
    """presentation end in ticks"""
    cuts: list[int]
    """first sample of each segment"""
    clock: DecodeClock = field(default_factory=DecodeClock)

    def start_of(self, sample: int) -> int:
        return self.samples.pts[sample] + self.shift


def package(
    fd: int, tracks: list[Mp4Track], wanted: list[dict[str, Any]], out: Path, target_s: float, limit_s: float
) -> list[dict[str, Any]]:
    """Package the wanted tracks; the first file is whole after a few milliseconds.

    Raises:
        Malformed: the tables do not hold together (FFmpeg may still read the file).
        NotPackageable: the source must be encoded.
        Encrypted: samples are encrypted.
    """
    chosen = [tracks[w["index"]] for w in wanted if w["index"] < len(tracks)]
    if len(chosen) < len(wanted):
        raise NotPackageable("no such track")
    if any(t.encrypted for t in chosen):
        raise Encrypted("the source is encrypted")
    plans = [_plan(track, want, fd) for track, want in zip(chosen, wanted, strict=True)]
    _align(plans)
    leader = next((p for p in plans if p.video), None)
    if leader is not None:
        check_ends(_end_s(leader), (_end_s(p) for p in plans))
        _cut_video(leader, target_s, limit_s)
    for plan in plans:
        if plan is not leader:
            _cut_audio(plan, leader, target_s)
    return _write(fd, plans, wanted, out)


def _plan(track: Mp4Track, want: dict[str, Any], fd: int) -> Plan:
    video = want["kind"] == "video"
    if track.entry_count != 1:
        raise NotPackageable("the encoding changes within a track")
    entry = video_description(track, Colours(**want["colours"])) if video else audio_description(track)
    line = timeline(track)
    if line is None or (video and track.matrix[:8] != IDENTITY[:8]):
        raise NotPackageable("the edit list or the display matrix does more than start the track")
    samples = track.samples()
    pts, count = samples.pts, len(samples.sizes)
    frame = sorted(samples.durations)[count // 2]
    stop = line.origin + line.length if line.length is not None else None
    plan = Plan(want["id"], video, track, entry, samples, 0, count, 0, 0, [])
    if video:
        if min(pts) < line.origin - frame // 2 or (stop is not None and max(pts) > stop + frame):
            raise NotPackageable("the edit list trims frames")
        end = max(pts) + (samples.durations[-1] or frame)
        if stop is not None and max(pts) < stop < end:
            end = stop
    else:
        # encoder priming and trimmed starts: whole frames go, the rest moves by half a frame at most
        plan.first = min(bisect_left(pts, line.origin - frame // 2), count - 1)
        if stop is not None:
            plan.last = max(bisect_left(pts, stop), plan.first + 1)
        end = pts[plan.last - 1] + samples.durations[plan.last - 1]
        if any(d == 0 for d in samples.durations[plan.first : plan.last]):
            raise NotPackageable("the audio times are not strictly rising")
    plan.shift = to_ticks(line.delay_s, track.timescale) - line.origin
    lowest = (min(pts) if video else pts[plan.first]) + plan.shift
    if lowest < 0:
        plan.shift -= lowest
    plan.end = end + plan.shift
    if video:
        sync = samples.sync if samples.sync is not None else array("I", range(count))
        if not sync or sync[0] != 0:
            raise NotPackageable("the video does not begin with a key frame")
        plan.cuts = [
            i
            for i in closed_starts(pts, sync)
            if has_idr_start(fd, *next(samples.runs(i, i + 1)), entry.nal_size)
        ]
        if not plan.cuts or plan.cuts[0] != 0:
            raise NotPackageable("the first group of pictures is open")
    return plan


def _align(plans: list[Plan]) -> None:
    """Let the earliest track start at zero, and keep the others where they are against it."""
    starts = [Fraction(p.start_of(0) if p.video else p.start_of(p.first), p.track.timescale) for p in plans]
    earliest = min(starts)
    for plan in plans:
        ticks = to_ticks(earliest, plan.track.timescale)
        plan.shift -= ticks
        plan.end -= ticks


def _end_s(plan: Plan) -> Fraction:
    return Fraction(plan.end, plan.track.timescale)


def _cut_video(plan: Plan, target_s: float, limit_s: float) -> None:
    scale = plan.track.timescale
    times = [plan.start_of(i) for i in plan.cuts]
    # a hundredth above the limit: key frames "every six seconds" at 29.97 fps are 6.006 s apart
    chosen = plan_cuts(times, plan.end, int(target_s * scale), int(limit_s * 1.01 * scale))
    plan.cuts = [plan.cuts[i] for i in chosen]


def _cut_audio(plan: Plan, leader: Plan | None, target_s: float) -> None:
    """Cut where the video is cut (at the nearest frame), and by the clock where there is none."""
    scale = plan.track.timescale
    marks: list[int] = []
    clock = 0
    if leader is not None:
        unit = Fraction(scale, leader.track.timescale)
        marks = [round(leader.start_of(i) * unit) for i in leader.cuts[1:]]
        clock = marks[-1] if marks else 0
    step = int(target_s * scale)
    clock += step
    while clock < plan.end - step // 2:
        if leader is None or clock >= leader.end * Fraction(scale, leader.track.timescale):
            marks.append(clock)
        clock += step
    pts = plan.samples.pts
    cuts = [plan.first]
    for mark in marks:
        at = mark - plan.shift
        i = bisect_left(pts, at, plan.first, plan.last)
        if i > plan.first and i < plan.last and at - pts[i - 1] < pts[i] - at:
            i -= 1
        if cuts[-1] < i < plan.last:
            cuts.append(i)
    plan.cuts = cuts


def _write(fd: int, plans: list[Plan], wanted: list[dict[str, Any]], out: Path) -> list[dict[str, Any]]:
    source = Source(fd)
    outputs = [TrackOutput(out, plan.id) for plan in plans]
    work: list[tuple[float, int, int]] = []
    for n, (plan, want) in enumerate(zip(plans, wanted, strict=True)):
        header, init = _describe(plan, want)
        outputs[n].begin(header, init)
        work += [(plan.start_of(i) / plan.track.timescale, n, k) for k, i in enumerate(plan.cuts)]
    for _, n, k in sorted(work):
        _write_segment(source, plans[n], outputs[n], k)
    results = []
    for plan, output in zip(plans, outputs, strict=True):
        dropped = len(plan.samples.sizes) - (plan.last - plan.first)
        results.append({**output.finish(), "source_samples": len(plan.samples.sizes), "dropped": dropped})
    return results


def _describe(plan: Plan, want: dict[str, Any]) -> tuple[TrackHeader, bytes]:
    """The track's header with its rates (all sizes are known; never too low), and its init segment."""
    track, entry, samples = plan.track, plan.entry, plan.samples
    bounds = [*plan.cuts, plan.last]
    starts = [*(plan.start_of(i) for i in plan.cuts), plan.end]
    # sizes are known before anything is written; the heads are estimated, never too low
    planned = [
        Segment(
            start=t0,
            duration=t1 - t0,
            size=samples.size_sums[b] - samples.size_sums[a] + HEAD_BYTES + SAMPLE_BYTES * (b - a),
            object="",
            sha256="",
        )
        for (a, b), (t0, t1) in zip(pairwise(bounds), pairwise(starts), strict=True)
    ]
    target = target_duration((s.duration for s in planned), track.timescale)
    rate = bandwidth.measure(planned, timescale=track.timescale, target_s=target)
    header = TrackHeader(
        kind="video" if plan.video else "audio",
        codec=entry.codec,
        timescale=track.timescale,
        bandwidth=rate.peak,
        average_bandwidth=rate.average,
        target_duration_s=target,
        width=entry.width,
        height=entry.height,
        frame_rate=want.get("frame_rate"),
        sample_rate=entry.sample_rate,
        channels=entry.channels,
        video_range="SDR" if plan.video else "",
        language=want.get("language"),
        label=want.get("label"),
    )
    init = init_segment(
        video=plan.video,
        timescale=track.timescale,
        entry=entry.box,
        width=entry.width,
        height=entry.height,
        language=want.get("language"),
    )
    return header, init


def _write_segment(source: Source, plan: Plan, output: TrackOutput, k: int) -> None:
    samples, whole = plan.samples, k + 1 == len(plan.cuts)
    a, b = plan.cuts[k], plan.last if whole else plan.cuts[k + 1]
    start, end = plan.start_of(a), plan.end if whole else plan.start_of(b)
    sizes = samples.sizes[a:b]
    if plan.video:
        if k == 0:
            plan.clock.at = start
        base = plan.clock.at
        shown = array("q", (t + plan.shift for t in samples.pts[a:b]))
        durations, offsets = plan.clock.segment(shown, end)
        sync = _inside(samples.sync, a, b)
    else:
        base, durations, offsets, sync = start, samples.durations[a:b], None, None
    head = fragment_header(k + 1, base, durations, sizes, offsets=offsets, sync=sync)
    output.add(start, end - start, [head, *source.read(list(samples.runs(a, b)))], b - a)


def _inside(sync: "array[int] | None", a: int, b: int) -> list[int]:
    """Sync samples within [a, b), counted from a."""
    if sync is None:
        return list(range(b - a))
    return [i - a for i in sync[bisect_left(sync, a) : bisect_left(sync, b)]]
