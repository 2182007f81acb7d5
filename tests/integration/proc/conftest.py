"""Children are tried as the user who runs the tests and, as root, also as `nobody`."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import polycast
from tests.support.waiting import STRETCH

HERE = Path(__file__).parent
NOBODY = 65534


@dataclass
class Account:
    """An account that may run scenarios, with folders it can reach.

    `open_folder` is outside every sandbox yet open to the account itself: what is refused there is
    refused by the sandbox, not by file modes.
    """

    name: str
    uid: int
    python: str
    package_root: Path
    folder: Path

    @property
    def work(self) -> Path:
        return self.folder / "work"

    @property
    def secret(self) -> Path:
        return self.folder / "outside" / "secret"

    def hostile(self, *args: object) -> list[str]:
        return [self.python, "-I", str(self.folder / "hostile.py"), *map(str, args)]

    def command(self, request: dict[str, Any]) -> list[str]:
        request = {**request, "read": [str(self.folder / "hostile.py"), *request.get("read", ())]}
        return [
            self.python,
            "-I",
            str(self.folder / "scenario.py"),
            str(self.package_root),
            json.dumps(request),
        ]

    def start(self, request: dict[str, Any]) -> "subprocess.Popen[str]":
        if self.uid == os.geteuid():
            return subprocess.Popen(self.command(request), stdout=subprocess.PIPE, text=True, cwd="/")
        return subprocess.Popen(
            self.command(request),
            stdout=subprocess.PIPE,
            text=True,
            cwd="/",
            user=self.uid,
            group=self.uid,
            extra_groups=[],
        )

    def run(self, request: dict[str, Any], *, within_s: float = 30) -> dict[str, Any]:
        """The scenario's last line of output."""
        with self.start(request) as process:
            try:
                out, _ = process.communicate(timeout=within_s * STRETCH)
            finally:
                process.kill()
        assert process.returncode == 0
        answer: dict[str, Any] = json.loads(out.splitlines()[-1])
        return answer

    def attack(self, case: str, *args: object, **request: Any) -> dict[str, Any]:
        """Run a case of hostile.py in the sandbox, with the work folder writable."""
        return self.run({"argv": self.hostile(case, *args), "write": [str(self.work)], **request})


def _system_python() -> str:
    for name in ("/usr/bin/python3", "/usr/local/bin/python3"):
        if Path(name).exists():
            code = "import sys; raise SystemExit(sys.version_info < (3, 11))"
            if subprocess.run([name, "-I", "-c", code], check=False).returncode == 0:
                return name
    pytest.skip("no python3 >= 3.11 that `nobody` can reach")


@pytest.fixture(params=["self", "nobody"])
def account(request: pytest.FixtureRequest) -> Iterator[Account]:
    root = Path(polycast.__file__).parents[1]
    # not tmp_path: its parents are closed to other users
    folder = Path(tempfile.mkdtemp(prefix="polycast-proc-"))
    try:
        folder.chmod(0o755)
        if request.param == "self":
            made = Account("self", os.geteuid(), sys.executable, root, folder)
        else:
            if os.geteuid() != 0:
                pytest.skip("only root can become `nobody`")
            package = folder / "package" / "polycast"
            for part in ("domain", "proc"):
                shutil.copytree(root / "polycast" / part, package / part, ignore=lambda *_: ["__pycache__"])
            (package / "__init__.py").touch()
            made = Account("nobody", NOBODY, _system_python(), package.parent, folder)
        for script in ("hostile.py", "scenario.py"):
            shutil.copy(HERE / script, folder)
        made.work.mkdir()
        made.secret.parent.mkdir()
        made.secret.write_text("secret")
        (made.work / "planted-link").symlink_to(made.secret)
        for path in (made.work, made.secret.parent, made.secret):
            os.chown(path, made.uid, -1)
        if request.param == "nobody":
            subprocess.run(["chmod", "-R", "a+rX", folder], check=True)
        made.work.chmod(0o700)
        made.secret.chmod(0o600)
        yield made
    finally:
        shutil.rmtree(folder)
