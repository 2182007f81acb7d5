"""The example configurations of nginx and Caddy, in front of a real server."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import imageio_ffmpeg
import pytest

from polycast.cli.ports import free_port
from tests.repo.files import ROOT
from tests.support.postgres import RunPostgres
from tests.support.server import PolycastServer
from tests.support.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
CADDY = shutil.which("caddy")


@pytest.fixture(scope="module")
def behind(postgres: RunPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PolycastServer]:
    """A server that believes a proxy on this machine and leaves objects to nginx."""
    url = postgres.create()
    data = tmp_path_factory.mktemp("behind")
    settings = {"trusted_proxies": "127.0.0.1", "accel_redirect": "/objects/"}
    server = PolycastServer(data, url, settings).start()
    yield server
    server.stop()
    postgres.drop(url)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    argv = [
        "-v",
        "error",
        "-f",
        "lavfi",
        "-i",
        "testsrc2=size=64x64:rate=10:duration=1",
        "-pix_fmt",
        "yuv420p",
    ]
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), *argv, "-threads", "1", str(path)], check=True)
    return path.read_bytes()


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    process.wait(10)


@pytest.fixture
def nginx(behind: PolycastServer, tmp_path: Path) -> Iterator[str]:
    """nginx with the example, its ports, paths and TLS exchanged; its origin."""
    if NGINX is None:
        pytest.skip("nginx is not installed")
    port = free_port()
    config = (ROOT / "deploy" / "nginx" / "polycast.conf").read_text()
    config = config.replace(
        "127.0.0.1:8080", behind.url.removeprefix("http://").replace("localhost", "127.0.0.1")
    )
    config = config.replace("listen 443 ssl http2", f"listen 127.0.0.1:{port}")
    config = config.replace("listen [::]:443 ssl http2;", "")
    config = re.sub(r"\n    ssl_certificate.*", "", config)
    config = config.replace("/var/lib/polycast/store/objects/", f"{behind.data}/store/objects/")
    whole = (
        "user root; daemon off; error_log stderr; "
        f"pid {tmp_path}/pid; events {{}} http {{ access_log off; client_body_temp_path {tmp_path}/b; "
        f"proxy_temp_path {tmp_path}/p; fastcgi_temp_path {tmp_path}/f; uwsgi_temp_path {tmp_path}/u; "
        f"scgi_temp_path {tmp_path}/s;\n{config}\n}}"
    )
    (tmp_path / "nginx.conf").write_text(whole)
    process = subprocess.Popen([NGINX, "-c", str(tmp_path / "nginx.conf"), "-p", str(tmp_path)])
    yield f"http://127.0.0.1:{port}"
    _end(process)


@pytest.fixture
def caddy(behind: PolycastServer, tmp_path: Path) -> Iterator[str]:
    """Caddy with the example, its name and port exchanged; its origin."""
    if CADDY is None:
        pytest.skip("Caddy is not installed")
    port = free_port()
    config = (ROOT / "deploy" / "caddy" / "Caddyfile").read_text()
    config = config.replace(
        "127.0.0.1:8080", behind.url.removeprefix("http://").replace("localhost", "127.0.0.1")
    )
    config = config.replace("video.example.org {", f"http://video.example.org:{port} {{")
    (tmp_path / "Caddyfile").write_text("{\n\tadmin off\n}\n" + config)
    argv = [CADDY, "run", "--adapter", "caddyfile", "--config", str(tmp_path / "Caddyfile")]
    process = subprocess.Popen(
        argv, env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}, stderr=subprocess.DEVNULL
    )
    yield f"http://127.0.0.1:{port}"
    _end(process)


@pytest.mark.parametrize("proxy", ["nginx", "caddy"])
async def test_addresses_are_the_proxys_and_parts_pass(
    proxy: str, request: pytest.FixtureRequest, behind: PolycastServer, clip: bytes
) -> None:
    origin = request.getfixturevalue(proxy)
    headers = {"X-Api-Key": behind.admin_key, "Host": f"video.example.org:{httpx.URL(origin).port}"}
    async with httpx.AsyncClient(base_url=origin, headers=headers, timeout=60) as client:

        async def answers() -> bool:
            try:
                return (await client.get("/readyz")).status_code == 200
            except httpx.HTTPError:
                return False

        await until(answers)
        body = {"name": "clip.mp4", "friendlyName": "Clip", "fileSize": len(clip)}
        started = (await client.post("/videokit/vod/v1/files/start", json=body)).json()
        [url] = started["multipartUrls"]
        assert url.startswith("http://video.example.org")
        path = httpx.URL(url).raw_path.decode()
        put = await client.put(path, content=clip)
        assert put.status_code == 200
        done = {"fileId": started["fileId"], "parts": [{"partNumber": 1, "eTag": put.headers["ETag"]}]}
        assert (await client.post("/videokit/vod/v1/files/complete", json=done)).status_code == 200
        if proxy == "nginx":
            await _original_by_nginx(client, behind, started["fileId"], clip)


async def _original_by_nginx(
    client: httpx.AsyncClient, behind: PolycastServer, file: str, clip: bytes
) -> None:
    """Polycast judges and names the file, nginx sends it; nobody reaches the folder by himself."""
    link = (await client.get(f"/videokit/vod/v1/files/{file}/preview")).json()["link"]
    path = httpx.URL(link).raw_path.decode()
    whole = await client.get(path)
    assert whole.content == clip
    part = await client.get(path, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, clip[10:20])
    assert "x-accel-redirect" not in whole.headers
    assert (await client.get("/objects/")).status_code == 404
    async with httpx.AsyncClient(base_url=behind.url, timeout=60) as direct:
        assert (await direct.get(path)).headers.get("x-accel-redirect", "").startswith("/objects/")
