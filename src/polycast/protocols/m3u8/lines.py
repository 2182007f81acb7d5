"""From text to tag lines (RFC 8216bis 4.1)."""

from collections.abc import Iterator
from typing import Final

from polycast.protocols.errors import PlaylistError

MAX_BYTES: Final = 32 * 1024 * 1024
MAX_LINES: Final = 500_000
MAX_LINE: Final = 16 * 1024


def tag_lines(text: str | bytes) -> Iterator[tuple[str, str]]:
    """Each line as (tag, value), or ("", uri) for a URI line; blank lines and comments are left out.

    Raises:
        PlaylistError: not UTF-8, over a cap, starts with a byte order mark or without #EXTM3U.
    """
    lines = _decode(text).replace("\r\n", "\n").split("\n")
    if len(lines) > MAX_LINES:
        raise PlaylistError(f"playlist has over {MAX_LINES} lines")
    # a byte order mark must make the client fail (4.1), and does: the first line then differs
    if lines[0].rstrip(" \t") != "#EXTM3U":
        raise PlaylistError("playlist does not start with #EXTM3U")
    for line in lines[1:]:
        line = line.strip(" \t\r")  # noqa: PLW2901
        if len(line) > MAX_LINE:
            raise PlaylistError(f"playlist line is over {MAX_LINE} characters")
        if line.startswith("#EXT"):
            tag, _, value = line[1:].partition(":")
            yield tag, value
        elif line and not line.startswith("#"):
            yield "", line


def _decode(text: str | bytes) -> str:
    if len(text) > MAX_BYTES:
        raise PlaylistError(f"playlist is over {MAX_BYTES} bytes")
    if isinstance(text, str):
        return text
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise PlaylistError("playlist is not UTF-8") from error
