"""One suite, all stores: local files, S3 over HTTP (moto in its own process), and memory, which
stands for remote stores whose parts are composed, with and without the disk cache."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from polycast.storage.cache import CachedStore
from polycast.storage.factory import StoreOptions, open_store
from polycast.storage.interface import ObjectStore

_SERVER = """
import json, sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(json.dumps(server.get_host_and_port()), flush=True)
sys.stdin.read()  # ends with the test run
"""


@pytest.fixture(scope="session", autouse=True)
def s3_endpoint() -> Iterator[str]:
    """Started before the first test of this folder, so that no single test seems to leave it behind."""
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


STORES = ["local", "s3", "s3-folder", "memory", "cached"]
LOCAL_WITH_PART_SIZE = ["local-right-size", "local-wrong-size"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "store" in metafunc.fixturenames:
        hinted = LOCAL_WITH_PART_SIZE if "part_size" in metafunc.fixturenames else []
        metafunc.parametrize("store", STORES + hinted, indirect=True)


@pytest.fixture
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ObjectStore]:
    spool = tmp_path / "spool"
    spool.mkdir()
    if request.param.startswith("local"):
        opened = open_store(str(tmp_path / "store"))
    elif request.param == "memory":
        opened = open_store("memory://", StoreOptions(spool=spool))
    elif request.param == "cached":
        inner = open_store("memory://", StoreOptions(spool=spool))
        opened = CachedStore(inner, tmp_path / "cache", 1 << 30)
    else:
        endpoint = request.getfixturevalue("s3_endpoint")
        bucket = f"b{uuid4().hex}"
        async with httpx.AsyncClient() as client:
            (await client.put(f"{endpoint}/{bucket}")).raise_for_status()
        folder = "/media/here" if request.param == "s3-folder" else ""
        opened = open_store(
            f"s3://{bucket}{folder}",
            StoreOptions(endpoint=endpoint, access_key="test", secret_key="test", spool=spool),
        )
    yield opened
    await opened.aclose()
    assert list(spool.iterdir()) == []


@pytest.fixture
def is_local(request: pytest.FixtureRequest) -> bool:
    return str(request.node.callspec.params["store"]).startswith("local")


@pytest.fixture
def is_s3(request: pytest.FixtureRequest) -> bool:
    return str(request.node.callspec.params["store"]).startswith("s3")
