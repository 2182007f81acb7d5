"""Credentials, the walls between libraries, CORS, limits: what every operation shares."""

import asyncio
import json

import pytest

from polycast.dialects.bodies import MAX_BODY, MAX_VALUES
from tests.contract.gotipath.client import Gotipath
from tests.support.raw import connected

NAMES = ("X-Auth-ClientId", "X-Auth-LibraryId", "X-Auth-ApiKey")
OTHER = "00000000-0000-4000-8000-000000000000"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [None, "", "x", OTHER])
async def test_all_three_headers_must_be_right(gotipath: Gotipath, name: str, value: str | None) -> None:
    headers = {k: v for k, v in gotipath.credentials.items() if k != name}
    if value is not None:
        headers[name] = value
    answer = await gotipath.http.get(f"{gotipath.base}/libraries/{gotipath.library}/videos", headers=headers)
    # a library that is well-formed but not the key's is another library's, not a bad credential
    other_library = name == NAMES[1] and value == OTHER
    assert answer.status_code == (403 if other_library else 401)
    assert answer.json()["success"] is False
    assert answer.headers["access-control-allow-origin"] == "*"


async def test_a_key_works_in_its_own_library_only(gotipath: Gotipath, stranger: Gotipath) -> None:
    await stranger.refused(403, "GET", f"/libraries/{gotipath.library}/videos")
    await stranger.refused(403, "PUT", f"/libraries/{gotipath.library}", json={"name": "x"})
    await stranger.refused(403, "GET", "/libraries/x/videos")
    mixed = stranger.credentials | {NAMES[1]: gotipath.library}
    answer = await gotipath.http.get(f"{gotipath.base}/libraries/{gotipath.library}/videos", headers=mixed)
    assert answer.status_code == 403


async def test_a_revoked_key_is_a_bad_credential(gotipath: Gotipath) -> None:
    own = (await gotipath.ok("GET", ""))["api_key"]
    keys = f"{gotipath.server.url}/videokit/core/v1/api-key"
    listed = await gotipath.http.get(keys, headers={"x-api-key": gotipath.key})
    (found,) = (k for k in listed.json()["items"] if k["name"] == "Library key")
    gone = await gotipath.http.delete(f"{keys}/{found['id']}", headers={"x-api-key": gotipath.key})
    assert gone.status_code < 300
    async with Gotipath(gotipath.server, gotipath.client, gotipath.library, own) as revoked:
        await revoked.refused(401, "GET", "videos")


@pytest.mark.parametrize(
    "token",
    [
        *("", "x", "[]", "null", "{}", "[" * 10_000, '{"X-Auth-ApiKey": 1}', '{"X-Auth-ApiKey": "x"}'),
        # half a surrogate pair
        json.dumps(dict.fromkeys(NAMES[:2], OTHER) | {NAMES[2]: "\ud800"}),
    ],
)
async def test_a_bad_token_is_a_bad_credential(gotipath: Gotipath, token: str) -> None:
    answer = await gotipath.http.post(
        f"{gotipath.base}/uploads/s3/multipart", headers={"uppy-auth-token": token}, json={}
    )
    assert answer.status_code == 401
    assert answer.headers["access-control-allow-origin"] == "*"


async def test_the_token_counts_below_uploads_alone(gotipath: Gotipath) -> None:
    upload = await gotipath.http.post(
        f"{gotipath.base}/uploads/s3/multipart", headers=gotipath.token, json={}
    )
    assert upload.status_code == 400
    videos = await gotipath.http.get(
        f"{gotipath.base}/libraries/{gotipath.library}/videos", headers=gotipath.token
    )
    assert videos.status_code == 401


@pytest.mark.parametrize(
    "path", ["/uploads/s3/multipart", "/uploads/s3/multipart/x/1", "/libraries", "/none"]
)
async def test_browsers_may_ask_first(gotipath: Gotipath, path: str) -> None:
    headers = {
        "origin": "https://site.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type,uppy-auth-token",
    }
    answer = await gotipath.http.options(f"{gotipath.base}{path}", headers=headers)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    allowed = {name.strip() for name in answer.headers["access-control-allow-headers"].split(",")}
    own = {name.lower() for name in NAMES}
    assert allowed >= own | {"accept", "content-type", "uppy-auth-token", "uppy-versions"}
    assert "*" not in allowed
    methods = {name.strip() for name in answer.headers["access-control-allow-methods"].split(",")}
    assert methods >= {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}
    # older browser clients send this request themselves and read the list from script
    assert "access-control-allow-headers" in answer.headers["access-control-expose-headers"]
    assert int(answer.headers["access-control-max-age"]) > 0


async def test_what_is_not_there_is_answered_in_the_envelope(gotipath: Gotipath) -> None:
    await gotipath.refused(404, "GET", "/nothing")
    await gotipath.refused(405, "PATCH", "videos")
    address = f"{gotipath.base}/libraries/{gotipath.library}/videos"
    refused = await gotipath.http.patch(address, headers=gotipath.credentials)
    assert refused.headers["allow"] == "GET, POST, PUT"
    slashes = await gotipath.http.get(
        f"{gotipath.base}//libraries/{gotipath.library}//videos/", headers=gotipath.credentials
    )
    assert slashes.status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "livestreams"),
        ("PATCH", "livestreams/7/ban"),
        ("POST", "notifications/7/resend"),
        ("PUT", "access-controls"),
        ("POST", "watermarks"),
        ("DELETE", "advertisements/7"),
    ],
)
async def test_sections_that_are_not_there_say_so(gotipath: Gotipath, method: str, path: str) -> None:
    assert "not part of this version" in (await gotipath.refused(501, method, path))["message"]
    answer = await gotipath.http.request(method, f"{gotipath.base}/libraries/{gotipath.library}/{path}")
    assert answer.status_code == 401


async def test_bodies_that_call_themselves_a_form_are_told_what_to_say(gotipath: Gotipath) -> None:
    """curl does, unless it is told otherwise; a client that says nothing means JSON."""
    form = {"content-type": "application/x-www-form-urlencoded"}
    body = await gotipath.refused(400, "POST", "videos", content=b'{"name": "x"}', headers=form)
    assert "application/json" in body["message"]
    await gotipath.ok("POST", "videos", content=b'{"name": "x"}')


async def test_bodies_have_a_limit(gotipath: Gotipath) -> None:
    """Said by the header alone when the length is announced, else as soon as too much has come."""
    announced = await _posted(gotipath, {"content-length": str(MAX_BODY + 1)}, [])
    assert b" 413 " in announced
    assert b"access-control-allow-origin: *" in announced.lower()
    block = b"%x\r\n%s\r\n" % (MAX_BODY // 4, b" " * (MAX_BODY // 4))
    counted = await _posted(gotipath, {"transfer-encoding": "chunked"}, [block] * 5)
    assert b" 413 " in counted
    assert b'"success":false' in counted
    many = json.dumps({"name": "x", "tags": [[]] * MAX_VALUES})
    await gotipath.refused(413, "POST", "videos", content=many)
    longest = [{"PartNumber": n, "ETag": f'"{n:032x}"'} for n in range(1, 10_001)]
    path = f"/uploads/s3/multipart/{OTHER}/complete?key=x"
    await gotipath.refused(404, "POST", path, content=json.dumps({"parts": longest}, indent=4))


@pytest.mark.parametrize("path", ["/libraries/{library}/videos", "/uploads/s3/multipart", "/libraries"])
async def test_callers_are_known_before_their_bodies_are_read(gotipath: Gotipath, path: str) -> None:
    """The body never comes: an answer to it shows that nobody waited for one."""
    path = path.format(library=gotipath.library)
    nobody = gotipath.credentials | {NAMES[2]: "nobody's"}
    for length in ({"content-length": "1000"}, {"transfer-encoding": "chunked"}):
        assert b" 401 " in await _posted(gotipath, length, [], path=path, credentials=nobody)


async def _posted(
    gotipath: Gotipath,
    length: dict[str, str],
    blocks: list[bytes],
    path: str = "",
    credentials: dict[str, str] | None = None,
) -> bytes:
    """The beginning of the answer to a POST whose body never ends."""
    path = path or f"/libraries/{gotipath.library}/videos"
    headers = {"content-type": "application/json"} | length | (credentials or gotipath.credentials)
    async with connected(gotipath.server.url) as connection:
        connection.head("POST", f"/gotipath/v1{path}", headers)
        for block in blocks:
            connection.send(block)
        return await connection.answer()


async def test_more_than_sixty_requests_a_second_have_to_wait(gotipath: Gotipath, stranger: Gotipath) -> None:
    url = f"{gotipath.base}/libraries/{gotipath.library}/tags"
    answers = await asyncio.gather(
        *(gotipath.http.options(url) for _ in range(100)),
        *(gotipath.http.get(url, headers=gotipath.credentials) for _ in range(300)),
    )
    statuses = [answer.status_code for answer in answers]
    assert set(statuses[:100]) == {204}
    assert set(statuses[100:]) == {200, 429}
    assert statuses[100:].count(200) >= 60
    late = next(answer for answer in answers if answer.status_code == 429)
    assert late.headers["access-control-allow-origin"] == "*"
    assert late.headers["retry-after"] == "1"
    assert json.loads(late.text)["success"] is False
    assert (await stranger.call("GET", "tags")).status_code == 200
