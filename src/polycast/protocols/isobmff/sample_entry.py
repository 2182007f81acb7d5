"""Sample descriptions (ISO/IEC 14496-12 8.5.2, 12.1.3, 12.2.3; protected ones 8.12)."""

from dataclasses import dataclass
from typing import Final

from polycast.protocols.isobmff.boxes import Box
from polycast.protocols.isobmff.codecs import audio_codec, video_codec

_ENTRY: Final = 8
_VISUAL: Final = 78
_AUDIO: Final = 28
# QuickTime sound descriptions of version 1 and 2 are longer
_AUDIO_EXTRA: Final = {1: 16, 2: 36}


@dataclass(frozen=True, slots=True)
class SampleEntry:
    """One entry of stsd.

    Attributes:
        format: the coding name; of an encrypted entry the name behind it (frma).
        codec: RFC 6381 string.
        scheme: protection scheme (cenc, cbcs, …), None when clear; "unknown" when it does not say.
    """

    format: str
    codec: str
    encrypted: bool = False
    scheme: str | None = None
    width: int = 0
    height: int = 0
    channels: int = 0
    sample_rate: int = 0


def read_entry(box: Box, handler: str) -> SampleEntry:
    """Read one sample entry of a track with this handler; raises BoxError when it is too short."""
    if handler == "vide":
        return _visual(box)
    if handler == "soun":
        return _audio(box)
    return SampleEntry(format=box.type, codec=box.type, encrypted=box.type.startswith("enc"))


def _visual(box: Box) -> SampleEntry:
    reader = box.reader().skip(_ENTRY + 16)
    width, height = reader.u16(), reader.u16()
    children = _children(box, _VISUAL)
    name, scheme = _protection(box.type, children)
    return SampleEntry(
        format=name,
        codec=video_codec(name, children),
        encrypted=scheme is not None,
        scheme=scheme,
        width=width,
        height=height,
    )


def _audio(box: Box) -> SampleEntry:
    reader = box.reader().skip(_ENTRY)
    version = reader.u16()
    reader.skip(6)
    channels = reader.u16()
    reader.skip(6)
    sample_rate = reader.u32() >> 16
    children = _children(box, _AUDIO + _AUDIO_EXTRA.get(version, 0))
    name, scheme = _protection(box.type, children)
    config = audio_codec(name, children)
    return SampleEntry(
        format=name,
        codec=config.codec,
        encrypted=scheme is not None,
        scheme=scheme,
        channels=config.channels or channels,
        sample_rate=config.sample_rate or sample_rate,
    )


def _children(box: Box, skip: int) -> dict[str, Box]:
    """Boxes inside by type, the first of each."""
    found: dict[str, Box] = {}
    for child in box.children(skip, lenient=True):
        found.setdefault(child.type, child)
    return found


def _protection(name: str, children: dict[str, Box]) -> tuple[str, str | None]:
    """(original format, scheme) of an entry; the scheme is None when it is clear."""
    sinf = children.get("sinf")
    if sinf is None:
        return name, "unknown" if name in ("encv", "enca") else None
    frma, schm = sinf.child("frma"), sinf.child("schm")
    original = frma.reader().fourcc() if frma else name
    return original, schm.reader().skip(4).fourcc() if schm else "unknown"
