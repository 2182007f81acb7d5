"""A child's output, bounded: whole lines, and the last words."""

from collections.abc import Iterator

_TAIL_BYTES = 8192


class Tail:
    """Keeps the last 8 KiB."""

    def __init__(self, size: int = _TAIL_BYTES) -> None:
        self._size = size
        self._kept = b""

    def feed(self, piece: bytes) -> None:
        self._kept = (self._kept + piece)[-self._size :]

    def text(self) -> str:
        return self._kept.decode(errors="replace")


class Lines:
    """Cuts pieces of bytes into lines of at most `limit` bytes. Ends at LF, CR or both: encoders overwrite."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._open = b""

    def feed(self, piece: bytes) -> Iterator[str | None]:
        """Yield the lines that are now whole, without their ends; None once a line is too long."""
        # a CR at the end may be half of CRLF; the empty line that follows is dropped like all empty ones
        *whole, self._open = (self._open + piece).replace(b"\r", b"\n").split(b"\n")
        for line in whole:
            if len(line) > self._limit:
                yield None
            elif line:
                yield line.decode(errors="replace")
        if len(self._open) > self._limit:
            self._open = b""
            yield None

    def rest(self) -> str | None:
        """The last line if its end never came."""
        return self._open.decode(errors="replace") if self._open else None
