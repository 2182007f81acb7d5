"""One suite, all stores: local files, S3 over HTTP (moto in its own process), and memory, which
stands for remote stores whose parts are composed, with and without the disk cache."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from polycast.storage.cache import CachedStore
from polycast.storage.factory import StoreOptions, open_store
from polycast.storage.interface import ObjectStore
from tests.support.s3 import s3_server


@pytest.fixture(scope="session", autouse=True)
def s3_endpoint() -> Iterator[str]:
    """Started before the first test of this folder, so that no single test seems to leave it behind."""
    with s3_server() as endpoint:
        yield endpoint


STORES = ["local", "s3", "s3-folder", "memory", "cached"]
LOCAL_WITH_PART_SIZE = ["local-right-size", "local-wrong-size"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "store" in metafunc.fixturenames:
        hinted = LOCAL_WITH_PART_SIZE if "part_size" in metafunc.fixturenames else []
        metafunc.parametrize("store", STORES + hinted, indirect=True)


@pytest.fixture
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ObjectStore]:
    spool = tmp_path / "new" / "spool"
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
    assert not spool.exists() or list(spool.iterdir()) == []


@pytest.fixture
def is_local(request: pytest.FixtureRequest) -> bool:
    return str(request.node.callspec.params["store"]).startswith("local")


@pytest.fixture
def is_s3(request: pytest.FixtureRequest) -> bool:
    return str(request.node.callspec.params["store"]).startswith("s3")
