"""Dates, durations and sizes as Gotipath writes them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from polycast.dialects.gotipath.wire import clock, day, go_duration, human_size, moment, second

AT = datetime(2023, 2, 5, 22, 8, 9, 123456, timezone(timedelta(hours=-6)))


def test_the_three_forms_of_a_date() -> None:
    assert moment(AT) == "2023-02-06T04:08:09.123+00:00"
    assert second(AT) == "2023-02-06T04:08:09Z"
    assert day(AT) == "06-Feb-2023"
    assert moment(datetime(2023, 1, 1, tzinfo=UTC)) == "2023-01-01T00:00:00.000+00:00"


def test_a_date_that_is_not_set() -> None:
    assert moment(None) == second(None) == "0001-01-01T00:00:00Z"
    assert day(None) == "01-Jan-0001"


@pytest.mark.parametrize(
    ("seconds", "go", "watch"),
    [
        (0, "0s", "00:00"),
        (48, "48s", "00:48"),
        (125, "2m5s", "02:05"),
        (3600, "1h0m0s", "1:00:00"),
        (36_065, "10h1m5s", "10:01:05"),
    ],
)
def test_durations(seconds: int, go: str, watch: str) -> None:
    assert (go_duration(seconds), clock(seconds)) == (go, watch)


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 B"),
        (9, "9 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (9_940, "9.9 kB"),
        (9_960, "10 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (96_000_000, "96 MB"),
        (5 * 10**21, "5000 EB"),
    ],
)
def test_sizes(size: int, words: str) -> None:
    assert human_size(size) == words
