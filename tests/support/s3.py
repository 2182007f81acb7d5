"""S3 over HTTP in a process of its own, as a store of tests (moto)."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_SERVER = """
import json, sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(json.dumps(server.get_host_and_port()), flush=True)
sys.stdin.read()  # ends with the test run
"""


@contextmanager
def s3_server() -> Iterator[str]:
    """Its address for the block; it takes any credentials."""
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"},
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        host, port = json.loads(process.stdout.readline())
        yield f"http://{host}:{port}"
    finally:
        process.stdin.close()
        process.kill()
        process.wait(10)
        process.stdout.close()
