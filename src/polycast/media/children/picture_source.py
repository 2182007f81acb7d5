"""Single pictures out of a video at given times, by seeking: the length of the source does not matter.

A key frame is taken alone (one packet is read and decoded). An exact time costs the decoding of everything since
the key frame before it, which a budget bounds: when it is used up, the key frame itself has to do.
"""

import itertools
from collections.abc import Iterator
from typing import Any

from av.error import FFmpegError
from av.stream import Discard

from polycast.domain.errors import LimitExceeded, Unreadable
from polycast.media.children.opening import open_source
from polycast.media.children.picture_index import KeyIndex
from polycast.media.toolkit_allowlist import VIDEO_DECODERS

MAX_PIXELS = 140_000_000
"""Of one picture; 16 384 x 8 192 has 134 million."""
DECODE_BUDGET = 12_000_000_000
"""Pixels decoded on the way to exact times: some 6 000 frames of 1080p, half a minute to a minute of one core."""

_KEY_PACKETS = 2_000
"""Packets looked through for a key frame behind a seek; a seek that lands on none is broken."""
_BACK_S = (0.0, 2.0, 6.0, 15.0, 60.0)
"""Transport streams are sought by any packet, not by key frames, and indices know times of decoding: further and
further back until a key frame is met."""
_HELD_BYTES = 64 << 20
_CONTINUE_S = 2.0
_EXACT_WINDOW_S = 0.5


class PictureSource:
    """One video stream of a file. Times are seconds on the container's clock."""

    def __init__(self, path: str, index: int, *, budget: int = DECODE_BUDGET) -> None:
        """
        Raises:
            Unreadable: no such stream, or a codec that is not allowed here.
        """
        self._container = open_source(path)
        try:
            self._stream = self._container.streams[index]
        except IndexError as error:
            raise Unreadable("the file has no such track") from error
        context = self._stream.codec_context if self._stream.type == "video" else None
        # the white-list given to the container binds its own probing only, not decoders opened later
        if context is None or context.codec.name not in VIDEO_DECODERS:
            raise Unreadable("the video is of a kind that cannot be decoded here")
        context.thread_count = 1  # one picture at a time: frame threads would only add delay and memory
        context.options = {"max_pixels": str(MAX_PIXELS)}  # refused before anything is allocated
        for other in self._container.streams:
            if other.index != index:
                other.discard = Discard.all  # not even read where the container has an index
        self._context = context
        self._budget = budget
        self._moved = False
        self._index = KeyIndex(self._container, self._stream)
        self._frames: Iterator[Any] | None = None
        self._last: Any = None
        self._pending: Any = None
        self._target: int | None = None

    def first(self) -> Any | None:
        """The first picture from where the file begins: stills, attached pictures, files that cannot seek."""
        if self._moved:
            self._go(self._start_s)
        self._restart()
        self._target = None
        self._moved = True
        for frame in self._decode(self._container.demux(self._stream)):
            return frame
        return None

    def key(self, time_s: float) -> Any | None:
        """The key frame at or before a time, None where there is none to be found."""
        packet = self._key_packet(time_s)
        self._restart()
        if packet is None:
            return None
        try:
            self._context.skip_frame = "DEFAULT"
            # flushed at once: a decoder that reorders would wait for more
            frames = [*self._context.decode(packet), *self._context.decode(None)]
        except FFmpegError:
            frames = []
        finally:
            self._context.flush_buffers()
        for frame in frames:
            self._spend(frame)
            return frame
        return None

    def at(self, time_s: float) -> Any | None:
        """The picture that shows at a time; the last one behind the end; None when nothing can be decoded."""
        if self._budget <= 0:
            return self.key(time_s) or self._last
        target = self._ticks(time_s)
        if self._ahead(target, time_s):
            return self._forward(target)
        for back_s in _BACK_S:
            self._go(time_s - back_s)
            packets = self._from_key_frame(target)
            if packets is not None:
                self._frames = self._decode(packets)
                found = self._forward(target)
                if found is not None:
                    return found
            if time_s - back_s <= self._start_s:
                break
        # no key frame before it at all: whatever decodes from where the last seek came out
        self._go(time_s - back_s)
        return self._forward(target)

    def near(self, time_s: float, tolerance_s: float) -> Any | None:
        """A key frame that is at most this much off, before or behind, else the exact picture."""
        known = self._index.nearest_s(time_s)
        # without an index nobody knows whether a seek comes out at the key frame before a time or behind it
        places = (time_s, time_s - tolerance_s, time_s + tolerance_s) if known is None else (known,)
        if known is None or abs(time_s - known) <= tolerance_s:
            for place in places:
                frame = self.key(place)
                if frame is not None and abs(time_s - self.time_of(frame)) <= tolerance_s:
                    return frame
        return self.at(time_s)

    def following(self, seconds: float, rate: float) -> Iterator[Any]:
        """Pictures at about `rate` a second from where `at` stands, for some seconds."""
        if self._last is None or self._last.pts is None:
            return
        begin = self.time_of(self._last)
        for number in range(max(1, round(seconds * rate))):
            wanted = self._ticks(begin + number / rate)
            if self._budget <= 0:
                return
            frame = self._forward(wanted)
            if frame is None:
                return
            yield frame

    def time_of(self, frame: Any) -> float:
        """When a picture of this source shows; 0.0 where the file does not say."""
        return float(frame.pts * self._stream.time_base) if frame.pts is not None else 0.0

    @property
    def _start_s(self) -> float:
        start = self._stream.start_time
        return float(start * self._stream.time_base) if start is not None else 0.0

    @property
    def _half_frame(self) -> int:
        rate = self._stream.average_rate
        return int(1 / rate / self._stream.time_base / 2) if rate else 0

    def _ticks(self, time_s: float) -> int:
        return round(time_s / float(self._stream.time_base))

    def _ahead(self, target: int, time_s: float) -> bool:
        """Going on is cheaper than a seek: the time lies in the group of pictures that is being decoded."""
        if self._frames is None or self._last is None or self._last.pts is None or target < self._last.pts:
            return False
        here_s = self.time_of(self._last)
        known = self._index.key_s(time_s)
        return known <= here_s if known is not None else time_s - here_s <= _CONTINUE_S

    def _restart(self) -> None:
        self._frames = self._last = self._pending = None

    def _go(self, time_s: float) -> bool:
        """Seek to the key frame at or before a time; False when the file cannot (it then stays where it is)."""
        self._restart()
        self._moved = True
        try:
            if time_s <= self._start_s and not self._index.possible:
                # by position: by time, decoding starts earlier than showing, and the first key frame is missed
                self._container.seek(0, unsupported_byte_offset=True)
            else:
                self._container.seek(self._ticks(time_s), stream=self._stream, backward=True)
        except FFmpegError:
            return False
        return True

    def _key_packet(self, time_s: float) -> Any | None:
        self._go(time_s)
        try:
            for number, packet in enumerate(self._container.demux(self._stream)):
                if packet.is_keyframe and packet.size:
                    return packet
                if number > _KEY_PACKETS:
                    return None
        except FFmpegError:
            pass
        return None

    def _forward(self, target: int) -> Any | None:
        """Decode until the picture that shows at `target` is known."""
        if self._frames is None:
            self._frames = self._decode(self._container.demux(self._stream))
        self._target = target
        limit = target + self._half_frame
        while True:
            if self._pending is not None:
                if self._pending.pts is not None and self._pending.pts > limit:
                    return self._last if self._last is not None else self._pending
                self._last = self._pending
            self._pending = next(self._frames, None)
            if self._pending is None:
                return self._last
            if self._budget <= 0:
                return self._pending

    def _from_key_frame(self, target: int) -> Iterator[Any] | None:
        """Packets from the last key frame that shows at or before `target`; None when there is none ahead of it.

        Nothing is decoded to find it: packets are read up to the target, and those before the key frame dropped.
        """
        held: list[Any] = []
        size = 0
        limit = target + self._half_frame
        packets = self._container.demux(self._stream)
        try:
            for packet in packets:
                shown = packet.pts if packet.pts is not None else packet.dts
                if packet.is_keyframe and packet.size and shown is not None and shown <= limit:
                    held, size = [], 0
                    held.append(packet)
                elif held:
                    held.append(packet)
                size += packet.size
                if (packet.dts is not None and packet.dts > limit) or size > _HELD_BYTES:
                    break
        except FFmpegError:
            pass  # damage further on: what is held may be all that is needed
        return itertools.chain(held, packets) if held else None

    def _decode(self, packets: Iterator[Any]) -> Iterator[Any]:
        window = self._ticks(_EXACT_WINDOW_S)
        try:
            for packet in packets:
                time = packet.pts
                far = self._target is not None and time is not None and time < self._target - window
                # pictures that nothing refers to need not be decoded on the way
                self._context.skip_frame = "NONREF" if far else "DEFAULT"
                try:
                    frames = packet.decode()
                except FFmpegError:
                    continue  # damage: the next packet may be good
                for frame in frames:
                    self._spend(frame)
                    yield frame
        except FFmpegError:
            return

    def _spend(self, frame: Any) -> None:
        pixels = frame.width * frame.height
        if pixels > MAX_PIXELS:
            raise LimitExceeded("the pictures are too large")
        self._budget -= pixels
