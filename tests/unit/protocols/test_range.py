"""RFC 9110 section 14: the cases are those of its text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polycast.protocols.range import (
    UNSATISFIABLE,
    ByteSpan,
    Unsatisfiable,
    parse_range,
    single_range,
    unsatisfied_content_range,
)

SIZE = 10_000


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        # 14.1.2, examples of a representation of 10000 bytes
        ("bytes=0-499", [(0, 500)]),
        ("bytes=500-999", [(500, 1000)]),
        ("bytes=-500", [(9500, 10000)]),
        ("bytes=9500-", [(9500, 10000)]),
        ("bytes=0-0,-1", [(0, 1), (9999, 10000)]),
        ("bytes= 0-0, -2", [(0, 1), (9998, 10000)]),
        ("bytes= 0-999, 4500-5499, -1000", [(0, 1000), (4500, 5500), (9000, 10000)]),
        ("bytes=500-600,601-999", [(500, 601), (601, 1000)]),
        ("bytes=500-700,601-999", [(500, 701), (601, 1000)]),
        # last-pos at or beyond the end means the rest; a suffix longer than all means all
        ("bytes=0-9999", [(0, 10000)]),
        ("bytes=9999-99999", [(9999, 10000)]),
        ("bytes=-99999", [(0, 10000)]),
        ("bytes=0-" + "9" * 19, [(0, 10000)]),
        # what lies beyond the end is left out while something remains
        ("bytes=10000-,0-1", [(0, 2)]),
        # range units are case-insensitive (14.1); list elements may be empty (5.6.1.2)
        ("BYTES=0-1", [(0, 2)]),
        ("bytes=,0-1,,", [(0, 2)]),
    ],
)
def test_satisfiable(header: str, expected: list[tuple[int, int]]) -> None:
    assert parse_range(header, SIZE) == [ByteSpan(a, b) for a, b in expected]


@pytest.mark.parametrize("header", ["bytes=10000-", "bytes=10000-10001", "bytes=-0", "bytes=20000-30000,-0"])
def test_unsatisfiable(header: str) -> None:
    assert parse_range(header, SIZE) is UNSATISFIABLE


@pytest.mark.parametrize(
    "header",
    [
        None, "", "bytes", "bytes=", "bytes=,", "bytes 0-1", "items=0-1", "0-1", "bytes=a-b", "bytes=1", "bytes=--1",
        "bytes=5-4", "bytes=0-1,5-4", "bytes=0 -1", "bytes=+1-2", "bytes=0x1-2", "bytes=1-2-3", "bytes=１-２",
        "bytes=" + ",".join("0-1" for _ in range(17)), "bytes=0-" + " " * 3000, "bytes=" + "9" * 30 + "-",
    ],
)  # fmt: skip
def test_ignored(header: str | None) -> None:
    assert parse_range(header, SIZE) is None


def test_an_empty_representation() -> None:
    assert parse_range("bytes=0-", 0) is UNSATISFIABLE
    assert parse_range("bytes=-0", 0) is UNSATISFIABLE
    # satisfiable by 14.1.2, but there is no Content-Range for it
    assert parse_range("bytes=-5", 0) is None


def test_content_range() -> None:
    assert ByteSpan(42, 1234).content_range(1234) == "bytes 42-1233/1234"
    assert ByteSpan(42, 1234).length == 1192
    assert unsatisfied_content_range(47022) == "bytes */47022"


def test_single_range_joins_what_touches_and_ignores_the_rest() -> None:
    assert single_range("bytes=500-600,601-999", SIZE) == ByteSpan(500, 1000)
    assert single_range("bytes=601-999,500-700", SIZE) == ByteSpan(500, 1000)
    assert single_range("bytes=0-1,3-4", SIZE) is None
    assert single_range("bytes=10000-", SIZE) is UNSATISFIABLE
    assert single_range(None, SIZE) is None


@given(st.text(max_size=60) | st.text("bytes=0123456789-, ", max_size=60), st.integers(0, 10**6))
def test_spans_lie_inside(text: str, size: int) -> None:
    for header in (text, "bytes=" + text):
        spans = parse_range(header, size)
        if spans is not None and not isinstance(spans, Unsatisfiable):
            assert spans
            assert all(0 <= s.start < s.end <= size for s in spans)


@given(st.integers(0, 2**60), st.integers(0, 2**60), st.integers(1, 2**61))
def test_one_range(first: int, last: int, size: int) -> None:
    expected: object = None
    if first <= last:
        expected = [ByteSpan(first, min(last + 1, size))] if first < size else UNSATISFIABLE
    assert parse_range(f"bytes={first}-{last}", size) == expected
