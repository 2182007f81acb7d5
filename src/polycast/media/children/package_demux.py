"""As-is packaging of what has no sample tables to read: Matroska, MPEG-TS, FLV, fragmented MP4.

FFmpeg demuxes; segments are cut at key frames as they come, so that the first ones are out early.
Decode times are our own (`DecodeClock`), presentation times and bytes are the source's.
"""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from polycast.domain.colours import Colours
from polycast.domain.tracks import TrackHeader
from polycast.media.children.opening import open_source
from polycast.media.children.package_annexb import length_prefixed, units
from polycast.media.children.package_cuts import DecodeClock, check_ends
from polycast.media.children.package_entries import Entry, aac, avc, avc_config, starts_with_idr
from polycast.media.children.package_fragments import fragment_header, init_segment
from polycast.media.children.package_output import TrackOutput
from polycast.media.package_errors import NotPackageable

VIDEO_TIMESCALE = 90_000
BUFFER_CAP_BYTES = 256 << 20
"""Of one segment of all tracks: six seconds at over 300 Mbit/s."""
GAP_TICKS = 4
"""Audio times that differ by no more than this from the count of samples are rounding (Matroska has 1 ms)."""


@dataclass(slots=True)
class Sample:
    time: int
    """presentation, in ticks of the track"""
    duration: int
    key: bool
    data: bytes


@dataclass(slots=True)
class Track:
    """A track being cut: what waits for its segment to end."""

    id: str
    want: dict[str, Any]
    stream: Any
    video: bool
    scale: int
    output: TrackOutput
    entry: Entry | None = None
    annexb: bool = False
    bsf: Any = None
    waiting: list[Sample] = field(default_factory=list)
    clock: DecodeClock = field(default_factory=DecodeClock)
    last_group: int = 0
    seen: int = 0
    dropped: int = 0
    counted: int | None = None
    """audio: where the next frame begins if none is missing"""


def package(
    source: str, wanted: list[dict[str, Any]], out: Path, target_s: float, limit_s: float
) -> list[dict[str, Any]]:
    """See `package.handle`.

    Raises:
        Unreadable: FFmpeg cannot read it.
        NotPackageable: encode it instead.
    """
    with open_source(source) as container:
        streams = container.streams
        if any(w["index"] >= len(streams) for w in wanted):
            raise NotPackageable("no such track")
        tracks = {w["index"]: _track(streams[w["index"]], w, out) for w in wanted}
        zero = bool({"matroska", "mov"} & set(container.format.name.split(",")))
        cutter = _Cutter(list(tracks.values()), target_s, limit_s, zero=zero)
        try:
            for packet in container.demux([t.stream for t in tracks.values()]):
                cutter.take(tracks[packet.stream_index], packet)
            return cutter.finish()
        except av.error.FFmpegError as error:
            raise NotPackageable(f"reading stopped: {error.strerror}") from error


def _track(stream: Any, want: dict[str, Any], out: Path) -> Track:
    video = want["kind"] == "video"
    codec = stream.codec_context.name
    if codec not in ({"h264"} if video else {"aac"}):
        raise NotPackageable("the codec is not H.264 with AAC")
    track = Track(
        id=want["id"],
        want=want,
        stream=stream,
        video=video,
        scale=VIDEO_TIMESCALE if video else int(stream.codec_context.sample_rate or 48000),
        output=TrackOutput(out, want["id"]),
    )
    extra = bytes(stream.codec_context.extradata or b"")
    if video:
        track.annexb = extra[:1] != b"\x01"
        width, height = stream.codec_context.width, stream.codec_context.height
        config = avc_config(units(extra)) if track.annexb else extra
        track.entry = avc(config, width, height, Colours(**want["colours"]))
    elif extra:
        track.entry = aac(extra, stream.codec_context.channels)
    else:  # ADTS (MPEG-TS): the configuration is in each packet's header
        track.bsf = av.BitStreamFilterContext("aac_adtstoasc", in_stream=stream)
    return track


class _Cutter:
    def __init__(self, tracks: list[Track], target_s: float, limit_s: float, *, zero: bool) -> None:
        self._zero = zero
        self._tracks = tracks
        self._leader = next((t for t in tracks if t.video), tracks[0])
        self._target, self._limit = Fraction(target_s), Fraction(limit_s) * Fraction(101, 100)
        self._origin: Fraction | None = None
        self._early: list[tuple[Track, Any]] = []
        self._cuts: list[Fraction] = []
        self._held = 0

    def take(self, track: Track, packet: Any) -> None:
        """One demuxed packet; an empty one of FFmpeg's ends a stream."""
        if packet.size == 0:
            return
        if packet.pts is None:
            raise NotPackageable("frames without a time")
        if packet.is_corrupt:
            raise NotPackageable("the source is damaged")
        if self._origin is not None:
            self._add(track, packet)
            return
        # the earliest track sets the origin: wait until each has shown its first packet, but not for long
        self._early.append((track, packet))
        if len({t.id for t, _ in self._early}) == len(self._tracks) or len(self._early) > 500:
            self._release()

    def _release(self) -> None:
        starts = [p.pts * p.time_base for _, p in self._early]
        self._origin = min(starts, default=Fraction(0))
        # Audio priming in Matroska and fragmented MP4 comes as times before zero. Elsewhere, and in a picture's
        # case, such times are as good as any: a transport stream's clock goes round every 26 hours.
        if self._zero and self._origin < 0:
            pictures = (p.pts * p.time_base for track, p in self._early if track.video)
            self._origin = min(Fraction(0), min(pictures, default=Fraction(0)))
        early, self._early = self._early, []
        for track, packet in early:
            self._add(track, packet)

    def _add(self, track: Track, packet: Any) -> None:
        for sample in _samples(track, packet, self._origin or Fraction(0)):
            track.seen += 1
            self._held += len(sample.data)
            if self._held > BUFFER_CAP_BYTES:
                raise NotPackageable("the key frames are too far apart")
            if track.video:
                self._video(track, sample)
            else:
                self._audio(track, sample)

    def _video(self, track: Track, sample: Sample) -> None:
        if not track.waiting:
            if not sample.key:
                raise NotPackageable("the video does not begin with a key frame")
        elif sample.key:
            start = track.waiting[0].time
            length = Fraction(sample.time - start, track.scale)
            group = sample.time - next(s.time for s in reversed(track.waiting) if s.key)
            if length > self._limit:
                raise NotPackageable("the key frames are too far apart")
            # cut here, if waiting for the next key frame would leave us further from the target
            guess = length + Fraction(group, track.scale)
            if guess > self._limit or abs(length - self._target) <= abs(guess - self._target):
                self._cut(track, sample.time)
        track.waiting.append(sample)

    def _cut(self, track: Track, end: int) -> None:
        self._write(track, len(track.waiting), end)
        self._cuts.append(Fraction(end, track.scale))
        for other in self._tracks:
            if not other.video:
                self._settle(other, final=False)

    def _audio(self, track: Track, sample: Sample) -> None:
        if track.counted is not None and abs(sample.time - track.counted) <= max(
            GAP_TICKS, track.scale // 500
        ):
            sample.time = track.counted
        elif track.waiting:
            # a real gap (or overlap): stretch the frame before it, which is what a player does as well
            track.waiting[-1].duration = sample.time - track.waiting[-1].time
            if not 0 < track.waiting[-1].duration <= track.scale:
                raise NotPackageable("the audio has gaps")
        track.counted = sample.time + sample.duration
        track.waiting.append(sample)
        self._settle(track, final=False)

    def _settle(self, track: Track, *, final: bool) -> None:
        """Write what lies before the cuts known so far."""
        while track.waiting:
            done = len(track.output.segments)
            if self._leader is track or (final and done >= len(self._cuts)):
                mark = track.waiting[0].time + round(self._target * track.scale)
            elif done < len(self._cuts):
                mark = round(self._cuts[done] * track.scale)
            else:
                return
            first = next((i for i, s in enumerate(track.waiting) if s.time + s.duration // 2 >= mark), None)
            if first is None or first == 0:
                if final or first == 0:
                    rest = track.waiting[-1]
                    self._write(track, len(track.waiting), rest.time + rest.duration)
                return
            self._write(track, first, track.waiting[first].time)

    def _write(self, track: Track, count: int, end: int) -> None:
        samples, track.waiting = track.waiting[:count], track.waiting[count:]
        self._held -= sum(len(s.data) for s in samples)
        start = samples[0].time
        number = len(track.output.segments) + 1
        sizes = array("I", (len(s.data) for s in samples))
        if number == 1:
            _begin(track, sum(sizes), end - start)
            track.clock.at = start
        if track.video:
            base = track.clock.at
            if not starts_with_idr(samples[0].data, track.entry.nal_size if track.entry else 4):
                raise NotPackageable("a key frame does not start afresh")
            if min(s.time for s in samples) < start or max(s.time for s in samples) >= end:
                raise NotPackageable("a group of pictures is open")
            durations, offsets = track.clock.segment(array("q", (s.time for s in samples)), end)
            sync: list[int] | None = [i for i, s in enumerate(samples) if s.key]
        else:
            base, durations, offsets, sync = start, array("I", (s.duration for s in samples)), None, None
        head = fragment_header(number, base, durations, sizes, offsets=offsets, sync=sync)
        track.output.add(start, end - start, [head, *(s.data for s in samples)], count)

    def finish(self) -> list[dict[str, Any]]:
        """Write what is left and the logs."""
        if self._origin is None:
            self._release()
        if self._leader.video and self._leader.waiting:
            last = max(self._leader.waiting, key=lambda s: s.time)
            end = last.time + last.duration
            if Fraction(end - self._leader.waiting[0].time, self._leader.scale) > self._limit:
                raise NotPackageable("the key frames are too far apart")
            self._write(self._leader, len(self._leader.waiting), end)
        results = []
        for track in self._tracks:
            self._settle(track, final=True)
            if not track.output.segments:
                raise NotPackageable("a track has no frames")
            results.append({**track.output.finish(), "source_samples": track.seen, "dropped": track.dropped})
        if self._leader.video:
            check_ends(_end_s(self._leader), (_end_s(t) for t in self._tracks))
        return results


def _end_s(track: Track) -> Fraction:
    return Fraction(track.output.segments[-1].end, track.scale)


def _samples(track: Track, packet: Any, origin: Fraction) -> Iterator[Sample]:
    packets = track.bsf.filter(packet) if track.bsf is not None else [packet]
    for p in packets:
        if track.entry is None:  # the filter has put the configuration on the first packet
            config = next((bytes(d) for d in p.iter_sidedata() if "extradata" in str(d.data_type)), b"")
            track.entry = aac(config, track.stream.codec_context.channels)
        data = bytes(p)
        if track.annexb:
            data = length_prefixed(data)
        time = round((p.pts * p.time_base - origin) * track.scale)
        length = round((p.duration or 0) * p.time_base * track.scale)
        if not track.video:
            # the packet's duration is rounded to the container's clock; AAC frames are not
            length = 2048 if length > 1536 else 1024
            if time + length // 2 < 0:
                track.seen += 1
                track.dropped += 1
                continue  # priming
            time = max(time, 0)
        elif length <= 0:
            rate = track.stream.average_rate or Fraction(25)
            length = round(track.scale / rate)
        yield Sample(time, length, bool(p.is_keyframe), data)


def _begin(track: Track, size: int, ticks: int) -> None:
    entry = track.entry
    if entry is None or ticks <= 0:
        raise NotPackageable("a track has no configuration")
    rate = size * 8 * track.scale // ticks
    header = TrackHeader(
        kind="video" if track.video else "audio",
        codec=entry.codec,
        timescale=track.scale,
        bandwidth=rate,  # of the first segment; the finished log has the true ones
        average_bandwidth=rate,
        target_duration_s=6,
        width=entry.width,
        height=entry.height,
        frame_rate=track.want.get("frame_rate"),
        sample_rate=entry.sample_rate,
        channels=entry.channels,
        video_range="SDR" if track.video else "",
        language=track.want.get("language"),
        label=track.want.get("label"),
    )
    init = init_segment(
        video=track.video,
        timescale=track.scale,
        entry=entry.box,
        width=entry.width,
        height=entry.height,
        language=track.want.get("language"),
    )
    track.output.begin(header, init)
