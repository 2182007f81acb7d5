"""Sample descriptions: read those of a source, rebuild ours from the decoder's configuration alone.

Nothing of a foreign sample entry is copied but the configuration record that a decoder needs:
leftovers of QuickTime, vendor boxes and lies about bitrates stay behind.
"""

import os
import struct
from dataclasses import dataclass

from polycast.domain.colours import Colours
from polycast.media.children.mp4_boxes import Malformed, child, unpack
from polycast.media.children.mp4_tables import Mp4Track, Span
from polycast.media.children.package_fragments import audio_entry, box, colour_box, esds, visual_entry
from polycast.media.package_errors import NotPackageable

_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
_IDR, _SLICES = 5, range(1, 6)
_PREFIX_CAP = 64
"""NAL units before the first slice of an access unit that we walk over (SEI, parameter sets)."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A sample entry of ours and what the track log says about it."""

    box: bytes
    codec: str
    width: int = 0
    height: int = 0
    sample_rate: int = 0
    channels: int = 0
    nal_size: int = 4
    """bytes of the length before each NAL unit"""


def avc(config: bytes, width: int, height: int, colours: Colours) -> Entry:
    """From an AVCDecoderConfigurationRecord (ISO/IEC 14496-15 §5.3.3.1), and what its pictures' colours are.

    Raises:
        NotPackageable: it is cut off, or of a version nobody knows.
    """
    if len(config) < 8 or config[0] != 1 or not config[5] & 0x1F:
        raise NotPackageable("the H.264 configuration is missing")
    entry = visual_entry(b"avc1", width, height, box(b"avcC", config), colour_box(colours))
    return Entry(entry, f"avc1.{config[1:4].hex()}", width, height, nal_size=(config[4] & 3) + 1)


def aac(config: bytes, channels: int = 0) -> Entry:
    """From an AudioSpecificConfig (ISO/IEC 14496-3 §1.6.2.1); `channels` where it leaves them to the stream.

    Raises:
        NotPackageable: it is cut off or not AAC.
    """
    kind, rate, layout = parse_aac_config(config)
    if kind not in {1, 2, 3, 4, 5, 29} or len(config) > 64:
        raise NotPackageable("the AAC configuration is of no kind that players know")
    count = {0: channels, 7: 8}.get(layout, layout)
    return Entry(
        audio_entry(b"mp4a", count, rate, esds(config)), f"mp4a.40.{kind}", sample_rate=rate, channels=count
    )


def parse_aac_config(config: bytes) -> tuple[int, int, int]:
    """Audio object type, sampling frequency in Hz, channel configuration.

    Raises:
        NotPackageable: it is cut off.
    """
    bits = int.from_bytes(config, "big")
    left = len(config) * 8

    def take(n: int) -> int:
        nonlocal left
        left -= n
        if left < 0:
            raise NotPackageable("the AAC configuration is cut off")
        return bits >> left & (1 << n) - 1

    def frequency() -> int:
        index = take(4)
        if index == 15:
            return take(24)
        return _RATES[index] if index < len(_RATES) else 0

    kind = take(5)
    if kind == 31:
        kind = 32 + take(6)
    rate = frequency()
    layout = take(4)
    if kind in {5, 29}:  # explicit SBR: the frequency after extension is what comes out
        rate = frequency() or rate
    return kind, rate, layout


def video_description(track: Mp4Track, colours: Colours) -> Entry:
    """Our entry for a source's video track; what its own said of colours is among what the probe found.

    Raises:
        NotPackageable: not H.264, or its pixels are not square.
        Malformed: the boxes are broken.
    """
    if track.handler != b"vide" or track.entry_kind not in {b"avc1", b"avc3"}:
        raise NotPackageable("the video is not H.264")
    data = memoryview(track.entry)
    width, height = unpack(data, ">HH", (0, len(data)), 24)
    span = (78, len(data))
    config = child(data, span, b"avcC")
    if config is None:
        raise NotPackageable("the H.264 configuration is missing")
    if (pasp := child(data, span, b"pasp")) is not None:
        horizontal, vertical = unpack(data, ">II", pasp)
        if horizontal != vertical:
            raise NotPackageable("the pixels are not square")
    return avc(_bytes(data, config), width, height, colours)


def audio_description(track: Mp4Track) -> Entry:
    """Our entry for a source's audio track.

    Raises:
        NotPackageable: not AAC.
        Malformed: the boxes are broken.
    """
    if track.handler != b"soun" or track.entry_kind != b"mp4a":
        raise NotPackageable("the audio is not AAC")
    data = memoryview(track.entry)
    version, channels = unpack(data, ">H6xH", (0, len(data)), 8)
    # QuickTime's versions 1 and 2 put more fields before the children, and esds inside `wave`
    span = (28 + {0: 0, 1: 16, 2: 36}.get(version, 0), len(data))
    found = child(data, span, b"esds") or child(data, span, b"wave", b"esds")
    if found is None:
        raise NotPackageable("the AAC configuration is missing")
    return aac(_decoder_config(_bytes(data, found)[4:]), channels)


def _decoder_config(body: bytes) -> bytes:
    """The DecoderSpecificInfo inside an ES_Descriptor (ISO/IEC 14496-1 §7.2.6.5)."""
    position, tags = 0, {3: 3, 4: 13}  # bytes to skip at the head of a descriptor that has children
    while position < len(body):
        tag = body[position]
        position, size = _length(body, position + 1)
        if tag == 3:
            flags = body[position + 2] if position + 2 < len(body) else 0
            position += tags[3] + (2 if flags & 0x80 else 0) + (2 if flags & 0x20 else 0)
            if flags & 0x40:  # URL_Flag: a reference to elsewhere
                break
        elif tag == 4:
            if position >= len(body) or body[position] not in {0x40, 0x66, 0x67, 0x68}:
                break
            position += tags[4]
        elif tag == 5:
            return body[position : position + size]
        else:
            position += size
    raise NotPackageable("the AAC configuration is missing")


def _length(body: bytes, position: int) -> tuple[int, int]:
    size = 0
    for _ in range(4):
        if position >= len(body):
            raise Malformed("cut descriptor")
        byte = body[position]
        position += 1
        size = size << 7 | byte & 0x7F
        if not byte & 0x80:
            break
    return position, size


def _bytes(data: memoryview, span: Span) -> bytes:
    return bytes(data[span[0] : span[1]])


def starts_with_idr(sample: bytes | memoryview, nal_size: int) -> bool:
    """Whether the first slice of a length-prefixed access unit is of an IDR picture (ITU-T H.264 §7.4.1.2.4)."""
    position = 0
    for _ in range(_PREFIX_CAP):
        if position + nal_size >= len(sample):
            return False
        kind = sample[position + nal_size] & 0x1F
        if kind in _SLICES:
            return kind == _IDR
        position += nal_size + int.from_bytes(sample[position : position + nal_size], "big")
    return False


def has_idr_start(fd: int, offset: int, size: int, nal_size: int) -> bool:
    """As `starts_with_idr`, reading from the file only the heads of the NAL units."""
    end = offset + size
    for _ in range(_PREFIX_CAP):
        if offset + nal_size >= end:
            return False
        head = os.pread(fd, nal_size + 1, offset)
        if len(head) <= nal_size:
            return False
        kind = head[nal_size] & 0x1F
        if kind in _SLICES:
            return kind == _IDR
        offset += nal_size + int.from_bytes(head[:nal_size], "big")
    return False


def avc_config(units: list[bytes]) -> bytes:
    """An AVCDecoderConfigurationRecord from the NAL units of a stream that carries its own parameter sets.

    Raises:
        NotPackageable: no SPS or PPS among them.
    """
    sps = list(dict.fromkeys(u for u in units if u and u[0] & 0x1F == 7))
    pps = list(dict.fromkeys(u for u in units if u and u[0] & 0x1F == 8))
    if not sps or not pps or len(sps[0]) < 4 or len(sps) > 31:
        raise NotPackageable("the H.264 configuration is missing")
    out = bytes((1, *sps[0][1:4], 0xFF, 0xE0 | len(sps)))
    out += b"".join(struct.pack(">H", len(u)) + u for u in sps) + bytes((len(pps),))
    out += b"".join(struct.pack(">H", len(u)) + u for u in pps)
    if sps[0][1] in {100, 110, 122, 144}:
        out += bytes((0xFC | 1, 0xF8, 0xF8, 0))  # 4:2:0, 8 bit: all that is ever packaged as it is
    return out
