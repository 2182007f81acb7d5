"""What a URL and headers given by a caller may look like. Pure: no name is resolved here."""

import re
from collections.abc import Mapping

import httpx

from polycast.domain.errors import Invalid
from polycast.net.addresses import literal_address

MAX_URL = 4096
_FORBIDDEN_IN_URL = re.compile(r"[\x00-\x20\x7f\\]")
_HOST = re.compile(
    r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?"
)
_DEFAULT_PORTS = {"http": 80, "https": 443}
# the "bad ports" of the Fetch standard (2.9) above 1024: other protocols that a request could talk into
_BAD_PORTS = {1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6679, 6697, 10080}
_BAD_PORTS |= set(range(6665, 6670))

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")  # RFC 9110 5.6.2
_VALUE = re.compile(r"[\t\x20-\x7e]{0,4096}")  # RFC 9110 5.5: new values stay within US-ASCII
_MAX_HEADERS = 50
_OURS = {
    # decided by the connection or by us
    "host", "connection", "keep-alive", "proxy-connection", "proxy-authorization", "proxy-authenticate",
    "te", "trailer", "transfer-encoding", "upgrade", "content-length", "expect", "http2-settings",
    "accept-encoding", "range", "if-range", "if-match", "if-none-match", "forwarded", "via",
}  # fmt: skip


def check_url(url: str) -> httpx.URL:
    """Parse an absolute http or https URL; the fragment is dropped.

    Raises:
        Invalid: field 'url'; other scheme, no host, user name in it, refused port, too long, unreadable.
    """
    if len(url) > MAX_URL:
        raise Invalid(f"the URL is longer than {MAX_URL} characters", field="url")
    if _FORBIDDEN_IN_URL.search(url):
        raise Invalid("the URL has characters that are not allowed", field="url")
    try:
        parsed = httpx.URL(url).copy_with(fragment=None)
    except (httpx.InvalidURL, ValueError, UnicodeError):
        raise Invalid("the URL cannot be read", field="url") from None
    if parsed.scheme not in _DEFAULT_PORTS:
        raise Invalid("the URL is neither http nor https", field="url")
    if parsed.userinfo:
        # it would end up in logs and in lists of assets
        raise Invalid("the URL holds a user name or password", field="url")
    host = parsed.raw_host.decode("ascii")
    if not host or len(host) > 253:
        raise Invalid("the URL has no valid host", field="url")
    if literal_address(host) is None and not _HOST.fullmatch(host):
        raise Invalid("the URL has no valid host", field="url")
    port = port_of(parsed)
    known = port in _DEFAULT_PORTS.values()
    if not known and (not 1024 <= port <= 65535 or port in _BAD_PORTS):
        raise Invalid("the URL has a port that is not allowed", field="url")
    return parsed


def port_of(url: httpx.URL) -> int:
    """The port to connect to."""
    return url.port if url.port is not None else _DEFAULT_PORTS[url.scheme]


def same_origin(one: httpx.URL, other: httpx.URL) -> bool:
    """RFC 6454: scheme, host and port agree."""
    return (one.scheme, one.host, port_of(one)) == (other.scheme, other.host, port_of(other))


def filter_headers(headers: Mapping[str, str] | None) -> dict[str, str]:
    """A caller's headers without those that are not theirs to set; names in lower case.

    Raises:
        Invalid: field 'headers'; a name or value that could break out of its line, or too many.
    """
    kept: dict[str, str] = {}
    for name, value in (headers or {}).items():
        if not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
            raise Invalid("a request header is malformed", field="headers")
        lower = name.lower()
        if lower not in _OURS and not lower.startswith(("x-forwarded-", "sec-", "proxy-")):
            kept[lower] = value.strip()
    if len(kept) > _MAX_HEADERS:
        raise Invalid(f"more than {_MAX_HEADERS} request headers", field="headers")
    return kept
