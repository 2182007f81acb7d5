"""Children that hang, flood, ignore or outlive: each is ended, and nothing of it stays."""

import fcntl
import time
from pathlib import Path

import pytest

from tests.integration.proc.conftest import Account
from tests.support.waiting import STRETCH, until


def _is_free(path: Path) -> bool:
    with path.open("r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


@pytest.mark.parametrize(
    ("case", "limits", "reason"),
    [
        ("spin", {"wall_s": 0.5}, "timeout"),
        ("spin", {"cpu_s": 1}, "cpu"),
        ("ignore-cpu", {"cpu_s": 1}, "cpu"),
        ("hang", {"wall_s": 0.5}, "timeout"),
        ("hang", {"stall_s": 0.5}, "stalled"),
        ("close", {"wall_s": 0.5}, "timeout"),
        ("close", {"stall_s": 0.5}, "stalled"),
        ("flood", {"wall_s": 20}, "output"),
    ],
)
def test_it_is_ended(account: Account, case: str, limits: dict[str, float], reason: str) -> None:
    began = time.monotonic()
    ended = account.attack(case, limits=limits)
    assert ended["reason"] == reason
    assert time.monotonic() - began < 8 * STRETCH


def test_talk_without_progress_is_a_stall(account: Account) -> None:
    assert account.attack("chatter", limits={"stall_s": 0.5}, lines=True)["reason"] == "stalled"


def test_an_endless_line_is_cut(account: Account) -> None:
    assert account.attack("long-line", limits={"wall_s": 20}, lines=True)["reason"] == "output"


@pytest.mark.parametrize("sandbox", [True, False])
def test_ignoring_sigterm_does_not_help(account: Account, sandbox: bool) -> None:
    held = account.work / "held"
    ended = account.attack("ignore-term", held, limits={"wall_s": 1}, sandbox=sandbox)
    assert (ended["reason"], ended["code"]) == ("timeout", -9)
    assert _is_free(held)


def test_a_crash_leaves_its_last_words(account: Account) -> None:
    ended = account.attack("crash")
    assert (ended["reason"], ended["code"]) == ("signal", -11)
    assert "last words" in ended["stderr"]


@pytest.mark.parametrize("mode", ["root", "user", None])
async def test_what_it_leaves_behind_dies_with_it(account: Account, mode: str | None) -> None:
    if mode == "root" and account.uid != 0:
        pytest.skip("needs root")
    held = account.work / "held"
    assert account.attack("daemon", held, may_fork=True, mode=mode)["answer"] == "left behind"
    await until(lambda: _is_free(held), what="the grandchild is dead")


@pytest.mark.parametrize("sandbox", [True, False])
async def test_it_dies_with_its_parent(account: Account, sandbox: bool) -> None:
    """`kill -9` of the process that called run_child."""
    held = account.work / "held"
    request = {
        "argv": account.hostile("ignore-term", held),
        "write": [str(account.work)],
        "sandbox": sandbox,
        "lines": True,
    }
    with account.start(request) as driver:
        assert driver.stdout is not None
        assert driver.stdout.readline() == "locked\n"
        assert not _is_free(held)
        driver.kill()
    await until(lambda: _is_free(held), timeout_s=10, what="the child is dead")


def test_memory_of_the_child_is_its_own(account: Account) -> None:
    ended = account.attack("allowed", account.work, account.folder / "hostile.py")
    assert 4 << 20 < ended["rss"] < 64 << 20
    assert 0 < ended["cpu_s"] < 5
