"""Short looks at the bytes themselves: playlists by name, scrambled transport streams, missing durations."""

import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from polycast.domain.errors import Unreadable

_HEAD_BYTES = 1 << 20
_PLAYLISTS = (
    b"#EXTM3U", b"ffconcat", b"<MPD", b"<SmoothStreamingMedia", b"v=0\r\n", b"v=0\n", b"[playlist]",
    b"[Reference]", b"<ASX", b"<smil",
)  # fmt: skip
_TS, _SYNC = 188, 0x47
_SCRAMBLING = 0xC0
_SCAN_S = 15.0
_FIRST_S = 2.0


def refuse_playlists(path: str) -> None:
    """A clear word for files that name other files; the demuxer list would refuse them as unknown.

    Raises:
        Unreadable: it is a playlist or session description.
    """
    with Path(path).open("rb") as file:
        head = file.read(4096)
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    window = text[:512].lower()
    if any(text.startswith(p) for p in _PLAYLISTS) or b"<mpd" in window or b"<smil" in window:
        raise Unreadable("the file is a playlist that refers to other files; upload the media itself")


def scrambled(path: str) -> bool:
    """Whether a transport stream's packets are mostly marked as scrambled (ISO/IEC 13818-1 §2.4.3.3)."""
    with Path(path).open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if len(head) < 3 * _TS or any(head[i * _TS] != _SYNC for i in range(3)):
        return False
    packets = len(head) // _TS
    marked = sum(1 for i in range(packets) if head[i * _TS + 3] & _SCRAMBLING)
    return marked > packets // 2


def first_frame(container: Any, stream: Any) -> Any | None:
    """The first picture of a stream, None where the beginning gives none. Rewinds before and afterwards."""
    deadline = time.monotonic() + _FIRST_S
    try:
        container.seek(0)
        for packet in container.demux(stream):
            for frame in packet.decode():
                return frame
            if time.monotonic() > deadline:
                return None
    except (OSError, ValueError, LookupError):  # PyAV's errors are one of these
        return None
    finally:
        with suppress(OSError, ValueError, LookupError):
            container.seek(0)
    return None


def measured_duration(container: Any, streams: list[Any], start_s: float) -> float:
    """The length of a file that does not say it (recordings of browsers), by reading its packets.

    Bounded in time: a file too long to be read in that is as long as what was read. Rewinds afterwards.
    """
    media = [s for s in streams if s.type != "subtitle"]
    last = 0.0
    deadline = time.monotonic() + _SCAN_S
    for count, packet in enumerate(container.demux(media)):
        last = max(last, _end_s(packet))
        if count % 1024 == 0 and time.monotonic() > deadline:
            break
    container.seek(0)
    return max(0.0, last - start_s)


def _end_s(packet: Any) -> float:
    """Where a packet ends, in seconds; 0 for one without a time."""
    if packet.pts is None or not packet.time_base:
        return 0.0
    return float((packet.pts + (packet.duration or 0)) * packet.time_base)


def length_to_last(container: Any, streams: list[Any], start_s: float, said_s: float) -> float:
    """The length of a file whose header may count from 0 though its first packet comes later (Matroska).

    Looks at the packets from the last key frame on, by the index. Rewinds afterwards.
    """
    media = [s for s in streams if s.type != "subtitle"]
    last = 0.0
    deadline = time.monotonic() + _FIRST_S
    try:
        container.seek(round((start_s + said_s) * 1e6))
        for packet in container.demux(media):
            last = max(last, _end_s(packet))
            if time.monotonic() > deadline:
                return said_s
    except (OSError, ValueError, LookupError):  # PyAV's errors are one of these
        return said_s
    finally:
        with suppress(OSError, ValueError, LookupError):
            container.seek(0)
    return last - start_s if last > start_s else said_s
