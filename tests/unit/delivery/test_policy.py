"""Origins as headers name them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polycast.domain.policy import AccessPolicy, Refusal, ViewerRequest, judge, origin_asked, origin_of


def headers(**given: str | None) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in given.items() if value is not None}


@pytest.mark.parametrize(
    ("origin", "referer", "expected"),
    [
        (None, None, None),
        ("https://a.example", "https://b.example/x", "https://a.example"),
        (None, "https://B.example:443/x?y", "https://b.example"),
        ("null", "https://good.example/", "null"),
        ("rubbish", "https://good.example/", "null"),
        ("http://a.example:8080", None, "http://a.example:8080"),
        ("http://[::1]:80", None, "http://[::1]"),
        (None, "rubbish", None),
    ],
)
def test_which_page_asks(origin: str | None, referer: str | None, expected: str | None) -> None:
    assert origin_asked(headers(origin=origin, referer=referer)) == expected


@pytest.mark.parametrize(
    ("site", "dest", "expected"),
    [
        ("cross-site", "video", "null"),
        ("same-site", "empty", "null"),
        ("cross-site", "iframe", "null"),
        ("cross-site", None, "null"),
        ("cross-site", "document", None),
        ("same-origin", "video", None),
        ("none", "document", None),
        ("rubbish", "video", None),
    ],
)
def test_a_page_without_a_name_is_still_a_page(site: str, dest: str | None, expected: str | None) -> None:
    said = headers(sec_fetch_site=site, sec_fetch_dest=dest)
    assert origin_asked(said) == expected
    assert origin_asked({**said, "referer": "https://a.example/x"}) == "https://a.example"


@given(st.text(max_size=60))
def test_any_header_is_read(text: str) -> None:
    found = origin_of(text)
    assert found is None or (found.isascii() and origin_of(found) == found)


@given(st.text(max_size=60))
def test_only_the_listed_page_passes(text: str) -> None:
    policy = AccessPolicy(origins=("https://good.example",))
    origin = origin_asked({"origin": text})
    refused = judge(policy, ViewerRequest(origin=origin)) is Refusal.DOMAIN
    assert refused == (origin not in (None, "https://good.example"))
