"""Behind nginx: X-Accel-Redirect with ranges and CORS; by Host; TLS with HTTP/2."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from sqlalchemy import insert

from polycast.db.tables import files
from polycast.services.registry import Services
from polycast.services.tenants import Tenant, as_system
from tests.integration.delivery.certificates import Certificate
from tests.integration.delivery.conftest import Installation
from tests.integration.delivery.http_server import HttpServer, free_port
from tests.integration.delivery.published import publish
from tests.support.waiting import until

EXAMPLE = Path(__file__).parents[3] / "deploy/nginx/polycast.conf"


@contextmanager
def nginx(folder: Path, upstream: int, objects: Path) -> Iterator[int]:
    """The example configuration of deploy/, with this test's port, folder and no certificate."""
    port = free_port()
    text = EXAMPLE.read_text()
    for pattern, by in (
        (r"server 127\.0\.0\.1:8080;", f"server 127.0.0.1:{upstream};"),
        (r"listen 443[^;]*;", f"listen 127.0.0.1:{port};"),
        (r"listen \[::\]:443[^;]*;", ""),
        (r"ssl_certificate\w*\s[^;]*;", ""),
        (r"alias [^;]*;", f"alias {objects}/;"),
    ):
        text, count = re.subn(pattern, by, text)
        assert count, f"the example has no {pattern}"
    temporary = " ".join(
        f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config = folder / "nginx.conf"
    # as root its workers would be nobody, who may not enter the tests' folders
    user = "user root;" if folder.owner() == "root" else ""
    config.write_text(
        f"daemon off; pid {folder}/pid; error_log {folder}/error.log; {user} events {{}}\n"
        f"http {{ access_log off; {temporary}\n{text}\n}}"
    )
    process = subprocess.Popen(["nginx", "-c", str(config)])
    try:
        yield port
    finally:
        process.terminate()
        process.wait(10)


@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
async def test_the_nginx_example(
    services: Services, tenant: Tenant, installation: Installation, tmp_path: Path
) -> None:
    made = await publish(services, tenant, captions=True)
    probe = services.store.local_path("probe")
    assert probe is not None
    settings = {"accel_redirect": "/objects/", "trusted_proxies": "127.0.0.1"}
    with (
        HttpServer(installation.data, installation.database_url, settings) as server,
        nginx(tmp_path, server.port, probe.parent) as port,
    ):
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:

            async def up() -> bool:
                try:
                    return (await client.get("/healthz")).status_code == 200
                except httpx.TransportError:
                    return False

            await until(up, what="nginx answers")
            for path in (made.segment(), f"/s/{services.playback.admit(made.uid)}{made.segment()}"):
                whole = await client.get(path)
                assert (whole.status_code, whole.content) == (200, made.objects[made.key()])
                assert whole.headers["content-type"] == "video/iso.segment"
                assert whole.headers["cache-control"] == "public, max-age=31536000, immutable"
                assert whole.headers["access-control-allow-origin"] == "*"
                assert "x-accel-redirect" not in whole.headers
                part = await client.get(path, headers={"range": "bytes=10-19"})
                assert (part.status_code, part.content) == (206, made.objects[made.key()][10:20])
                known = await client.get(path, headers={"if-none-match": whole.headers["etag"]})
                assert known.status_code == 304
            missing = await client.get(made.segment(99))
            assert (missing.status_code, missing.headers["access-control-allow-origin"]) == (404, "*")
            for name in ("captions/1.vtt", "thumbnail.jpg"):
                beside = await client.get(f"{made.base}/{name}")
                assert (beside.status_code, beside.headers["x-content-type-options"]) == (200, "nosniff")
            original = await client.get(await source_link(services, tenant))
            assert (original.status_code, original.content) == (200, b"alert(1)")
            assert original.headers["content-type"] == "text/plain"
            assert original.headers["x-content-type-options"] == "nosniff"
            assert original.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
            assert (await client.get("/metrics")).status_code == 404
            # the folder itself is closed
            assert (await client.get(f"/objects/media/{made.uid}/{made.key()}")).status_code == 404
            assert (await client.get(f"{made.base}/playlist.m3u8")).status_code == 200


async def source_link(services: Services, tenant: Tenant) -> str:
    """The path of a link to a source file that is text."""
    async with services.db.transaction() as tx:
        file = (
            await tx.execute(
                insert(files)
                .values(
                    tenant_num=tenant.ref.num, name="a.txt", original_name="a.txt", size=8, status="completed",
                    key=f"files/{tenant.ref.uid}/a/source.txt", content_type="text/plain",
                )
                .returning(files.c.uid, files.c.key)
            )
        ).one()  # fmt: skip
    await services.store.put(file.key, b"alert(1)")
    return (await services.sources.preview(as_system(tenant.ref, "system:test"), file.uid, "")).url


async def test_tls_speaks_http_2(installation: Installation, certificate: Certificate) -> None:
    with HttpServer(installation.data, installation.database_url, certificate.settings) as server:
        async with httpx.AsyncClient(http2=True, verify=certificate.trusted(), timeout=20) as client:
            answer = await client.get(f"{server.url}/healthz")
            assert (answer.status_code, answer.http_version) == (200, "HTTP/2")
            # monitors and link checkers ask so; content would break the stream (RFC 9113 section 8.1.1)
            for path in (
                "/healthz",
                "/play/none",
                "/oembed",
                "/media/none",
                "/gotipath/v1/libraries",
                "/nothing",
            ):
                whole = await client.get(f"{server.url}{path}")
                head = await client.head(f"{server.url}{path}")
                assert (head.http_version, head.content) == ("HTTP/2", b""), path
                if head.status_code != 405:
                    assert head.status_code == whole.status_code
                    assert head.headers["content-length"] == str(len(whole.content))


async def test_dialects_by_host(installation: Installation) -> None:
    settings = {"hosts": "API.vk.example=videokit,goti.example=gotipath"}
    with HttpServer(installation.data, installation.database_url, settings) as server:
        async with httpx.AsyncClient(base_url=server.url, timeout=20) as client:
            for name, path, status in (
                ("api.vk.example", "/vod/v1/assets", 401),
                ("api.vk.example:8080", "/vod/v1/assets", 401),
                ("goti.example", "/v1/libraries", 401),
                ("other.example", "/vod/v1/assets", 404),
                ("api.vk.example", "/healthz", 200),
                ("goti.example", "/upload/x", 405),
            ):
                answer = await client.get(path, headers={"host": name})
                assert answer.status_code == status, (name, path, answer.text)
