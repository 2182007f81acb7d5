"""`make demo` as a newcomer meets it: the command itself, what it prints, and the page it names."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from playwright.async_api import Page

from polycast.cli.ports import free_port
from tests.e2e.playback.seeing import record, recorded, wrong
from tests.e2e.player.conftest import browser, no_process_left, page
from tests.e2e.player.watching import until
from tests.support.media import Media
from tests.support.waiting import STRETCH

__all__ = ["browser", "no_process_left", "page"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(240),
    pytest.mark.asyncio(loop_scope="session"),
]

READY_S = 90.0
STOP_S = 30.0


class Demo:
    """The running command; `text` is what it wrote so far."""

    def __init__(self, data: Path, video: Path | None = None, port: int = 8080) -> None:
        self.text = ""
        argv = [sys.executable, "-m", "polycast.cli.demo", *([str(video)] if video else [])]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("POLYCAST_")}
        environment |= {
            "POLYCAST_DATA": str(data),
            "COLUMNS": "200",
            "PYTHONUNBUFFERED": "1",
            "POLYCAST_HTTP_PORT": str(port),
        }
        self.process = subprocess.Popen(
            argv, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout:
            for line in self.process.stdout:
                self.text += line

    def wait_for(self, pattern: str) -> str:
        """The first group of a pattern, once it was written."""
        deadline = time.monotonic() + READY_S * STRETCH
        while not (match := re.search(pattern, self.text)):
            assert self.process.poll() is None, self.text
            assert time.monotonic() < deadline, f"no {pattern}:\n{self.text}"
            time.sleep(0.02)
        return match[1]

    def stop(self) -> None:
        """Ctrl-C: everything it started ends, in order and in time."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(STOP_S * STRETCH)
        _, alive = psutil.wait_procs(family, timeout=2 * STRETCH)
        assert code == 0, self.text
        assert not alive, f"left running: {alive}"
        assert "Traceback" not in self.text


@contextmanager
def demo(data: Path, video: Path | None = None, port: int = 8080) -> Iterator[Demo]:
    """A demo that ends with the block, whatever happens."""
    running = Demo(data, video, port)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.process.kill()
            running.process.wait()


async def test_from_the_command_to_the_picture_and_again(
    page: Page, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = tmp_path / "data"
    media = Media.for_run(tmp_path_factory)
    port = free_port()
    with demo(data, media.clip("h264"), port) as first:
        key = first.wait_for(r"admin key \(X-Api-Key\)\s+(\S+)")
        first.wait_for("(Serving until Ctrl-C)")
        player = first.wait_for(r"(?m)^player\s+(\S+)$")
        assert first.wait_for(r"ready after [\d.]+ s: (\S+)").endswith(f":{port}")
        assert "plays already" in first.text
        # five products, each with its address; those not there say so
        assert len(re.findall(r"(?m)^API ", first.text)) == 5
        for line in re.findall(r"(?m)^API .*$", first.text):
            assert ("docs: " in line) != ("not in this version" in line)
        for kind, sort in (("HLS", "mpegurl"), ("DASH", "dash+xml")):
            answer = await page.request.get(first.wait_for(rf"(?m)^{kind}\s+(\S+)$"))
            assert answer.ok
            assert sort in answer.headers["content-type"]
        await page.goto(player)
        await record(page)
        await page.click(".pc-big")
        await until(page, "seen.ended", deadline_s=30)
        frames = await recorded(page)
        assert wrong(frames, 30) == []
        assert len(frames) > 40
        assert frames[-1].number >= 170
        first.stop()
        assert "stopped" in first.text
    # at the same address, and what is published now is a sound alone
    with demo(data, media.clip("mp3"), port) as second:
        assert second.wait_for(r"admin key \(X-Api-Key\)\s+(\S+)") == key
        origin = second.wait_for(r"ready after [\d.]+ s: (\S+)")
        answer = await page.request.get(f"{origin}/videokit/vod/v1/assets", headers={"X-Api-Key": key})
        found = await answer.json()
        assert len(found["items"]) == 2
        assert {asset["status"] for asset in found["items"]} == {"Available"}
        # what the first one published still plays where it did
        await page.goto(player)
        await page.click(".pc-big")
        await until(page, "polycast.video.currentTime > 0.5")
        second.stop()
    # in the middle of publishing: what it waits for goes away, which is no error
    with demo(data, media.clip("h264"), port) as third:
        third.wait_for("(ready after)")
        third.stop()
        assert third.text.endswith("stopped\n"), third.text


async def test_a_taken_port_is_left_alone_and_a_file_that_is_no_video_is_told_in_one_line(
    tmp_path: Path,
) -> None:
    text = tmp_path / "notes.mp4"
    text.write_text("Not a film.\n" * 100)
    with (
        socket.create_server(("127.0.0.1", 0)) as other,
        demo(tmp_path / "data", text, _port(other)) as running,
    ):
        assert running.wait_for(r"ready after [\d.]+ s: (\S+)").rpartition(":")[2] != str(_port(other))
        assert running.process.wait(READY_S * STRETCH) == 1
        assert "Traceback" not in running.text
        assert "polycast: " in running.text


def _port(listening: socket.socket) -> int:
    return int(listening.getsockname()[1])
