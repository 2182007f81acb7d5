"""What a confined child can and cannot do, with real children, at every level this machine offers."""

import os

import pytest

from tests.integration.proc.conftest import Account

MODES = ["root", "user", None]


def _skip_unless_possible(account: Account, mode: str | None) -> None:
    if mode == "root" and account.uid != 0:
        pytest.skip("needs root")


def test_a_level_is_reached(account: Account) -> None:
    found = account.run({"mode": "detect"})["level"]
    assert found in {"namespace", "landlock_seccomp"}


@pytest.mark.parametrize("mode", MODES)
def test_every_way_out_is_closed(account: Account, mode: str | None) -> None:
    _skip_unless_possible(account, mode)
    ended = account.attack("escape", account.work, account.secret, os.getpid(), mode=mode)
    assert ended.get("answer"), ended
    assert [name for name, outcome in ended["answer"].items() if outcome == "open"] == []
    assert account.secret.read_text() == "secret"
    assert sorted(path.name for path in account.secret.parent.iterdir()) == ["secret"]


# harmless where they succeed: the rest would change this machine when root tries it
HARMLESS = ["inet", "unix", "socketpair", "passwd", "secret", "list /", "write outside", "append outside",
            "through a link", "make a link", "hard link", "chmod", "utime", "fifo", "own memory", "fork",
            "memfd", "keyctl"]  # fmt: skip


def test_without_sandbox_the_same_ways_are_open(account: Account) -> None:
    """Else the test above would prove nothing."""
    ended = account.attack("escape", account.work, account.secret, os.getpid(), *HARMLESS, sandbox=False)
    assert [name for name, outcome in ended["answer"].items() if outcome != "open"] == []


@pytest.mark.parametrize("mode", MODES)
def test_what_media_children_need_works(account: Account, mode: str | None) -> None:
    _skip_unless_possible(account, mode)
    source = account.folder / "outside" / "source"
    source.write_text("media")
    os.chown(source, account.uid, -1)
    source.chmod(0o600)
    ended = account.attack("allowed", account.work, source, mode=mode, read=[str(source)])
    answer = ended["answer"]
    assert (answer["source"], answer["a"], answer["threads"]) == ("media", "123", 8)
    assert answer["fds"] == []
    assert set(answer["env"]) <= {"PATH", "LANG", "LC_CTYPE", "MALLOC_ARENA_MAX", "TMPDIR", "HOME"}
    assert answer["cwd"] == str(account.work)
    assert (account.work / "a").read_text() == "123"


@pytest.mark.parametrize("mode", MODES)
def test_a_parser_cannot_fork(account: Account, mode: str | None) -> None:
    _skip_unless_possible(account, mode)
    assert account.attack("forks", 500, mode=mode)["answer"] == {"made": 0}


def test_forks_are_bounded_where_they_are_allowed(account: Account) -> None:
    if account.run({"mode": "detect"})["level"] != "namespace":
        pytest.skip("RLIMIT_NPROC counts per sandbox only in a user namespace")
    ended = account.attack("forks", 500, may_fork=True, limits={"processes": 20})
    assert 10 <= ended["answer"]["made"] <= 20


def test_threads_are_bounded(account: Account) -> None:
    if account.run({"mode": "detect"})["level"] != "namespace":
        pytest.skip("RLIMIT_NPROC counts per sandbox only in a user namespace")
    ended = account.attack("threads", 500, limits={"processes": 40})
    assert 20 <= ended["answer"]["made"] <= 40


@pytest.mark.parametrize("case", ["memory", "shared-memory"])
def test_memory_is_bounded(account: Account, case: str) -> None:
    ended = account.attack(case, limits={"memory_bytes": 256 << 20})
    assert ended["reason"] in {"memory", "exit"}
    assert "MemoryError" in ended["stderr"] or "Cannot allocate" in ended["stderr"]


def test_file_size_is_bounded(account: Account) -> None:
    target = account.work / "big"
    ended = account.attack("big-file", target, limits={"file_bytes": 3 << 20})
    assert ended["reason"] == "output"
    assert target.stat().st_size == 3 << 20
