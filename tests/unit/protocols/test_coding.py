"""Accept-Encoding as browsers, players and other clients send it."""

import pytest

from polycast.protocols.coding import takes_gzip


@pytest.mark.parametrize(
    ("value", "taken"),
    [
        ("gzip, deflate, br, zstd", True),
        ("br;q=1.0, gzip;q=0.8, *;q=0.1", True),
        ("GZIP", True),
        ("x-gzip", True),
        ("deflate , *", True),
        ("gzip ; q=0.001", True),
        ("", False),
        ("identity", False),
        ("br", False),
        ("gzip;q=0", False),
        ("gzip; q=0.000, *", False),
        ("*;q=0", False),
        ("gzipped", False),
        ("gzip;q=high", False),
    ],
)
def test_gzip_is_taken_where_it_is_allowed(value: str, taken: bool) -> None:
    assert takes_gzip(value) is taken
