"""Which URLs and headers are taken from callers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polycast.domain.errors import Invalid
from polycast.net.urls import check_url, filter_headers, same_origin


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/a.mp4",
        "https://example.com:8443/a?b=c#d",
        "http://bücher.example/ä",
        "https://[2606:4700::1111]:443/",
        "http://1.1.1.1/x",
        "https://under_score.example./",
    ],
)
def test_accepted(url: str) -> None:
    parsed = check_url(url)
    assert parsed.fragment == ""
    assert parsed.scheme in {"http", "https"}


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://x/",
        "//example.com/",
        "example.com/a",
        "javascript:alert(1)",
        "http://",
        "http:///a",
        "http://user@example.com/",
        "http://user:password@example.com/",
        "http://:@example.com/",
        "http://example.com:22/",
        "http://example.com:25/",
        "http://example.com:6667/",
        "http://example.com:99999/",
        "http://example.com:0/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://0177.0.0.1/",
        "http://127.1/",
        "http://[::1%25lo]/",
        "http://[::1/",
        "http://exa$mple.com/",
        "http://example.com\\@evil.example/",
        "http://-a.example/",
        "http://a..example/",
        "data:text/plain,x",
        "http:/\\example.com/",
        "http://xn--/",
        "",
        " http://example.com/",
        "http://example.com/a b",
        "http://example.com/\r\nHost: x",
        "http://e\x00.com/",
        "http://example.com/" + "a" * 5000,
        f"http://{'a.' * 130}example/",
    ],
)
def test_refused(url: str) -> None:
    with pytest.raises(Invalid) as caught:
        check_url(url)
    assert caught.value.field == "url"


@given(st.text(max_size=60) | st.text(max_size=40).map(lambda text: "http://" + text))
def test_anything_is_a_url_or_invalid(url: str) -> None:
    try:
        parsed = check_url(url)
    except Invalid as error:
        assert error.field == "url"
    else:
        assert parsed.host
        assert not parsed.userinfo


def test_headers_that_are_not_theirs_are_dropped() -> None:
    given_headers = {
        "Host": "internal",
        "Connection": "close",
        "Transfer-Encoding": "chunked",
        "Content-Length": "5",
        "Range": "bytes=0-1",
        "X-Forwarded-For": "127.0.0.1",
        "Proxy-Authorization": "x",
        "Authorization": "Bearer token",
        "X-Mine": " yes ",
    }
    assert filter_headers(given_headers) == {"authorization": "Bearer token", "x-mine": "yes"}
    assert filter_headers(None) == {}


@pytest.mark.parametrize(
    "headers",
    [
        {"a b": "c"},
        {"": "x"},
        {"a": "b\r\nHost: c"},
        {"a": "b\x00"},
        {"a:": "b"},
        {"a": "Δ"},
        {"a": "é"},
        {"é": "x"},
        {"a": "b" * 5000},
        {f"a{n}": "b" for n in range(51)},
    ],
)
def test_headers_that_break_out(headers: dict[str, str]) -> None:
    with pytest.raises(Invalid) as caught:
        filter_headers(headers)
    assert caught.value.field == "headers"


def test_origins() -> None:
    base = check_url("http://a.example/x")
    assert same_origin(base, check_url("http://a.example:80/y"))
    for other in ("https://a.example/", "http://b.example/", "http://a.example:8080/"):
        assert not same_origin(base, check_url(other))
