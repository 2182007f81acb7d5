"""Rules for keys. We mint them ourselves, and check them all the same: one slip would be a path traversal."""

import unicodedata

from polycast.domain.errors import Invalid
from polycast.storage.interface import MAX_PARTS

MAX_KEY_BYTES = 900
"""S3 ends at 1024; the rest is room for what stores add"""
MAX_SEGMENT_BYTES = 200
"""file systems end at 255"""

HIDDEN = ".uploads/"
"""where remote stores keep the state of uploads in parts; no key may begin with it"""


def check_key(key: str) -> str:
    """Answers the key, raises `Invalid(field='key')` for one that no store may see."""
    if not key:
        raise Invalid("an object key is empty", field="key")
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        raise Invalid("an object key is not valid Unicode", field="key") from None
    if size > MAX_KEY_BYTES:
        raise Invalid(f"an object key is longer than {MAX_KEY_BYTES} bytes", field="key")
    for segment in key.split("/"):
        if segment in {"", ".", ".."}:
            raise Invalid("an object key has an empty or relative segment", field="key")
        if len(segment.encode()) > MAX_SEGMENT_BYTES:
            raise Invalid(f"a segment of an object key is longer than {MAX_SEGMENT_BYTES} bytes", field="key")
    if key.startswith(HIDDEN) or key + "/" == HIDDEN:
        raise Invalid("an object key lies in a folder of the store's own", field="key")
    if "\\" in key or any(unicodedata.category(char) in {"Cc", "Cf", "Zl", "Zp"} for char in key):
        raise Invalid("an object key has a backslash or a control character", field="key")
    return key


def check_folder(prefix: str, *, allow_root: bool) -> str:
    """Answers the folder as 'a/b/' ('' is the root), raises `Invalid(field='prefix')`."""
    if not prefix:
        if not allow_root:
            raise Invalid("the root of the store is not a folder to delete", field="prefix")
        return ""
    try:
        return check_key(prefix.removesuffix("/")) + "/"
    except Invalid as error:
        raise Invalid(error.message.replace("an object key", "a folder"), field="prefix") from None


def check_part_number(number: int) -> int:
    """Answers the number, raises `Invalid(field='part_number')` outside 1 to `MAX_PARTS`."""
    if not 1 <= number <= MAX_PARTS:
        raise Invalid(f"part number {number} is not between 1 and {MAX_PARTS}", field="part_number")
    return number


def check_range(start: int, length: int | None) -> None:
    """Raises `Invalid(field='range')` for negative numbers."""
    if start < 0 or (length is not None and length < 0):
        raise Invalid("a byte range is negative", field="range")


def clean_etag(etag: str) -> str:
    """An etag as clients send it, with or without quotes and in any case, in the form we compare."""
    return etag.strip().strip('"').lower()
