"""How long browsers may keep the player's own files."""

import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from polycast.delivery.player_files import PlayerFiles


def _build(dist: Path) -> None:
    (dist / "assets").mkdir(parents=True)
    (dist / "assets" / "player-Ab12Cd34.js").write_text("export {}")
    (dist / "assets" / "player-Ab12Cd34.js.gz").write_bytes(gzip.compress(b"export {}"))
    (dist / "manifest.json").write_text("{}")


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    """Where the build is to be."""
    return tmp_path / "dist"


@pytest.fixture
async def client(dist: Path) -> AsyncIterator[httpx.AsyncClient]:
    app = Starlette(routes=[Mount("/player", PlayerFiles(dist))])
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


async def test_hashed_names_are_kept_for_ever_and_others_are_asked_again(
    client: httpx.AsyncClient, dist: Path
) -> None:
    _build(dist)
    name = "/player/assets/player-Ab12Cd34.js"
    script = await client.get(name)
    assert script.status_code == 200
    assert script.headers["cache-control"] == "public, max-age=31536000, immutable"
    again = await client.get(name, headers={"if-none-match": script.headers["etag"]})
    assert again.status_code == 304
    assert again.headers["cache-control"] == script.headers["cache-control"]
    assert (await client.get("/player/manifest.json")).headers["cache-control"] == "no-cache"
    missing = await client.get("/player/assets/player-old.js")
    assert missing.status_code == 404
    assert "cache-control" not in missing.headers


async def test_packed_copies_go_to_those_who_take_them(client: httpx.AsyncClient, dist: Path) -> None:
    _build(dist)
    name = "/player/assets/player-Ab12Cd34.js"
    packed, plain = [
        await client.get(name, headers={"accept-encoding": coding}) for coding in ("gzip, br", "gzip;q=0")
    ]
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.text == plain.text == "export {}"
    assert packed.headers["etag"] != plain.headers["etag"]
    for answer in (packed, plain):
        assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["vary"] == "accept-encoding"
    known = {"accept-encoding": "gzip", "if-none-match": packed.headers["etag"]}
    again = await client.get(name, headers=known)
    assert again.status_code == 304
    assert "content-encoding" not in again.headers
    # a copy in the build alone is no answer to its own name
    assert "content-encoding" not in (await client.get(f"{name}.gz")).headers


async def test_the_build_may_come_after_the_start(client: httpx.AsyncClient, dist: Path) -> None:
    assert (await client.get("/player/manifest.json")).status_code == 404
    _build(dist)
    assert (await client.get("/player/manifest.json")).status_code == 200
