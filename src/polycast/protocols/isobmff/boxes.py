"""Boxes: the outer form of ISO base media files (ISO/IEC 14496-12 section 4.2).

Everything below reads through `Reader`, which raises `BoxError` instead of running past its end, and walks
through `iter_boxes`, which caps the number of boxes. Loops over entries are bounded by the bytes that hold them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from polycast.protocols.errors import BoxError

MAX_BOXES: Final = 100_000
"""Siblings of one level; a moov with 100 tracks has 102."""

Buffer = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class Box:
    """One box inside a buffer: `start` to `end` with its header, `body` to `end` without."""

    type: str
    start: int
    body: int
    end: int
    data: memoryview

    @property
    def size(self) -> int:
        return self.end - self.start

    @property
    def payload(self) -> memoryview:
        return self.data[self.body : self.end]

    def reader(self) -> "Reader":
        return Reader(self.payload, self.type)

    def children(self, skip: int = 0, *, lenient: bool = False) -> Iterator["Box"]:
        """The boxes inside, behind `skip` bytes of fields."""
        return iter_boxes(self.data, self.body + skip, self.end, lenient=lenient)

    def child(self, kind: str, skip: int = 0, *, lenient: bool = False) -> "Box | None":
        """The first box of this type inside."""
        return next((box for box in self.children(skip, lenient=lenient) if box.type == kind), None)


class Reader:
    """Big-endian fields of a box, each read checked against the end."""

    __slots__ = ("_data", "_name", "position")

    def __init__(self, data: memoryview, name: str) -> None:
        self._data = data
        self._name = name
        self.position = 0

    @property
    def left(self) -> int:
        return len(self._data) - self.position

    def take(self, count: int) -> bytes:
        if count < 0 or count > self.left:
            raise BoxError(f"box {self._name} is too short")
        self.position += count
        return bytes(self._data[self.position - count : self.position])

    def skip(self, count: int) -> "Reader":
        self.take(count)
        return self

    def u8(self) -> int:
        return self.take(1)[0]

    def u16(self) -> int:
        return int.from_bytes(self.take(2))

    def u24(self) -> int:
        return int.from_bytes(self.take(3))

    def u32(self) -> int:
        return int.from_bytes(self.take(4))

    def u64(self) -> int:
        return int.from_bytes(self.take(8))

    def i32(self) -> int:
        return int.from_bytes(self.take(4), signed=True)

    def fourcc(self) -> str:
        return _fourcc(self.take(4))

    def full_box(self) -> tuple[int, int]:
        """(version, flags) of a full box."""
        return self.u8(), self.u24()

    def sized(self, version: int) -> int:
        """A field of 64 bits in version 1, of 32 bits in version 0."""
        return self.u64() if version == 1 else self.u32()


def iter_boxes(
    data: Buffer,
    start: int = 0,
    end: int | None = None,
    *,
    max_boxes: int = MAX_BOXES,
    lenient: bool = False,
) -> Iterator[Box]:
    """Boxes of one level, in order.

    Args:
        data: the buffer; boxes hold views of it, nothing is copied.
        start, end: the part to walk; all by default.
        max_boxes: refuse more.
        lenient: ignore up to 7 bytes at the end (QuickTime closes lists with four zero bytes).

    Raises:
        BoxError: a size smaller than its header or past the end, or too many boxes. Raised when reached:
            boxes before it were already given.
    """
    view = memoryview(data)
    stop = len(view) if end is None else min(end, len(view))
    position, count = start, 0
    while position < stop:
        if lenient and stop - position < 8:
            return
        count += 1
        if count > max_boxes:
            raise BoxError(f"over {max_boxes} boxes on one level")
        header = parse_header(view[position : min(position + 16, stop)])
        if header is None:
            raise BoxError("truncated box header")
        kind, size, header_size = header
        box_end = stop if size == 0 else position + size
        if box_end > stop:
            raise BoxError(f"box {kind} reaches past its end")
        yield Box(kind, position, position + header_size, box_end, view)
        position = box_end


def parse_header(data: Buffer) -> tuple[str, int, int] | None:
    """(type, size with header, size of the header), or None when more bytes are needed; size 0 is "to the end".

    Raises:
        BoxError: the size is smaller than the header.
    """
    if len(data) < 8:
        return None
    size = int.from_bytes(data[:4])
    kind = _fourcc(bytes(data[4:8]))
    header_size = 8
    if size == 1:
        if len(data) < 16:
            return None
        size, header_size = int.from_bytes(data[8:16]), 16
        if size == 0:
            raise BoxError(f"box {kind} has size 0 in 64 bits")
    if size and size < header_size:
        raise BoxError(f"box {kind} is smaller than its header")
    return kind, size, header_size


def _fourcc(raw: bytes) -> str:
    """Four characters, others than printable ASCII as dots: the name may end in a message or a manifest."""
    return "".join(chr(c) if 32 <= c < 127 else "." for c in raw)
