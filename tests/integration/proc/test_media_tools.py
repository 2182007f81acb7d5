"""The programs we confine do their work confined: PyAV, and the ffmpeg binary with encoder threads."""

import os
import shutil
import sys
from pathlib import Path

import imageio_ffmpeg
import pytest

from polycast.proc.child import ChildSpec, Limits, SandboxPolicy, python_child, run_child
from polycast.proc.detect import sandbox_level
from polycast.proc.policy import SandboxLevel
from tests.integration.proc.conftest import Account

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
DECODE = """
import json, sys, av
with av.open(sys.argv[1]) as file:
    print(json.dumps(sum(1 for _ in file.decode(video=0))))
"""


def _encode(program: str, target: Path) -> list[str]:
    source = "testsrc2=s=320x240:r=25:d=1"  # one second, made by ffmpeg itself
    # frame threads on purpose: they are what RLIMIT_AS, NPROC and the clone rule could break
    return [program, "-v", "error", "-nostdin", "-f", "lavfi", "-i", source, "-c:v", "libx264", "-threads", "8",
            "-preset", "ultrafast", "-y", str(target)]  # fmt: skip


async def test_ffmpeg_encodes_and_pyav_decodes(tmp_path: Path) -> None:
    assert await sandbox_level() is not SandboxLevel.NONE
    policy = SandboxPolicy(write_paths=[tmp_path])
    limits = Limits(memory_bytes=512 << 20, wall_s=60, processes=64)
    await run_child(ChildSpec(argv=_encode(FFMPEG, tmp_path / "a.mp4"), sandbox=policy, limits=limits))
    read_only = SandboxPolicy(read_paths=[tmp_path / "a.mp4"])
    argv = [sys.executable, "-I", "-c", DECODE, str(tmp_path / "a.mp4")]
    result = await run_child(ChildSpec(argv=argv, sandbox=read_only, limits=limits))
    assert result.stdout == b"25\n"


def test_ffmpeg_encodes_for_nobody(account: Account) -> None:
    if account.name != "nobody":
        pytest.skip("the test above")
    program = account.folder / "ffmpeg"
    shutil.copy(FFMPEG, program)
    program.chmod(0o755)
    target = account.work / "a.mp4"
    ended = account.run({"argv": _encode(str(program), target), "write": [str(account.work)]})
    assert "answer" in ended, ended
    assert target.stat().st_size > 10_000


async def test_a_module_of_ours_runs_as_a_child(tmp_path: Path) -> None:
    """`-I` still finds an editable install, and the sandbox lets it be read."""
    spec = ChildSpec(
        argv=python_child("polycast.domain.errors"), sandbox=SandboxPolicy(write_paths=[tmp_path])
    )
    assert (await run_child(spec)).stdout == b""
    assert spec.program == "polycast.domain.errors"


async def test_a_folder_of_mode_0700_is_usable(tmp_path: Path) -> None:
    """Work folders are closed to others; as root the child has another uid and still gets in."""
    work = tmp_path / "work"
    work.mkdir(mode=0o700)
    code = "import os; open('x','w').write('1'); os.rename('x','y'); print(os.getuid(), end='')"
    result = await run_child(
        ChildSpec(argv=[sys.executable, "-I", "-c", code], sandbox=SandboxPolicy(write_paths=[work]))
    )
    assert (work / "y").read_text() == "1"
    if os.geteuid() == 0 and await sandbox_level() is SandboxLevel.NAMESPACE:
        assert result.stdout != b"0"
