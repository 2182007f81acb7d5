"""From the bytes of a caption file to text: which encoding it is in. Pure."""

from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE

from polycast.domain.errors import Unreadable

_BINARY = frozenset(range(9)) | frozenset(range(14, 27)) | frozenset(range(28, 32))
"""Control characters that no text holds (escape, 27, is met in old files)."""


def decode(data: bytes) -> str:
    """The text, by byte order mark, else UTF-8, else UTF-16 by its zeros, else Windows-1252 (then Latin-1).

    Raises:
        Unreadable: binary data.
    """
    for mark, encoding in ((BOM_UTF8, "utf-8"), (BOM_UTF16_LE, "utf-16-le"), (BOM_UTF16_BE, "utf-16-be")):
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace")
    guess = _utf16(data)
    if guess is not None:
        return data.decode(guess, "replace")
    if any(byte in _BINARY for byte in data[:65536]):
        raise Unreadable("the file is no text")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        # a file cut in the middle of a character is still UTF-8, if others before it were
        if error.reason == "unexpected end of data" and max(data[: error.start], default=0) > 0x7F:
            return data.decode("utf-8", "replace")
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _utf16(data: bytes) -> str | None:
    """UTF-16 without a mark: times and line ends make every second byte zero often, whatever the language."""
    head = data[:4096]
    if len(head) < 16:
        return None
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if odd > len(head) // 8 and even * 8 < odd:
        return "utf-16-le"
    if even > len(head) // 8 and odd * 8 < even:
        return "utf-16-be"
    return None
