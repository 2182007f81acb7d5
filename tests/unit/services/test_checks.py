"""What may be stored: the borders of texts, words and maps."""

from typing import Any

import pytest

from polycast.domain.errors import Invalid
from polycast.services.checks import (
    checked_file_name,
    checked_metadata,
    checked_name,
    checked_text,
    checked_words,
)


def nested(levels: int) -> dict[str, Any]:
    """A map of so many levels."""
    value: Any = 1
    for level in range(levels):
        value = {"a": value} if level % 2 == 0 else {"a": [value]}
    return {"a": value}


@pytest.mark.parametrize(
    "value",
    [
        {"a": "\0"},
        {"a\0": 1},
        {"a": ["\\\0"]},
        {"a": "\ud800"},
        {"a": float("nan")},
        {"a": float("inf")},
        {"a": "x" * 65536},
        nested(64),
        nested(900),
        {"a": [[[]]] * 3 + [nested(70)]},
    ],
)
def test_metadata_that_cannot_be_stored_are_refused(value: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as refused:
        checked_metadata(value)
    assert refused.value.field == "metadata"


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"a": None, "b": [1, 2.5, True, {"c": "d"}]},
        {"path": "C:\\u0000"},  # a backslash and letters, no NUL
        {"path": "\\\\u0000"},
        {"": "\U0001f600 \u202e \ufeff"},
        {"n": 10**40},
        nested(20),
    ],
)
def test_other_metadata_come_back_as_they_are(value: dict[str, Any]) -> None:
    assert checked_metadata(value) == value


def test_texts_have_a_length_and_can_be_stored() -> None:
    assert checked_text("\u202e" * 5, "title", 5) == "\u202e" * 5
    for text in ("x" * 6, "a\0", "\ud800", "a\udfff", "\udc00\ud800"):
        with pytest.raises(Invalid) as refused:
            checked_text(text, "title", 5)
        assert refused.value.field == "title"


def test_names_are_trimmed_and_not_empty() -> None:
    assert checked_name("  a b ") == "a b"
    for name in ("", "  ", "x" * 201, "a\0b", "a\ud800"):
        with pytest.raises(Invalid):
            checked_name(name)


@pytest.mark.parametrize("name", ["", " ", "a\r\nb", "a\x7f", "\t", "x" * 1025, "\ud83d"])
def test_file_names_break_no_header(name: str) -> None:
    with pytest.raises(Invalid):
        checked_file_name(f"x{name}x" if name.strip() else name, "name")


def test_words_are_distinct_and_few() -> None:
    assert checked_words([" a", "b", "a "], "tags") == ["a", "b"]
    for words in ([""], ["x" * 257], ["\0"], ["a", "\ud800"], [str(n) for n in range(101)]):
        with pytest.raises(Invalid):
            checked_words(words, "tags")
