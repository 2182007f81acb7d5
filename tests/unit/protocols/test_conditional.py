"""RFC 9110 sections 8.8.3 and 13."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polycast.protocols.conditional import (
    ETag,
    Outcome,
    http_date,
    if_range_holds,
    parse_etags,
    parse_http_date,
    preconditions,
)

MODIFIED = datetime(1994, 11, 15, 12, 45, 26, 500_000, tzinfo=UTC)
DATE = "Tue, 15 Nov 1994 12:45:26 GMT"
EARLIER = "Tue, 15 Nov 1994 12:45:25 GMT"
STRONG = ETag("xyzzy")
WEAK = ETag("xyzzy", weak=True)


def test_etags() -> None:
    assert parse_etags('"xyzzy"') == [STRONG]
    assert parse_etags('W/"xyzzy", "r2d2xxxx" , ""') == [WEAK, ETag("r2d2xxxx"), ETag("")]
    assert parse_etags('"a,b"') == [ETag("a,b")]
    assert parse_etags(" * ") == "*"
    for broken in ("", "xyzzy", '"xyzzy', 'w/"xyzzy"', '"a b"', '*, "a"', '"a" b', "," * 9000):
        assert parse_etags(broken) is None
    assert [t.render() for t in (STRONG, WEAK)] == ['"xyzzy"', 'W/"xyzzy"']


@pytest.mark.parametrize(
    ("a", "b", "strong", "weak"),
    [
        # the table of 8.8.3.2
        (ETag("1", weak=True), ETag("1", weak=True), False, True),
        (ETag("1", weak=True), ETag("2", weak=True), False, False),
        (ETag("1", weak=True), ETag("1"), False, True),
        (ETag("1"), ETag("1"), True, True),
    ],
)
def test_comparison(a: ETag, b: ETag, strong: bool, weak: bool) -> None:
    assert a.strongly_equals(b) == b.strongly_equals(a) == strong
    assert a.weakly_equals(b) == b.weakly_equals(a) == weak


def test_dates() -> None:
    assert http_date(MODIFIED) == DATE
    # the three forms of 5.6.7
    expected = datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)
    for text in (
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
    ):
        assert parse_http_date(text) == expected
    for broken in (None, "", "yesterday", "x" * 100, "Sun, 99 Nov 1994 08:49:37 GMT"):
        assert parse_http_date(broken) is None


@given(st.text(max_size=80))
def test_any_text_is_a_date_or_none(text: str) -> None:
    parse_http_date(text)
    parse_etags(text)
    if_range_holds(text, etag=STRONG, modified=MODIFIED)


@pytest.mark.parametrize(
    ("headers", "safe", "outcome"),
    [
        ({}, True, Outcome.PROCEED),
        # 13.1.1 strong comparison
        ({"if_match": '"xyzzy"'}, False, Outcome.PROCEED),
        ({"if_match": 'W/"xyzzy"'}, False, Outcome.FAILED),
        ({"if_match": '"other", "xyzzy"'}, False, Outcome.PROCEED),
        ({"if_match": "*"}, False, Outcome.PROCEED),
        # 13.1.2 weak comparison; 304 for GET and HEAD, else 412
        ({"if_none_match": 'W/"xyzzy"'}, True, Outcome.NOT_MODIFIED),
        ({"if_none_match": '"xyzzy"'}, False, Outcome.FAILED),
        ({"if_none_match": '"other"'}, True, Outcome.PROCEED),
        ({"if_none_match": "*"}, True, Outcome.NOT_MODIFIED),
        # 13.1.3, ignored for other methods, when broken, and beside If-None-Match
        ({"if_modified_since": DATE}, True, Outcome.NOT_MODIFIED),
        ({"if_modified_since": EARLIER}, True, Outcome.PROCEED),
        ({"if_modified_since": DATE}, False, Outcome.PROCEED),
        ({"if_modified_since": "yesterday"}, True, Outcome.PROCEED),
        ({"if_modified_since": DATE, "if_none_match": '"other"'}, True, Outcome.PROCEED),
        # 13.1.4, ignored beside If-Match
        ({"if_unmodified_since": DATE}, False, Outcome.PROCEED),
        ({"if_unmodified_since": EARLIER}, False, Outcome.FAILED),
        ({"if_unmodified_since": EARLIER, "if_match": '"xyzzy"'}, False, Outcome.PROCEED),
        # 13.2.2 the order
        ({"if_match": '"other"', "if_none_match": '"xyzzy"'}, True, Outcome.FAILED),
        ({"if_match": '"xyzzy"', "if_none_match": '"xyzzy"'}, True, Outcome.NOT_MODIFIED),
    ],
)
def test_preconditions(headers: dict[str, str], safe: bool, outcome: Outcome) -> None:
    assert preconditions(etag=STRONG, modified=MODIFIED, safe=safe, **headers) is outcome


def test_what_does_not_exist_matches_nothing() -> None:
    assert preconditions(etag=None, modified=None, if_match="*", safe=False) is Outcome.FAILED
    assert preconditions(etag=None, modified=None, if_none_match="*", safe=False) is Outcome.PROCEED
    # a representation without a tag exists all the same
    assert preconditions(etag=None, modified=MODIFIED, if_none_match="*", safe=False) is Outcome.FAILED
    assert preconditions(etag=None, modified=MODIFIED, if_match='"a"', safe=False) is Outcome.FAILED


def test_if_range() -> None:
    assert if_range_holds(None, etag=None, modified=None)
    assert if_range_holds('"xyzzy"', etag=STRONG, modified=None)
    # 13.1.5: only a strong comparison, only one tag, only the very date
    assert not if_range_holds('W/"xyzzy"', etag=WEAK, modified=MODIFIED)
    assert not if_range_holds('"xyzzy"', etag=WEAK, modified=MODIFIED)
    assert not if_range_holds('"xyzzy", "b"', etag=STRONG, modified=MODIFIED)
    assert not if_range_holds('"xyzzy"', etag=None, modified=MODIFIED)
    assert if_range_holds(DATE, etag=STRONG, modified=MODIFIED)
    assert not if_range_holds(EARLIER, etag=STRONG, modified=MODIFIED)
    assert not if_range_holds(http_date(MODIFIED + timedelta(hours=1)), etag=STRONG, modified=MODIFIED)
    assert not if_range_holds("nonsense", etag=STRONG, modified=MODIFIED)
