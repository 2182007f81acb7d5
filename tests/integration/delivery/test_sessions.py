"""Who may watch: sessions, domain limits, content tokens, deletion. Over a real server."""

import base64
import time
from uuid import uuid4

import httpx
import jwt
import pytest

from polycast.domain.access import Caller
from polycast.protocols.signing import Session, sign_session
from polycast.services.registry import Services
from polycast.services.tenants import Tenant, as_system
from tests.integration.delivery.published import Published, new_tenant, publish
from tests.support.waiting import until

ALLOWED = "https://good.example"
TOKEN_ONLY = {"token_required": True}


def system(tenant: Tenant) -> Caller:
    return as_system(tenant.ref, "system:test")


async def limited(services: Services, tenant: Tenant) -> Published:
    """An asset that only pages of one origin may show."""
    await services.domains.add(system(tenant), ALLOWED)
    return await publish(services, tenant, captions=True)


async def content_token(services: Services, made: Published, **claims: object) -> str:
    secret = base64.b64decode(await services.tenants.secret(made.tenant.ref.num, "content"))
    given = {"tenantid": str(made.tenant.ref.uid), "assetid": str(made.uid), "exp": int(time.time()) + 60}
    return jwt.encode(given | claims, secret, algorithm="HS256")


async def test_public_assets_play_without_a_session(
    client: httpx.AsyncClient, services: Services, tenant: Tenant
) -> None:
    made = await publish(services, tenant)
    for path in (f"{made.base}/playlist.m3u8", f"{made.base}/manifest.mpd", made.segment()):
        answer = await client.get(path)
        assert answer.status_code == 200, path
        assert "vary" not in answer.headers
        assert "/s/" not in answer.text if path.endswith(("m3u8", "mpd")) else True


async def test_limited_assets_play_inside_a_session(
    client: httpx.AsyncClient, services: Services, tenant: Tenant
) -> None:
    made = await limited(services, tenant)
    begun = await client.get(f"{made.base}/playlist.m3u8", headers={"origin": ALLOWED})
    assert begun.status_code == 307
    assert begun.headers["cache-control"] == "private, no-store"
    assert begun.headers["access-control-allow-origin"] == ALLOWED
    location = begun.headers["location"]
    assert location.startswith("/s/") and location.endswith(f"{made.base}/playlist.m3u8")
    manifest = await client.get(location, headers={"origin": ALLOWED})
    assert manifest.status_code == 200
    assert manifest.headers["vary"] == "origin"
    assert manifest.headers["access-control-allow-origin"] == ALLOWED
    # bodies are the same for all viewers: nothing of a session in them
    assert "/s/" not in manifest.text
    prefix = location.removesuffix(f"{made.base}/playlist.m3u8")
    for path in (
        f"{made.base}/g/{made.generation}/video_360p.m3u8",
        f"{made.base}/captions/1.m3u8",
        f"{made.base}/captions/1.vtt",
        f"{made.base}/manifest.mpd",
        f"{made.base}/chapters.vtt",
        made.segment(),
        made.segment(1, "audio_1"),
    ):
        assert (await client.get(prefix + path, headers={"origin": ALLOWED})).status_code == 200, path
        bare = await client.get(path, headers={"origin": ALLOWED})
        assert bare.status_code == (403 if path.endswith("m4s") else 307), path
    # pictures for lists are open
    assert (await client.get(f"{made.base}/thumbnail.jpg")).status_code == 200


@pytest.mark.parametrize("name", ["playlist.m3u8", "manifest.mpd", "g/{gen}/audio_1.m3u8", "captions/1.vtt"])
@pytest.mark.parametrize(
    "headers",
    [{"origin": "https://evil.example"}, {"origin": "null"}, {"referer": "https://evil.example/page"},
     {"origin": "https://good.example.evil.example"}, {"origin": "http://good.example"}],
)  # fmt: skip
async def test_other_pages_are_refused(
    client: httpx.AsyncClient, services: Services, tenant: Tenant, name: str, headers: dict[str, str]
) -> None:
    made = await limited(services, tenant)
    path = f"{made.base}/{name.replace('{gen}', str(made.generation))}"
    answer = await client.get(path, headers=headers)
    assert answer.status_code == 403
    assert "site" in answer.text
    assert answer.headers["access-control-allow-origin"] == "*"  # the page's player may say why
    # a session taken from an allowed page opens no manifest for another one
    prefix = f"/s/{services.playback.admit(made.uid)}"
    if not name.endswith("vtt"):
        assert (await client.get(prefix + path, headers=headers)).status_code == 403
    assert (await client.get(prefix + made.segment(), headers=headers)).status_code == 200


async def test_players_that_are_no_browsers_and_own_pages(
    client: httpx.AsyncClient, services: Services, tenant: Tenant
) -> None:
    made = await limited(services, tenant)
    own = str(client.base_url).rstrip("/")
    for headers in ({}, {"origin": own}, {"referer": f"{own}/embed/x"}):
        assert (await client.get(f"{made.base}/playlist.m3u8", headers=headers)).status_code == 307


async def test_a_limit_acts_at_once_and_its_end_too(
    client: httpx.AsyncClient, services: Services, tenant: Tenant
) -> None:
    made = await publish(services, tenant)
    evil = {"origin": "https://evil.example"}
    assert (await client.get(f"{made.base}/playlist.m3u8", headers=evil)).status_code == 200
    domain = await services.domains.add(system(tenant), ALLOWED)
    assert (await client.get(f"{made.base}/playlist.m3u8", headers=evil)).status_code == 403
    await services.domains.remove(system(tenant), player=domain.uid)
    assert (await client.get(f"{made.base}/playlist.m3u8", headers=evil)).status_code == 200


async def test_sessions_of_another_asset_expired_and_forged(
    client: httpx.AsyncClient, services: Services, tenant: Tenant
) -> None:
    one, other = await limited(services, tenant), await publish(services, tenant)
    now = int(time.time())
    good = services.playback.admit(one.uid)
    expired = sign_session(services.ring, Session(str(one.uid), now - 9000, now - 600, now - 600))
    tokens = {
        services.playback.admit(other.uid): 403,
        expired: 403,
        good[:-1] + ("A" if good[-1] != "A" else "B"): 403,
        good.replace(str(one.uid), str(other.uid)): 403,
        good.rpartition(".")[0]: 403,
        f"{good}x": 403,
        "x" * 500: 404,
        good: 200,
    }
    for token, status in tokens.items():
        for path in (one.segment(), f"{one.base}/playlist.m3u8"):
            answer = await client.get(f"/s/{token}{path}")
            assert answer.status_code == status, (token, path)


async def test_renewal_in_the_last_third(
    client: httpx.AsyncClient, services: Services, tenant: Tenant
) -> None:
    made = await limited(services, tenant)
    now = int(time.time())
    playlist = f"{made.base}/g/{made.generation}/video_360p.m3u8"
    late = sign_session(services.ring, Session(str(made.uid), now - 9000, now + 900, now + 900, "viewer 7"))
    answer = await client.get(f"/s/{late}{playlist}")
    assert answer.status_code == 307
    fresh = answer.headers["location"].split("/")[2]
    assert fresh == services.playback.admit(made.uid, viewer="viewer 7") != late
    assert (await client.get(answer.headers["location"])).status_code == 200
    # segments of the old one go on
    assert (await client.get(f"/s/{late}{made.segment()}")).status_code == 200
    young = sign_session(services.ring, Session(str(made.uid), now, now + 9000, now + 9000))
    assert (await client.get(f"/s/{young}{playlist}")).status_code == 200


async def test_may_start_until(client: httpx.AsyncClient, services: Services, tenant: Tenant) -> None:
    made = await limited(services, tenant)
    now = int(time.time())
    token = sign_session(services.ring, Session(str(made.uid), now, now - 600, now + 9000))
    assert (await client.get(f"/s/{token}{made.base}/playlist.m3u8")).status_code == 403
    assert (await client.get(f"/s/{token}{made.base}/g/{made.generation}/audio_1.m3u8")).status_code == 200
    assert (await client.get(f"/s/{token}{made.segment()}")).status_code == 200


async def test_equal_claims_give_equal_tokens(services: Services) -> None:
    asset = uuid4()
    at = 1_800_000_000 - 1_800_000_000 % 300
    tokens = {services.playback.admit(asset, now=at + s) for s in (1, 100, 299)}
    assert len(tokens) == 1
    assert services.playback.admit(asset, now=at + 301) not in tokens
    assert services.playback.admit(asset, viewer="a", now=at) != services.playback.admit(
        asset, viewer="b", now=at
    )


async def test_token_required(client: httpx.AsyncClient, services: Services, tenant: Tenant) -> None:
    made = await publish(services, tenant, settings=TOKEN_ONLY, captions=True)
    other = await new_tenant(services, "another tenant")
    theirs = await publish(services, other, settings=TOKEN_ONLY)
    bad = {
        "none": None,
        "rubbish": "x.y.z",
        "of another asset": await content_token(services, made, assetid=str(theirs.uid)),
        "of another tenant": await content_token(services, made, tenantid=str(other.ref.uid)),
        "under another tenant's key": await content_token(
            services, theirs, tenantid=str(tenant.ref.uid), assetid=str(made.uid)
        ),
        "expired": await content_token(services, made, exp=int(time.time()) - 5),
        "unsigned": jwt.encode(
            {"tenantid": str(tenant.ref.uid), "assetid": str(made.uid)}, "", algorithm="none"
        ),
        "HS512": jwt.encode(
            {"tenantid": str(tenant.ref.uid), "assetid": str(made.uid)},
            base64.b64decode(await services.tenants.secret(tenant.ref.num, "content")).ljust(64, b"\0"),
            algorithm="HS512",
        ),
    }
    for name, token in bad.items():
        params = {"token": token} if token else {}
        for path in (f"{made.base}/playlist.m3u8", f"{made.base}/manifest.mpd", f"{made.base}/captions/1.vtt",
                     f"/play/{made.code}", f"/embed/{made.code}", f"/play/{made.code}/config.json"):  # fmt: skip
            answer = await client.get(path, params=params)
            assert answer.status_code == 403, (name, path)
    good = {"token": await content_token(services, made, userid="u-1")}
    begun = await client.get(f"{made.base}/playlist.m3u8", params=good)
    assert begun.status_code == 307 and "token" not in begun.headers["location"]
    assert begun.headers["location"].split("/")[2] == services.playback.admit(made.uid, viewer="u-1")
    assert (await client.get(begun.headers["location"])).status_code == 200
    page = await client.get(f"/embed/{made.code}", params=good)
    assert page.status_code == 200 and "/s/" in page.text
    config = (await client.get(f"/play/{made.code}/config.json", params=good)).json()
    assert "/s/" in config["sources"]["hls"] and good["token"] in config["config_url"]
    assert (await client.get(config["sources"]["hls"])).status_code == 200
    assert (await client.get(config["captions"][0]["url"])).status_code == 200


async def test_deleted_assets_stop(client: httpx.AsyncClient, services: Services, tenant: Tenant) -> None:
    public, secret = await publish(services, tenant), await publish(services, tenant, settings=TOKEN_ONLY)
    prefix = f"/s/{services.playback.admit(secret.uid)}"
    for path in (public.segment(), prefix + secret.segment()):
        assert (await client.get(path)).status_code == 200
    for made in (public, secret):
        await services.assets.delete(system(tenant), made.uid)
    assert (await client.get(f"{public.base}/playlist.m3u8")).status_code == 404
    assert (await client.get(f"{prefix}{secret.base}/playlist.m3u8")).status_code == 404

    async def stopped() -> bool:
        answers = [await client.get(path) for path in (public.segment(), prefix + secret.segment())]
        return all(answer.status_code == 404 for answer in answers)

    # the objects are still there: it is the five-second-old policy that stops them
    stored = services.store.local_path(f"media/{public.uid}/{public.key()}")
    assert stored is not None and stored.is_file()
    await until(stopped, timeout_s=8, what="segments of deleted assets are refused")


async def test_a_blocked_tenant_stops(client: httpx.AsyncClient, services: Services, tenant: Tenant) -> None:
    from sqlalchemy import update

    from polycast.db.tables import tenants

    made = await publish(services, tenant)
    async with services.db.transaction() as tx:
        await tx.execute(update(tenants).where(tenants.c.num == tenant.ref.num).values(status="blocked"))
    assert (await client.get(f"{made.base}/playlist.m3u8")).status_code == 403
    assert (await client.get(f"/play/{made.code}")).status_code == 403
    assert (await client.get(made.segment())).status_code == 403
    assert (await client.get(f"{made.base}/thumbnail.jpg")).status_code == 404
