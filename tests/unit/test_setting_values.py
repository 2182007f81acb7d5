"""What single settings take, and the words for what they do not."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from polycast.settings import Settings


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("", ""),
        ("https://video.example.org/", "https://video.example.org"),
        ("HTTPS://Video.Example.org:443", "https://video.example.org"),
        ("http://video.example.org:8080", "http://video.example.org:8080"),
        ("http://[::1]:8080/", "http://[::1]:8080"),
    ],
)
def test_an_origin_is_kept_as_browsers_write_it(given: str, kept: str, tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, public_url=given, player_origin=given)
    assert settings.public_url == settings.player_origin == kept


@pytest.mark.parametrize(
    "given",
    [
        "video.example.org",
        "ftp://a.test",
        "https://a.test/videos",
        "https://a.test?x=1",
        "https://me@a.test",
        "https://",
    ],
)
def test_what_is_no_origin_is_refused(given: str, tmp_path: Path) -> None:
    """An address below a path would make links that lead nowhere."""
    with pytest.raises(ValidationError, match="is no origin, such as"):
        Settings(data=tmp_path, public_url=given)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("http://api.test=gotipath", "'http://api.test' is no host name"),
        ("api.test:8080=gotipath", "'api.test:8080' is no host name"),
        ("api.test", "api.test=: the dialect must be one of videokit, gotipath"),
        ("api.test=gotipat", "api.test=gotipat: the dialect must be one of"),
    ],
)
def test_hosts_that_would_never_be_asked_for_are_refused(given: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=said):
        Settings(data=tmp_path, hosts=given)
    assert Settings(data=tmp_path, hosts="API.test=gotipath, b.test=videokit").hosts == {
        "api.test": "gotipath",
        "b.test": "videokit",
    }
