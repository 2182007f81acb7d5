"""What the log may say, at its most talkative."""

import http.server
import subprocess
import sys
import threading

SCRIPT = """
import logging, sys
import httpx
from polycast.cli.logs import configure

configure("debug", "text")
httpx.get(sys.argv[1])
logging.getLogger("polycast.x").debug("our own words")
logging.getLogger("procrastinate").debug("words of a library")
"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Answers 404 to all, and says nothing."""

    def log_message(self, *_: object) -> None:
        pass


def test_signed_addresses_stay_out_of_it() -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/bucket/a?X-Amz-Signature=cafe0123"
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, url], capture_output=True, text=True, check=True, timeout=60
        )
        server.shutdown()
    assert "our own words" in done.stderr
    assert "words of a library" in done.stderr
    assert "cafe0123" not in done.stderr
