"""Content tokens come from anybody: whatever they are, they are judged and nothing is raised."""

import base64
import hmac
import json
from uuid import UUID

import jwt
import pytest

from polycast.services.content_tokens import REFUSED, Ticket, asset_named, read_content_token

TENANT, ASSET = UUID(int=1), UUID(int=2)
SECRET = base64.b64encode(b"s" * 32).decode()
CLAIMS = {"tenantid": str(TENANT), "assetid": str(ASSET)}


def part(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


HEADER = part('{"alg":"HS256","typ":"JWT"}')
DEEP = part("[" * 1500 + "]" * 1500)
HOSTILE = [
    "",
    ".",
    "..",
    "a.b.c",
    "\ud800.x.y",
    f"{DEEP}.{HEADER}.AAAA",
    f"{HEADER}.{DEEP}.AAAA",
    f"{part('5')}.{part('5')}.AAAA",
    f"{part('null')}.{part('[]')}.AAAA",
    f"{part('{}')}.{part('{}')}.",
    part('{"alg":["HS256"]}') + f".{part('{}')}.AAAA",
    part('{"alg":"none"}') + f".{part(str(CLAIMS))}.",
    "x" * 100_000,
]


@pytest.mark.parametrize("token", HOSTILE)
def test_rubbish_admits_nobody_and_names_nothing(token: str) -> None:
    assert read_content_token(token, SECRET, tenant=TENANT, asset=ASSET) == REFUSED
    assert asset_named(token) == ""


@pytest.mark.parametrize("claim", [["x"], None, 5, {"a": 1}])
def test_an_asset_that_is_no_text_is_none(claim: object) -> None:
    assert asset_named(jwt.encode({"assetid": claim}, b"s" * 32)) == ""


def test_the_tenants_own_key_admits() -> None:
    key = base64.b64decode(SECRET)
    good = jwt.encode({**CLAIMS, "userid": "u"}, key)
    assert read_content_token(good, SECRET, tenant=TENANT, asset=ASSET) == Ticket(True, "u")
    ending = jwt.encode({**CLAIMS, "exp": 4_000_000_000}, key)
    assert read_content_token(ending, SECRET, tenant=TENANT, asset=ASSET) == Ticket(True, None, 4_000_000_000)
    assert asset_named(good) == str(ASSET)
    # another asset or tenant, a changed letter, a tenant without a key, a token that is over
    assert read_content_token(good, SECRET, tenant=TENANT, asset=UUID(int=3)) == REFUSED
    assert read_content_token(good, SECRET, tenant=UUID(int=3), asset=ASSET) == REFUSED
    assert read_content_token(good[:-2] + "AA", SECRET, tenant=TENANT, asset=ASSET) == REFUSED
    assert read_content_token(good, "", tenant=TENANT, asset=ASSET) == REFUSED
    over = jwt.encode({**CLAIMS, "exp": 1}, key)
    assert read_content_token(over, SECRET, tenant=TENANT, asset=ASSET) == REFUSED
    unusable: tuple[object, ...] = (None, "soon", [], float("inf"))
    for wrong in unusable:
        # the library refuses to write most of these
        signed = f"{HEADER}.{part(json.dumps({**CLAIMS, 'exp': wrong}))}"
        mac = base64.urlsafe_b64encode(hmac.digest(key, signed.encode(), "sha256")).rstrip(b"=").decode()
        assert read_content_token(f"{signed}.{mac}", SECRET, tenant=TENANT, asset=ASSET) == REFUSED
    unsigned = jwt.encode(CLAIMS, "", algorithm="none")
    assert read_content_token(unsigned, SECRET, tenant=TENANT, asset=ASSET) == REFUSED
