"""What may be stored: texts, words and free maps by the same rules for every noun, and what a file may be asked for."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from polycast.domain.assets import AssetSource
from polycast.domain.errors import Invalid
from polycast.domain.media import SourceInfo

MAX_METADATA_BYTES = 64 * 1024
MAX_METADATA_DEPTH = 64
"""whoever reads it walks it"""
MAX_WORDS = 100
_UNICODE = "must be Unicode text without NUL"
# JSON can say halves of surrogate pairs, UTF-8 cannot
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
# an escaped NUL, but not a backslash that is followed by these letters
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


def storable(text: str) -> bool:
    """Whether PostgreSQL can keep a text: it has neither NUL nor a lone half of a surrogate pair."""
    return _UNSTORABLE.search(text) is None


def checked_text(text: str, field: str, most: int) -> str:
    """A text of at most `most` characters that can be stored.

    Raises:
        Invalid: names `field`.
    """
    if len(text) > most:
        raise Invalid(f"{field} may have at most {most} characters", field=field)
    if not storable(text):
        raise Invalid(f"{field} {_UNICODE}", field=field)
    return text


def checked_name(name: str) -> str:
    """The name of a tenant, key, collection or player: 1 to 200 characters, trimmed.

    Raises:
        Invalid: names `name`.
    """
    name = name.strip()
    if not name or len(name) > 200:
        raise Invalid("name must have 1 to 200 characters", field="name")
    return checked_text(name, "name", 200)


def checked_file_name(text: str, field: str) -> str:
    """A file's name: 1 to 1024 characters, no control characters (they would break headers).

    Raises:
        Invalid: names `field`.
    """
    text = text.strip()
    if not text or len(text) > 1024 or any(ord(ch) < 32 or ord(ch) == 127 for ch in text):
        raise Invalid(f"{field} must have 1 to 1024 printable characters", field=field)
    return checked_text(text, field, 1024)


def plain_extension(name: str) -> str:
    """A harmless lower-case extension of a file name, for people who look into the store; "" otherwise."""
    suffix = PurePosixPath(name.replace("\\", "/")).suffix.lower()
    return suffix if 1 < len(suffix) <= 6 and suffix[1:].isascii() and suffix[1:].isalnum() else ""


def checked_metadata(value: Mapping[str, Any]) -> dict[str, Any]:
    """A free map, at most 64 KiB as JSON and 64 levels deep, without what PostgreSQL cannot store: NUL, halves
    of surrogate pairs, numbers that are none.

    Raises:
        Invalid: names `metadata`.
    """
    if _deeper(value, MAX_METADATA_DEPTH):
        raise Invalid(f"metadata may be nested {MAX_METADATA_DEPTH} levels deep", field="metadata")
    try:
        encoded = json.dumps(dict(value), allow_nan=False)
        json.dumps(dict(value), ensure_ascii=False).encode()
    except ValueError as error:
        raise Invalid("metadata must be plain JSON in Unicode", field="metadata") from error
    if len(encoded) > MAX_METADATA_BYTES:
        raise Invalid("metadata may have at most 64 KiB", field="metadata")
    if _NUL.search(encoded):
        raise Invalid("metadata must not contain NUL characters", field="metadata")
    return dict(value)


def _deeper(value: Any, levels: int) -> bool:
    """Whether maps and lists are nested in more than so many levels."""
    if not isinstance(value, Mapping | list):
        return False
    items = value.values() if isinstance(value, Mapping) else value
    return levels == 0 or any(_deeper(item, levels - 1) for item in items)


def checked_words(words: Sequence[str], name: str) -> list[str]:
    """Tags or attributes: trimmed, distinct, in order.

    Raises:
        Invalid: too many, or one is empty, longer than 256 characters or cannot be stored.
    """
    out: list[str] = []
    for word in words:
        trimmed = word.strip()
        if not trimmed or len(trimmed) > 256:
            raise Invalid(f"{name} must have 1 to 256 characters each", field=name)
        checked_text(trimmed, name, 256)
        if trimmed not in out:
            out.append(trimmed)
    if len(out) > MAX_WORDS:
        raise Invalid(f"at most {MAX_WORDS} {name}", field=name)
    return out


def check_source(probe: dict[str, Any] | None, source: AssetSource) -> None:
    """Refuse at once what would end as an asset in error; a file nobody could read says so by itself.

    Args:
        probe: of the file, as JSON; None: nobody has looked into it yet.

    Raises:
        Invalid: a kind or track is asked for that the file does not have.
    """
    if probe is None or not (source.tracks or source.kinds):
        return
    info = SourceInfo.from_json(probe)
    groups = {"video": info.video, "audio": info.audio, "captions": info.captions}
    inside = {"video": info.main_video, "audio": info.audio, "caption": info.captions}
    if source.kinds and not any(inside.get(kind) for kind in source.kinds):
        raise Invalid(f"the file has no {' or '.join(source.kinds)} in it", field="sources.kinds")
    for track in source.tracks:
        if track.kind == "video" and source.kinds and "video" not in source.kinds:
            raise Invalid(
                "a video track is named of a file that is not given as video",
                field="sources.kinds",
            )
        if not any(each.id == track.track for each in groups.get(track.kind, ())):  # type: ignore[attr-defined]
            raise Invalid(
                f"the file has no {track.kind} track {track.track[:64]}",
                field="sources.tracks",
            )
