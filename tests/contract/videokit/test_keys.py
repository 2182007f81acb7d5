"""Core: API keys and their roles, the older OAuth call, tenant status, tenant settings."""

import base64
import time
from typing import Any
from uuid import uuid4

import httpx
import jwt
import pytest

from tests.contract.videokit.kit import Kit, endpoint, error_of, ids
from tests.support.media import Media
from tests.support.waiting import until

PATH = "/core/v1/api-key"


async def _as(kit: Kit, key: str, method: str, path: str, body: object = None) -> httpx.Response:
    return await kit.api.request(method, path, json=body, headers={"X-Api-Key": key})


@pytest.mark.operation("videokit.create_api_key")
@pytest.mark.operation("videokit.delete_api_key")
@pytest.mark.operation("videokit.get_api_key")
async def test_a_key_opens_the_tenant_until_it_is_revoked(kit: Kit) -> None:
    made = await kit.call("POST", PATH, {"name": "Ingest worker", "roleId": "role-editor"})
    assert set(made) == {"id", "name", "roleId", "apiKey"}
    secret = made["apiKey"]
    assert (await _as(kit, secret, "GET", "/vod/v1/files")).status_code == 200
    found = await kit.call("GET", f"{PATH}/{made['id']}")
    assert found == {"id": made["id"], "name": "Ingest worker", "roleId": "role-editor"}
    assert secret not in str(await kit.call("GET", PATH)), "a secret is shown once"
    assert await kit.call("DELETE", f"{PATH}/{made['id']}") is None
    refused = await _as(kit, secret, "GET", "/vod/v1/files")
    assert refused.status_code == 401
    error_of(refused)
    await kit.refused(404, "GET", f"{PATH}/{made['id']}")
    await kit.refused(404, "DELETE", f"{PATH}/{made['id']}")


@pytest.mark.operation("videokit.update_api_key")
async def test_a_changed_role_limits_the_same_secret(kit: Kit) -> None:
    made = await kit.call("POST", PATH, {"name": "worker", "roleId": "role-editor"})
    body = {"name": "a.mp4", "friendlyName": "a", "fileSize": 5}
    assert (await _as(kit, made["apiKey"], "POST", "/vod/v1/files/start", body)).status_code == 200
    changed = await kit.call("PUT", f"{PATH}/{made['id']}", {"name": "read only", "roleId": "role-viewer"})
    assert changed == {"id": made["id"], "name": "read only", "roleId": "role-viewer"}
    assert (await _as(kit, made["apiKey"], "POST", "/vod/v1/files/start", body)).status_code == 403
    assert (await _as(kit, made["apiKey"], "GET", "/vod/v1/files")).status_code == 200
    await kit.refused(404, "PUT", f"{PATH}/{made['id']}", {"name": "x", "roleId": "role-god"})
    await kit.refused(404, "PUT", f"{PATH}/{uuid4()}", {"name": "x", "roleId": "role-viewer"})


@pytest.mark.operation("videokit.list_api_keys")
async def test_listed_keys_are_exactly_those_that_work(kit: Kit, neighbour: Kit) -> None:
    made = [
        await kit.call("POST", PATH, {"name": f"key {n}", "roleId": role})
        for n, role in enumerate(("role-viewer", "role-editor", "role-admin"))
    ]
    await neighbour.call("POST", PATH, {"name": "key 9", "roleId": "role-viewer"})
    await kit.call("DELETE", f"{PATH}/{made[1]['id']}")
    page = await kit.call("GET", f"{PATH}?Query=KEY&Sort=Name&Desc=true&Limit=10&Page=1")
    assert [(k["name"], k["roleId"], k["roleName"]) for k in page["items"]] == [
        ("key 2", "role-admin", "Admin"),
        ("key 0", "role-viewer", "Viewer"),
    ]
    assert (page["totalCount"], page["pageNumber"], page["hasMore"]) == (2, 1, False)
    for key in made:
        works = (await _as(kit, key["apiKey"], "GET", "/vod/v1/files")).status_code == 200
        assert works is (key["id"] in ids(page))
    by_role = await kit.call("GET", f"{PATH}?query=key&sort=roleName&desc=true")
    assert [k["roleName"] for k in by_role["items"]] == ["Viewer", "Admin"]
    assert "secret" in await kit.refused(400, "GET", f"{PATH}?Sort=secret")
    first = await kit.call("GET", f"{PATH}?query=key&sort=createdAt&limit=1&page=2")
    assert (ids(first), first["pageCount"]) == ([made[2]["id"]], 2)


async def test_a_key_cannot_lock_its_tenant_out(kit: Kit) -> None:
    own = await kit.call("POST", PATH, {"name": "admin", "roleId": "role-admin"})
    less = {"name": "less", "roleId": "role-editor"}
    for method, body in (("PUT", less), ("DELETE", None)):
        answer = await _as(kit, own["apiKey"], method, f"{PATH}/{own['id']}", body)
        assert answer.status_code == 409, method
        error_of(answer)
    renamed = {"name": "still admin", "roleId": "role-admin"}
    assert (await _as(kit, own["apiKey"], "PUT", f"{PATH}/{own['id']}", renamed)).status_code == 200
    await kit.call("PUT", f"{PATH}/{own['id']}", less)
    assert (await _as(kit, own["apiKey"], "GET", PATH)).status_code == 403


async def test_what_key_calls_refuse(kit: Kit) -> None:
    wrong: Any
    for wrong in (
        {},
        {"name": "x"},
        {"name": "", "roleId": "role-viewer"},
        {"name": "x" * 300, "roleId": "role-viewer"},
        {"name": "a\0", "roleId": "role-viewer"},
        {"name": ["x"], "roleId": "role-viewer"},
        {"name": "x", "roleId": None},
        [],
    ):
        await kit.refused(400, "POST", PATH, wrong)
    await kit.refused(404, "POST", PATH, {"name": "x", "roleId": "Owner"})
    for query in (
        "Limit=0",
        "Limit=100000",
        "Page=0",
        "Page=99999999999999999999",
        "Sort=secret",
        "Desc=maybe",
    ):
        await kit.refused(400, "GET", f"{PATH}?{query}")


@pytest.mark.parametrize("role", ["viewer", "editor"])
async def test_roles_limit_what_a_key_may_do(kit: Kit, media: Media, role: str) -> None:
    file = await kit.upload(media.clip("h264"))
    asset = await kit.create(file)
    await kit.playable(asset)
    image = {"images": {"poster": {"url": "https://example.org/p.jpg"}}}
    await kit.call("POST", f"/streaming/v1/assets/{asset}/images", image)
    start = {"name": "a.mp4", "friendlyName": "a", "fileSize": 5}
    open_ = (await kit.call("POST", "/vod/v1/files/start", start))["fileId"]
    made = await kit.call("POST", PATH, {"name": role, "roleId": f"role-{role}"})
    key = made["apiKey"]
    reads = [
        "/vod/v1/files",
        f"/vod/v1/files/{file}",
        f"/vod/v1/assets/{asset}",
        "/vod/v1/assets",
        "/streaming/v1/assets",
        f"/streaming/v1/assets/{asset}",
        f"/streaming/v1/qrcode/{asset}",
        "/streaming/v1/domains",
        "/transcoder/v1/presets",
        f"/core/v1/settings/tenant/{kit.tenant.uid}/status",
    ]
    for path in reads:
        assert (await _as(kit, key, "GET", path)).status_code == 200, path
    manage = [
        ("GET", "/streaming/v1/settings", None),
        ("GET", PATH, None),
        ("GET", f"{PATH}/{made['id']}", None),
        ("POST", PATH, {"name": "x", "roleId": "role-admin"}),
        ("PUT", f"{PATH}/{made['id']}", {"name": "x", "roleId": "role-admin"}),
        ("DELETE", f"{PATH}/{made['id']}", None),
        ("POST", "/streaming/v1/domains", {"url": "https://example.org"}),
        ("DELETE", f"/streaming/v1/domains?playerDomainId={uuid4()}", None),
    ]
    write = [
        ("POST", "/vod/v1/files/start", start),
        ("GET", f"/vod/v1/files/{open_}/part/1", None),
        ("PATCH", f"/vod/v1/files/{file}", {"name": "b.mp4"}),
        ("POST", f"/vod/v1/files/{file}/detect", None),
        ("PATCH", f"/vod/v1/assets/{asset}", {"title": "x"}),
        ("PATCH", f"/streaming/v1/assets/{asset}", {"title": "x"}),
        ("PATCH", f"/streaming/v1/assets/{asset}/settings", {"cap": "Enabled"}),
        ("POST", f"/streaming/v1/assets/{asset}/tags", {"tags": [{"name": "x"}]}),
        ("POST", f"/streaming/v1/assets/{asset}/chapters", {"chapters": [{"title": "x", "startSecond": 1}]}),
        ("POST", f"/streaming/v1/assets/{asset}/images", image),
        ("DELETE", f"/streaming/v1/assets/{asset}/images/poster", None),
        ("POST", f"/streaming/v1/assets/{asset}/images/uploaded/start", {"name": "a.png", "fileSize": 5}),
        ("POST", f"/vod/v1/assets/{asset}/outputs", {"preset": "audio_only", "id": "x"}),
        ("POST", "/vod/v1/assets", {"transcodedSources": [{"fileId": file}], "preset": "hls"}),
        ("POST", f"/vod/v1/files/{open_}/cancel", None),
        ("DELETE", f"/vod/v1/assets/{asset}", None),
        ("DELETE", f"/vod/v1/files/{file}", None),
    ]
    before = (await kit.vod(asset))["title"]
    for method, path, body in manage if role == "editor" else manage + write:
        answer = await _as(kit, key, method, path, body)
        assert answer.status_code == 403, (method, path, answer.text)
        error_of(answer)
    if role == "viewer":
        for path in ("/vod/v1/assets", "/vod/v1/files", f"/streaming/v1/assets/{asset}/images/uploaded"):
            assert (await _as(kit, key, "POST", f"{path}/deletemany", [asset, file])).status_code == 403
        assert (await kit.vod(asset))["title"] == before
    else:
        for method, path, body in write:
            assert (await _as(kit, key, method, path, body)).status_code == 200, (method, path)


@pytest.mark.operation("videokit.oauth_token")
async def test_a_bearer_token_works_and_dies_with_its_key(kit: Kit) -> None:
    made = await kit.call("POST", PATH, {"name": "legacy", "roleId": "role-viewer"})
    form = {"client_id": made["id"], "client_secret": made["apiKey"], "grant_type": "client_credentials"}
    url = f"{kit.server.url}/videokit/oauth/token"
    token = (await kit.web.post(url, data=form)).json()
    assert token["expires_in"] > 0
    assert token["token_type"] == "Bearer"
    bearer = {"Authorization": f"Bearer {token['access_token']}", "X-Tenant-Id": kit.tenant.uid}
    api = f"{kit.server.url}/videokit"
    assert (await kit.web.get(f"{api}/vod/v1/files", headers=bearer)).status_code == 200
    start = {"name": "a.mp4", "friendlyName": "a", "fileSize": 5}
    refused = await kit.web.post(f"{api}/vod/v1/files/start", json=start, headers=bearer)
    assert refused.status_code == 403, "the role of the key is that of its tokens"
    forged = jwt.encode({"sub": made["id"], "iss": "polycast", "exp": time.time() + 60}, "x" * 32, "HS256")
    for wrong in (forged, token["access_token"][:-2], "x"):
        headers = {"Authorization": f"Bearer {wrong}"}
        answer = await kit.web.get(f"{api}/vod/v1/files", headers=headers)
        assert answer.status_code == 401
        error_of(answer)
    for change, status in (
        ({"client_secret": "x"}, 401),
        ({"client_id": str(uuid4())}, 401),
        ({"client_id": "x"}, 401),
        ({"grant_type": "password"}, 400),
    ):
        answer = await kit.web.post(url, data={**form, **change})
        assert answer.status_code == status
        error_of(answer)
    assert (await kit.web.post(url)).status_code == 400
    await kit.call("DELETE", f"{PATH}/{made['id']}")
    assert (await kit.web.get(f"{api}/vod/v1/files", headers=bearer)).status_code == 401


async def test_the_key_and_the_tenant_must_agree(kit: Kit, neighbour: Kit) -> None:
    path = "/vod/v1/files"
    for tenant in (kit.tenant.uid, kit.tenant.uid.upper(), kit.tenant.slug, ""):
        await kit.call("GET", path, headers={"X-Tenant-Id": tenant})
    for tenant in (neighbour.tenant.uid, str(uuid4()), "x", "../" + kit.tenant.uid):
        await kit.refused(403, "GET", path, headers={"X-Tenant-Id": tenant})
    for key in ("", "x", kit.tenant.key[:-1], kit.tenant.key + "x", "\u00e9".encode("latin-1")):
        await kit.refused(401, "GET", path, headers={"X-Api-Key": key})
    answer = await kit.web.get(f"{kit.server.url}/videokit{path}")
    assert answer.status_code == 401
    error_of(answer)


@pytest.mark.operation("videokit.get_tenant_status")
async def test_a_blocked_tenant_is_told_so_and_refused_elsewhere(kit: Kit, neighbour: Kit) -> None:
    path = f"/core/v1/settings/tenant/{kit.tenant.uid}/status"
    assert (await kit.call("GET", path))["status"] == "Active"
    await neighbour.refused(404, "GET", path)
    await kit.refused(404, "GET", "/core/v1/settings/tenant/x/status")
    await kit.server.block(kit.tenant.uid)
    assert (await kit.call("GET", path))["status"] == "Blocked"
    await kit.refused(403, "GET", "/vod/v1/files")
    await kit.refused(403, "GET", "/streaming/v1/settings")
    await kit.server.block(kit.tenant.uid, blocked=False)
    assert (await kit.call("GET", path))["status"] == "Active"
    await kit.call("GET", "/vod/v1/files")


@pytest.mark.operation(
    "videokit.get_settings",
    partly="addresses, keys and domains act; the licence section waits for DRM",
)
async def test_settings_name_addresses_and_keys_that_work(kit: Kit, media: Media) -> None:
    asset = await kit.create(await kit.upload(media.clip("h264")))
    await kit.playable(asset)
    settings = await kit.call("GET", "/streaming/v1/settings")
    assert (settings["tenantId"], settings["tenantName"]) == (kit.tenant.uid, kit.tenant.slug)
    acquisition = settings["contentAcquisitionInfo"]
    await kit.call("PATCH", f"/streaming/v1/assets/{asset}/settings", {"tokenRequired": "Enabled"})
    url = acquisition["sourceConfigUrl"]
    assert (await kit.web.get(url, params={"assetId": asset})).status_code == 403
    secret = base64.b64decode(acquisition["authorization"]["signingKey"])
    claims = {"tenantid": kit.tenant.uid, "assetid": asset, "exp": int(time.time()) + 60}
    token = jwt.encode(claims, secret, acquisition["authorization"]["signingAlgorithm"])
    config = (await kit.web.get(url, params={"token": token})).json()
    assert (await kit.web.get(config["hls"])).text.startswith("#EXTM3U")
    bearer = {"Authorization": f"Bearer {token}"}
    for asked in ({}, {"assetId": asset}):
        answer = await kit.web.get(url, params=asked, headers=bearer)
        assert answer.json()["hls"], asked
    # a client's own bearer is no viewer's
    made = await kit.call("POST", PATH, {"name": "legacy", "roleId": "role-viewer"})
    form = {"client_id": made["id"], "client_secret": made["apiKey"], "grant_type": "client_credentials"}
    issued = (await kit.web.post(f"{kit.server.url}/videokit/oauth/token", data=form)).json()
    client = {"Authorization": f"Bearer {issued['access_token']}"}
    for asked, status, said in (
        ({}, 400, "assetId or token is required"),
        ({"assetId": asset}, 403, "token_missing"),
    ):
        answer = await kit.web.get(url, params=asked, headers=client)
        assert (answer.status_code, said in answer.text) == (status, True), answer.text
    assert (await kit.web.get(url, params={"token": token}, headers=client)).json()["hls"]
    for change in ({"exp": 1}, {"tenantid": str(uuid4())}, {"assetid": str(uuid4())}):
        bad = jwt.encode({**claims, **change}, secret, "HS256")
        answer = await kit.web.get(url, params={"assetId": asset, "token": bad})
        assert answer.status_code in (403, 404), change
    embed = settings["bitmovinPlayerInfo"]["embedUrl"]
    await kit.call("PATCH", f"/streaming/v1/assets/{asset}/settings", {"tokenRequired": "Disabled"})

    async def opens() -> bool:
        page = await kit.web.get(embed, params={"assetId": asset}, follow_redirects=True)
        return page.status_code == 200

    await until(opens, timeout_s=10)
    assert endpoint(await kit.vod(asset), "HLS")
