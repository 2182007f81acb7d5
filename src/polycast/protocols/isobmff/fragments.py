"""Cutting a fragmented file into its init segment and fragments, whole or as it is being written.

A fragment is one moof with its one mdat. What stands between fragments is treated by kind:

- `styp`, `prft`, `emsg` belong to the fragment behind them and are kept in front of it;
- `sidx`, `ssix`, `mfra`, `free`, `skip`, `wide` and unknown boxes are dropped: indexes speak of positions in
  the file that was cut. Before the first fragment, everything but those is the init segment.

Fragments whose data offsets count from the start of the file (tfhd base-data-offset) cannot be cut out and are
refused; offsets that count from the moof stay right whatever stands before it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from polycast.protocols.errors import BoxError
from polycast.protocols.isobmff.boxes import Buffer, parse_header
from polycast.protocols.isobmff.moof import MovieFragment, read_moof
from polycast.protocols.isobmff.moov import MovieInfo, TrackDefaults, read_moov

MAX_BOX: Final = 256 * 1024 * 1024
MAX_HEAD: Final = 32 * 1024 * 1024
"""For every box but mdat: a moov with the tables of a day-long file stays below."""

_DROPPED: Final = frozenset({"sidx", "ssix", "mfra", "free", "skip", "wide"})
_LEADING: Final = frozenset({"styp", "prft", "emsg"})


@dataclass(frozen=True, slots=True)
class InitSegment:
    """ftyp, moov and whatever else came before the first fragment."""

    data: bytes
    movie: MovieInfo


@dataclass(frozen=True, slots=True)
class Fragment:
    """One moof and mdat with the boxes that lead it in.

    Attributes:
        data: the bytes to store or send.
        offset: where its first kept byte stood in the input.
        moof: what it holds.
        moof_offset: where the moof begins in `data`, behind the boxes that lead it in.
    """

    data: bytes
    offset: int
    moof: MovieFragment
    moof_offset: int = 0

    @property
    def key_frame_size(self) -> int | None:
        """Bytes from the start of `data` to the end of the first sample: what an I-frame playlist points at.

        None unless the fragment has one track and begins with a key frame (RFC 8216bis 4.4.3.6).
        """
        if len(self.moof.tracks) != 1 or not self.moof.track.independent:
            return None
        track = self.moof.track
        if track.data_offset is None:
            return None
        end = self.moof_offset + track.data_offset + track.samples[0].size
        return end if 0 < end <= len(self.data) else None


Event = InitSegment | Fragment


class FragmentReader:
    """Bytes in any pieces in, init segment and fragments out.

    Feed until the input ends, then call `close`. After an error the reader is of no more use.
    """

    def __init__(
        self, *, max_box: int = MAX_BOX, defaults: Mapping[int, TrackDefaults] | None = None
    ) -> None:
        """
        Args:
            max_box: no mdat may be larger; at most this and one head is held in memory.
            defaults: of an init segment read elsewhere; then the input may begin with a fragment.
        """
        self._buffer = bytearray()
        self._consumed = 0
        self._max_box = max_box
        self._head: list[bytes] = []
        self._lead: list[bytes] = []
        self._lead_offset: int | None = None
        self._moof: bytes | None = None
        self._defaults = defaults
        self._kept = 0

    def feed(self, data: Buffer) -> list[Event]:
        """What became whole with these bytes, in order; empty while a box is incomplete.

        Raises:
            BoxError: not a fragmented file, over a cap, or a box that is broken.
        """
        self._buffer += data
        events: list[Event] = []
        while (box := self._next_box()) is not None:
            kind, raw, offset = box
            event = self._take(kind, raw, offset)
            if event is not None:
                events.append(event)
        return events

    def close(self) -> None:
        """End of input.

        Raises:
            BoxError: it ended inside a box or between a moof and its mdat, or held no movie at all.
        """
        if self._buffer or self._moof is not None:
            raise BoxError("input ends inside a fragment")
        if self._defaults is None:
            raise BoxError("no moov box")

    def _next_box(self) -> tuple[str, bytes, int] | None:
        header = parse_header(self._buffer[:16])
        if header is None:
            return None
        kind, size, _ = header
        if size == 0:
            raise BoxError(f"box {kind} without size")
        if size > (self._max_box if kind == "mdat" else min(MAX_HEAD, self._max_box)):
            raise BoxError(f"box {kind} of {size} bytes is over the limit")
        if len(self._buffer) < size:
            return None
        raw, offset = bytes(self._buffer[:size]), self._consumed
        del self._buffer[:size]
        self._consumed += size
        return kind, raw, offset

    def _take(self, kind: str, raw: bytes, offset: int) -> Event | None:
        if kind == "mdat":
            return self._fragment(raw)
        if self._moof is not None:
            raise BoxError(f"box {kind} between moof and mdat")
        if kind == "moof":
            if self._defaults is None:
                raise BoxError("moof before moov")
            self._moof = raw
            self._lead_offset = offset if self._lead_offset is None else self._lead_offset
        elif kind == "moov":
            return self._init(raw)
        elif kind in _LEADING and self._defaults is not None:
            self._keep(self._lead, raw)
            self._lead_offset = offset if self._lead_offset is None else self._lead_offset
        elif kind not in _DROPPED and self._defaults is None:
            self._keep(self._head, raw)
        return None

    def _keep(self, where: list[bytes], raw: bytes) -> None:
        self._kept += len(raw)
        if self._kept > MAX_HEAD:
            raise BoxError("too much before the first fragment")
        where.append(raw)

    def _init(self, raw: bytes) -> InitSegment:
        if self._defaults is not None:
            raise BoxError("a second moov")
        movie = read_moov(raw)
        if not movie.fragmented:
            raise BoxError("not a fragmented file: moov has no mvex")
        self._defaults = movie.defaults
        data = b"".join((*self._head, raw))
        self._head, self._kept = [], 0
        return InitSegment(data, movie)

    def _fragment(self, mdat: bytes) -> Fragment:
        if self._moof is None or self._lead_offset is None:
            raise BoxError("mdat without moof")
        moof = read_moof(self._moof, self._defaults)
        if any(track.absolute_offset is not None for track in moof.tracks):
            raise BoxError("fragment with offsets from the start of the file")
        lead = b"".join(self._lead)
        fragment = Fragment(lead + self._moof + mdat, self._lead_offset, moof, len(lead))
        self._moof, self._lead, self._lead_offset, self._kept = None, [], None, 0
        return fragment


def split_fragments(data: Buffer) -> tuple[InitSegment, list[Fragment]]:
    """Cut a whole fragmented file; a file with a moov and no fragment gives an empty list.

    Raises:
        BoxError: as of `FragmentReader.feed` and `close`.
    """
    reader = FragmentReader()
    events = reader.feed(data)
    reader.close()
    init = next((event for event in events if isinstance(event, InitSegment)), None)
    if init is None:
        raise BoxError("no moov box")
    return init, [event for event in events if isinstance(event, Fragment)]
