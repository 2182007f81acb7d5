"""What is fuzzed, and with which seeds.

The contract of a target: whatever bytes it is given, it returns or raises one of its documented errors, soon.
Anything else is a finding.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from polycast.protocols import m3u8, tracklog, webvtt
from polycast.protocols.conditional import parse_etags, parse_http_date
from polycast.protocols.errors import BoxError, CaptionError, PlaylistError, TokenError, TrackLogError
from polycast.protocols.isobmff import FragmentReader, iter_boxes, read_moof, read_moov
from polycast.protocols.range import parse_range
from polycast.protocols.signing import Keyring, Session, sign_session, verify_session
from tests.unit.protocols.test_m3u8 import CASES
from tests.unit.protocols.test_tracklog import LOG
from tests.unit.protocols.test_webvtt import SRT, VTT

CORPUS = Path(__file__).parent / "corpus"
MEDIA = Path(__file__).parents[1] / "unit" / "protocols" / "data"
_RING = Keyring("k", {"k": b"0123456789abcdef"})


@dataclass(frozen=True)
class Target:
    """A function over bytes, the errors it documents, and inputs to begin from."""

    run: Callable[[bytes], object]
    errors: tuple[type[Exception], ...]
    seeds: Callable[[], list[bytes]]
    tokens: tuple[bytes, ...] = field(default=())


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _boxes(data: bytes) -> None:
    """Each reader of its own: an error of the first must not shield the next."""
    for read in (
        lambda: list(iter_boxes(data)),
        lambda: read_moof(data),
        lambda: _cut(data),
        lambda: read_moov(data),
    ):
        try:
            read()
        except BoxError:
            continue


def _cut(data: bytes) -> None:
    reader = FragmentReader(max_box=1 << 20)
    for position in range(0, len(data), 700):
        reader.feed(data[position : position + 700])
    reader.close()


def _headers(data: bytes) -> None:
    text = _text(data)
    parse_range(text, 1000)
    parse_etags(text)
    parse_http_date(text)


def _media_seeds() -> list[bytes]:
    return [path.read_bytes() for path in sorted(MEDIA.iterdir()) if path.suffix in (".mp4", ".mov")]


TARGETS = {
    "isobmff": Target(
        _boxes,
        (),
        _media_seeds,
        (b"moov", b"moof", b"trun", b"tfhd", b"stsd", b"esds", b"sinf", b"\0\0\0\1", b"\xff\xff\xff\xff"),
    ),
    "m3u8": Target(
        lambda data: m3u8.parse(data).render(),
        (PlaylistError,),
        lambda: [str(case.values[0]).encode() for case in CASES],
        (
            b"#EXT-X-KEY:",
            b"#EXTINF:",
            b'"',
            b"=",
            b",",
            b"@",
            b"\n",
            b"#EXT-X-MAP:",
            b"0x",
            b"NaN",
            b"-1",
            b"1e9",
        ),
    ),
    "tracklog": Target(
        lambda data: tracklog.dumps(tracklog.loads(data)),
        (TrackLogError,),
        lambda: [tracklog.dumps(LOG)],
        (b"[", b"]", b"{", b'"', b",", b"null", b"true", b"NaN", b"1e999", b"\n", b"\\u0000", b"../"),
    ),
    "webvtt": Target(
        lambda data: webvtt.render(webvtt.parse(_text(data)).cues),
        (CaptionError,),
        lambda: [VTT.encode(), SRT.encode()],
        (b"-->", b"\n\n", b"NOTE", b"STYLE", b"<i>", b"{\\an8}", b"00:00:01,000 --> 00:00:02,000\n"),
    ),
    "headers": Target(
        _headers,
        (),
        lambda: [b"bytes=0-1,5-,-7", b'W/"a", "b"', b"Sun, 06 Nov 1994 08:49:37 GMT"],
        (b"bytes=", b"-", b",", b'"', b"W/", b"99999999999999999999"),
    ),
    "token": Target(
        lambda data: verify_session(_RING, _text(data), now=2e9),
        (TokenError,),
        lambda: [sign_session(_RING, Session("asset", 0, 10, 20, "viewer")).encode()],
        (b".", b"k.", b"=", b"-"),
    ),
}
