"""A machine that cannot confine a child: what each value of POLYCAST_SANDBOX means there.

A process that calls itself another kind of processor is such a machine: no table of system calls fits it.
"""

import asyncio
import shutil
import sys
from pathlib import Path

import pytest

from tests.support.media import Media

SETARCH = shutil.which("setarch")
SCRIPT = """
import asyncio, sys
from pathlib import Path
from polycast.bootstrap import build_platform
from polycast.cli.doctor_media import sandbox
from polycast.cli.logs import configure
from polycast.domain.errors import PolycastError
from polycast.settings import load

async def main():
    settings = load(data=sys.argv[1], sandbox=sys.argv[2])
    configure("info", "text")
    platform = build_platform(settings, "postgresql://nobody@127.0.0.1:9/none")
    try:
        print("probed", (await platform.media.probe(Path(sys.argv[3]))).main_video.codec)
    except PolycastError as error:
        print(error.code)
    finding = await sandbox(settings)
    print(finding.verdict, finding.detail)

asyncio.run(main())
"""


async def _on_another_machine(data: Path, sandbox: str, clip: Path) -> tuple[str, str]:
    """Output and log of a probe and of the doctor there."""
    assert SETARCH is not None
    process = await asyncio.create_subprocess_exec(
        SETARCH, "linux32", sys.executable, "-c", SCRIPT, str(data), sandbox, str(clip),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, log = await process.communicate()
    assert process.returncode == 0, log.decode()
    return out.decode(), log.decode()


@pytest.mark.skipif(SETARCH is None, reason="util-linux is not installed")
@pytest.mark.parametrize(
    ("sandbox", "probed", "found", "warned"),
    [
        ("require", "sandbox_unavailable", "fail none: files of users are refused", False),
        ("prefer", "probed h264", "warn none: files of users are read without confinement", True),
        ("off", "probed h264", "warn none: files of users are read without confinement", False),
    ],
)
async def test_what_each_setting_means(
    tmp_path: Path, media: Media, sandbox: str, probed: str, found: str, warned: bool
) -> None:
    out, log = await _on_another_machine(tmp_path, sandbox, media.clip("h264"))
    assert out.splitlines() == [probed, found]
    assert ("runs unconfined" in log) == warned
