"""The title of an asset is a member of its metadata, too: `Title`, which some clients write, read and sort by.

It is one value. The asset's own title is the one that counts, and who reads `Title` is shown it (`with_title`).
Stored with the metadata it is only where somebody wrote it there, for those who look for what they wrote.
"""

from collections.abc import Mapping
from typing import Any

MEMBER = "Title"
"""in any case where it is written, like this where it is read"""


def settled(
    title: str | None,
    written: Mapping[str, Any],
    *,
    was: str = "",
    had: Mapping[str, Any] | None = None,
    whole: bool = False,
) -> tuple[str, dict[str, Any]]:
    """Title and metadata to be stored, after some of either were written.

    Args:
        title: written beside the metadata, None: not written. It counts more than one in the metadata.
        written: metadata, merged by key into `had`. A title in it that is neither text nor number is none.
        was, had: title and metadata so far.
        whole: of `had` nothing stays but the title.
    """
    inside = _title_in(written)
    had = had or {}
    if title is None:
        title = inside if inside is not None else was or _title_in(had) or ""
    base = {} if whole else had
    kept = {key: value for key, value in {**base, **written}.items() if not _names_title(key)}
    if title and (inside is not None or any(_names_title(key) for key in base)):
        kept[MEMBER] = title
    return title, kept


def with_title(title: str, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata with the title in them, unless there is none."""
    return {**metadata, MEMBER: title} if title else dict(metadata)


def _names_title(key: str) -> bool:
    return key.lower() == MEMBER.lower()


def _title_in(metadata: Mapping[str, Any]) -> str | None:
    found = (value for key, value in metadata.items() if _names_title(key))
    return next((str(value) for value in found if isinstance(value, str | int | float)), None)
