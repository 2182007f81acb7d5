"""Who may watch: sessions, domain limits, content tokens, deletion. Over a real server."""

import base64
import time
from uuid import uuid4

import httpx
import jwt
import pytest

from polycast.domain.access import Caller
from polycast.protocols.signing import Session, read_session, sign_session
from polycast.services.content_tokens import Ticket
from polycast.services.playback import Owner
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
        assert "origin" not in answer.headers.get("vary", "")
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


@pytest.mark.parametrize("name", ["playlist.m3u8", "g/{gen}/audio_1.m3u8", "captions/1.vtt"])
@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_pages_that_keep_their_name_to_themselves_are_refused(
    client: httpx.AsyncClient, services: Services, tenant: Tenant, name: str, site: str
) -> None:
    made = await limited(services, tenant)
    path = f"{made.base}/{name.replace('{gen}', str(made.generation))}"
    element = {"sec-fetch-site": site, "sec-fetch-dest": "video", "sec-fetch-mode": "no-cors"}
    assert (await client.get(path, headers=element)).status_code == 403
    # a listed page says who it is, and our own pages need not
    assert (await client.get(path, headers={**element, "referer": f"{ALLOWED}/x"})).status_code == 307
    assert (await client.get(path, headers={**element, "origin": ALLOWED})).status_code == 307
    own = {**element, "sec-fetch-site": "same-origin"}
    assert (await client.get(path, headers=own)).status_code == 307
    # a link from a mail leads to the address itself, not to somebody's page with it
    link = {"sec-fetch-site": site, "sec-fetch-dest": "document", "sec-fetch-mode": "navigate"}
    assert (await client.get(path, headers=link)).status_code == 307


async def test_shared_caches_keep_nothing_that_others_are_refused(
    client: httpx.AsyncClient, services: Services, tenant: Tenant
) -> None:
    made = await publish(services, tenant, captions=True)
    names = ("playlist.m3u8", "manifest.mpd", f"g/{made.generation}/audio_1.m3u8", "captions/1.m3u8")
    for name in (*names, "chapters.vtt"):
        kept = (await client.get(f"{made.base}/{name}")).headers["cache-control"]
        assert kept.startswith("public, max-age="), name
    await services.domains.add(system(tenant), ALLOWED)
    for name in (*names, "chapters.vtt"):
        # a player that names no page is let in; what it got is not for whoever asks the same cache
        answer = await client.get(f"{made.base}/{name}", follow_redirects=True)
        assert answer.status_code == 200
        assert answer.headers["cache-control"].startswith("private, max-age="), name


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
    fresh = read_session(services.ring, answer.headers["location"].split("/")[2])
    assert (fresh.asset, fresh.viewer, fresh.renew_until) == (str(made.uid), "viewer 7", None)
    assert fresh.issued >= now - 300 and fresh.start_until == fresh.stop_at > now + 9000
    assert (await client.get(answer.headers["location"])).status_code == 200
    # segments of the old one go on
    assert (await client.get(f"/s/{late}{made.segment()}")).status_code == 200
    young = sign_session(services.ring, Session(str(made.uid), now, now + 9000, now + 9000))
    assert (await client.get(f"/s/{young}{playlist}")).status_code == 200


async def test_a_session_is_not_renewed_behind_the_end_of_its_token(
    client: httpx.AsyncClient, services: Services, tenant: Tenant
) -> None:
    made = await publish(services, tenant, settings=TOKEN_ONLY)
    now = int(time.time())
    playlist = f"{made.base}/g/{made.generation}/video_360p.m3u8"

    def late(renew_until: int | None) -> str:
        times = (now - 9000, now + 900, now + 900)
        return sign_session(services.ring, Session(str(made.uid), *times, "viewer 7", renew_until))

    for ended in (late(now - 900), late(None)):
        # what was begun is played to its end, and that is it
        assert (await client.get(f"/s/{ended}{playlist}")).status_code == 200
        assert (await client.get(f"/s/{ended}{made.base}/playlist.m3u8")).status_code == 200
    running = now - now % 300 + 600
    renewed = await client.get(f"/s/{late(running)}{playlist}")
    assert renewed.status_code == 307
    following = read_session(services.ring, renewed.headers["location"].split("/")[2])
    assert (following.viewer, following.renew_until) == ("viewer 7", running)
    assert following.stop_at > now + 9000
    assert (await client.get(renewed.headers["location"])).status_code == 200


async def test_how_long_a_token_renews(client: httpx.AsyncClient, services: Services, tenant: Tenant) -> None:
    made = await publish(services, tenant, settings=TOKEN_ONLY)
    now = int(time.time())
    life = 6 * 3600
    for claims, latest in (({"exp": now + 900}, now + 900), ({"exp": now + 90_000}, now + life)):
        begun = await client.get(
            f"{made.base}/playlist.m3u8", params={"token": await content_token(services, made, **claims)}
        )
        session = read_session(services.ring, begun.headers["location"].split("/")[2])
        assert session.renew_until is not None
        assert latest <= session.renew_until <= latest + 310
        page = await client.get(
            f"/play/{made.code}/config.json",
            params={"token": await content_token(services, made, **claims)},
        )
        of_page = read_session(services.ring, page.json()["sources"]["hls"].split("/")[4])
        assert of_page.renew_until == session.renew_until
    # who needs no token is renewed as long as the policy lets him in
    open_to_sites = await limited(services, await new_tenant(services, "without tokens"))
    begun = await client.get(f"{open_to_sites.base}/playlist.m3u8")
    assert read_session(services.ring, begun.headers["location"].split("/")[2]).renew_until is None


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
    tickets = [Ticket(True, viewer, ends) for viewer in ("a", "b") for ends in (None, at + 900, at + 2000)]
    assert len({services.playback.admit(asset, ticket, now=at) for ticket in tickets}) == 6


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
    token = await content_token(services, made, userid="u-1")
    good = {"token": token}
    begun = await client.get(f"{made.base}/playlist.m3u8", params=good)
    assert begun.status_code == 307 and "token" not in begun.headers["location"]
    ticket = await services.playback.ticket(Owner(tenant.ref.num, tenant.ref.uid), made.uid, token)
    assert begun.headers["location"].split("/")[2] == services.playback.admit(made.uid, ticket)
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
