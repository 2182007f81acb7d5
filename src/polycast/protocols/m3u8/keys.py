"""EXT-X-KEY and EXT-X-SESSION-KEY (RFC 8216bis 4.4.4.4, 4.4.6.5)."""

from dataclasses import dataclass

from polycast.protocols.errors import PlaylistError
from polycast.protocols.m3u8.primitives import Attributes, AttributeWriter

NONE = "NONE"
AES_128 = "AES-128"
SAMPLE_AES = "SAMPLE-AES"
SAMPLE_AES_CTR = "SAMPLE-AES-CTR"


@dataclass(frozen=True, slots=True)
class Key:
    """How the segments that follow are encrypted; the same value is a session key in a multivariant playlist.

    Attributes:
        method: NONE, AES-128, SAMPLE-AES (cbcs) or SAMPLE-AES-CTR (cenc).
        uri: where the key, or the licence, comes from; required unless the method is NONE.
        iv: 16 bytes as 32 hex digits without prefix, or None for the media sequence number.
        keyformat: None means "identity".
    """

    method: str
    uri: str | None = None
    iv: str | None = None
    keyformat: str | None = None
    keyformat_versions: str | None = None

    @classmethod
    def parse(cls, text: str) -> "Key":
        a = Attributes.parse(text)
        method = a.needed(a.enum("METHOD"), "METHOD")
        uri = a.quoted("URI")
        if method != NONE and not uri:
            raise PlaylistError("attribute URI is required")
        iv = a.enum("IV")
        if iv is not None:
            if iv[:2] not in ("0x", "0X") or len(iv) > 34 or not _is_hex(iv[2:]):
                raise PlaylistError("IV is not a hexadecimal sequence of 128 bits")
            iv = iv[2:].lower().zfill(32)
        return cls(method, uri, iv, a.quoted("KEYFORMAT"), a.quoted("KEYFORMATVERSIONS"))

    def render(self) -> str:
        w = AttributeWriter().plain("METHOD", self.method)
        if self.method == NONE:
            return w.render()
        w.uri("URI", self.uri)
        w.plain("IV", None if self.iv is None else f"0x{self.iv}")
        w.quoted("KEYFORMAT", self.keyformat).quoted("KEYFORMATVERSIONS", self.keyformat_versions)
        return w.render()

    @property
    def version(self) -> int:
        """The protocol version it needs (section 8)."""
        if self.keyformat or self.keyformat_versions:
            return 5
        return 2 if self.iv else 1


def _is_hex(text: str) -> bool:
    return bool(text) and all(c in "0123456789abcdefABCDEF" for c in text)
