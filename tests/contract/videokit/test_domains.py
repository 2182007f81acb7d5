"""Section Domains: where the player may run."""

from uuid import uuid4

import pytest

from tests.contract.videokit.kit import Kit, endpoint
from tests.support.media import Media

SITE = "https://watch.example.org"


@pytest.mark.operation("videokit.add_domain")
@pytest.mark.operation("videokit.list_domains")
@pytest.mark.operation("videokit.delete_domain")
async def test_the_first_domain_limits_embedding_to_the_list(kit: Kit, media: Media) -> None:
    asset = await kit.create(await kit.upload(media.clip("h264")))
    hls = endpoint(await kit.playable(asset), "HLS")
    config = f"{kit.server.url}/videokit/v1/sourceconfig?assetId={asset}"
    evil = {"Origin": "https://evil.example.net"}
    assert "frame-ancestors *" in (await kit.page(asset)).headers["content-security-policy"]
    assert (await kit.web.get(hls, headers=evil)).status_code == 200
    assert await kit.call("GET", "/streaming/v1/domains") == []

    added = await kit.call("POST", "/streaming/v1/domains", {"url": f"{SITE}:443/"})
    assert added["url"] == SITE
    assert await kit.call("GET", "/streaming/v1/domains") == [added]
    assert (await kit.call("GET", "/streaming/v1/settings"))["allowedDomains"] == [added]
    policy = (await kit.page(asset)).headers["content-security-policy"]
    ancestors = next(d for d in policy.split(";") if "frame-ancestors" in d).split()[1:]
    assert SITE in ancestors
    assert "*" not in ancestors
    for headers in (evil, {"Referer": "https://evil.example.net/page"}, {"Origin": f"{SITE}.evil.net"}):
        assert (await kit.web.get(hls, headers=headers)).status_code == 403, headers
        assert (await kit.web.get(config, headers=headers)).status_code == 403, headers
    allowed = await kit.web.get(hls, headers={"Origin": SITE}, follow_redirects=True)
    assert allowed.status_code == 200
    assert (await kit.web.get(config, headers={"Origin": SITE})).status_code == 200
    await kit.refused(409, "POST", "/streaming/v1/domains", {"url": SITE.upper()})

    assert await kit.call("DELETE", f"/streaming/v1/domains?PlayerDomainId={added['playerDomainId']}") is None
    assert await kit.call("GET", "/streaming/v1/domains") == []
    assert (await kit.web.get(hls, headers=evil)).status_code == 200
    assert "frame-ancestors *" in (await kit.page(asset)).headers["content-security-policy"]


async def test_what_domains_refuse(kit: Kit) -> None:
    for wrong in (
        "",
        "ftp://example.org",
        "https://*.example.org",
        "https://example.org/path",
        "https://user:pw@example.org",
        "https://exa mple.org",
        "https://example.org:99999",
        "javascript:alert(1)",
        "https://example.org;script-src *",
        "https://[::1",
        "x" * 600,
        None,
        5,
    ):
        await kit.refused(400, "POST", "/streaming/v1/domains", {"url": wrong})
    await kit.refused(400, "DELETE", "/streaming/v1/domains")
    await kit.refused(404, "DELETE", f"/streaming/v1/domains?playerDomainId={uuid4()}")
    await kit.refused(404, "DELETE", "/streaming/v1/domains?analyticsDomainId=x")
    added = await kit.call("POST", "/streaming/v1/domains", {"url": "localhost:8080"})
    assert added["url"] == "https://localhost:8080"
    await kit.call("DELETE", f"/streaming/v1/domains?analyticsDomainId={added['analyticsDomainId']}")
    assert await kit.call("GET", "/streaming/v1/domains") == []
