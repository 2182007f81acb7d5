"""Movie fragments: what samples a moof announces (ISO/IEC 14496-12 8.8)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from polycast.protocols.errors import BoxError
from polycast.protocols.isobmff.boxes import Box, Buffer, Reader, iter_boxes
from polycast.protocols.isobmff.moov import TrackDefaults

MAX_SAMPLES: Final = 1_000_000
"""In one moof; an hour of AAC at 96 kHz in one fragment has 337 500."""
MAX_TRACK_FRAGMENTS: Final = 256

_NON_SYNC: Final = 0x10000
_DEPENDS_SHIFT: Final = 24


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample: duration and composition offset in ticks, size in bytes, flags as of 8.8.3.1."""

    duration: int
    size: int
    flags: int
    cts: int

    @property
    def sync(self) -> bool:
        """A decoder can begin here: not marked as non-sync, and not said to depend on others."""
        return not self.flags & _NON_SYNC and (self.flags >> _DEPENDS_SHIFT) & 3 != 1


@dataclass(frozen=True, slots=True)
class TrackFragment:
    """One traf.

    Attributes:
        base_decode_time: of the first sample in ticks (tfdt), None when the fragment does not say.
        absolute_offset: data offset from the start of the file (tfhd base-data-offset): the fragment cannot
            be moved.
        data_offset: where the bytes of the first sample are, from the start of the moof; None when the
            fragment does not say (then they are the first of the mdat).
    """

    track_id: int
    base_decode_time: int | None
    samples: tuple[Sample, ...]
    absolute_offset: int | None = None
    data_offset: int | None = None

    @property
    def sample_count(self) -> int:
        return len(self.samples)

    @property
    def duration(self) -> int:
        """The sum of the sample durations, in ticks."""
        return sum(sample.duration for sample in self.samples)

    @property
    def size(self) -> int:
        return sum(sample.size for sample in self.samples)

    @property
    def independent(self) -> bool:
        """The first sample is a sync sample; False without samples."""
        return bool(self.samples) and self.samples[0].sync

    @property
    def first_pts(self) -> int | None:
        """The smallest presentation time in ticks, None without samples."""
        return min((pts for pts, _ in self._times()), default=None)

    @property
    def end_pts(self) -> int | None:
        """The latest end of presentation in ticks, None without samples."""
        return max((end for _, end in self._times()), default=None)

    def _times(self) -> Iterator[tuple[int, int]]:
        dts = self.base_decode_time or 0
        for sample in self.samples:
            pts = dts + sample.cts
            yield pts, pts + sample.duration
            dts += sample.duration


@dataclass(frozen=True, slots=True)
class MovieFragment:
    """One moof."""

    sequence: int
    tracks: tuple[TrackFragment, ...]

    @property
    def track(self) -> TrackFragment:
        """The only track; raises BoxError when there is another number of them."""
        if len(self.tracks) != 1:
            raise BoxError(f"fragment with {len(self.tracks)} tracks where one is expected")
        return self.tracks[0]


def read_moof(data: Buffer, defaults: Mapping[int, TrackDefaults] | None = None) -> MovieFragment:
    """Read the first movie fragment box.

    Args:
        data: bytes that begin with any top-level boxes and hold the whole moof; later boxes may be cut off.
        defaults: `MovieInfo.defaults` of the init segment; without it what it would say is 0.

    Raises:
        BoxError: no moof, over a cap, or a box that is broken.
    """
    for box in iter_boxes(data):
        if box.type == "moof":
            return _moof(box, defaults or {})
    raise BoxError("no moof box")


def _moof(moof: Box, defaults: Mapping[int, TrackDefaults]) -> MovieFragment:
    sequence, budget = 0, MAX_SAMPLES
    tracks: list[TrackFragment] = []
    for box in moof.children():
        if box.type == "mfhd":
            sequence = box.reader().skip(4).u32()
        elif box.type == "traf":
            if len(tracks) >= MAX_TRACK_FRAGMENTS:
                raise BoxError(f"over {MAX_TRACK_FRAGMENTS} track fragments")
            tracks.append(_traf(box, defaults, budget))
            budget -= tracks[-1].sample_count
    return MovieFragment(sequence, tuple(tracks))


def _traf(traf: Box, defaults: Mapping[int, TrackDefaults], budget: int) -> TrackFragment:
    track_id, absolute = 0, None
    inherited = TrackDefaults()
    decode_time: int | None = None
    data_offset: int | None = None
    samples: list[Sample] = []
    for box in traf.children():
        reader = box.reader()
        if box.type == "tfhd":
            track_id, absolute, inherited = _tfhd(reader, defaults)
        elif box.type == "tfdt":
            version, _ = reader.full_box()
            decode_time = reader.sized(version)
        elif box.type == "trun":
            if not samples:
                data_offset = _data_offset(box.reader())
            samples.extend(_trun(reader, inherited, budget - len(samples)))
    if not track_id:
        raise BoxError("traf without tfhd")
    return TrackFragment(track_id, decode_time, tuple(samples), absolute, data_offset)


def _tfhd(reader: Reader, defaults: Mapping[int, TrackDefaults]) -> tuple[int, int | None, TrackDefaults]:
    """(track id, base data offset, defaults of the fragment) (8.8.7)."""
    _, flags = reader.full_box()
    track_id = reader.u32()
    base = defaults.get(track_id, TrackDefaults())
    absolute = reader.u64() if flags & 0x1 else None
    if flags & 0x2:
        reader.skip(4)
    duration = reader.u32() if flags & 0x8 else base.duration
    size = reader.u32() if flags & 0x10 else base.size
    sample_flags = reader.u32() if flags & 0x20 else base.flags
    return track_id, absolute, TrackDefaults(duration, size, sample_flags)


def _data_offset(reader: Reader) -> int | None:
    _, flags = reader.full_box()
    reader.skip(4)
    return reader.i32() if flags & 0x1 else None


def _trun(reader: Reader, inherited: TrackDefaults, budget: int) -> Iterator[Sample]:
    """The samples of one run (8.8.8)."""
    _, flags = reader.full_box()
    count = reader.u32()
    if count > budget:
        # without per-sample fields the count alone would make as many samples as it likes
        raise BoxError(f"over {MAX_SAMPLES} samples in one fragment")
    if flags & 0x1:
        reader.skip(4)
    first_flags = reader.u32() if flags & 0x4 else None
    for index in range(count):
        duration = reader.u32() if flags & 0x100 else inherited.duration
        size = reader.u32() if flags & 0x200 else inherited.size
        if flags & 0x400:
            sample_flags = reader.u32()
        else:
            sample_flags = first_flags if index == 0 and first_flags is not None else inherited.flags
        # signed in version 1 only, but muxers write negative offsets in version 0 too and readers follow them
        cts = reader.i32() if flags & 0x800 else 0
        yield Sample(duration, size, sample_flags, cts)
