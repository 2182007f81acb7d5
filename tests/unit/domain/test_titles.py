"""One title, two places to write it."""

from typing import Any

import pytest

from polycast.domain.titles import settled, with_title


@pytest.mark.parametrize(
    ("title", "metadata", "expected"),
    [
        (None, {}, ("", {})),
        ("A", {"x": 1}, ("A", {"x": 1})),
        (None, {"Title": "B"}, ("B", {"Title": "B"})),
        (None, {"title": "B", "x": 1}, ("B", {"Title": "B", "x": 1})),
        ("A", {"TITLE": "B"}, ("A", {"Title": "A"})),
        (None, {"Title": 7}, ("7", {"Title": "7"})),
        ("A", {"Title": None}, ("A", {})),
        (None, {"Title": ["B"], "title": "C"}, ("C", {"Title": "C"})),
    ],
)
def test_of_something_new(title: str | None, metadata: dict[str, Any], expected: tuple[str, Any]) -> None:
    assert settled(title, metadata) == expected


@pytest.mark.parametrize(
    ("had", "title", "written", "expected"),
    [
        ({}, None, {}, ("Old", {})),
        ({"x": 1}, "New", {}, ("New", {"x": 1})),
        ({"Title": "Old"}, "New", {}, ("New", {"Title": "New"})),
        ({"x": 1}, None, {"title": "New"}, ("New", {"x": 1, "Title": "New"})),
        ({"Title": "Old"}, "New", {"Title": "Other"}, ("New", {"Title": "New"})),
        ({"Title": "Old"}, None, {"Title": None}, ("Old", {"Title": "Old"})),
        ({}, None, {"Title": {"a": 1}}, ("Old", {})),
        ({"Title": "Old", "x": 1}, "", {}, ("", {"x": 1})),
    ],
)
def test_of_a_change(
    had: dict[str, Any], title: str | None, written: dict[str, Any], expected: tuple[str, Any]
) -> None:
    assert settled(title, written, was="Old", had=had) == expected


@pytest.mark.parametrize(
    ("was", "written", "expected"),
    [
        ("Old", {"x": 1}, ("Old", {"x": 1})),
        ("Old", {}, ("Old", {})),
        ("", {}, ("Old", {})),
        ("Old", {"title": "New"}, ("New", {"Title": "New"})),
    ],
)
def test_of_metadata_that_take_the_place_of_all(was: str, written: dict[str, Any], expected: Any) -> None:
    assert settled(None, written, was=was, had={"Title": "Old", "y": 2}, whole=True) == expected


def test_who_looks_for_it_in_the_metadata_finds_it() -> None:
    assert with_title("A", {"x": 1}) == {"x": 1, "Title": "A"}
    assert with_title("", {"x": 1}) == {"x": 1}


def test_a_title_that_stands_in_the_metadata_alone_is_kept() -> None:
    assert settled(None, {"x": 1}, was="", had={"title": "Foo"}) == ("Foo", {"x": 1, "Title": "Foo"})
