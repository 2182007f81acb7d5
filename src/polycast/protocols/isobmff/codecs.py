"""RFC 6381 codec strings from decoder configurations.

Each function takes the payload of a configuration box and raises BoxError when it is too short.
"""

from dataclasses import dataclass
from typing import Final

from polycast.protocols.errors import BoxError
from polycast.protocols.isobmff.boxes import Box, Reader

_AC3_CHANNELS: Final = (2, 1, 2, 3, 3, 4, 4, 5)
"""Full-range channels by acmod (ETSI TS 102 366 table 4.3)."""
_ES, _DECODER_CONFIG, _DECODER_SPECIFIC = 3, 4, 5
_MAX_DESCRIPTORS: Final = 16


@dataclass(frozen=True, slots=True)
class AudioConfig:
    """What a configuration says beyond the sample entry; 0 where it is silent."""

    codec: str
    channels: int = 0
    sample_rate: int = 0


def avc(entry: str, config: Reader) -> str:
    """`avc1.PPCCLL` (ISO/IEC 14496-15 5.3.3, RFC 6381 3.3)."""
    config.skip(1)
    return f"{entry}.{config.take(3).hex()}"


def hevc(entry: str, config: Reader) -> str:
    """`hvc1.1.6.L93.B0` (ISO/IEC 14496-15 annex E.3)."""
    config.skip(1)
    first = config.u8()
    compatibility = config.u32()
    constraints = config.take(6)
    level = config.u8()
    space = ("", "A", "B", "C")[first >> 6]
    tier = "H" if first & 0x20 else "L"
    reverse = int(f"{compatibility:032b}"[::-1], 2)
    parts = [entry, f"{space}{first & 0x1F}", f"{reverse:X}", f"{tier}{level}"]
    parts.extend(f"{byte:X}" for byte in constraints.rstrip(b"\0"))
    return ".".join(parts)


def av1(config: Reader) -> str:
    """`av01.0.04M.08` (AV1 in ISOBMFF section 5); the optional fields have their defaults in what we serve."""
    config.skip(1)
    second, third = config.u8(), config.u8()
    tier = "H" if third & 0x80 else "M"
    depth = 8
    if third & 0x40:
        depth = 12 if third & 0x20 else 10
    return f"av01.{second >> 5}.{second & 0x1F:02}{tier}.{depth:02}"


def vp9(entry: str, config: Reader) -> str:
    """`vp09.00.10.08`, with colour fields where they differ from the defaults (VP codec ISO media binding)."""
    config.skip(4)
    profile, level, packed = config.u8(), config.u8(), config.u8()
    primaries, transfer, matrix = config.u8(), config.u8(), config.u8()
    depth, chroma, full_range = packed >> 4, (packed >> 1) & 7, packed & 1
    text = f"{entry}.{profile:02}.{level:02}.{depth:02}"
    # 2 is "unspecified", which players take as BT.709
    colour = [
        2 if chroma > 3 else chroma,
        *(1 if c == 2 else c for c in (primaries, transfer, matrix)),
        full_range,
    ]
    return text if colour == [1, 1, 1, 1, 0] else text + "".join(f".{value:02}" for value in colour)


def esds(entry: str, config: Reader) -> str:
    """`mp4a.40.2` from an elementary stream descriptor (ISO/IEC 14496-1 7.2.6, RFC 6381 3.3)."""
    config.full_box()
    object_type, audio_type = 0, 0
    for _ in range(_MAX_DESCRIPTORS):
        if config.left < 2:
            break
        tag, length = config.u8(), _descriptor_length(config)
        if tag == _ES:
            config.skip(2)
            flags = config.u8()
            config.skip(2 if flags & 0x80 else 0)
            if flags & 0x40:
                config.skip(config.u8())
            config.skip(2 if flags & 0x20 else 0)
        elif tag == _DECODER_CONFIG:
            object_type = config.u8()
            config.skip(12)
        elif tag == _DECODER_SPECIFIC and object_type == 0x40:
            audio_type = _audio_object_type(config.take(min(length, config.left)))
            break
        else:
            config.skip(min(length, config.left))
    if not object_type:
        raise BoxError("esds without decoder configuration")
    text = f"{entry}.{object_type:02X}"
    return f"{text}.{audio_type}" if audio_type else text


def _descriptor_length(config: Reader) -> int:
    length = 0
    for _ in range(4):
        byte = config.u8()
        length = length << 7 | byte & 0x7F
        if not byte & 0x80:
            break
    return length


def _audio_object_type(specific: bytes) -> int:
    """AudioObjectType of an AudioSpecificConfig (ISO/IEC 14496-3 1.6.2.1)."""
    if not specific:
        return 0
    kind = specific[0] >> 3
    if kind == 31 and len(specific) > 1:
        kind = 32 + ((specific[0] & 7) << 3 | specific[1] >> 5)
    return kind


def ac3(config: Reader) -> AudioConfig:
    """AC3SpecificBox (ETSI TS 102 366 F.4)."""
    bits = config.u24()
    return AudioConfig("ac-3", *_dolby(bits >> 22, (bits >> 11) & 7, (bits >> 10) & 1))


def eac3(config: Reader) -> AudioConfig:
    """EC3SpecificBox, first independent substream (ETSI TS 102 366 F.6)."""
    config.skip(2)
    bits = config.u24()
    return AudioConfig("ec-3", *_dolby(bits >> 22, (bits >> 9) & 7, (bits >> 8) & 1))


def _dolby(rate_code: int, mode: int, lfe: int) -> tuple[int, int]:
    return _AC3_CHANNELS[mode] + lfe, (48000, 44100, 32000, 0)[rate_code]


def opus(config: Reader) -> AudioConfig:
    """OpusSpecificBox (Opus in ISOBMFF 4.3.2); Opus always plays at 48 kHz."""
    config.skip(1)
    return AudioConfig("opus", channels=config.u8(), sample_rate=48000)


def video_codec(entry: str, children: dict[str, Box]) -> str:
    """The string for a visual sample entry; the entry's own name where no configuration is known."""
    if entry in ("avc1", "avc3") and "avcC" in children:
        return avc(entry, children["avcC"].reader())
    if entry in ("hvc1", "hev1") and "hvcC" in children:
        return hevc(entry, children["hvcC"].reader())
    if entry == "av01" and "av1C" in children:
        return av1(children["av1C"].reader())
    if entry in ("vp08", "vp09") and "vpcC" in children:
        return vp9(entry, children["vpcC"].reader())
    if entry == "mp4v" and "esds" in children:
        return esds(entry, children["esds"].reader())
    return entry


def audio_codec(entry: str, children: dict[str, Box]) -> AudioConfig:
    """The string for an audio sample entry, with channels and rate where the configuration knows better."""
    if entry == "mp4a":
        if "esds" in children:
            return AudioConfig(esds(entry, children["esds"].reader()))
        # QuickTime keeps it one level deeper
        wave = children.get("wave")
        inner = wave.child("esds", lenient=True) if wave else None
        return AudioConfig(esds(entry, inner.reader()) if inner else entry)
    if entry == "Opus":
        return opus(children["dOps"].reader()) if "dOps" in children else AudioConfig("opus")
    if entry == "fLaC":
        return AudioConfig("flac")
    if entry == "ac-3" and "dac3" in children:
        return ac3(children["dac3"].reader())
    if entry == "ec-3" and "dec3" in children:
        return eac3(children["dec3"].reader())
    return AudioConfig("mp4a.6B" if entry == ".mp3" else entry)
