"""What a new user gets wrong with the commands: one line that says what to do, and nothing is made."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from polycast.cli import main
from polycast.cli.installation import make_folder
from polycast.cli.locks import alone
from polycast.cli.ports import free_port
from polycast.domain.errors import ChildFailed
from tests.integration.run.installations import environment

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def polycast(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command, in this process; its exit code, output and errors."""
    for name in [name for name in os.environ if name.startswith("POLYCAST_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("POLYCAST_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["polycast", *words])
        with pytest.raises(SystemExit) as end:
            main.run()
        out, err = capsys.readouterr()
        return int(end.value.code or 0), out, err

    return run


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("keys", "list"), "there is no Polycast in"),
        (("tenants", "create", "x"), "there is no Polycast in"),
        (("upgrade",), "there is no Polycast in"),
        (("backup", "{folder}/b.tar"), "there is no Polycast in"),
        (("restore", "{folder}/notes"), "is not a backup of Polycast"),
        (("up", "--data", "{folder}/notes"), "notes cannot be used: it is no folder"),
        (("publish", "{folder}", "--key", "x"), "is no file"),
        (("publish", "{folder}/missing", "--key", "x"), "no such file"),
        (("publish", "{folder}/notes"), "polycast keys create"),
        (("publish", "{folder}/notes", "--key", "x", "--url", "localhost:1"), "must begin with http://"),
        (("publish", "{folder}/notes", "--key", "x", "--url", "{nowhere}"), "nobody answers at {nowhere} "),
        (("publish", "{nowhere}/a.mp4", "--key", "x"), "a.mp4: "),
        (("publish", "{folder}/empty", "--key", "x"), "empty is empty"),
        (("publish", "{folder}/notes", "--key", "x", "--url", "http://localhost:abc"), "Invalid port"),
        (("publish", "http://[x", "--key", "x"), "http://[x: "),
        (("worker", "--queues", " , "), "name one or more of encode"),
        (("openapi", "nothing"), "one of videokit"),
        (("openapi", "streamdo"), "not in this version"),
        (("live",), "not in this version"),
    ],
)
def test_a_mistake_is_told_in_plain_words(
    arguments: tuple[str, ...], said: str, polycast: Run, tmp_path: Path
) -> None:
    (tmp_path / "notes").write_text("Not a film.")
    (tmp_path / "empty").touch()
    nowhere = f"http://127.0.0.1:{free_port()}"

    def filled(word: str) -> str:
        return word.replace("{folder}", str(tmp_path)).replace("{nowhere}", nowhere)

    code, _, errors = polycast(*map(filled, arguments))
    assert code in (1, 2)
    assert filled(said) in errors
    assert sorted(os.listdir(tmp_path)) == ["empty", "notes"], "nothing is made"


@pytest.mark.parametrize(("ended_with", "code"), [(78, 78), (1, 1), (None, 1)])
def test_what_a_restart_does_not_mend_is_passed_on(ended_with: int | None, code: int) -> None:
    """From a process of `up` to whoever started `up`."""

    def work() -> None:
        raise ChildFailed("api", "exit", returncode=ended_with)

    with pytest.raises(SystemExit) as end:
        main.reported(work)
    assert end.value.code == code


def test_a_demo_begins_its_log_and_leaves_that_of_a_running_one(tmp_path: Path) -> None:
    data = tmp_path / "demo"
    make_folder(data)
    log = data / "demo.log"
    log.write_text("what happened so far\n")

    def demo(**settings: str) -> tuple[int, str]:
        argv = [sys.executable, "-m", "polycast.cli.demo"]
        given = environment(DATA=str(data), **settings)
        done = subprocess.run(argv, env=given, capture_output=True, text=True, check=False)
        return done.returncode, done.stderr

    with alone(data):
        code, errors = demo()
    assert (code, "already runs" in errors, log.read_text()) == (1, True, "what happened so far\n")
    code, errors = demo(FFMPEG="/nonexistent/ffmpeg")
    assert (code, "POLYCAST_FFMPEG" in errors, log.read_text()) == (78, True, "")


def test_the_description_of_an_api_needs_no_installation(polycast: Run, tmp_path: Path) -> None:
    code, out, _ = polycast("openapi", "videokit")
    assert code == 0
    assert out.startswith('{"openapi":"3.')
    assert os.listdir(tmp_path) == []


def test_the_version(polycast: Run) -> None:
    assert polycast("--version")[1].startswith("polycast 0.")
