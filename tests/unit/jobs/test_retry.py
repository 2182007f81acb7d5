"""When a job is tried again."""

import random

from polycast.domain.errors import (
    ChildFailed,
    DatabaseUnavailable,
    Encrypted,
    Invalid,
    StorageFull,
    Unavailable,
)
from polycast.jobs.retry import Backoff, Retry


def test_waits_grow_up_to_a_limit() -> None:
    backoff = Backoff(first_s=2, factor=3, longest_s=30)
    dice = random.Random(1)
    for failures, whole in ((1, 2), (2, 6), (3, 18), (4, 30), (50, 30)):
        assert 0.75 * whole <= backoff.delay_s(failures, dice) <= whole


def test_tries_in_all() -> None:
    retry = Retry(max_attempts=3)
    assert retry.wait_s(1, OSError()) is not None
    assert retry.wait_s(2, OSError()) is not None
    assert retry.wait_s(3, OSError()) is None


def test_what_would_fail_again_is_not_tried_again() -> None:
    retry = Retry()
    assert retry.wait_s(1, Invalid("no")) is None
    assert retry.wait_s(1, Encrypted("no")) is None
    assert retry.wait_s(1, Unavailable("later")) is not None
    assert retry.wait_s(1, ChildFailed("x", "exit", returncode=1)) is not None


def test_chosen_errors() -> None:
    retry = Retry(on=(OSError,), unless=(FileNotFoundError,))
    assert retry.wait_s(1, OSError()) is not None
    assert retry.wait_s(1, FileNotFoundError()) is None
    assert retry.wait_s(1, ValueError()) is None


def test_a_dead_worker_counts_and_is_not_waited_for() -> None:
    assert Retry(max_attempts=2).wait_s(1, None) == 0
    assert Retry(max_attempts=2).wait_s(2, None) is None


def test_a_full_disk_and_an_absent_database_are_waited_for_longer_than_other_errors() -> None:
    retry = Retry(max_attempts=2, max_patient=10)
    assert retry.wait_s(9, StorageFull("full")) is not None
    assert retry.wait_s(10, StorageFull("full")) is None
    assert (retry.wait_s(9, DatabaseUnavailable("gone")) or 9) <= retry.backoff.first_s
    assert retry.wait_s(2, Unavailable("gone")) is None


def test_a_worker_that_dies_has_more_tries_where_that_is_asked_for() -> None:
    assert Retry(max_attempts=2, max_lost=5).wait_s(4, None) == 0
    assert Retry(max_attempts=2, max_lost=5).wait_s(5, None) is None
